// Who has come in by a door and is nobody yet. NNG 1.5.2 gives nobody a time for a TLS handshake, nor for the request that begins a WebSocket (what waits for a
// handshake is not ended by its time: tls_cancel of src/supplemental/tls/tls_common.c finds nothing to abort): whoever connects and says nothing, or a byte now
// and then, would keep a descriptor and some 60 KB for as long as he likes, without a certificate. So the host looks at its own descriptors:
//
//   stranger   a TCP connection at one of our ports that is no connection of NNG's yet. It has `handshake_ns` to become one; of more than HD_LOBBY_MAX the
//              one that is there longest goes first
//   guest      one of NNG's, by a listener where whoever comes has to speak. Without a session, and without asking for one, it has `quiet_ns`
//
// Time is this thread's own, in steps: a machine that stood still does not count. Whoever is cut sees its connection end, and may come again.
//
// A descriptor's number may be another's a moment after a look at it: hd_fd_shut. Strangers are known by their cookie, which the kernel gives no socket twice.
//
// bound  HD_LOBBY_MAX strangers; between two looks (a second, a tenth while many wait) as many more as NNG accepts
// thread its own, [lobby]; `in` and `out` are called on NNG's; watch, seat, heard, figures [any]
#ifndef HD_BUS_LOBBY_H
#define HD_BUS_LOBBY_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

#define HD_LOBBY_HANDSHAKE_NS INT64_C(10000000000) // as NNG itself gives a peer of tcp:// for its greeting
#define HD_LOBBY_QUIET_NS INT64_C(30000000000)

struct hd_lobby;

int32_t hd_lobby_create(int64_t handshake_ns, int64_t quiet_ns, struct hd_lobby **out); // 0: as above. HADRON_ERR_MEMORY, HADRON_ERR_IO: /proc is not there
void hd_lobby_destroy(struct hd_lobby *lobby); // nobody listens any more. NULL is fine

// The port of this listener is looked at, in the place of the one that this owner had; id 0: none. ipc and inproc are not: who reaches those is this user.
void hd_lobby_watch(struct hd_lobby *lobby, const void *owner, nng_listener listener);
// A connection became one of NNG's; false: it has gone already, or cannot be remembered, and is to be closed. speaks: it has to have a session.
bool hd_lobby_in(struct hd_lobby *lobby, nng_pipe pipe, bool speaks);
void hd_lobby_out(struct hd_lobby *lobby, nng_pipe pipe);
void hd_lobby_seat(struct hd_lobby *lobby, uint32_t pipe, bool seated); // it has a session, or has none any more
void hd_lobby_heard(struct hd_lobby *lobby, uint32_t pipe);             // it said something, and waits

struct hd_lobby_figures {
  uint64_t strangers, guests; // that were cut
};
void hd_lobby_figures(const struct hd_lobby *lobby, struct hd_lobby_figures *out);

#endif
