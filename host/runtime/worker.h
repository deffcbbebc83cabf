// The worker: a child of the host that runs one version of one strategy in the sandbox (plugin/sandbox.h). It connects to the host's bus with
// the token that it was born with, pulls its stream and feeds a far engine (far.h) with it; decisions and answers go back the same way. It
// has one connection: when that is gone, so is the worker, and the host starts another (supervise.h).
//
//   1 boot file, walls    2 connection, HELLO, WELCOME    3 filter of system calls; from here on nothing of the machine is in reach
//   4 CREATE: the plugin is loaded, its instances are made    5 ticks, notes, asks, time
//
// Nothing that it says is believed by the host for being said: its arm is that of its connection, its decisions are checked like an inline
// strategy's, its state by the plugin that loads it.
//
// bound  HD_WORKER_WAITING decisions that the host has not taken    full  it ends: a strategy that decides without end
// thread the main thread, which is also [far]; NNG's own below the client
#ifndef HD_RUNTIME_WORKER_H
#define HD_RUNTIME_WORKER_H

#include "plugin/loader.h"

#define HD_WORKER_WAITING 65536

// The whole life of the child, with the descriptors of enum hd_worker_fd; returns what it exits with: enum hd_worker_exit. [the child]
int hd_worker_child(const struct hd_plugin_language *lua);

// What a session's stream says beside ticks, to a far engine. views: [instrument .. HD_INSTRUMENTS_MAX], what the arm has, kept in here. [far]
struct hd_far;
struct hadron_event;
struct hadron_position;
void hd_worker_messages(struct hd_far *far, struct hadron_position *views, const struct hadron_event *event);

#endif
