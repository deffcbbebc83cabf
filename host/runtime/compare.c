#include "runtime/compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/banned.h"
#include "pipeline/portfolio.h"

#define ENTRIES_MIN 1024
#define SAME_DECISIONS_MIN 100 // as many the same, and none other, are taken as the same version of mind

const char *const hd_compare_keys[HD_COMPARE_KINDS] = {
#define KEY(name, key, text) key,
    HD_COMPARE_MAP(KEY)
#undef KEY
};
const char *const hd_compare_texts[HD_COMPARE_KINDS] = {
#define TEXT(name, key, text) text,
    HD_COMPARE_MAP(TEXT)
#undef TEXT
};

// ---- one pair --------------------------------------------------------------------------------------------------------------------

static bool same_number(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; } // to the bit, as a replay compares

enum hd_compare_kind hd_compare_decisions(const struct hadron_decision *a, const struct hadron_decision *b) {
  if (a->side != b->side || a->kind != b->kind) return HD_COMPARE_SIDE;
  if (a->quantity.e8 != b->quantity.e8) return HD_COMPARE_SIZE;
  if (a->limit.nanos != b->limit.nanos || a->stop.nanos != b->stop.nanos) return HD_COMPARE_PRICE;
  if (a->order_type != b->order_type || a->time_in_force != b->time_in_force || a->expire_ns != b->expire_ns ||
      ((a->flags ^ b->flags) & ~HADRON_ORDER_SHADOW) || // a mark of the host
       a->key != b->key)
    return HD_COMPARE_TERMS;
  if (!same_number(a->mean_return, b->mean_return) || !same_number(a->uncertainty, b->uncertainty) ||
      !same_number(a->confidence, b->confidence) || a->horizon_ns != b->horizon_ns || a->regime != b->regime)
    return HD_COMPARE_VIEW;
  return HD_COMPARE_SAME;
}

// ---- matching --------------------------------------------------------------------------------------------------------------------

int32_t hd_compare_init(struct hd_compare *c, uint32_t keep) {
  HD_ASSERT(keep <= HD_COMPARE_KEEP_MAX);
  *c = (struct hd_compare){.keep = keep, .room = ENTRIES_MIN};
  c->differences = calloc(keep + 1, sizeof *c->differences);
  c->entries = calloc(c->room, sizeof *c->entries);
  if (c->differences && c->entries) return HADRON_OK;
  hd_compare_fini(c);
  return HADRON_ERR_MEMORY;
}

void hd_compare_fini(struct hd_compare *c) {
  free(c->differences);
  free(c->entries);
  *c = (struct hd_compare){.keep = 0};
}

// What belongs together comes together: the causes in their order, in each the instruments and slots, then the arms.
static int compare_places(const struct hd_compare_entry *x, const struct hd_compare_entry *y) {
  if (x->decision.cause != y->decision.cause) return x->decision.cause < y->decision.cause ? -1 : 1;
  if (x->decision.instrument != y->decision.instrument) return x->decision.instrument < y->decision.instrument ? -1 : 1;
  if (x->decision.slot != y->decision.slot) return x->decision.slot < y->decision.slot ? -1 : 1;
  return 0;
}

