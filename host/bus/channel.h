// Channel: joins a shard to an occupant that sits elsewhere, in another thread, process or machine. What the shard's stand-in hears goes
// out, decisions come back; who is at the far end is the same to both.
//
//   ticks      [shard] -> [far]    full: the tick is lost to this occupant, counted, and a LOST note says so in its place
//   notes      [shard] -> [far]    positions, allocations, order events, bars, asks; each has its place among the ticks.
//                                  Full: the far end has not looked for so long that it is given up (`broken`)
//   decisions  [far] -> [trade]    full: the far end waits
//
// What the far end has taken (`at`) and what the shard may write over (`ticks.tail`) are one and the same, but where ticks are not copied out of the ring: a
// worker maps it and is told where they lie (struct hd_channel_run); they stay there until it has handled them.
//
// One channel per occupant and shard. The far end is a thread of the host (placement `thread`) or the bus (`process`, `remote`). Nothing in
// here allocates after init but asks, which are no part of the tick path. Each side is one thread at a time.
#ifndef HD_BUS_CHANNEL_H
#define HD_BUS_CHANNEL_H

#include <stdbool.h>

#include "base/bell.h"
#include "base/ring.h"
#include "hadron/message.h"

#define HD_CHANNEL_TICKS 16384   // 1 MiB: what a far end may be behind
#define HD_CHANNEL_NOTES 4096    // allocations and order events of one arm meanwhile
#define HD_CHANNEL_DECISIONS 1024

// Rings of ticks, one behind the other, in a sealed memory file: another process may map it, to read.
struct hd_channel_memory {
  uint8_t *base;                    // NULL: none
  size_t size;
  int fd;
};
int32_t hd_channel_memory_open(struct hd_channel_memory *m, uint32_t rings); // HADRON_ERR_MEMORY; untouched then [any]
void hd_channel_memory_close(struct hd_channel_memory *m);                   // one that is none is fine [any]

// To a worker, in the place of ticks, as a message of this template, which is between host and worker alone: `count` of them lie in the ring of this number
// from `from` on, and do not go over its end.
#define HD_CHANNEL_RUN 0xff01
struct hd_channel_run {
  uint64_t from;
  uint32_t count, ring;
};

// Something to be done at the far end after all that came before it. On the heap; whoever is the last to let go frees it.
struct hd_channel_ask {
  uint32_t verb, instance; // enum hadron_ask_verb
  int64_t now_ns;
  void *bytes;             // the argument; owned
  uint32_t size;
  uint32_t answer_size;
  void *answer;            // owned; words when `code` is no success
  int32_t code;
  uint32_t pad;
  _Atomic uint32_t state;  // 0 waits, 1 done, 2 nobody wants to know any more
};

// kind: HADRON_MSG_POSITION, _ALLOCATION, _ORDER_EVENT, _BAR, _LOST, _MARK, _ASK, _INSTRUMENT
struct hd_channel_note {
  uint64_t after;                   // ticks that go before it
  uint32_t kind, pad;
  struct hadron_position view;      // POSITION; ALLOCATION and ORDER_EVENT: as it is afterwards
  union {
    struct hadron_allocation allocation;
    struct hadron_order_event order_event;
    struct hadron_bar bar;
    struct hadron_lost lost;
    struct hadron_mark mark;
    struct hadron_instrument_definition instrument;
    struct hd_channel_ask *ask;     // moved
  } of;
};

struct hd_channel_decision {
  struct hadron_decision decision;
  uint64_t number;                  // the far end's, +1 each, for its ACK
  uint64_t last;                    // 1: the last one of its cause
};

