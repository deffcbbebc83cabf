// The venue's own thread: it speaks to the NATS server, and leaves what it hears in a bounded ring that the venue's poll empties.
// Nothing of the host is touched from here but the bell.
//
// Messages come through a durable consumer of the stream, whose acknowledgements are the place that outlives us: what poll took off the
// ring at one time is acknowledged after a later poll, when the host has it. A server would send what was not acknowledged anew only
// after its own patience, behind younger ones; so each connection makes a new consumer that begins at the place, and only then takes the old
// one away: NAME_a and NAME_b by turns, of which there is always at least one. When the ring is full the thread waits, and the server
// keeps the rest. [its own thread, but for feed_start, feed_stop, feed_take, feed_taken and feed_settle]
#ifndef NATS_IN_FEED_H
#define NATS_IN_FEED_H

#include <pthread.h>
#include <stdatomic.h>

#include "hadron/ext/log.h"
#include "hadron/venue.h"
#include "link.h"
#include "subject.h"

#define RING_MAX 8192u    // entries; a power of two
#define SLOTS_MAX 16384u  // instruments; a power of two, never more than half of them in use
#define MARKS_MAX 64u     // batches taken into the ring and not acknowledged yet
#define WORDS_SIZE 256

enum entry_kind { ENTRY_TICK, ENTRY_LISTING, ENTRY_STATUS, ENTRY_LISTED }; // LISTED: all listings that the stream has are told, or none can be
struct entry {
  uint32_t kind; // enum entry_kind
  uint32_t slot; // TICK, LISTING: the instrument, by a number of ours
  union {
    struct hadron_tick tick;
    struct hadron_listing listing;
    struct {
      uint32_t state; // enum hadron_venue_state
      char words[WORDS_SIZE];
    } status;
  } body;
};

struct feed_options { // parameters
  struct link_options link;
  char stream[64], prefix[PREFIX_SIZE], durable[64], start[16];
  int64_t contiguous;
};

// Counted by the thread, read by poll.
struct feed_counts {
  _Atomic uint64_t messages, repeated, gaps, unnamed, bad, reconnects;
};

struct slot {
  char token[TOKEN_SIZE]; // empty: free
  bool gap;               // its next tick comes behind a gap
};

struct feed {
  const struct feed_options *options; // borrowed
  void (*ring_bell)(void *self);      // [its own thread]
  void (*tell)(void *self, uint32_t level, const char *id, const char *text);
  void *self;
  char client[80], durable[64], consumer[80]; // durable: the name that the two share
  struct link link;
  natsSubscription *messages;
  natsInbox *inbox;
  int64_t asked;          // messages that the server still owes us of the last request
  struct slot *slots;     // SLOTS_MAX
  uint32_t slot_count;
  bool listed;            // ENTRY_LISTED was told
  int64_t created_ns;     // of the stream
  uint64_t last;          // sequence in the stream of the last tick that was taken, in this life or the one before; 0: none
  uint64_t offset;        // added to it: a stream that was made anew begins at 1 again
  char session[33];       // of the host that publishes
  uint64_t tick;          // its number of the last tick
  struct {
    uint32_t head;        // of the ring behind the batch
    int64_t since_ns;
    char reply[256];
  } marks[MARKS_MAX];
  uint32_t mark_first, mark_count, unmarked;
  char reply[256];        // of the last message taken
  bool alerted;           // a person has been told of this trouble
  struct feed_counts counts;

  pthread_t thread;
  bool running;
  _Atomic bool stop;
  _Atomic uint32_t head, tail; // of the ring; head: written by the thread
  _Atomic uint32_t settled;    // behind the last entry that the host has
  struct entry *ring;
};

// name: the instance's; it is the consumer's too where no durable name is given.
int32_t feed_init(struct feed *f, const struct feed_options *options, const char *name);
void feed_fini(struct feed *f);
int32_t feed_start(struct feed *f);
void feed_stop(struct feed *f); // waits for the thread: at most for the request that it is in

// The oldest entry of the ring, or NULL; feed_taken gives it back. [io]
const struct entry *feed_take(struct feed *f);
void feed_taken(struct feed *f);

// The host has what was taken so far. [io]
void feed_settle(struct feed *f);

#endif
