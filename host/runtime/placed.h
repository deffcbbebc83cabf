// Placed: an occupant whose instances do not run on their shard, as the host has it. In the seat sit stand-ins (standin.h), which the engine calls
// like any other; what they hear goes into channels (bus/channel.h), one per shard; at their other end somebody runs a far engine (far.h): a
// thread of this host, a worker process, or whoever has registered from outside. This file knows the channels, what was made of them (lost,
// refused, restarts), and how decisions come back. How the other end is brought to life and looked after is a table per placement:
//
//   thread   placed_thread.c   a thread of this host
//   process  the supervisor's  `hadron worker`, a child; the bus relays the channels
//   remote   the bus's         whoever has registered under the name
//
// A placement fills in one struct hd_placement_api and its row in placed.c.
//
// Life:    make (open, CREATE), sit, ..., sit elsewhere, ..., destroy (close)
// bound    the channels' rings   full: ticks are lost and said so, notes: it is given up
// thread   make, destroy [any]; sits [shard, at a quiet point]; take [trade]; look [io]; tell, renew, fence [any]
#ifndef HD_RUNTIME_PLACED_H
#define HD_RUNTIME_PLACED_H

#include <pthread.h>

#include "bus/channel.h"
#include "runtime/far.h"
#include "runtime/session.h"

enum hd_placement {
  HD_PLACEMENT_NONE = 0,    // not said: the section's
  HD_PLACEMENT_INLINE = 1,  // the numbers of a record
  HD_PLACEMENT_THREAD = 2,
  HD_PLACEMENT_PROCESS = 3,
  HD_PLACEMENT_REMOTE = 4,
  HD_PLACEMENT_AUTO = 5,    // process for a shared object without a good signature, thread for the rest
};
const char *hd_placement_name(uint32_t placement); // "inline", ...; "" for NONE and whatever is none
uint32_t hd_placement_parse(const char *name);     // NONE: it is none

enum hd_on_silent { HD_SILENT_HOLD = 1, HD_SILENT_CANCEL = 2, HD_SILENT_FLATTEN = 3 }; // what becomes of its open orders, and of its position

struct hd_placed;

struct hd_placement_api {
  uint32_t placement;
  // Brings the other end up: from now on somebody reads the channels, in the order of each. p->json, the argument of CREATE, is the first thing in
  // channels[0]; what it is answered is looked at by who called. May take as long as it takes to start a process. [any]
  int32_t (*open)(struct hd_placed *p, struct hd_fault *fault);
  // The channels are `closed` and the bell was rung: ends the other end and waits for it, a second or two. False: it hangs and cannot be ended:
  // the channels and `p` stay for ever. Also after a failed open. [any]
  bool (*close)(struct hd_placed *p);
  // About ten times a second, while a session runs live. NULL: nothing to look after. now_ns: monotonic. [io]
  void (*look)(struct hd_placed *p, int64_t now_ns);
  // p->arm, p->role or p->params are others now. NULL: nobody has to know. [shard, at a quiet point, or trade]
  void (*sits)(struct hd_placed *p);
  void (*told)(struct hd_placed *p);
  // For status: who is there ("pid 4711", an address); "": nothing to say. NULL: the same. [io]
  void (*words)(struct hd_placed *p, char *to, size_t size);
};
extern const struct hd_placement_api hd_placement_thread, hd_placement_process, hd_placement_remote;

// What was made of it, for status and metrics. Written by several threads.
struct hd_placed_counts {
  _Atomic uint64_t decisions, refused; // taken; out of range, not its instrument, of the future, or of one that has no seat
  _Atomic uint64_t restarts;
};

// What was told of one kind of news last.
struct hd_placed_words {
  uint64_t count;
  char text[200];
};

struct hd_placed {
  struct hd_session *s;                    // borrowed
  const struct hd_placement_api *api;      // static; NULL: nobody is at the other end: external, and run again from records
  void *self;                              // the placement's own
  const struct hd_plugin *plugin;          // the real one, or the card of an external one (card.h); static
  bool external;                           // it has made itself: no CREATE, no state, no engine of its own
  char name[HADRON_NAME_SIZE];             // of the deployment
  uint32_t placement;                      // enum hd_placement
  uint32_t on_silent;                      // enum hd_on_silent
  bool lock_step;                          // the shard waits for every answer
  bool runs_again;                         // from records: what it decides is in them; it is fed so that it knows what it knew
  char *json;                              // CREATE's argument; NULL: external; owned
  char *params;                            // external: JSON object of texts, what holds here; owned
  const struct hadron_bar_request *bars;   // external: what it gets besides ticks, [0 .. bar_count); borrowed, of its card or section
  uint32_t bar_count;
  struct hd_channel *channels;             // [shard]; owned
  uint32_t channel_count;
  struct hd_channel_memory memory;         // of their ticks, for a worker; none: it is sent them
  uint32_t *universe;                      // ascending; owned
  uint32_t universe_count;
  _Atomic uint32_t arm;                    // its seat; 0: none, and nothing that it decides counts
  _Atomic uint32_t role;                   // of that, as far as the trading side has settled it; 0: not yet
  _Atomic uint32_t state;                  // enum hadron_placed_change: JOINED, SILENT, LEFT, FENCED; 0: never there
  _Atomic bool renew;                      // there is a new other end: [io] has the stand-ins begin again
  _Atomic bool clocked;                    // the far engine's clock is the wall's: no recovery feeds it
  struct hd_placed_counts counts;
  int64_t lost_ns;                         // [io]: monotonic, not before then is it told again
  uint64_t told_lost;                      // [io]: of its channels, when it was last told
  int64_t moved_ns;                        // [io]: monotonic, when the other end last got on, or had nothing to do
  uint64_t moved_at;                       // [io]: what it was through with then
  _Atomic uint32_t news;                   // bit per enum hadron_placed_change that waits to be written down by [io]
  pthread_mutex_t words_lock;
  struct hd_placed_words words[HADRON_PLACED_LOST + 1]; // of the last news of each kind: two may wait to be written down
  struct hd_standin **standins;            // [instance]; owned
  uint32_t instance_count;
  struct hd_far_step timer;                // lock-step: the far side's next timer, which runs on the host's clock. INT64_MAX: none
  struct hd_histogram *latency;            // of the occupant; borrowed; NULL: not measured
  struct hd_occupant *occupant;            // borrowed: its counts of failed callbacks and fenced instances
  int64_t *cells[3];                       // metrics: ticks lost, ticks that wait, restarts; [io]
};

