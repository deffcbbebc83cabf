// Quotes out of book changes: stands between the merge and the host, and follows the book of every listing that needs it.
//
//   books_init(&b, QUOTES_AUTO, &fault)     fault: where a full table is told
//   books_next(&b, &m, &ticks, &count)      as merge_next, with a QUOTE behind each message that moved the best bid or ask, or its size
//   books_take(&b, &m, n)                   as merge_take
//   books_fini(&b)                          may be called twice
//
// A quote has the times, sequence and flags of the tick that closed its message (HADRON_TICK_LAST). There is none while a snapshot is
// incomplete, nor from levels before the first snapshot, nor of a book that is locked, crossed or empty. Bounds: ORDERS_MAX orders
// and as many levels in all, LEVELS_MAX levels a side; beyond them the stream ends with a fault, after what came before it. A listing
// costs nothing until its first change that counts; runs without any pass through where they lie.
#ifndef REPLAY_BOOK_H
#define REPLAY_BOOK_H

#include "merge.h"

#define ORDERS_MAX (1u << 22)
#define LEVELS_MAX (1u << 16)
#define HANDLES_MAX (1u << 20)

enum quotes_mode {
  QUOTES_AUTO = 0,     // of listings whose book comes order by order, until a recorded quote of theirs comes
  QUOTES_RECORDED = 1, // none are made
  QUOTES_BOOK = 2,     // of all books; recorded quotes are left out
};

struct book;

struct books {
  enum quotes_mode mode;
  struct fault *fault;
  struct book **table;   // by handle; NULL: not seen
  uint32_t table_size;
  uint32_t deriving;     // listings whose quotes are made
  uint32_t orders, levels; // of all listings
  int32_t broken;        // the fault that waits until `out` is used up
  struct hadron_tick out[2 * MERGE_BATCH];
  uint32_t out_head, out_tail;
  uint64_t made, dropped; // quotes
  uint64_t crossed;      // messages that left a book locked or crossed
  uint64_t unknown;      // changes of orders that the book does not have
};

void books_init(struct books *b, enum quotes_mode mode, struct fault *fault);
void books_fini(struct books *b);
int32_t books_next(struct books *b, struct merge *m, const struct hadron_tick **ticks, uint32_t *count);
void books_take(struct books *b, struct merge *m, uint32_t count);

#endif
