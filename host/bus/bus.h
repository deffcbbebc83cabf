// The bus: everybody who is not in this process, over NNG. One thread, [bus], serves sessions (strategies elsewhere: workers and external ones) at the
// far end of their channels; another, [feed], publishes what the journal tells to whoever only looks.
//
//   sessions  REQ/REP: register, then pull the stream of the session by NEXT; decide, repair, administer. The host keeps what was sent until the next
//             NEXT acknowledges it, so that nothing is lost by a reconnect; who falls behind its channel's rings is told what it lost
//   feeds     PUB/SUB: numbered streams from the journal; gaps are repaired by REPAIR over a session, from a ring, then from the journal
//
// thread  create, destroy, attach, detach [io]; `changed` is called on [bus]
#ifndef HD_BUS_BUS_H
#define HD_BUS_BUS_H

#include "base/fault.h"
#include "bus/channel.h"

struct hd_bus;
struct hd_bus_seat;

// What a peer of a listener may do. Each includes the one before it.
enum hd_bus_class {
  HD_BUS_CLASS_INVALID = 0,
  HD_BUS_READ = 1,  // feeds, snapshots, repair
  HD_BUS_TRADE = 2, // decide, for the strategies that its token or certificate names
  HD_BUS_ADMIN = 3, // the commands of the control socket
};

// One who may come: a worker with its token, or an external strategy by its name and version. Strings and arrays are copied.
struct hd_bus_expected {
  const char *name, *version;       // of the strategy; version NULL: any
  const uint8_t *token;             // 32 bytes that a worker says in HELLO; NULL: an external strategy, by its rights
  struct hd_channel *const *channels; // [0 .. channel_count): of its occupant, one per shard; borrowed(until detached)
  uint32_t channel_count;
  uint32_t arm;
  const struct hadron_instrument_definition *universe; // [0 .. universe_count)
  uint32_t universe_count;
  bool lock_step;                   // the shard waits for every answer: silence is no fault
  // Joined, silent, back, left: with words. [bus]
  void (*changed)(void *self, uint32_t change, const char *words);
  void *self;
};

struct hd_bus_figures { // of one seat, for status
  uint64_t sent, acknowledged, repaired, decisions, refused;
  int64_t heard_ns;     // monotonic; 0: never
  uint32_t state;       // enum hadron_placed_change: JOINED, SILENT, LEFT; 0: never there
  uint32_t pid;         // workers
  char peer[64];        // its address, or the worker's pid
};

int32_t hd_bus_attach(struct hd_bus *bus, const struct hd_bus_expected *who, struct hd_bus_seat **out, struct hd_fault *fault);
void hd_bus_detach(struct hd_bus *bus, struct hd_bus_seat *seat); // what it was sent is forgotten; a peer that is there is told to go. NULL is fine
void hd_bus_figures(struct hd_bus *bus, struct hd_bus_seat *seat, struct hd_bus_figures *out); // [any]
// Where a worker on this machine finds it: "ipc:///…". static
const char *hd_bus_worker_url(const struct hd_bus *bus);

#endif