struct hd_placed_options {
  const struct hd_plugin *plugin;          // the real one, or a card
  const char *name;
  uint32_t placement;                      // not INLINE
  uint32_t on_silent;
  uint32_t arm;                            // for which seat it is made
  const uint32_t *universe;                // borrowed(call)
  uint32_t universe_count;
  char *json;                              // hd_far_describe; moved, also on failure; NULL: external
  char *params;                            // external: JSON object of texts; moved, also on failure
  const struct hadron_bar_request *bars;   // external; borrowed(until destroyed)
  uint32_t bar_count;
  struct hd_histogram *latency;            // borrowed(until destroyed); NULL: not measured
  struct hd_occupant *occupant;            // borrowed(until destroyed)
};

// Makes the channels, brings the other end up and asks it to make the instances. HADRON_ERR_UNSUPPORTED: this host has no such placement;
// HADRON_ERR_TIMEOUT; whatever CREATE was answered, with its words. [any]
int32_t hd_placed_make(struct hd_session *s, const struct hd_placed_options *options, struct hd_placed **out, struct hd_fault *fault);
bool hd_placed_destroy(struct hd_placed *p); // NULL is fine; false: its thread hangs and is left behind with all that it writes to [any]

// Where this arm runs: `wanted` as a section or a deployment says it. [any]
uint32_t hd_placement_of(const struct hd_session *s, uint32_t wanted, const struct hd_plugin *plugin);

// Its instances sit in the seat of this arm now; 0: in none. [shard, at a quiet point]
void hd_placed_sits(struct hd_placed *p, uint32_t arm);
void hd_placed_role(struct hd_placed *p, uint32_t role); // what that seat is to the trading side. [trade]
void hd_placed_params(struct hd_placed *p, const char *params); // external: what holds from now on; copied. [any, while its shards rest]

// ---- for who looks after the other end ---------------------------------------------------------------------------------------------------

// Says what became of it: journaled, logged, alerted where it should be, from [io]. words: copied; may be NULL. [any]
void hd_placed_tell(struct hd_placed *p, uint32_t change, uint64_t count, const char *words);
struct hd_placed_words hd_placed_words(struct hd_placed *p, uint32_t change);
// A callback failed on the other side; fenced: that instance gets no more ticks. [any]
void hd_placed_fault(struct hd_placed *p, bool fenced);
// There is a new other end that knows nothing. The stand-ins begin again: CREATE, the last state that was saved, ROWS, START and POSITION, and
// go on with the next tick; nobody waits for the answers. What is in the channels before that CREATE is older: throw it away. [any]
void hd_placed_renew(struct hd_placed *p);
// Nothing more goes in, and nothing that comes out counts; on_silent is carried out. [io]
void hd_placed_fence(struct hd_placed *p, const char *why);
bool hd_placed_give_up(struct hd_placed *p); // the first half of it alone; false: it was before [any]
// on_silent, for one that may come back. [io]
void hd_placed_silent(struct hd_placed *p);

uint64_t hd_placed_lost(const struct hd_placed *p);    // ticks, in all. [any]
uint64_t hd_placed_backlog(const struct hd_placed *p); // ticks that wait for it. [any]

// ---- for the session ---------------------------------------------------------------------------------------------------------------------

// Takes what placed arms have decided, checks and stamps it, hands it to the pipeline. False: there was nothing. [trade]
bool hd_session_take_placed(struct hd_session *s, int64_t now_ns);
// Looks after all of them: news, ticks lost, hangs. [io]
void hd_session_look_placed(struct hd_session *s);
// Everything that was sent is handled and what was decided is taken, or a second is over: before the end. One thread, or nobody else is there
// any more. discard: what was decided while a recovery fed it again was decided before.
void hd_session_drain_placed(struct hd_session *s, bool discard);
// After a recovery: they know the market as the host does.
void hd_session_renew_placed(struct hd_session *s);

#endif
