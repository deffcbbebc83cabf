// Strategies of this program's configuration that trade over another's wire: on another machine, as external strategies of a host that has sections
// for them (`external = true`). Each joins by itself, learns its instruments and positions from the host, and runs in a far engine (far.h) on a thread of its
// own; bars, timers and volatility are worked out here. A cut connection is taken up where it broke; where the host has begun anew it is told the
// market and the positions again, and the strategy keeps what it remembers: over a clean end of this program too (worker_state.h).
//
// There is no sandbox: who runs this trusts its own plugins. What it may do at the host is its token's or certificate's.
//
// thread create, destroy [control]; each strategy on one of its own
#ifndef HD_RUNTIME_WORKER_REMOTE_H
#define HD_RUNTIME_WORKER_REMOTE_H

#include "hadron/client.h"
#include "runtime/config.h"

struct hd_guests;

// place: url and what proves who comes; name, version, universe and the like are the sections'. only: NULL: all that are enabled.
int32_t hd_guests_create(const struct hd_config *config, const struct hadron_client_options *place, const char *only, struct hd_guests **out, struct hd_fault *fault);
uint32_t hd_guests_left(struct hd_guests *g); // that have not been sent away for good [any]
void hd_guests_destroy(struct hd_guests *g);  // NULL is fine

#endif
