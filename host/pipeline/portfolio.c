// All changes go through struct change: what one event does to one position. It is applied to copies of the arm's book and of the
// sum, and the copies are stored only when every addition has held, so an overflow leaves no half-booked share behind.
//
// The identity holds by construction: of a trade worth v that closes n of it at cost `out`, cash changes by -v - fee, cost by
// v - n - out and realized by -n - out. Nothing but v, n and out is ever rounded, and each of them once.
#include "pipeline/portfolio.h"

#include "base/assert.h"
#include "hadron/decimal.h"

struct change {
  int64_t quantity, cost, realized, fees, dividends, cash, unrealized;
  int64_t turnover, gain, loss;
  uint64_t bought, sold;
  uint32_t trades, wins, losses;
};

struct hd_portfolio_stage {
  struct hd_book book;
  struct hd_position position;
};

static const struct hd_position flat;

static bool add(int64_t *to, int64_t by) { return __builtin_add_overflow(*to, by, to); }

static int64_t sign(int64_t x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// |x|, where the callers have made sure that x is no INT64_MIN.
static int64_t magnitude(int64_t x) {
  HD_DASSERT(x != INT64_MIN);
  return x < 0 ? -x : x;
}

static struct hd_position *book_position(const struct hd_book *book, uint32_t instrument) {
  uint32_t at = book->index ? book->index[instrument] : 0;
  return at ? &book->positions[at - 1] : NULL;
}

static int32_t book_open(struct hd_book *book, uint32_t arm, uint32_t role, struct hadron_money cash, uint32_t instrument_max,
                         uint32_t position_max) {
  uint32_t *index = calloc(instrument_max + 1, sizeof *index);
  struct hd_position *positions = calloc(position_max ? position_max : 1, sizeof *positions);
  if (!index || !positions) {
    free(index);
    free(positions);
    return HADRON_ERR_MEMORY;
  }
  *book = (struct hd_book){.arm = arm, .role = role, .initial = cash, .cash = cash, .index = index, .positions = positions};
  return HADRON_OK;
}

static void book_extend(struct hd_book *book, uint32_t instrument) {
  if (book->index[instrument]) return;
  book->positions[book->position_count].instrument = instrument;
  book->index[instrument] = ++book->position_count;
}

// The house's own book has a row for what it was given.
static void house_extend(struct hd_portfolio *p, uint32_t instrument) {
  book_extend(&p->books[p->arm_max + 1], instrument);
  book_extend(&p->books[0], instrument);
}

int32_t hd_portfolio_init(struct hd_portfolio *p, const struct hd_instruments *instruments, const struct hd_marks *marks,
                          uint32_t arm_max, struct hadron_money cash) {
  HD_ASSERT(instruments && marks);
  *p = (struct hd_portfolio){.instruments = instruments, .marks = marks, .arm_max = arm_max, .words = (arm_max + 1) / 64 + 1};
  p->books = calloc(arm_max + 2, sizeof *p->books);
  p->stages = calloc(arm_max + 2, sizeof *p->stages);
  bool sides = true;
  for (int i = 0; i < HD_SIDE_COUNT; i++) {
    struct hd_portfolio_side *side = &p->sides[i];
    side->holdings = calloc(instruments->max + 1, sizeof *side->holdings);
    side->holders = calloc((size_t)(instruments->max + 1) * p->words, sizeof *side->holders);
    sides &= side->holdings && side->holders;
  }
  p->sides[HD_SIDE_SHADOW].allocations = HADRON_SHADOW_ID;
  if (!p->books || !p->stages || !sides ||
      book_open(&p->books[0], 0, HD_ROLE_LIVE, cash, instruments->max, instruments->max) ||
      book_open(&p->books[arm_max + 1], arm_max + 1, HD_ROLE_LIVE, (struct hadron_money){0}, instruments->max, instruments->max)) {
    hd_portfolio_fini(p);
    return HADRON_ERR_MEMORY;
  }
  return HADRON_OK;
}

void hd_portfolio_fini(struct hd_portfolio *p) {
  for (uint32_t i = 0; p->books && i <= p->arm_max + 1; i++) {
    free(p->books[i].index);
    free(p->books[i].positions);
  }
  free(p->books);
  free(p->stages);
  for (int i = 0; i < HD_SIDE_COUNT; i++) {
    free(p->sides[i].holdings);
    free(p->sides[i].holders);
  }
  *p = (struct hd_portfolio){0};
}

int32_t hd_portfolio_open(struct hd_portfolio *p, uint32_t arm, uint32_t role, struct hadron_money cash,
                          const uint32_t *instruments, uint32_t count) {
  if (arm == 0 || arm > p->arm_max || role < HD_ROLE_LIVE || role > HD_ROLE_SHADOW) return HADRON_ERR_ARGUMENT;
  for (uint32_t i = 0; i < count; i++)
    if (instruments[i] == 0 || instruments[i] > hd_instruments_count(p->instruments)) return HADRON_ERR_ARGUMENT;
  struct hd_book *book = &p->books[arm];
  if (book->role) return HADRON_ERR_EXISTS;

  struct hd_book opened;
  int32_t error = book_open(&opened, arm, role, cash, p->instruments->max, count);
  if (error) return error;
  for (uint32_t i = 0; i < count; i++) book_extend(&opened, instruments[i]);
  if (opened.position_count != count) { // one was named twice
    free(opened.index);
    free(opened.positions);
    return HADRON_ERR_ARGUMENT;
  }
  *book = opened;
  for (uint32_t i = 0; role != HD_ROLE_SHADOW && i < count; i++) book_extend(&p->books[0], instruments[i]);
  return HADRON_OK;
}

const struct hd_position *hd_portfolio_position(const struct hd_portfolio *p, uint32_t arm, uint32_t instrument) {
  if (arm > p->arm_max || instrument == 0 || instrument > p->instruments->max) return &flat;
  const struct hd_position *position = book_position(&p->books[arm], instrument);
  return position ? position : &flat;
}

const struct hd_position *hd_portfolio_house_position(const struct hd_portfolio *p, uint32_t instrument) {
  if (instrument == 0 || instrument > p->instruments->max) return &flat;
  const struct hd_position *position = book_position(&p->books[p->arm_max + 1], instrument);
  return position ? position : &flat;
}

// What a quantity is worth at a price, signed.
static int32_t worth(const struct hd_portfolio *p, uint32_t instrument, struct hadron_price price, int64_t quantity, int64_t *out) {
  struct hadron_money value;
  int32_t error = hadron_notional(price, (struct hadron_quantity){quantity}, p->instruments->rows[instrument].multiplier, &value);
  if (!error) *out = value.micros;
  return error;
}

// --- staging: book and position with a change applied, not stored yet ---

static void stage_load(struct hd_portfolio_stage *s, const struct hd_book *book, const struct hd_position *position) {
  s->book = *book;
  s->position = *position;
}

static int32_t stage_apply(struct hd_portfolio_stage *s, const struct change *c) {
  struct hd_position *position = &s->position;
  struct hd_book *book = &s->book;
  int64_t before = magnitude(position->cost.micros + position->unrealized.micros), after = position->cost.micros, equity;
  bool over = add(&position->quantity.e8, c->quantity) | add(&position->cost.micros, c->cost) |
              add(&position->realized.micros, c->realized) | add(&position->fees.micros, c->fees) |
              add(&position->dividends.micros, c->dividends) | add(&position->unrealized.micros, c->unrealized) |
              __builtin_add_overflow(position->bought_e8, c->bought, &position->bought_e8) |
              __builtin_add_overflow(position->sold_e8, c->sold, &position->sold_e8);
  over |= add(&book->cost.micros, c->cost) | add(&book->cash.micros, c->cash) | add(&book->realized.micros, c->realized) |
          add(&book->fees.micros, c->fees) | add(&book->dividends.micros, c->dividends) |
          add(&book->unrealized.micros, c->unrealized) | add(&book->turnover.micros, c->turnover) |
          add(&book->gain.micros, c->gain) | add(&book->loss.micros, c->loss);
  after = position->cost.micros;
  over |= add(&after, position->unrealized.micros) || after == INT64_MIN || position->quantity.e8 == INT64_MIN;
  equity = book->cash.micros;
  over |= add(&equity, book->cost.micros) | add(&equity, book->unrealized.micros);
  if (over || add(&book->gross.micros, magnitude(after) - before)) return HADRON_ERR_OVERFLOW;
  position->trades += c->trades;
  book->wins += c->wins;
  book->losses += c->losses;
  return HADRON_OK;
}

// Who holds what, after the quantity of an arm's position may have changed to or from zero.
static void holder_update(struct hd_portfolio *p, uint32_t arm, uint32_t instrument, bool holds) {
  struct hd_portfolio_side *side = &p->sides[hd_role_side(p->books[arm].role)];
  uint64_t *word = &side->holders[(size_t)instrument * p->words + arm / 64], bit = UINT64_C(1) << (arm % 64);
  struct hd_holding *holding = &side->holdings[instrument];
  if (holds == ((*word & bit) != 0)) return;
  *word ^= bit;
  holding->books += holds ? 1 : UINT32_MAX;
  HD_ASSERT(holding->books <= p->arm_max + 1);
  // Nobody watches the mark now: a later price must not be taken for the one from before the split.
  if (holding->books == 0) holding->split_stale.nanos = 0;
}

// cost / (quantity x multiplier), in 1e-9 units: micros x 1000 x 1e8 x 1e8 / (e8 x e8). Kept with the position, because it is asked for
// with every event of an order and changes with few.
static struct hadron_price average_entry(const struct hd_portfolio *p, const struct hd_position *position) {
  const hadron_int128 quanta = (hadron_int128)HADRON_QUANTITY_SCALE * (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE);
  hadron_int128 units = (hadron_int128)position->quantity.e8 * p->instruments->rows[position->instrument].multiplier.e8 / HADRON_QUANTITY_SCALE;
  if (units == 0) return (struct hadron_price){0};
  hadron_int128 value = position->cost.micros * quanta, nanos = hadron_divide_round(units < 0 ? -value : value, units < 0 ? -units : units);
  return (struct hadron_price){nanos > INT64_MAX ? INT64_MAX : nanos < -INT64_MAX ? -INT64_MAX : (int64_t)nanos};
}

static void stage_store(struct hd_portfolio *p, const struct hd_portfolio_stage *s) {
  uint32_t arm = s->book.arm, instrument = s->position.instrument;
  p->books[arm] = s->book;
  struct hd_position *position = book_position(&p->books[arm], instrument);
  *position = s->position;
  position->average_entry = average_entry(p, position);
  if (arm) holder_update(p, arm, instrument, s->position.quantity.e8 != 0);
}

// --- marks ---

struct hadron_price hd_portfolio_reference(const struct hd_portfolio *p, uint32_t instrument) {
  const struct hd_holding *holding = &p->sides[HD_SIDE_TRADING].holdings[instrument];
  struct hd_mark mark = hd_mark_read(p->marks, instrument);
  struct hadron_price reference = hd_mark_reference(&mark);
  if (reference.nanos == 0 || reference.nanos == holding->split_stale.nanos) return holding->valued;
  return reference;
}

// Moves the unrealized P&L of a position and its book; checked before anything is stored.
static int32_t position_revalue(struct hd_book *book, struct hd_position *position, int64_t difference) {
  int64_t unrealized = position->unrealized.micros, total = book->unrealized.micros, gross = book->gross.micros;
  int64_t before = position->cost.micros + unrealized, after = before, equity = book->cash.micros + book->cost.micros;
  if (add(&unrealized, difference) | add(&total, difference) | add(&after, difference) || after == INT64_MIN ||
      add(&gross, magnitude(after) - magnitude(before)) || add(&equity, total))
    return HADRON_ERR_OVERFLOW;
  position->unrealized.micros = unrealized;
  book->unrealized.micros = total;
  book->gross.micros = gross;
  return HADRON_OK;
}

static int32_t arm_value_at(struct hd_portfolio *p, uint32_t arm, uint32_t instrument, struct hadron_price price) {
  struct hd_book *book = &p->books[arm];
  struct hd_position *position = book_position(book, instrument);
  int64_t value, unrealized, difference;
  int32_t error = worth(p, instrument, price, position->quantity.e8, &value);
  if (error) return error;
  if (__builtin_sub_overflow(value, position->cost.micros, &unrealized) ||
      __builtin_sub_overflow(unrealized, position->unrealized.micros, &difference))
    return HADRON_ERR_OVERFLOW;
  if ((error = position_revalue(book, position, difference)) || book->role == HD_ROLE_SHADOW) return error;
  error = position_revalue(&p->books[0], book_position(&p->books[0], instrument), difference);
  if (error) HD_ASSERT(position_revalue(book, position, -difference) == HADRON_OK); // back: the sum stays the sum
  return error;
}

// Values the instrument at one price in all books of a side that hold it.
static int32_t instrument_value_at(struct hd_portfolio *p, enum hd_side side, uint32_t instrument, struct hadron_price price) {
  struct hd_holding *holding = &p->sides[side].holdings[instrument];
  if (holding->valued.nanos == price.nanos) return HADRON_OK;
  int32_t result = HADRON_OK;
  const uint64_t *holders = &p->sides[side].holders[(size_t)instrument * p->words];
  for (uint32_t w = 0; holding->books && w < p->words; w++)
    for (uint64_t left = holders[w]; left; left &= left - 1) {
      int32_t error = arm_value_at(p, w * 64 + (uint32_t)__builtin_ctzll(left), instrument, price);
      if (error) result = error;
    }
  holding->valued = price;
  return result;
}

int32_t hd_portfolio_mark_side(struct hd_portfolio *p, enum hd_side side, uint32_t instrument) {
  struct hd_holding *holding = &p->sides[side].holdings[instrument];
  struct hd_mark mark = hd_mark_read(p->marks, instrument);
  struct hadron_price reference = hd_mark_reference(&mark);
  if (reference.nanos == 0 || reference.nanos == holding->split_stale.nanos) return HADRON_OK;
  holding->split_stale.nanos = 0; // the first price in the new units
  return instrument_value_at(p, side, instrument, reference);
}

int32_t hd_portfolio_mark(struct hd_portfolio *p, uint32_t instrument) {
  int32_t trading = hd_portfolio_mark_side(p, HD_SIDE_TRADING, instrument), shadow = hd_portfolio_mark_side(p, HD_SIDE_SHADOW, instrument);
  return trading ? trading : shadow;
}

int32_t hd_portfolio_mark_all(struct hd_portfolio *p) {
  int32_t result = HADRON_OK;
  for (uint32_t i = 1; i <= hd_instruments_count(p->instruments); i++) {
    for (int side = 0; side < HD_SIDE_COUNT; side++) {
      int32_t error = p->sides[side].holdings[i].books ? hd_portfolio_mark_side(p, (enum hd_side)side, i) : HADRON_OK;
      if (error) result = error;
    }
  }
  return result;
}

// --- allocations ---

// What a signed quantity at a price does to a position: cost, realized, cash, turnover. The part that closes comes first.
static int32_t change_trade(const struct hd_portfolio *p, const struct hd_position *position, int64_t quantity,
                            struct hadron_price price, struct change *c) {
  int64_t held = position->quantity.e8, value, closing_value, out = 0, opened;
  int32_t error = worth(p, position->instrument, price, quantity, &value);
  if (error) return error;
  if (value == INT64_MIN || quantity == INT64_MIN) return HADRON_ERR_OVERFLOW;
  int64_t closing = 0;
  if (sign(held) * sign(quantity) < 0) closing = magnitude(held) < magnitude(quantity) ? magnitude(held) : magnitude(quantity);
  closing_value = closing == magnitude(quantity) ? value : 0;
  if (closing && closing != magnitude(quantity) &&
      (error = worth(p, position->instrument, price, closing * sign(quantity), &closing_value)))
    return error;
  if (closing) {
    hadron_int128 part = (hadron_int128)position->cost.micros * closing;
    out = closing == magnitude(held) ? position->cost.micros : (int64_t)hadron_divide_round(part, magnitude(held)); // <= |cost|
  }
  c->quantity = quantity;
  if (__builtin_sub_overflow(value, closing_value, &opened) || __builtin_sub_overflow(opened, out, &c->cost) ||
      out == INT64_MIN || __builtin_sub_overflow(-out, closing_value, &c->realized))
    return HADRON_ERR_OVERFLOW;
  c->cash = -value;
  c->turnover = magnitude(value);
  c->trades = closing && closing == magnitude(held);
  if (quantity > 0) c->bought = (uint64_t)quantity;
  else c->sold = (uint64_t)-quantity;
  return HADRON_OK;
}

// Counts a closing share as a win or a loss after its own fee.
static int32_t change_outcome(const struct hd_position *position, struct change *c) {
  int64_t result;
  if (sign(position->quantity.e8) * sign(c->quantity) >= 0) return HADRON_OK;
  if (__builtin_sub_overflow(c->realized, c->fees, &result) || result == INT64_MIN) return HADRON_ERR_OVERFLOW;
  c->wins = result > 0;
  c->losses = result < 0;
  c->gain = result > 0 ? result : 0;
  c->loss = result < 0 ? -result : 0;
  return HADRON_OK;
}

// The unrealized P&L that the position has after the change, at a price, less what it has now.
static int32_t change_unrealized(const struct hd_portfolio *p, const struct hd_position *position, struct hadron_price price,
                                 struct change *c) {
  int64_t quantity = position->quantity.e8, cost = position->cost.micros, value;
  if (add(&quantity, c->quantity) | add(&cost, c->cost)) return HADRON_ERR_OVERFLOW;
  int32_t error = worth(p, position->instrument, price, quantity, &value);
  if (error) return error;
  if (__builtin_sub_overflow(value, cost, &c->unrealized) ||
      __builtin_sub_overflow(c->unrealized, position->unrealized.micros, &c->unrealized))
    return HADRON_ERR_OVERFLOW;
  return HADRON_OK;
}

static int32_t change_allocation(const struct hd_portfolio *p, const struct hd_position *position, struct hadron_price valued,
                                 const struct hadron_allocation *a, struct change *c) {
  bool back = a->flags & 1;
  bool buys = (a->side == HADRON_SIDE_BUY) != back;
  int32_t error = change_trade(p, position, buys ? a->quantity.e8 : -a->quantity.e8, a->price, c);
  if (error) return error;
  if (a->fee.micros == INT64_MIN) return HADRON_ERR_OVERFLOW;
  c->fees = back ? -a->fee.micros : a->fee.micros;
  if (__builtin_sub_overflow(c->cash, c->fees, &c->cash)) return HADRON_ERR_OVERFLOW;
  bool moves = a->flags & 2;
  if (back || moves) c->trades = 0;
  if (moves) c->turnover = 0, c->bought = c->sold = 0;
  if (!back && !moves && (error = change_outcome(position, c))) return error;
  return change_unrealized(p, position, valued, c);
}

int32_t hd_portfolio_allocate(struct hd_portfolio *p, struct hadron_allocation *a) {
  if (a->arm > p->arm_max || a->instrument == 0 || a->instrument > hd_instruments_count(p->instruments)) return HADRON_ERR_NOT_FOUND;
  struct hd_book *book = &p->books[a->arm ? a->arm : p->arm_max + 1];
  if (!a->arm) house_extend(p, a->instrument);
  struct hd_position *position = book_position(book, a->instrument);
  if (!position) return HADRON_ERR_NOT_FOUND;
  if (a->quantity.e8 <= 0 || (a->side != HADRON_SIDE_BUY && a->side != HADRON_SIDE_SELL)) return HADRON_ERR_ARGUMENT;

  // All books of a side are valued at one price at any time; the first fill stands in for a mark that is not there yet.
  enum hd_side side = hd_role_side(book->role);
  const struct hd_holding *holding = &p->sides[side].holdings[a->instrument];
  (void)hd_portfolio_mark_side(p, side, a->instrument);
  if (holding->valued.nanos == 0) (void)instrument_value_at(p, side, a->instrument, a->price);

  struct change c = {0};
  int32_t error = change_allocation(p, position, holding->valued, a, &c);
  if (error) return error;
  struct hd_portfolio_stage arm, sum;
  bool live = side == HD_SIDE_TRADING;
  stage_load(&arm, book, position);
  if (live) stage_load(&sum, &p->books[0], book_position(&p->books[0], a->instrument));
  if ((error = stage_apply(&arm, &c)) || (live && (error = stage_apply(&sum, &c)))) return error;
  stage_store(p, &arm);
  if (live) stage_store(p, &sum);

  a->id = ++p->sides[side].allocations;
  a->realized.micros = c.realized;
  a->position = arm.position.quantity;
  a->cost = arm.position.cost;
  return HADRON_OK;
}

// --- changes of who trades ---

// What a flat row of an arm has seen, added to the house's. None of these sums can pass what the portfolio's hold.
static void house_take(struct hd_portfolio *p, const struct hd_position *from) {
  house_extend(p, from->instrument);
  struct hd_position *to = book_position(&p->books[p->arm_max + 1], from->instrument);
  bool over = add(&to->realized.micros, from->realized.micros) | add(&to->fees.micros, from->fees.micros) |
              add(&to->dividends.micros, from->dividends.micros);
  HD_ASSERT(!over && from->quantity.e8 == 0 && from->cost.micros == 0);
  to->trades += from->trades;
  to->bought_e8 += from->bought_e8;
  to->sold_e8 += from->sold_e8;
}

static void house_take_book(struct hd_portfolio *p, const struct hd_book *from) {
  struct hd_book *to = &p->books[p->arm_max + 1];
  for (uint32_t i = 0; i < from->position_count; i++) house_take(p, &from->positions[i]);
  bool over = add(&to->cash.micros, from->cash.micros - from->initial.micros) | add(&to->realized.micros, from->realized.micros) |
              add(&to->fees.micros, from->fees.micros) | add(&to->dividends.micros, from->dividends.micros) |
              add(&to->turnover.micros, from->turnover.micros) | add(&to->gain.micros, from->gain.micros) |
              add(&to->loss.micros, from->loss.micros);
  HD_ASSERT(!over);
  to->wins += from->wins;
  to->losses += from->losses;
}

// Nothing held, nothing done, and as much cash as the book was worth.
static int32_t book_begin_anew(struct hd_portfolio *p, uint32_t arm) {
  struct hd_book *book = &p->books[arm];
  bool trades = hd_role_side(book->role) == HD_SIDE_TRADING;
  for (uint32_t i = 0; trades && i < book->position_count; i++)
    if (book->positions[i].quantity.e8 != 0) return HADRON_ERR_STATE;
  if (trades) house_take_book(p, book);
  const struct hadron_money worth_now = hd_book_equity(book);
  for (uint32_t i = 0; i < book->position_count; i++) {
    holder_update(p, arm, book->positions[i].instrument, false);
    book->positions[i] = (struct hd_position){.instrument = book->positions[i].instrument};
  }
  *book = (struct hd_book){.arm = arm, .role = book->role, .initial = worth_now, .cash = worth_now, .index = book->index,
                           .positions = book->positions, .position_count = book->position_count};
  return HADRON_OK;
}

int32_t hd_portfolio_role(struct hd_portfolio *p, uint32_t arm, uint32_t role) {
  if (arm == 0 || arm > p->arm_max || role < HD_ROLE_LIVE || role > HD_ROLE_SHADOW) return HADRON_ERR_ARGUMENT;
  struct hd_book *book = &p->books[arm];
  if (!book->role) return HADRON_ERR_NOT_FOUND;
  int32_t error = hd_role_side(book->role) == hd_role_side(role) ? HADRON_OK : book_begin_anew(p, arm);
  if (error) return error;
  book->role = role;
  for (uint32_t i = 0; role != HD_ROLE_SHADOW && i < book->position_count; i++) book_extend(&p->books[0], book->positions[i].instrument);
  return HADRON_OK;
}

int32_t hd_portfolio_close(struct hd_portfolio *p, uint32_t arm) {
  if (arm == 0 || arm > p->arm_max) return HADRON_ERR_ARGUMENT;
  struct hd_book *book = &p->books[arm];
  if (!book->role) return HADRON_ERR_NOT_FOUND;
  int32_t error = book_begin_anew(p, arm);
  if (error) return error;
  free(book->index);
  free(book->positions);
  *book = (struct hd_book){0};
  return HADRON_OK;
}

int32_t hd_portfolio_mirror(struct hd_portfolio *p, const struct hd_position *like, struct hadron_allocation *a) {
  if (a->arm == 0 || a->arm > p->arm_max || a->instrument == 0 || a->instrument > hd_instruments_count(p->instruments)) return HADRON_ERR_NOT_FOUND;
  const struct hd_book *book = &p->books[a->arm];
  const struct hd_position *position = book_position(book, a->instrument);
  if (book->role != HD_ROLE_SHADOW) return HADRON_ERR_STATE;
  if (!position) return HADRON_ERR_NOT_FOUND;
  struct hd_holding *holding = &p->sides[HD_SIDE_SHADOW].holdings[a->instrument];
  (void)hd_portfolio_mark_side(p, HD_SIDE_SHADOW, a->instrument);
  if (holding->valued.nanos == 0) (void)instrument_value_at(p, HD_SIDE_SHADOW, a->instrument, hd_portfolio_reference(p, a->instrument));
  struct change c = {0};
  if (__builtin_sub_overflow(like->quantity.e8, position->quantity.e8, &c.quantity) ||
      __builtin_sub_overflow(like->cost.micros, position->cost.micros, &c.cost) || c.quantity == INT64_MIN)
    return HADRON_ERR_OVERFLOW;
  int32_t error = change_unrealized(p, position, holding->valued, &c);
  if (error) return error;
  if (c.unrealized == INT64_MIN || __builtin_sub_overflow(-c.unrealized, c.cost, &c.cash)) return HADRON_ERR_OVERFLOW;
  struct hd_portfolio_stage s;
  stage_load(&s, book, position);
  if ((error = stage_apply(&s, &c))) return error;
  if (add(&s.book.initial.micros, -c.unrealized)) return HADRON_ERR_OVERFLOW;
  stage_store(p, &s);
  a->id = ++p->sides[HD_SIDE_SHADOW].allocations;
  a->price = holding->valued;
  a->quantity.e8 = magnitude(c.quantity);
  a->side = c.quantity < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY;
  a->position = s.position.quantity;
  a->cost = s.position.cost;
  return HADRON_OK;
}

// --- adjustments ---

static int32_t change_dividend(const struct hd_portfolio *p, const struct hd_position *position, struct hadron_money dividend,
                               struct change *c) {
  int64_t nanos;
  if (__builtin_mul_overflow(dividend.micros, HADRON_PRICE_SCALE / HADRON_MONEY_SCALE, &nanos)) return HADRON_ERR_OVERFLOW;
  int32_t error = worth(p, position->instrument, (struct hadron_price){nanos}, position->quantity.e8, &c->dividends);
  c->cash = c->dividends;
  return error;
}

// The cash for `part / whole` of 1e-8 of a unit at the new price, > 0.
static int32_t fraction_value(const struct hd_portfolio *p, uint32_t instrument, struct hadron_price price, hadron_int128 part,
                              int64_t whole, int64_t *out) {
  const hadron_int128 quanta = (hadron_int128)HADRON_QUANTITY_SCALE * (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE);
  hadron_int128 contract = hadron_divide_round((hadron_int128)price.nanos * p->instruments->rows[instrument].multiplier.e8,
                                               HADRON_QUANTITY_SCALE); // nanos of one contract
  if (contract > INT64_MAX || contract < INT64_MIN) return HADRON_ERR_OVERFLOW;
  return hadron_narrow(hadron_divide_round(contract * part, quanta * whole), out);
}

// Scales the position by numerator / denominator; what is left below 1e-8 of a unit leaves at its share of the cost for cash.
static int32_t change_split(const struct hd_portfolio *p, const struct hd_position *position, const struct hadron_adjustment *a,
                            struct hadron_price price, struct change *c) {
  int64_t held = position->quantity.e8, s = sign(held), scaled, out, cash;
  hadron_int128 wide = (hadron_int128)magnitude(held) * a->numerator;
  hadron_int128 part = wide % a->denominator;
  int32_t error = hadron_narrow(wide / a->denominator, &scaled);
  if (error) return error;
  out = (int64_t)hadron_divide_round((hadron_int128)position->cost.micros * part, wide); // part <= wide
  if (out == INT64_MIN) return HADRON_ERR_OVERFLOW;
  cash = s * out; // without a price: at cost
  if (price.nanos && (error = fraction_value(p, position->instrument, price, part, a->denominator, &cash))) return error;
  c->quantity = s * scaled - held;
  if (cash == INT64_MIN || __builtin_sub_overflow(s * cash, out, &c->realized)) return HADRON_ERR_OVERFLOW;
  c->cost = -out;
  c->cash = s * cash;
  return HADRON_OK;
}

// One arm's position through dividend and split, staged.
static int32_t adjust_arm(struct hd_portfolio *p, uint32_t arm, const struct hadron_adjustment *a, struct hadron_price price) {
  struct hd_portfolio_stage *s = &p->stages[arm], *sum = &p->stages[0];
  struct change dividend = {0}, split = {0};
  bool live = p->books[arm].role != HD_ROLE_SHADOW;
  int32_t error;
  stage_load(s, &p->books[arm], book_position(&p->books[arm], a->instrument));
  if ((error = change_dividend(p, &s->position, a->dividend, &dividend)) || (error = stage_apply(s, &dividend)) ||
      (live && (error = stage_apply(sum, &dividend))))
    return error;
  if (a->numerator == a->denominator) return HADRON_OK;
  if ((error = change_split(p, &s->position, a, price, &split)) ||
      (error = change_unrealized(p, &s->position, price, &split)) || (error = stage_apply(s, &split)))
    return error;
  return live ? stage_apply(sum, &split) : HADRON_OK;
}

// Calls adjust_arm (stage) or stores what it has staged, for all books that hold the instrument. prices: of each side.
static int32_t adjust_holders(struct hd_portfolio *p, const struct hadron_adjustment *a, const struct hadron_price *prices, bool store) {
  for (uint32_t arm = 1; arm <= p->arm_max + 1; arm++) {
    const struct hd_position *position = book_position(&p->books[arm], a->instrument);
    if (!position || position->quantity.e8 == 0) continue;
    int32_t error = store ? HADRON_OK : adjust_arm(p, arm, a, prices[hd_role_side(p->books[arm].role)]);
    if (error) return error;
    if (store) stage_store(p, &p->stages[arm]);
  }
  return HADRON_OK;
}

// What a side's price becomes in the new units.
static int32_t adjust_price(const struct hd_portfolio *p, enum hd_side side, const struct hadron_adjustment *a, struct hadron_price *price) {
  const struct hd_holding *holding = &p->sides[side].holdings[a->instrument];
  return hadron_narrow(hadron_divide_round((hadron_int128)holding->valued.nanos * a->denominator, a->numerator), &price->nanos);
}

int32_t hd_portfolio_adjust(struct hd_portfolio *p, const struct hadron_adjustment *a) {
  if (a->instrument == 0 || a->instrument > hd_instruments_count(p->instruments)) return HADRON_ERR_NOT_FOUND;
  if (a->numerator <= 0 || a->denominator <= 0) return HADRON_ERR_ARGUMENT;
  if (!hd_portfolio_holds(p, a->instrument)) return HADRON_OK;
  (void)hd_portfolio_mark(p, a->instrument);
  struct hadron_price prices[HD_SIDE_COUNT];
  int32_t error = HADRON_OK;
  for (int side = 0; side < HD_SIDE_COUNT && !error; side++) error = adjust_price(p, (enum hd_side)side, a, &prices[side]);
  if (error) return error;

  struct hd_position *sum = book_position(&p->books[0], a->instrument);
  if (sum) stage_load(&p->stages[0], &p->books[0], sum);
  if ((error = adjust_holders(p, a, prices, false))) return error;
  adjust_holders(p, a, prices, true);
  if (sum) stage_store(p, &p->stages[0]);
  if (a->numerator == a->denominator) return HADRON_OK;
  struct hd_mark mark = hd_mark_read(p->marks, a->instrument);
  for (int side = 0; side < HD_SIDE_COUNT; side++) {
    struct hd_holding *holding = &p->sides[side].holdings[a->instrument];
    holding->valued = prices[side];
    holding->split_stale = holding->books ? hd_mark_reference(&mark) : (struct hadron_price){0};
  }
  return HADRON_OK;
}

// --- what others read ---

int32_t hd_portfolio_exposure(const struct hd_portfolio *p, struct hadron_money *gross, struct hadron_money *net) {
  struct hadron_money sum;
  int32_t error = hadron_money_add(p->books[0].cost, p->books[0].unrealized, &sum);
  if (error) return error;
  *gross = p->books[0].gross;
  *net = sum;
  return HADRON_OK;
}

void hd_portfolio_equity(const struct hd_portfolio *p, uint32_t arm, int64_t now_ns, struct hadron_equity *out) {
  HD_ASSERT(arm <= p->arm_max);
  const struct hd_book *b = &p->books[arm];
  *out = (struct hadron_equity){.time_ns = now_ns, .cash = b->cash, .cost = b->cost, .realized = b->realized,
                                .unrealized = b->unrealized, .fees = b->fees, .gross = b->gross, .arm = arm};
}

// --- the check ---

// Sums that must agree, one row each: found beside expected.
struct total {
  const char *name;
  hadron_int128 found, expected;
};

static int32_t totals_compare(const struct total *totals, size_t count, uint32_t arm, uint32_t instrument, struct hd_fault *fault) {
  for (size_t i = 0; i < count; i++)
    if (totals[i].found != totals[i].expected)
      return hd_fault_set(fault, HADRON_ERR_INTERNAL,
                          "books: %s of arm %u%s, instrument %u: expected %lld, found %lld: please report it with the journal",
                          totals[i].name, arm, arm ? "" : " (the portfolio)", instrument, (long long)totals[i].expected,
                          (long long)totals[i].found);
  return HADRON_OK;
}

// A book against its own identity and against its positions.
static int32_t book_check(const struct hd_book *b, struct hd_fault *fault) {
  hadron_int128 cost = 0, realized = 0, fees = 0, dividends = 0, unrealized = 0, gross = 0;
  for (uint32_t i = 0; i < b->position_count; i++) {
    const struct hd_position *q = &b->positions[i];
    cost += q->cost.micros, realized += q->realized.micros, fees += q->fees.micros;
    dividends += q->dividends.micros, unrealized += q->unrealized.micros;
    gross += magnitude(q->cost.micros + q->unrealized.micros);
    if (b->arm && q->quantity.e8 == 0) {
      const struct total closed[] = {{"cost of a flat position", q->cost.micros, 0},
                                     {"unrealized of a flat position", q->unrealized.micros, 0}};
      int32_t error = totals_compare(closed, 2, b->arm, q->instrument, fault);
      if (error) return error;
    }
  }
  hadron_int128 left = (hadron_int128)b->initial.micros + b->realized.micros + b->dividends.micros - b->fees.micros;
  const struct total totals[] = {{"cash and cost (identity)", (hadron_int128)b->cash.micros + b->cost.micros, left},
                                 {"cost", b->cost.micros, cost},
                                 {"realized", b->realized.micros, realized},
                                 {"fees", b->fees.micros, fees},
                                 {"dividends", b->dividends.micros, dividends},
                                 {"unrealized", b->unrealized.micros, unrealized},
                                 {"gross", b->gross.micros, gross}};
  return totals_compare(totals, sizeof totals / sizeof *totals, b->arm, 0, fault);
}

// The sum's position in an instrument against the live arms', and the holders against the positions.
static int32_t instrument_check(const struct hd_portfolio *p, uint32_t instrument, struct hd_fault *fault) {
  hadron_int128 quantity = 0, cost = 0, realized = 0, fees = 0, dividends = 0, unrealized = 0;
  uint32_t books[HD_SIDE_COUNT] = {0};
  for (uint32_t arm = 1; arm <= p->arm_max + 1; arm++) {
    const struct hd_position *held = book_position(&p->books[arm], instrument), *q = held ? held : &flat;
    enum hd_side side = hd_role_side(p->books[arm].role);
    bool marked = p->sides[side].holders[(size_t)instrument * p->words + arm / 64] >> (arm % 64) & 1;
    const struct total holder[] = {{"holder", marked, q->quantity.e8 != 0}};
    int32_t error = totals_compare(holder, 1, arm, instrument, fault);
    if (error) return error;
    books[side] += q->quantity.e8 != 0;
    if (side == HD_SIDE_SHADOW) continue;
    quantity += q->quantity.e8, cost += q->cost.micros, realized += q->realized.micros, fees += q->fees.micros;
    dividends += q->dividends.micros, unrealized += q->unrealized.micros;
  }
  const struct hd_position *sum = hd_portfolio_position(p, 0, instrument);
  const struct total totals[] = {{"position", sum->quantity.e8, quantity},   {"cost", sum->cost.micros, cost},
                                 {"realized", sum->realized.micros, realized}, {"fees", sum->fees.micros, fees},
                                 {"dividends", sum->dividends.micros, dividends},
                                 {"unrealized", sum->unrealized.micros, unrealized},
                                 {"holders", p->sides[HD_SIDE_TRADING].holdings[instrument].books, books[HD_SIDE_TRADING]},
                                 {"holders among shadows", p->sides[HD_SIDE_SHADOW].holdings[instrument].books, books[HD_SIDE_SHADOW]}};
  return totals_compare(totals, sizeof totals / sizeof *totals, 0, instrument, fault);
}

int32_t hd_portfolio_check(const struct hd_portfolio *p, struct hd_fault *fault) {
  int32_t error = book_check(&p->books[0], fault);
  hadron_int128 cash = p->books[0].initial.micros;
  for (uint32_t arm = 1; !error && arm <= p->arm_max + 1; arm++) {
    const struct hd_book *b = &p->books[arm];
    if (b->role == 0) continue;
    if (b->role != HD_ROLE_SHADOW) cash += (hadron_int128)b->cash.micros - b->initial.micros;
    error = book_check(b, fault);
  }
  const struct total sum[] = {{"cash", p->books[0].cash.micros, cash}};
  if (!error) error = totals_compare(sum, 1, 0, 0, fault);
  for (uint32_t i = 1; !error && i <= hd_instruments_count(p->instruments); i++) error = instrument_check(p, i, fault);
  return error;
}
