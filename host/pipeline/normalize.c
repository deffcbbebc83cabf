#include "pipeline/normalize.h"

#include "base/assert.h"

struct hd_listing_check {
  uint32_t instrument;                // 0: handle not in use
  uint32_t outliers[HADRON_TICK_QUOTE + 1]; // refused in a row, by kind: sane quotes say nothing of a far trade
  int64_t event_ns;                   // of the last accepted tick
  uint64_t sequence[HADRON_TICK_STATUS + 1]; // the venue's, by kind
  uint64_t trade_id;
  int64_t trade_nanos, bid_nanos, ask_nanos; // last good ones
  uint8_t closed[HADRON_TICK_STATUS + 1];    // 1: the message of `sequence` is complete
};

int32_t hd_normalize_init(struct hd_normalize *n, const struct hd_normalize_options *options,
                          const struct hd_instruments *instruments) {
  HD_ASSERT(instruments->listing_max > 0);
  *n = (struct hd_normalize){.options = *options, .instruments = instruments, .check_count = instruments->listing_max + 1};
  n->checks = calloc(n->check_count, sizeof *n->checks);
  return n->checks ? HADRON_OK : HADRON_ERR_MEMORY;
}

void hd_normalize_fini(struct hd_normalize *n) {
  free(n->checks);
  n->checks = NULL;
}

// The instrument of a listing is learnt on its first tick; rows of the table never change.
static struct hd_listing_check *check_of(struct hd_normalize *n, uint32_t handle) {
  if (handle == 0 || handle >= n->check_count) return NULL;
  struct hd_listing_check *check = &n->checks[handle];
  if (check->instrument == 0) {
    if (handle > n->instruments->listing_count) return NULL;
    check->instrument = n->instruments->listings[handle].instrument;
    HD_ASSERT(check->instrument > 0 && check->instrument <= n->instruments->count);
  }
  return check;
}

static uint32_t check_time(const struct hd_normalize *n, const struct hd_listing_check *check, const struct hadron_tick *t,
                           int64_t now_ns) {
  const struct hd_normalize_options *o = &n->options;
  if (t->event_ns <= 0) return HADRON_TICK_REASON_TIME_ABSENT;
  if (o->skew_ns > 0) {
    if (t->event_ns - now_ns > o->skew_ns) return HADRON_TICK_REASON_TIME_IN_FUTURE;
    if (check->event_ns - t->event_ns > o->skew_ns) return HADRON_TICK_REASON_TIME_BACKWARD;
  }
  if (o->stale_ns > 0 && now_ns - t->event_ns > o->stale_ns) return HADRON_TICK_REASON_STALE;
  return HADRON_TICK_ACCEPTED;
}

// The ticks of one venue message share its sequence; HADRON_TICK_LAST closes it. So the same sequence after that is a repeat.
static uint32_t check_sequence(const struct hd_listing_check *check, const struct hadron_tick *t) {
  uint64_t last = check->sequence[t->kind];
  if (t->sequence != 0 && last != 0) {
    if (t->sequence < last && !(t->flags & HADRON_TICK_SNAPSHOT)) return HADRON_TICK_REASON_OUT_OF_ORDER;
    if (t->sequence == last && check->closed[t->kind]) return HADRON_TICK_REASON_DUPLICATE;
  }
  if (t->kind == HADRON_TICK_TRADE && t->value.trade.trade_id != 0 && t->value.trade.trade_id == check->trade_id)
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

// Trades are checked in line; the rest apart, so that a trade saves no registers for it.
__attribute__((noinline)) static uint32_t check_other(struct hd_normalize *n, struct hd_listing_check *check, const struct hd_instrument *row,
                                                      const struct hadron_tick *t) {
  switch (t->kind) {
  case HADRON_TICK_QUOTE: return check_quote(n, check, row, t);
  case HADRON_TICK_BOOK: return check_book(n, row, t);
  case HADRON_TICK_STATUS:
    return t->value.status.state == 0 || t->value.status.state > HADRON_MARKET_AUCTION ? HADRON_TICK_REASON_BAD_STATE : 0;
  default: return HADRON_TICK_REASON_BAD_KIND;
  }
}

static void remember(struct hd_listing_check *check, const struct hadron_tick *t) {
  if (t->event_ns > check->event_ns) check->event_ns = t->event_ns;
  if (t->sequence != 0) {
    check->sequence[t->kind] = t->sequence;
    check->closed[t->kind] = (t->flags & HADRON_TICK_LAST) != 0;
  }
  if (t->kind == HADRON_TICK_TRADE) {
    check->trade_id = t->value.trade.trade_id;
    check->trade_nanos = t->value.trade.price.nanos;
  } else if (t->kind == HADRON_TICK_QUOTE) {
    check->bid_nanos = t->value.quote.bid.nanos;
    check->ask_nanos = t->value.quote.ask.nanos;
  }
}

__attribute__((noinline)) static uint32_t refuse(struct hd_normalize *n, uint32_t reason) {
  HD_ASSERT(reason > 0 && reason < HADRON_TICK_REASON_COUNT);
  n->refused[reason]++;
  return reason;
}

uint32_t hd_normalize_tick(struct hd_normalize *n, const struct hadron_tick *in, int64_t now_ns, struct hadron_tick *out) {
  struct hd_listing_check *check = check_of(n, in->instrument);
  if (!check) return refuse(n, HADRON_TICK_REASON_UNKNOWN_LISTING);
  if (in->kind == HADRON_TICK_INVALID || in->kind > HADRON_TICK_STATUS) return refuse(n, HADRON_TICK_REASON_BAD_KIND);
  if (in->flags & HADRON_TICK_SUSPICIOUS) return refuse(n, HADRON_TICK_REASON_SUSPICIOUS);
  uint32_t reason = check_time(n, check, in, now_ns);
  if (!reason) reason = check_sequence(check, in);
  const struct hd_instrument *row = &n->instruments->rows[check->instrument];
  if (!reason) reason = in->kind == HADRON_TICK_TRADE ? check_trade(n, check, row, in) : check_other(n, check, row, in);
  if (reason) return refuse(n, reason);

  uint8_t flags = in->flags;
  uint64_t last = check->sequence[in->kind];
  if (n->options.contiguous && last != 0 && in->sequence > last + 1) flags |= HADRON_TICK_GAP;
  if (n->options.stale_flag_ns > 0 && now_ns - in->event_ns > n->options.stale_flag_ns) flags |= HADRON_TICK_STALE, n->stale++;
  if (flags & HADRON_TICK_GAP) n->gaps++;
  remember(check, in);

  *out = *in;
  out->sequence = ++n->sequence;
  out->instrument = check->instrument;
  out->flags = flags;
  n->accepted++;
  return HADRON_TICK_ACCEPTED;
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
