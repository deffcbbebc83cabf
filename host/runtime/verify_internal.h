// Inside of the verification. verify.c: sessions and their records; verify_open.c: a session from its first records; verify_out.c: what
// must come out; verify_feed.c: what goes in.
#ifndef HD_RUNTIME_VERIFY_INTERNAL_H
#define HD_RUNTIME_VERIFY_INTERNAL_H

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/text.h"
#include "journal/journal.h"
#include "journal/place.h"
#include "runtime/change.h"
#include "runtime/part.h"
#include "runtime/session_internal.h"
#include "runtime/verify.h"

#define HD_VERIFY_TICKS 8192 // causes that are remembered; a power of two

// One record of a cursor.
struct hd_verify_record {
  struct hadron_record r;
  uint64_t sequence;
};

struct hd_verify_part {
  struct hadron_deployment block;
  char *text; // owned
};

// Decisions that a shard has made and the trading side has not taken; or feedback that a shard has not heard. A queue that grows.
struct hd_verify_queue {
  unsigned char *bytes; // owned
  size_t size;          // of an element
  size_t first, count, room;
};

struct hd_verify_change {
  struct hd_change *change;
  bool met;
  struct hd_verify_change *next;
};

// How a session ended, as the journal has it.
struct hd_verify_end {
  bool dead, said;              // somebody brought the host down, as the words say; the result has it
  char words[400];
  uint64_t last;                // position of the last record that anybody was called with
  uint64_t *rows;               // [instrument][2]: position of its last TICK or TIMER, and how many decisions came of its strategies; owned
  uint32_t instruments;
  uint32_t shard;               // threads: whose strategy it was
  uint64_t shard_last[HD_SHARDS_MAX], shard_decisions[HD_SHARDS_MAX], shard_made[HD_SHARDS_MAX]; // made: by this run
};

// A version that ran elsewhere and was given up: it is not run again.
struct hd_verify_given_up {
  char name[HADRON_NAME_SIZE];
  uint8_t digest[32];
};

struct hd_verify {
  const struct hd_verify_options *options;
  struct hd_verify_result *result;
  struct hd_fault *fault;        // of the caller; filled when code is set
  int32_t code;                  // the first trouble that is not a difference
  char dir[1100];
  struct hd_journal_cursor *in, *out;
  struct hd_verify_record next;  // the next record that must come out
  const struct hd_verify_record *apart; // the same of a shard's, while it is made; borrowed
  bool has_next, out_ended;
  char cancel_words[40];         // id of an order whose cancel could not be sent, by an alert on the way to `next`
  int32_t cancel_code;
  bool running;                  // what comes out counts
  bool recovered;                // the RECOVERED record of this session was fed
  uint64_t adopts_to;            // its sequence, while what the journal knows is taken over; 0: not at it
  // The session.
  struct hd_session_recorded recorded;
  struct hd_session *session;
  struct hd_config config;
  bool configured, threads, recorded_source, is_virtual;
  struct hd_verify_part *parts;  // owned
  uint32_t part_count;
  struct hadron_instrument_definition *definitions; // owned
  uint32_t definition_count;
  uint32_t number;               // of the session, from 1
  struct hd_verify_end end;
  struct hd_verify_given_up *given_up; // of all sessions; owned
  uint32_t given_up_count;
  uint64_t barred[HD_ARMS_MAX / 64 + 1]; // arms that brought earlier runs down and got no ticks in this one
  uint64_t begin;                // position of the first record that is run
  uint32_t states[HD_VENUES_MAX + 2]; // of venues, by number
  int64_t now_ns;
  struct hadron_timer_fired timer; // the last that came out
  bool timer_fired;
  struct hd_verify_queue *decided, *heard; // [shard]; owned
  struct hd_verify_change *changes;
  struct hadron_decision taken[HD_TICK_DECISIONS_MAX]; // of a strategy that ran elsewhere, until all have come
  uint32_t taken_count, taken_wanted, taken_arm; // wanted 0: none are on their way
  int64_t taken_ns;
  struct hadron_tick ticks[HD_VERIFY_TICKS];
  int64_t start_ns, told_ns;
  uint64_t total;
};

struct hd_verify_batch { // in `decided`
  struct hadron_decision decision;
  uint64_t last;
};

// verify.c
int32_t hd_verify_read(struct hd_verify *v, struct hd_journal_cursor *c, struct hd_verify_record *out); // HADRON_ERR_AGAIN: the end
void *hd_verify_push(struct hd_verify *v, struct hd_verify_queue *q); // room for one more; NULL: no memory, and v->code says so
const void *hd_verify_front(const struct hd_verify_queue *q);          // NULL: empty
void hd_verify_pop(struct hd_verify_queue *q);
static inline bool hd_verify_over(const struct hd_verify *v) { return v->code || v->result->first.kind; }
// A root block of this type, whatever the writer's version: false if it is shorter.
#define HD_VERIFY_BLOCK(record, type) ((record)->r.block_length >= sizeof(type) ? (const type *)(record)->r.bytes : NULL)
const char *hd_verify_text(const struct hd_verify_record *r, uint32_t *size); // of the variable part; not terminated

// verify_open.c: builds the session that begins with this record, up to the first record that is run.
int32_t hd_verify_open(struct hd_verify *v, const struct hd_verify_record *first);
void hd_verify_close(struct hd_verify *v);
int32_t hd_verify_part_add(struct hd_verify *v, const struct hd_verify_record *r);
int32_t hd_verify_plugin(struct hd_verify *v, uint32_t kind, const char *name, const char *version, const uint8_t digest[32], const struct hd_plugin **out);

// verify_ends.c: what took the host down is not called again.
void hd_verify_look_ahead(struct hd_verify *v, const struct hd_verify_record *first); // before the session is made
void hd_verify_look_around(struct hd_verify *v);                                      // and when it is there
bool hd_verify_runs_again(void *self, const char *name, const uint8_t digest[32]);    // of a version that ran elsewhere
// Is this what a thread (shard: which; one thread: 0) was called with last, and has all come out that came of it?
bool hd_verify_was_last(struct hd_verify *v, const struct hd_verify_record *r, uint32_t shard);
bool hd_verify_is_still(struct hd_verify *v); // one thread, behind its last event: nobody hears what that has set off

// verify_out.c
void hd_verify_state(struct hd_verify *v, const struct hd_verify_record *r); // by which state of a venue orders go from here on
extern const struct hd_venue_port hd_verify_port; // self: struct hd_verify
int32_t hd_verify_write(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail, uint32_t tail_size, int64_t now_ns, uint32_t flags);
bool hd_verify_is_output(const struct hd_verify *v, const struct hd_verify_record *r);
bool hd_verify_is_apart(const struct hd_verify *v, const struct hd_verify_record *r); // must come out at its own place
const struct hd_verify_record *hd_verify_expected(struct hd_verify *v); // NULL: nothing more
void hd_verify_missing(struct hd_verify *v, const struct hd_verify_record *r);
void hd_verify_differs(struct hd_verify *v, const struct hd_verify_record *expected, uint16_t template_id, const void *block, uint16_t size);

// verify_feed.c
void hd_verify_feed(struct hd_verify *v, const struct hd_verify_record *r);
void hd_verify_finish(struct hd_verify *v); // what the last events have left behind
void hd_verify_listen(struct hd_verify *v); // the pipeline's ways out
void hd_verify_listen_threads(struct hd_verify *v); // with threads: those between shards and trading; after a recovery

#endif
