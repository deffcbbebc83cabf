#include "stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/error.h"

#define BACK_OFF_MAX 6   // doublings
#define REPAIR_SPAN 1024 // messages that one question may be about, beyond the first gap

// splitmix64 (Vigna, https://prng.di.unimi.it): for jitter only.
static uint64_t random_next(struct hc_stream *s) {
  uint64_t x = s->random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

int32_t hc_stream_init(struct hc_stream *s, const struct hc_stream_limits *limits, uint64_t seed, void (*let_go)(void *, void *), void *self) {
  assert(limits->hold_max > 0 && let_go);
  struct hc_piece *held = calloc(limits->hold_max, sizeof *held);
  if (!held) return HADRON_ERR_MEMORY;
  *s = (struct hc_stream){.limits = *limits, .let_go = let_go, .self = self, .held = held, .random = seed};
  return HADRON_OK;
}

static void let_go_held(struct hc_stream *s) {
  for (uint32_t i = 0; i < s->held_count; i++) s->let_go(s->self, s->held[i].of);
  s->held_count = 0;
}

void hc_stream_fini(struct hc_stream *s) {
  if (s->held) let_go_held(s);
  free(s->held);
  s->held = NULL;
}

void hc_stream_begin(struct hc_stream *s, uint64_t epoch, uint64_t next) {
  let_go_held(s);
  s->epoch = epoch;
  s->next = s->tail = s->edge = next;
  s->gap_ns = 0;
  s->failures = 0;
  s->pending = s->snapshot_wanted = false;
}

bool hc_stream_behind(const struct hc_stream *s) { return s->snapshot_wanted || s->held_count > 0 || s->tail > s->next; }

// After every change: since when something is missing.
static void look_for_gap(struct hc_stream *s, int64_t now) {
  if (!hc_stream_behind(s)) {
    s->gap_ns = 0;
    s->failures = 0;
  } else if (s->gap_ns == 0) {
    s->gap_ns = now;
  }
}

static void want_snapshot(struct hc_stream *s, int64_t now) {
  s->snapshot_wanted = s->limits.snapshots;
  s->pending = false;
  s->failures = 0;
  s->ask_ns = 0;
  look_for_gap(s, now);
}

static bool is_old(const struct hc_stream *s, uint64_t epoch) {
  for (uint32_t i = 0; i < s->old_count; i++)
    if (s->old[i] == epoch) return true;
  return false;
}

// Goes over to another life of the publisher.
static void take_epoch(struct hc_stream *s, uint64_t epoch) {
  if (s->epoch != 0) {
    if (s->old_count == HC_EPOCHS) memmove(s->old, s->old + 1, --s->old_count * sizeof *s->old);
    s->old[s->old_count++] = s->epoch;
    s->reset = true;
    s->figures.resets++;
  }
  hc_stream_begin(s, epoch, 0);
}

// Of which life a number is. False: an earlier one. first: the first number that there can be for this reader.
static bool see_epoch(struct hc_stream *s, uint64_t epoch, uint64_t first, int64_t now) {
  if (epoch != s->epoch) {
    if (is_old(s, epoch)) {
      s->figures.old_epoch++;
      return false;
    }
    take_epoch(s, epoch);
    if (s->limits.snapshots)
      want_snapshot(s, now);
    else
      s->next = s->tail = s->edge = first;
  }
  s->heard_ns = now;
  return true;
}

static void see_number(struct hc_stream *s, uint64_t from, uint64_t to) {
  if (!s->snapshot_wanted && from > s->edge) {
    s->figures.gaps++;
    s->figures.gap_messages += from - s->edge;
  }
  if (to > s->edge) s->edge = to;
  if (to > s->tail) s->tail = to;
}

static enum hc_verdict hold(struct hc_stream *s, const struct hc_piece *piece) {
  uint32_t at = s->held_count;
  while (at > 0 && s->held[at - 1].from > piece->from) at--;
  if (at > 0 && s->held[at - 1].to >= piece->to) {
    s->figures.duplicates += piece->to - piece->from;
    return HC_DUPLICATE;
  }
  if (s->held_count == s->limits.hold_max) {
    s->figures.overflowed++;
    return HC_FULL;
  }
  memmove(s->held + at + 1, s->held + at, (s->held_count - at) * sizeof *s->held);
  s->held[at] = *piece;
  s->held_count++;
  s->figures.held++;
  return HC_HELD;
}

// A piece that begins at `next` or before.
static bool give(struct hc_stream *s, const struct hc_piece *piece, uint64_t *skip) {
  if (piece->to <= s->next) {
    s->figures.duplicates += piece->to - piece->from;
    return false;
  }
  *skip = s->next - piece->from;
  s->figures.duplicates += *skip;
  s->figures.delivered += piece->to - s->next;
  s->next = piece->to;
  return true;
}

enum hc_verdict hc_stream_offer(struct hc_stream *s, uint64_t epoch, const struct hc_piece *piece, int64_t now, uint64_t *skip) {
  assert(piece->to > piece->from);
  if (!see_epoch(s, epoch, piece->from, now)) return HC_OLD;
  see_number(s, piece->from, piece->to);
  enum hc_verdict verdict;
  if (!s->snapshot_wanted && piece->from <= s->next)
    verdict = give(s, piece, skip) ? HC_DELIVER : HC_DUPLICATE;
  else
    verdict = hold(s, piece);
  look_for_gap(s, now);
  return verdict;
}

void hc_stream_heartbeat(struct hc_stream *s, uint64_t epoch, uint64_t next, int64_t now) {
  if (!see_epoch(s, epoch, next, now)) return;
  see_number(s, next, next);
  look_for_gap(s, now);
}

bool hc_stream_take(struct hc_stream *s, int64_t now, struct hc_piece *out, uint64_t *skip) {
  while (!s->snapshot_wanted && s->held_count > 0 && s->held[0].from <= s->next) {
    struct hc_piece piece = s->held[0];
    memmove(s->held, s->held + 1, --s->held_count * sizeof *s->held);
    bool given = give(s, &piece, skip);
    look_for_gap(s, now);
    if (given) {
      *out = piece;
      return true;
    }
    s->let_go(s->self, piece.of);
  }
  return false;
}

static void declare_lost(struct hc_stream *s, uint64_t to) {
  if (to <= s->next) return;
  if (s->lost_to == s->lost_from) s->lost_from = s->next;
  s->lost_to = to;
  s->figures.lost += to - s->next;
  s->next = to;
}

static uint64_t gap_end(const struct hc_stream *s) { return s->held_count > 0 ? s->held[0].from : s->tail; }

// Gaps that lie close together are one question: what is between them comes twice, which costs less than asking for each.
static uint64_t repair_end(const struct hc_stream *s) {
  uint64_t end = gap_end(s);
  for (uint32_t i = 1; i < s->held_count && s->held[i].from - s->next <= REPAIR_SPAN; i++)
    if (s->held[i].from > s->held[i - 1].to) end = s->held[i].from;
  return end;
}

enum hc_question hc_stream_ask(struct hc_stream *s, int64_t now, uint64_t *from, uint64_t *to) {
  if (s->epoch == 0 || !hc_stream_behind(s)) return HC_NOTHING;
  if (s->pending) { // no answer came: it is asked again
    if (now - s->asked_ns < s->limits.answer_ns) return HC_NOTHING;
    hc_stream_failed(s, now, 0);
  }
  if (now < s->ask_ns) return HC_NOTHING;
  if (s->snapshot_wanted) return HC_SNAPSHOT;
  if (gap_end(s) <= s->next || now - s->gap_ns < s->limits.settle_ns) return HC_NOTHING;
  if (!s->limits.repairs) {
    declare_lost(s, gap_end(s));
    look_for_gap(s, now);
    return HC_NOTHING;
  }
  *from = s->next;
  *to = repair_end(s);
  return HC_REPAIR;
}

void hc_stream_asked(struct hc_stream *s, int64_t now) {
  s->pending = true;
  s->asked_ns = now;
  s->figures.questions++;
}

// The next question not before `wait` and up to half as much again: many readers that miss the same do not all ask at once.
static void wait_for(struct hc_stream *s, int64_t now, int64_t wait) {
  s->ask_ns = now + wait + (int64_t)(random_next(s) % (uint64_t)(wait / 2 + 1));
}

void hc_stream_answered(struct hc_stream *s, int64_t now) {
  s->pending = false;
  s->failures = 0;
  wait_for(s, now, s->limits.repair_ns);
}

void hc_stream_failed(struct hc_stream *s, int64_t now, int64_t wait_ns) {
  s->pending = false;
  int64_t wait = s->limits.repair_ns << s->failures;
  if (s->failures < BACK_OFF_MAX) s->failures++;
  wait_for(s, now, wait > wait_ns ? wait : wait_ns);
}

void hc_stream_too_old(struct hc_stream *s, int64_t now) {
  s->pending = false;
  if (!s->limits.snapshots) {
    declare_lost(s, gap_end(s));
    look_for_gap(s, now);
    return;
  }
  if (!s->snapshot_wanted) {
    s->reset = true;
    s->figures.resets++;
  }
  want_snapshot(s, now);
}

void hc_stream_snapshot(struct hc_stream *s, uint64_t epoch, uint64_t next, int64_t now) {
  bool first = s->next == 0;
  if (epoch != s->epoch) {
    // Of two lives that are not this one nobody can tell the order by their numbers; what a session answers is of the one that lives. It may be one
    // that was taken for over, when something of an earlier one came late.
    for (uint32_t i = 0; i < s->old_count; i++)
      if (s->old[i] == epoch) s->old[i] = s->epoch;
    take_epoch(s, epoch);
    first = true;
  }
  hc_stream_answered(s, now);
  s->snapshot_wanted = false;
  s->heard_ns = now;
  s->figures.snapshots++;
  if (first)
    s->next = next;
  else
    declare_lost(s, next);
  if (s->held_count > 0 && s->held[0].from > s->next) { // what came before it is seen only now to be missing
    s->figures.gaps++;
    s->figures.gap_messages += s->held[0].from - s->next;
  }
  if (s->edge < s->next) s->edge = s->next;
  if (s->tail < s->next) s->tail = s->next;
  look_for_gap(s, now);
}

bool hc_stream_lost(struct hc_stream *s, uint64_t *from, uint64_t *to) {
  if (s->lost_to == s->lost_from) return false;
  *from = s->lost_from;
  *to = s->lost_to;
  s->lost_from = s->lost_to = 0;
  return true;
}

bool hc_stream_was_reset(struct hc_stream *s) {
  bool reset = s->reset;
  s->reset = false;
  return reset;
}

bool hc_stream_stale_changed(struct hc_stream *s, int64_t now) {
  if (s->epoch == 0) return false;
  bool stale = now - s->heard_ns > s->limits.stale_ns || (s->gap_ns != 0 && now - s->gap_ns > s->limits.stale_ns);
  if (stale == s->stale) return false;
  s->stale = stale;
  s->figures.stale += stale;
  return true;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t hc_stream_due(const struct hc_stream *s, int64_t now) {
  if (s->epoch == 0) return INT64_MAX;
  int64_t due = INT64_MAX;
  if (!s->stale) {
    due = s->heard_ns + s->limits.stale_ns + 1;
    if (s->gap_ns != 0) due = earlier(due, s->gap_ns + s->limits.stale_ns + 1);
  }
  if (hc_stream_behind(s)) {
    int64_t ask = s->pending ? s->asked_ns + s->limits.answer_ns : s->ask_ns;
    if (!s->snapshot_wanted && ask < s->gap_ns + s->limits.settle_ns) ask = s->gap_ns + s->limits.settle_ns;
    due = earlier(due, ask);
  }
  return due < now ? now : due;
}
