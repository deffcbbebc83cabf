#include "pipeline/normalize.h"

#include "base/assert.h"

// What a trade looks at comes first: one cache line, but for the sequence.
struct hd_listing_check {
  _Alignas(64) const struct hd_instrument *row; // NULL: handle not in use
  uint32_t instrument;
  int64_t event_ns;                   // of the last accepted tick
  uint64_t trade_id;
  int64_t trade_nanos, bid_nanos, ask_nanos; // last good ones
  uint8_t closed[HADRON_TICK_STATUS + 1];    // 1: the message of `sequence` is complete
  uint32_t outliers[HADRON_TICK_QUOTE + 1]; // refused in a row, by kind: sane quotes say nothing of a far trade
  uint64_t sequence[HADRON_TICK_STATUS + 1]; // the venue's, by kind
};

void hd_normalize_set(struct hd_normalize *n, const struct hd_normalize_options *options) {
  n->options = *options;
  n->skew_ns = options->skew_ns > 0 ? options->skew_ns : INT64_MAX;
  n->stale_ns = options->stale_ns > 0 ? options->stale_ns : INT64_MAX;
  n->stale_flag_ns = options->stale_flag_ns > 0 ? options->stale_flag_ns : INT64_MAX;
}

int32_t hd_normalize_init(struct hd_normalize *n, const struct hd_normalize_options *options,
                          const struct hd_instruments *instruments) {
  HD_ASSERT(instruments->listing_max > 0);
  *n = (struct hd_normalize){.instruments = instruments, .check_count = instruments->listing_max + 1};
  hd_normalize_set(n, options);
  n->checks = aligned_alloc(64, n->check_count * sizeof *n->checks);
  if (!n->checks) return HADRON_ERR_MEMORY;
  memset(n->checks, 0, n->check_count * sizeof *n->checks);
  return HADRON_OK;
}

void hd_normalize_fini(struct hd_normalize *n) {
  free(n->checks);
  n->checks = NULL;
}

// The instrument of a listing is learnt on its first tick; rows of the table never change.
__attribute__((noinline)) static bool learn(const struct hd_normalize *n, struct hd_listing_check *check, uint32_t handle) {
  if (handle == 0 || handle > n->instruments->listing_count) return false;
  uint32_t instrument = n->instruments->listings[handle].instrument;
  HD_ASSERT(instrument > 0 && instrument <= hd_instruments_count(n->instruments));
  check->row = &n->instruments->rows[instrument];
  check->instrument = instrument;
  return true;
}

static inline uint32_t check_time(const struct hd_normalize *n, const struct hd_listing_check *check, const struct hadron_tick *t,
                                  int64_t now_ns) {
  if (t->event_ns <= 0) return HADRON_TICK_REASON_TIME_ABSENT;
  if (t->event_ns - now_ns > n->skew_ns) return HADRON_TICK_REASON_TIME_IN_FUTURE;
  if (check->event_ns - t->event_ns > n->skew_ns) return HADRON_TICK_REASON_TIME_BACKWARD;
  if (now_ns - t->event_ns > n->stale_ns) return HADRON_TICK_REASON_STALE;
  return HADRON_TICK_ACCEPTED;
}

// The ticks of one venue message share its sequence; HADRON_TICK_LAST closes it. So the same sequence after that is a repeat.
static inline uint32_t check_sequence(const struct hd_listing_check *check, const struct hadron_tick *t, uint8_t kind) {
  uint64_t last = check->sequence[kind];
  if (t->sequence != 0 && last != 0) {
    if (t->sequence < last && !(t->flags & HADRON_TICK_SNAPSHOT)) return HADRON_TICK_REASON_OUT_OF_ORDER;
    if (t->sequence == last && check->closed[kind]) return HADRON_TICK_REASON_DUPLICATE;
  }
  if (kind == HADRON_TICK_TRADE && t->value.trade.trade_id != 0 && t->value.trade.trade_id == check->trade_id)
    return HADRON_TICK_REASON_DUPLICATE;
  return HADRON_TICK_ACCEPTED;
}

static uint32_t check_price(const struct hd_normalize *n, const struct hd_instrument *row, int64_t nanos) {
  if (nanos <= 0) return HADRON_TICK_REASON_PRICE_NOT_POSITIVE;
  if (nanos < row->price_min.nanos || (row->price_max.nanos > 0 && nanos > row->price_max.nanos))
    return HADRON_TICK_REASON_PRICE_OUT_OF_BOUNDS;
  if (n->options.grid && nanos % row->increment.nanos != 0) return HADRON_TICK_REASON_OFF_GRID;
  return HADRON_TICK_ACCEPTED;
}