// Each side writes lines of its own: a line that both write costs either of them more than a tick does.
struct hd_channel {
  struct hd_ring ticks, notes, decisions;
  struct hd_bell answered;          // an ask is
  // Seldom written
  _Alignas(64) _Atomic(struct hd_bell *) far_bell; // of who reads ticks and notes; borrowed; NULL: nobody yet
  void (*wake)(void *self);         // tells who reads decisions; NULL: it looks by itself
  void *wake_self;
  uint32_t arm, shard;
  _Atomic uint64_t lost;            // ticks, in all
  _Atomic bool broken;              // given up: nothing more goes in
  _Atomic bool closed;              // the far end shall end
  // [shard]
  _Alignas(64) _Atomic uint64_t sent; // highest sequence of a tick that went in
  uint64_t lost_count;              // since the last LOST note
  uint64_t lost_first, lost_last;
  // [far]
  _Alignas(64) _Atomic uint64_t at; // the next tick that it takes; never before ticks.tail
  _Atomic uint64_t handled;         // ticks that the far end is through with: it hangs when this stands while ticks wait
  // [trade]
  _Alignas(64) _Atomic uint64_t decided; // number of the last decision that it has taken and written down
};

int32_t hd_channel_init(struct hd_channel *c, uint32_t arm, uint32_t shard); // HADRON_ERR_MEMORY [control]
// With its ticks in ring `shard` of `m`, which stays open until fini; one that is none: as above.
int32_t hd_channel_init_in(struct hd_channel *c, uint32_t arm, uint32_t shard, const struct hd_channel_memory *m);
void hd_channel_fini(struct hd_channel *c);                                   // nobody is at either end any more

// [shard]. False: there was no room, or it is broken.
bool hd_channel_tick(struct hd_channel *c, const struct hadron_tick *tick);
bool hd_channel_note(struct hd_channel *c, const struct hd_channel_note *note); // sets `after`
void hd_channel_ring(struct hd_channel *c);                                     // wakes the far end

// [shard, or who owns that side] Asks, and waits for the answer. NULL: no memory, broken, or none within timeout_ns (0: for ever). Else owned by the
// caller: hd_channel_let_go. bytes: copied.
struct hd_channel_ask *hd_channel_ask(struct hd_channel *c, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns, int64_t timeout_ns);
void hd_channel_let_go(struct hd_channel_ask *ask);
// The same, and nobody waits: an answer that is no success is logged. False: no memory, no room, broken.
bool hd_channel_post(struct hd_channel *c, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns);

// [far] What is next, in order: a run of at most `max` ticks (returns how many), or one note (returns 0 and *note is not NULL), or nothing (0 and NULL).
// borrowed(until released).
uint32_t hd_channel_next(struct hd_channel *c, uint32_t max, const struct hadron_tick **ticks, const struct hd_channel_note **note);
void hd_channel_release_ticks(struct hd_channel *c, uint32_t count); // and all that were only taken before
// The two halves of it: they are taken, and stay where they are; and all before `position` are done with. A position that is none: nothing happens.
void hd_channel_take_ticks(struct hd_channel *c, uint32_t count);
void hd_channel_free_ticks(struct hd_channel *c, uint64_t position);
void hd_channel_release_note(struct hd_channel *c);
// Ticks that nobody has taken yet. [any]
static inline uint64_t hd_channel_waiting(const struct hd_channel *c) {
  uint64_t at = atomic_load_explicit(&c->at, memory_order_acquire);
  return hd_ring_head(&c->ticks) - at;
}
// answer: moved, from malloc; NULL is fine.
void hd_channel_answer(struct hd_channel *c, struct hd_channel_ask *ask, int32_t code, void *answer, uint32_t size);
// Number of the last decision that went in, taken yet or not: where whoever comes next goes on. Nobody is at the far end.
uint64_t hd_channel_given(const struct hd_channel *c);
// False: full, or closed.
bool hd_channel_decide(struct hd_channel *c, const struct hadron_decision *decision, uint64_t number, bool last);

// [trade] The decisions of one cause, at most HD_TICK_DECISIONS_MAX; 0: none is complete. After they were handled: hd_channel_took.
uint32_t hd_channel_take(struct hd_channel *c, struct hadron_decision *out, uint64_t *number);
void hd_channel_took(struct hd_channel *c, uint64_t number);

#endif
