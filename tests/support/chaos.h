// A proxy between two NNG sockets over tcp on loopback, in a process of its own: it understands SP's framing and drops, repeats, delays (and so
// reorders) messages, cuts and freezes connections, by seed. What a network, a slow host and a bad cable do, at any rate, both ways.
#ifndef TEST_SUPPORT_CHAOS_H
#define TEST_SUPPORT_CHAOS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct chaos_state { // shared with the child; may be changed while it runs. Rates are per million messages
  _Atomic uint32_t drop, twice, late, cut; // late: delayed by up to delay_ms
  _Atomic uint32_t delay_ms;
  _Atomic bool frozen[2];                  // 0: from the client to the host, 1: back; nothing is read and nothing written
  _Atomic bool down;                       // connections are cut and none is made
  _Atomic uint64_t messages, dropped, repeated, delayed, cuts, connections;
};

struct chaos {
  pid_t child;
  uint16_t port;             // to dial
  struct chaos_state *state;
};

uint16_t chaos_free_port(void);
// Forwards to 127.0.0.1:to.
void chaos_start(struct chaos *c, uint16_t to, uint64_t seed);
void chaos_stop(struct chaos *c);

#endif
