// One numbered stream, as its reader has it: what is next, what waits behind a gap, what is to be asked for. No sockets, no clock: times come in.
//
//   a number that is next     is given out at once
//   a lower one               is a duplicate: dropped, counted
//   a higher one              waits behind the gap, which is asked for: one question at a time, no more often than `repair_ns`, with jitter
//   another epoch             is another life of the publisher: what waits of the old one is let go, and a snapshot is asked for
//   too old, too much         what was missed is declared lost, and a snapshot is asked for
//
// Bound: `hold_max` pieces wait; one more is dropped, and found missing when the gap before it is closed. [one thread]
#ifndef HC_STREAM_H
#define HC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HC_EPOCHS 8 // earlier lives that are still known for what they are

struct hc_piece { // messages [from, to), to be let go by its owner
  uint64_t from, to;
  void *of;
};

enum hc_verdict {
  HC_DELIVER = 1,   // now, from number `next` before it
  HC_DUPLICATE = 2, // let it go
  HC_HELD = 3,      // the stream has it
  HC_FULL = 4,      // let it go
  HC_OLD = 5,       // of an earlier life: let it go
};

enum hc_question { HC_NOTHING = 0, HC_REPAIR = 1, HC_SNAPSHOT = 2 };

struct hc_stream_limits {
  uint32_t hold_max;
  bool snapshots;        // there is somebody to ask for one; false: the first number that is seen is the first there is
  bool repairs;          // there is somebody to ask; false: a gap is lost when `settle_ns` have passed
  int64_t settle_ns;     // a gap may be a reordering: not asked for before this has passed
  int64_t repair_ns;     // between two questions, at least; doubled by failures up to 64 times
  int64_t answer_ns;     // an answer that takes longer is not waited for any more
  int64_t stale_ns;      // nothing heard, or behind for so long: stale
};

struct hc_stream_figures {
  uint64_t delivered, duplicates, old_epoch, held, overflowed, gaps, gap_messages, questions, snapshots, lost, resets, stale;
};

struct hc_stream {
  struct hc_stream_limits limits;
  void (*let_go)(void *self, void *of); // of a piece
  void *self;
  uint64_t epoch, next;                 // 0: none is known yet
  uint64_t tail;                        // numbers before it are known to be there
  uint64_t old[HC_EPOCHS];
  uint32_t old_count;
  struct hc_piece *held;                // sorted by `from`
  uint32_t held_count;
  uint64_t edge;                        // the highest that was seen or held, for counting gaps
  bool snapshot_wanted, pending, stale;
  uint32_t failures;
  int64_t gap_ns, ask_ns, asked_ns, heard_ns; // since when there is a gap (0: none); not before; when; last
  uint64_t random;
  uint64_t lost_from, lost_to;          // to be told
  bool reset;                           // to be told
  struct hc_stream_figures figures;
};

int32_t hc_stream_init(struct hc_stream *s, const struct hc_stream_limits *limits, uint64_t seed, void (*let_go)(void *, void *), void *self);
void hc_stream_fini(struct hc_stream *s);
// Begins anew at `next` of `epoch`; what is held is let go.
void hc_stream_begin(struct hc_stream *s, uint64_t epoch, uint64_t next);

// A piece has come. *skip: messages of it that were given out before, when it is to be delivered.
enum hc_verdict hc_stream_offer(struct hc_stream *s, uint64_t epoch, const struct hc_piece *piece, int64_t now, uint64_t *skip);
// A heartbeat: `next` is the number that the publisher gives next.
void hc_stream_heartbeat(struct hc_stream *s, uint64_t epoch, uint64_t next, int64_t now);
// A piece that has waited and is next now. False: none.
bool hc_stream_take(struct hc_stream *s, int64_t now, struct hc_piece *out, uint64_t *skip);

// To be asked for now; HC_REPAIR: [*from, *to). After asking: hc_stream_asked; then one of the answers.
enum hc_question hc_stream_ask(struct hc_stream *s, int64_t now, uint64_t *from, uint64_t *to);
void hc_stream_asked(struct hc_stream *s, int64_t now);
void hc_stream_answered(struct hc_stream *s, int64_t now);                 // what there was has been offered
void hc_stream_failed(struct hc_stream *s, int64_t now, int64_t wait_ns);  // ask again, not before wait_ns
void hc_stream_too_old(struct hc_stream *s, int64_t now);                  // a snapshot is wanted instead
// It stands for all before `next`.
void hc_stream_snapshot(struct hc_stream *s, uint64_t epoch, uint64_t next, int64_t now);

// What is to be told; each returns true once. lost: numbers [*from, *to) will not come. stale: it has become so, or is not any more.
bool hc_stream_lost(struct hc_stream *s, uint64_t *from, uint64_t *to);
bool hc_stream_was_reset(struct hc_stream *s);
bool hc_stream_stale_changed(struct hc_stream *s, int64_t now);

int64_t hc_stream_due(const struct hc_stream *s, int64_t now); // when it wants to be looked at again; INT64_MAX: never
bool hc_stream_behind(const struct hc_stream *s);              // numbers before `tail` are missing

#endif
