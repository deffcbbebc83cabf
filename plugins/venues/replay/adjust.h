// Corporate actions from LEAN's factor and map files.
//
// A factor file's row (day, price factor, split factor, raw close) holds for all days up to its day. Where the factors change from
// one row to the next, something took effect on the first day after: a split of new shares per old = next / this split factor,
// as the simplest fraction that the printed digits allow; a dividend of raw close x (1 - this / next price factor), in cents.
// A map file's row (day, ticker, exchange) says which ticker a listing had up to its day.
//
//   adjust_load(dir, mode, symbol)   reads <dir>/<symbol>.csv; a missing file means no actions
//   adjust_next_ns(a)                when the next one is due; INT64_MAX: none
//   adjust_take(a, now, &action)     the next one due at or before now; false: none
#ifndef REPLAY_ADJUST_H
#define REPLAY_ADJUST_H

#include "calendar.h"
#include "fault.h"
#include "hadron/decimal.h"
#include "hadron/message.h"

enum adjust_mode { ADJUST_NONE, ADJUST_SPLIT, ADJUST_FULL };

struct adjust_action {
  int64_t day;  // last day before it takes effect
  int64_t due_ns; // midnight in New York after `day`
  struct hadron_adjustment adjustment; // without time and instrument
};

struct adjust {
  uint32_t count, next;
  struct adjust_action actions[];
};

// NULL in *out where there is no file or no action; the caller frees it.
int32_t adjust_load(const char *dir, enum adjust_mode mode, const char *symbol, struct adjust **out, struct fault *fault);

static inline int64_t adjust_next_ns(const struct adjust *a) { return a && a->next < a->count ? a->actions[a->next].due_ns : INT64_MAX; }

// Skips what took effect before the first tick: nobody held anything then.
void adjust_skip(struct adjust *a, int64_t before_ns);

// The name (of the map file) of the listing that had `ticker` on `day`, and the last day for which that holds; leaves `name` as it
// is where no map file knows. Answers for an unmapped ticker hold for ever.
void map_ticker(const char *dir, const char *ticker, int64_t day, char *name, size_t size, int64_t *until);

// The simplest fraction p/q with low_n/low_d <= p/q <= high_n/high_d; all positive.
void fraction_simplest(int64_t low_n, int64_t low_d, int64_t high_n, int64_t high_d, int64_t *p, int64_t *q);

#endif
