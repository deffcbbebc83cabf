// Does a listener of this host still let somebody in? NNG 1.5.2 takes a connection that breaks in the wrong moment of its greeting (EPIPE becomes NNG_ECLOSED) for the
// end of the listener, and accepts nobody any more, without a word (nng issue 1518, mended in 1.6.0): a program that is killed in its first milliseconds would close
// the door for all others. So the host knocks at its own doors, and whoever owns one that does not open listens anew.
//
// ipc, tcp  once a second, with the greeting of a peer: the listener answers it and counts a connection
// tls+tcp   only where a connection broke off since it was last known to be good, and with a few bytes that are no TLS: a listener that lives counts them
//           as one more failure. Three that are not counted make it stuck
// ws, wss   never: what accepts there goes on after any error
//
// thread of its owner
#ifndef HD_BUS_DOOR_H
#define HD_BUS_DOOR_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

struct hd_door {
  int fd;             // of a knock; 0: none
  bool sent, greeted, suspect;
  uint32_t missed;    // knocks in a row
  uint64_t seen;      // connections and failures before the knock
  uint64_t other;     // failures that may have ended the listener, as of when it was looked at
  uint64_t own;       // failures that are our own knocks
  int64_t next_ns, looked_ns, waited_ns;
};

// To be called again and again. protocol: SP's number of who comes. accepted: connections that the listener has had so far. True: it is stuck.
bool hd_door_stuck(struct hd_door *d, const char *url, nng_listener listener, uint16_t protocol, uint64_t accepted, int64_t now_ns);
void hd_door_close(struct hd_door *d);

// Connections that never became one, as NNG counts them: without a good certificate, and for any other reason (garbage, silence). No more than a
// lower bound: of several that fail at once it counts one, and it rests for 100 ms after one of the others.
struct hd_door_failures {
  uint64_t certificate, other;
};
void hd_door_failures(nng_listener listener, struct hd_door_failures *out);

#endif