static int entry_order(const void *a, const void *b) {
  const struct hd_compare_entry *x = a, *y = b;
  int place = compare_places(x, y);
  if (place) return place;
  if (x->arm != y->arm) return x->arm < y->arm ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

static void tell(struct hd_compare *c, const struct hadron_decision *a, const struct hadron_decision *b) {
  enum hd_compare_kind kind = !b ? HD_COMPARE_ONLY_A : !a ? HD_COMPARE_ONLY_B : hd_compare_decisions(a, b);
  c->kinds[kind]++;
  if (kind == HD_COMPARE_SAME || c->kept == c->keep) return;
  struct hd_compare_difference *d = &c->differences[c->kept++];
  *d = (struct hd_compare_difference){.kind = kind, .session = c->session};
  if (a) d->a = *a;
  if (b) d->b = *b;
}

// Entries [from, to) share their place; sorted, those of arm 0 first.
static void settle_place(struct hd_compare *c, size_t from, size_t to) {
  size_t middle = from;
  while (middle < to && c->entries[middle].arm == 0) middle++;
  size_t a = middle - from, b = to - middle, turns = a > b ? a : b;
  for (size_t i = 0; i < turns; i++)
    tell(c, i < a ? &c->entries[from + i].decision : NULL, i < b ? &c->entries[middle + i].decision : NULL);
}

// Compares what has a cause of at most `until`; the rest goes on waiting.
static void settle(struct hd_compare *c, uint64_t until) {
  qsort(c->entries, c->count, sizeof *c->entries, entry_order);
  size_t at = 0;
  while (at < c->count && c->entries[at].decision.cause <= until) {
    size_t end = at + 1;
    while (end < c->count && compare_places(&c->entries[at], &c->entries[end]) == 0) end++;
    settle_place(c, at, end);
    at = end;
  }
  memmove(c->entries, c->entries + at, (c->count - at) * sizeof *c->entries);
  c->count -= at;
  if (until != UINT64_MAX && until > c->settled) c->settled = until;
}

// The older half of the causes that wait.
static void settle_older(struct hd_compare *c) {
  uint64_t low = UINT64_MAX, high = 0;
  for (size_t i = 0; i < c->count; i++) {
    uint64_t cause = c->entries[i].decision.cause;
    low = cause < low ? cause : low;
    high = cause > high ? cause : high;
  }
  settle(c, low + (high - low) / 2);
}

int32_t hd_compare_add(struct hd_compare *c, uint32_t arm, const struct hadron_decision *d) {
  HD_ASSERT(arm < 2);
  if (c->count == HD_COMPARE_WINDOW) settle_older(c);
  if (c->count == c->room) {
    struct hd_compare_entry *grown = realloc(c->entries, c->room * 2 * sizeof *grown);
    if (!grown) return HADRON_ERR_MEMORY;
    c->entries = grown;
    c->room *= 2;
  }
  c->decisions[arm]++;
  c->late += d->cause <= c->settled;
  c->entries[c->count++] = (struct hd_compare_entry){*d, c->order++, arm};
  return HADRON_OK;
}

void hd_compare_flush(struct hd_compare *c) {
  settle(c, UINT64_MAX);
  c->settled = 0;
  c->session++;
}

double hd_compare_agreement(const struct hd_compare *c) {
  uint64_t pairs = hd_compare_pairs(c);
  return pairs ? (double)c->kinds[HD_COMPARE_SAME] / (double)pairs : 1;
}

// ---- advice ----------------------------------------------------------------------------------------------------------------------

const char *const hd_recommendation_names[5] = {"", "continue", "keep", "promote", "demote"};

__attribute__((format(printf, 3, 4))) static void say(struct hd_compare_advice *out, uint32_t what, const char *format, ...) {
  va_list arguments;
  out->what = what;
  va_start(arguments, format);
  vsnprintf(out->why, sizeof out->why, format, arguments);
  va_end(arguments);
}

// Nothing is proved: what is missing?
static void advise_waiting(const struct hd_compare_facts *f, struct hd_compare_advice *out) {
  const struct hd_paired *p = &f->paired;
  if (f->decisions >= SAME_DECISIONS_MIN && f->differing == 0) {
    say(out, HD_RECOMMEND_KEEP, "%s and %s have decided the same %llu times out of %llu, so there is nothing to choose.", f->challenger,
        f->live, (unsigned long long)f->decisions, (unsigned long long)f->decisions);
    return;
  }
  if (f->sequential.blocks == 0) {
    say(out, HD_RECOMMEND_CONTINUE, "%zu periods are too few: the test begins once %d of them differ, and %zu do so far set its scale.", p->count,
        HD_PAIRED_MIN, f->sequential.warm);
    return;
  }
  uint64_t needed = hd_paired_needed(p, &f->sequential, f->alpha);
  double surest = fmin(f->sequential.p_better, f->sequential.p_worse);
  if (needed > 0 && needed < 1000000)
    say(out, HD_RECOMMEND_CONTINUE, "Nothing is proved yet (always-valid p %.3f, needed %.3f); if it goes on like this, about %llu more periods will tell.",
        surest, f->alpha, (unsigned long long)needed);
  else
    say(out, HD_RECOMMEND_CONTINUE, "Nothing is proved yet (always-valid p %.3f, needed %.3f), and the difference so far is too small to say when it will be.",
        surest, f->alpha);
}

void hd_compare_advise(const struct hd_compare_facts *f, struct hd_compare_advice *out) {
  const struct hd_paired *p = &f->paired;
  const struct hd_sequential *s = &f->sequential;
  bool trades = f->role != HD_ROLE_SHADOW;
  if (f->guard) {
    say(out, trades ? HD_RECOMMEND_DEMOTE : HD_RECOMMEND_KEEP, "%s has broken a guard: %s.", f->challenger, f->guard);
  } else if (s->p_worse <= f->alpha) {
    say(out, trades ? HD_RECOMMEND_DEMOTE : HD_RECOMMEND_KEEP, "%s is worse than %s: by %.4f %% of the capital per period, always-valid p %.2g.",
        f->challenger, f->live, -100 * p->mean, s->p_worse);
  } else if (s->p_better <= f->alpha && p->low > 0) {
    say(out, HD_RECOMMEND_PROMOTE, "%s is better than %s: by %.4f %% of the capital per period (%.4f %% to %.4f %%), always-valid p %.2g.", f->challenger,
        f->live, 100 * p->mean, 100 * p->low, 100 * p->high, s->p_better);
  } else if (s->p_better <= f->alpha) {
    say(out, HD_RECOMMEND_CONTINUE, "%s was ahead beyond chance (always-valid p %.2g), but its lead now is not: %.4f %% to %.4f %% per period.",
        f->challenger, s->p_better, 100 * p->low, 100 * p->high);
  } else {
    advise_waiting(f, out);
  }
}
