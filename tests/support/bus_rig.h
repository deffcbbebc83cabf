// The bus with real sockets and one seat behind it, without a session: shard and trading side are played by the test.
#ifndef TEST_SUPPORT_BUS_RIG_H
#define TEST_SUPPORT_BUS_RIG_H

#include <pthread.h>

#include "bus/bus.h"
#include "support/directory.h"

#define BUS_RIG_INSTRUMENTS 3 // 1 to 3: SYM0, SYM1, SYM2
#define BUS_RIG_ARM 5
#define BUS_RIG_CHANGES 16
#define BUS_RIG_PATIENCE_NS INT64_C(20000000000) // for what comes by itself: a busy machine is no fault

struct bus_rig {
  char directory[TEST_PATH_SIZE], url[TEST_PATH_SIZE + 32];
  struct hd_bus *bus;
  struct hd_channel *channel;
  struct hd_bus_seat *seat;
  struct hadron_instrument_definition universe[BUS_RIG_INSTRUMENTS];
  uint64_t ticks; // that were said
  // [bus]
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint32_t changes[BUS_RIG_CHANGES], change_count; // of the seat, the last ones
};

// options: without listeners it listens at `url`, for class trade; without stale_after nobody is silent within BUS_RIG_PATIENCE_NS. who: what it does not say is
// the rig's: name trend, version 1.0.0, live, one parameter. Each may be NULL.
void bus_rig_open(struct bus_rig *g, const struct hd_bus_options *options, const struct hd_bus_expected *who);
void bus_rig_close(struct bus_rig *g);
// Another seat, or another bus with its seat, in the place of what there is.
void bus_rig_seat(struct bus_rig *g, const struct hd_bus_expected *who);
void bus_rig_renew(struct bus_rig *g, const struct hd_bus_options *options, const struct hd_bus_expected *who);

void bus_rig_say(struct bus_rig *g, uint32_t count); // ticks, of each instrument in turn [shard]
// The decisions of one cause, once they are there. [trade] After they were handled: hd_channel_took.
uint32_t bus_rig_take(struct bus_rig *g, struct hadron_decision out[HD_TICK_DECISIONS_MAX], uint64_t *number);
void bus_rig_wait(struct bus_rig *g, uint32_t change); // until the seat has changed so; what came before it is done with
struct hd_bus_refusals bus_rig_refusals(struct bus_rig *g);
struct hadron_decision bus_rig_decision(uint64_t key); // a good one, for instrument 2

#endif