static uint32_t check_size(const struct hd_instrument *row, int64_t e8, bool zero) {
  if (e8 < 0 || (e8 == 0 && !zero)) return HADRON_TICK_REASON_SIZE_NOT_POSITIVE;
  if (row->size_max.e8 > 0 && e8 > row->size_max.e8) return HADRON_TICK_REASON_SIZE_OUT_OF_BOUNDS;
  return HADRON_TICK_ACCEPTED;
}

// True if `nanos` is farther from `last` than the limit.
static bool far_away(int64_t nanos, int64_t last, int64_t bps) {
  if (last == 0) return false;
  int64_t distance = nanos > last ? nanos - last : last - nanos;
  return (__int128)distance * 10000 > (__int128)last * bps;
}

static uint32_t check_outlier(const struct hd_normalize *n, uint32_t *refused, bool far) {
  if (n->options.outlier_bps == 0 || !far) {
    *refused = 0;
    return HADRON_TICK_ACCEPTED;
  }
  if (++*refused > n->options.outlier_patience) {
    *refused = 0;
    return HADRON_TICK_ACCEPTED;
  }
  return HADRON_TICK_REASON_OUTLIER;
}

static inline uint32_t check_trade(struct hd_normalize *n, struct hd_listing_check *check, const struct hd_instrument *row,
                            const struct hadron_tick *t) {
  const struct hadron_trade *trade = &t->value.trade;
  uint32_t reason = check_price(n, row, trade->price.nanos);
  // A synthetic tick of a bar without volume (an index, a forex bar) has no size.
  if (!reason) reason = check_size(row, trade->quantity.e8, t->flags & HADRON_TICK_SYNTHETIC);
  if (!reason && trade->aggressor > HADRON_SIDE_SELL) reason = HADRON_TICK_REASON_BAD_SIDE;
  if (reason) return reason;
  return check_outlier(n, &check->outliers[HADRON_TICK_TRADE], far_away(trade->price.nanos, check->trade_nanos, n->options.outlier_bps));
}

static uint32_t check_quote(struct hd_normalize *n, struct hd_listing_check *check, const struct hd_instrument *row,
                            const struct hadron_tick *t) {
  const struct hadron_quote *q = &t->value.quote;
  bool bid = q->bid.nanos != 0, ask = q->ask.nanos != 0;
  if (!bid && !ask) return HADRON_TICK_REASON_EMPTY_QUOTE;
  uint32_t reason = bid ? check_price(n, row, q->bid.nanos) : 0;
  if (!reason && ask) reason = check_price(n, row, q->ask.nanos);
  if (!reason) reason = check_size(row, q->bid_size.e8, true);
  if (!reason) reason = check_size(row, q->ask_size.e8, true);
  if (!reason && bid && ask && q->bid.nanos > q->ask.nanos && !n->options.crossed) reason = HADRON_TICK_REASON_CROSSED;
  if (reason) return reason;
  return check_outlier(n, &check->outliers[HADRON_TICK_QUOTE], (bid && far_away(q->bid.nanos, check->bid_nanos, n->options.outlier_bps)) ||
                                                                  (ask && far_away(q->ask.nanos, check->ask_nanos, n->options.outlier_bps)));
}

static uint32_t check_book(const struct hd_normalize *n, const struct hd_instrument *row, const struct hadron_tick *t) {
  const struct hadron_book_change *b = &t->value.book;
  if (b->action == HADRON_BOOK_CLEAR) return HADRON_TICK_ACCEPTED;
  if (b->action == HADRON_BOOK_INVALID || b->action > HADRON_BOOK_CLEAR) return HADRON_TICK_REASON_BAD_SIDE;
  if (b->side != HADRON_SIDE_BUY && b->side != HADRON_SIDE_SELL) return HADRON_TICK_REASON_BAD_SIDE;
  uint32_t reason = check_price(n, row, b->price.nanos);
  return reason ? reason : check_size(row, b->quantity.e8, true);
}

static uint32_t check_other(struct hd_normalize *n, struct hd_listing_check *check, const struct hd_instrument *row,
                            const struct hadron_tick *t) {
  switch (t->kind) {
  case HADRON_TICK_QUOTE: return check_quote(n, check, row, t);
  case HADRON_TICK_BOOK: return check_book(n, row, t);
  case HADRON_TICK_STATUS:
    return t->value.status.state == 0 || t->value.status.state > HADRON_MARKET_AUCTION ? HADRON_TICK_REASON_BAD_STATE : 0;
  default: return HADRON_TICK_REASON_BAD_KIND;
  }
}

