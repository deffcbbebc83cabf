// A host's end of the wire, small and knowing everything: sessions whose messages are made from their numbers, a feed of the same, decisions counted.
// It can lose requests and answers, be silent, and begin another life. One thread of its own. It closes no connection by itself: with NNG 1.5 a
// nng_pipe_close by a user's thread while an answer is on its way can leave the one thread that clears away all pipes of the process waiting for ever;
// cuts are for the proxy (support/chaos.h).
#ifndef TEST_SUPPORT_FAKE_HOST_H
#define TEST_SUPPORT_FAKE_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bell.h"
#include "base/random.h"
#include "hadron/error.h"
#include "hadron/wire.h"

#define FAKE_SESSIONS 4
#define FAKE_CALLS 16 // requests at a time
#define FAKE_DECISIONS 65536
#define FAKE_REFUSED 99 // a decision with this `regime` is refused

struct fake_options {
  const char *url, *feed; // feed: NULL: none
  uint64_t seed;
  uint64_t messages;      // of each session's stream, and of the feed; then heartbeats
  uint32_t burst;         // the most that one answer carries
  uint32_t publish;       // messages that the feed publishes every millisecond, at most
  uint64_t kept;          // messages that a repair can go back; 0: all
  double lose;            // requests and answers that are lost; of the feed: packets
  bool asks;              // message 5 is an ASK in two pieces
  bool asks_too_much;     // which claims to have 4 GiB
};

struct fake_session {
  uint32_t number, pipe;
  uint64_t epoch, acked, sent, handled;
};

struct fake_call { // a context of the REP socket
  struct fake_host *host;
  uint32_t context, pipe;
  void *aio, *request;           // nng_aio, nng_msg
  struct fake_session *session;  // of a NEXT that waits; else NULL
  int64_t since_ns;
  _Atomic uint32_t state;        // see fake_host.c
};

struct fake_host {
  struct fake_options options;
  pthread_t thread;
  bool runs; // there is a thread
  _Atomic bool stop;
  _Atomic int64_t freeze_until; // nothing is answered or published before
  struct hd_random random;
  uint64_t epoch;
  uint32_t rep, pub;       // sockets
  uint32_t listeners[2];   // theirs
  _Atomic int32_t pipes;   // connections of both
  struct fake_session sessions[FAKE_SESSIONS];
  uint32_t session_count;
  struct fake_call calls[FAKE_CALLS];
  struct hd_bell bell;
  uint64_t published;      // next number of the feed
  int64_t beat_ns;
  // The truth. Read after stop.
  _Atomic uint64_t taken[FAKE_DECISIONS]; // by the decision's key: how often it was taken
  _Atomic uint64_t decisions, hellos, resumes, answers, lost, stranger; // stranger: requests on a pipe that is not the session's
  char answer[256];        // of the last ANSWER, as it begins
  char hello[8192];        // the last HELLO
};

void fake_host_start(struct fake_host *h, const struct fake_options *options);
// May be started again: another epoch, no sessions. Whoever can, hangs up before: connections that are being closed at the other end are waited for.
void fake_host_stop(struct fake_host *h);

// The program itself as a host in a process of its own, which can be killed: main calls fake_host_main first. Returns false: this is no such process.
bool fake_host_main(int argc, char **argv);
pid_t fake_host_spawn(const struct fake_options *options);

// Message `number` of a stream: a tick, but every 37th a position. Feeds have ticks only.
bool fake_is_position(uint64_t number);
void fake_tick(uint64_t number, struct hadron_tick *out);
void fake_position(uint64_t number, struct hadron_position *out);

#endif
