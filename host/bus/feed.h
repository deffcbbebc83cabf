// Feeds: what the journal tells, for whoever only looks. One thread, [feed], reads the journal by cursor and publishes numbered streams over PUB
// sockets: `ticks`, a stream per shard, and `events`, everything else but what only a recovery needs. It never waits for a batch: what has been
// written meanwhile goes out together. NNG drops what a subscriber does not take, without a word: the numbers show it, and it is asked for again
// by REPAIR over a session; who joins late, or has lost too much, asks for a SNAPSHOT.
//
// The journal is the ring too: of each stream the place of every HD_FEED_STEPth message is kept, so that a repair reads the few pages around it, which
// are in memory while they are new and on the disk later. Where a stream's messages lie far apart in it that takes rounds, between which what is new goes out.
//
// bound  HD_FEED_PLACES places a stream (the older half is forgotten; TOO_OLD then), HD_FEED_JOBS repairs at a time (BUSY then), one packet an answer
//        HD_FEED_PIPES_MAX subscribers of an address
// full   a subscriber's queue holds HD_FEED_SENDBUF packets: the oldest is dropped, for it alone
// thread create, destroy [io]; ask, take [bus]; figures [any]; the journal is called on [feed]
#ifndef HD_BUS_FEED_H
#define HD_BUS_FEED_H

#include "base/limits.h"
#include "bus/bus.h"
#include "bus/frame.h"
#include "hadron/ext/journal.h"

#define HD_FEED_STEP 64
#define HD_FEED_PACKET 32768 // bytes of a packet that is published: HD_FEED_SENDBUF of them bound what a dead subscriber costs

struct hd_feed;

// How the journal is read; filled in by the runtime. [feed]
struct hd_feed_journal {
  void *self;
  int32_t (*open)(void *self, void **cursor);
  void (*close)(void *self, void *cursor);
  int32_t (*seek)(void *self, void *cursor, uint64_t position); // HADRON_ERR_NOT_FOUND: no longer kept
  int32_t (*next)(void *self, void *cursor, struct hadron_record *record); // HADRON_ERR_AGAIN: nothing more yet
  uint32_t (*shard_of)(void *self, uint32_t instrument);
};

struct hd_feed_options {
  struct hd_feed_journal journal;
  const struct hd_bus_listen *listeners; // [0 .. listener_count); rights: HD_BUS_READ publishes ticks, HD_BUS_ADMIN events; copied
  uint32_t listener_count;
  uint64_t from;          // position in the journal at which this life of the host began
  uint32_t shards;
  uint64_t epoch;         // of the bus
  int64_t heartbeat_ns;
  struct hd_bell *answered; // rung when a repair is ready; borrowed
  struct hd_lobby *lobby;   // borrowed
};
int32_t hd_feed_create(const struct hd_feed_options *options, struct hd_feed **out, struct hd_fault *fault);
void hd_feed_destroy(struct hd_feed *feed); // NULL is fine

// A REPAIR or SNAPSHOT; its answer is taken later. who: whose it is. HADRON_ERR_FULL: come again later; HADRON_ERR_ARGUMENT, HADRON_ERR_NOT_FOUND
// (another epoch, no such stream).
int32_t hd_feed_ask(struct hd_feed *feed, const struct hadron_repair *what, bool snapshot, uint64_t who);
// An answer that is ready: the packet, of at most HADRON_PACKET_MAX bytes. False: none is.
bool hd_feed_take(struct hd_feed *feed, uint64_t *who, uint8_t *packet, uint32_t *size);

struct hd_feed_figures {
  uint64_t messages, packets, heartbeats;   // published
  uint64_t repairs, repaired, snapshots, too_old, busy;
  uint64_t behind;                          // bytes of the journal that were not read yet, at the last look
  uint64_t turned_away;                     // subscribers above HD_FEED_PIPES_MAX
  uint32_t subscribers;
};
void hd_feed_figures(const struct hd_feed *feed, struct hd_feed_figures *out);

#endif