static inline void remember(struct hd_listing_check *check, const struct hadron_tick *t, uint8_t kind) {
  if (t->event_ns > check->event_ns) check->event_ns = t->event_ns;
  if (t->sequence != 0) {
    check->sequence[kind] = t->sequence;
    check->closed[kind] = (t->flags & HADRON_TICK_LAST) != 0;
  }
  if (kind == HADRON_TICK_TRADE) {
    check->trade_id = t->value.trade.trade_id;
    check->trade_nanos = t->value.trade.price.nanos;
  } else if (kind == HADRON_TICK_QUOTE) {
    check->bid_nanos = t->value.quote.bid.nanos;
    check->ask_nanos = t->value.quote.ask.nanos;
  }
}

__attribute__((noinline)) static uint32_t refuse(struct hd_normalize *n, uint32_t reason) {
  HD_ASSERT(reason > 0 && reason < HADRON_TICK_REASON_COUNT);
  n->refused[reason]++;
  return reason;
}

// Stamps a tick that is sane.
static inline uint32_t take(struct hd_normalize *n, struct hd_listing_check *check, const struct hadron_tick *restrict in, uint8_t kind,
                            int64_t now_ns, struct hadron_tick *restrict out) {
  uint8_t flags = in->flags;
  if (n->options.contiguous && check->sequence[kind] != 0 && in->sequence > check->sequence[kind] + 1) flags |= HADRON_TICK_GAP;
  if (now_ns - in->event_ns > n->stale_flag_ns) flags |= HADRON_TICK_STALE, n->stale++;
  if (flags & HADRON_TICK_GAP) n->gaps++;
  remember(check, in, kind);
  *out = *in;
  out->sequence = ++n->sequence;
  out->instrument = check->instrument;
  out->flags = flags;
  n->accepted++;
  return HADRON_TICK_ACCEPTED;
}

// Made twice, so that a trade, of which the kind is known, pays for nothing else.
static inline __attribute__((always_inline)) uint32_t tick_of(struct hd_normalize *n, struct hd_listing_check *check,
                                                              const struct hadron_tick *restrict in, uint8_t kind, int64_t now_ns,
                                                              struct hadron_tick *restrict out) {
  if (in->flags & HADRON_TICK_SUSPICIOUS) return refuse(n, HADRON_TICK_REASON_SUSPICIOUS);
  uint32_t reason = check_time(n, check, in, now_ns);
  if (!reason) reason = check_sequence(check, in, kind);
  if (!reason) reason = kind == HADRON_TICK_TRADE ? check_trade(n, check, check->row, in) : check_other(n, check, check->row, in);
  return reason ? refuse(n, reason) : take(n, check, in, kind, now_ns, out);
}

__attribute__((noinline)) static uint32_t tick_other(struct hd_normalize *n, struct hd_listing_check *check, const struct hadron_tick *restrict in,
                                                     int64_t now_ns, struct hadron_tick *restrict out) {
  if (in->kind == HADRON_TICK_INVALID || in->kind > HADRON_TICK_STATUS) return refuse(n, HADRON_TICK_REASON_BAD_KIND);
  return tick_of(n, check, in, in->kind, now_ns, out);
}

uint32_t hd_normalize_tick(struct hd_normalize *n, const struct hadron_tick *restrict in, int64_t now_ns, struct hadron_tick *restrict out) {
  if (__builtin_expect(in->instrument >= n->check_count, 0)) return refuse(n, HADRON_TICK_REASON_UNKNOWN_LISTING);
  struct hd_listing_check *check = &n->checks[in->instrument];
  if (__builtin_expect(!check->row, 0) && !learn(n, check, in->instrument)) return refuse(n, HADRON_TICK_REASON_UNKNOWN_LISTING);
  if (__builtin_expect(in->kind != HADRON_TICK_TRADE, 0)) return tick_other(n, check, in, now_ns, out);
  return tick_of(n, check, in, HADRON_TICK_TRADE, now_ns, out);
}

uint64_t hd_normalize_refused(const struct hd_normalize *n) {
  uint64_t sum = 0;
  for (uint32_t i = 1; i < HADRON_TICK_REASON_COUNT; i++) sum += n->refused[i];
  return sum;
}

#define REASON_NAME(name, number, text) [number] = #name,
#define REASON_TEXT(name, number, text) [number] = text,
static const char *const reason_names[] = {[0] = "ACCEPTED", HADRON_TICK_REASON_MAP(REASON_NAME)};
static const char *const reason_texts[] = {[0] = "accepted", HADRON_TICK_REASON_MAP(REASON_TEXT)};

const char *hd_tick_reason_name(uint32_t reason) {
  return reason < HADRON_TICK_REASON_COUNT ? reason_names[reason] : "UNKNOWN";
}
const char *hd_tick_reason_text(uint32_t reason) {
  return reason < HADRON_TICK_REASON_COUNT ? reason_texts[reason] : "unknown reason";
}
