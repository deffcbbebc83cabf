// Executions: what the venue says was traded becomes one record and is shared out among the arms at once. Executions are remembered
// by the venue's id, oldest forgotten first, so that one told twice counts once and one taken back is taken back as it was given.
#include "base/banned.h"
#include "base/crash_point.h"
#include "pipeline/gateway_internal.h"
#include "pipeline/image.h"

// ---- memory

static struct hd_execution_memory *memory_at(const struct hd_gateway *g, uint64_t number) {
  HD_ASSERT(number >= g->execution_first && number < g->execution_next);
  return &g->executions[number % g->options.executions_max];
}

static void memory_key(const struct hadron_venue_report *r, unsigned char key[HD_EXECUTION_KEY_SIZE]) {
  memcpy(key, &r->venue, 2);
  memset(key + 2, 0, HADRON_VENUE_ID_SIZE);
  memcpy(key + 2, r->execution_id, strnlen(r->execution_id, HADRON_VENUE_ID_SIZE));
}

static struct hd_execution_memory *memory_find(const struct hd_gateway *g, const struct hadron_venue_report *r) {
  unsigned char key[HD_EXECUTION_KEY_SIZE];
  if (r->execution_id[0] == 0) return NULL;
  memory_key(r, key);
  uint32_t hash = hd_index_hash(key, sizeof key);
  for (uint32_t at = hash, place; (place = hd_index_next(&g->by_execution, hash, &at)) != 0;)
    if (memcmp(g->executions[place - 1].key, key, sizeof key) == 0) return &g->executions[place - 1];
  return NULL;
}

static uint32_t memory_place(const struct hd_gateway *g, const struct hd_execution_memory *m) { return (uint32_t)(m - g->executions) + 1; }

static void memory_forget(struct hd_gateway *g) {
  struct hd_execution_memory *m = memory_at(g, g->execution_first);
  if (m->key[2]) hd_index_remove(&g->by_execution, m->hash, memory_place(g, m));
  g->execution_first++;
}

static struct hd_execution_memory *memory_add(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r) {
  while (g->execution_next - g->execution_first >= g->options.executions_max ||
         (g->execution_next > g->execution_first && g->part_next + HD_SHARES_MAX - memory_at(g, g->execution_first)->part_first > g->part_size))
    memory_forget(g);
  uint64_t number = g->execution_next++;
  struct hd_execution_memory *m = memory_at(g, number);
  *m = (struct hd_execution_memory){.order = o ? hd_table_index(g, o) : 0, .price = r->price, .quantity = r->quantity, .fee = r->fee};
  m->id = o ? o->request.client_order_id : r->client_order_id;
  m->part_first = g->part_next;
  memory_key(r, m->key);
  m->hash = hd_index_hash(m->key, sizeof m->key);
  if (m->key[2]) hd_index_add(&g->by_execution, m->hash, memory_place(g, m));
  // As with orders (gateway_table.c): the one after the next is cold by the time it is written, and the next one's old key leaves the index.
  hd_index_expect(&g->by_execution, g->executions[g->execution_next % g->options.executions_max].hash);
  const char *after = (const char *)&g->executions[(g->execution_next + 1) % g->options.executions_max];
  for (size_t i = 0; i < sizeof *m; i += 64) __builtin_prefetch(after + i, 1);
  return m;
}

// An execution that was told before its order was known, and was booked then (hd_gateway_book_stray), is that order's from now on.
static bool is_early(const struct hd_execution_memory *m) { return m != NULL && m->order == 0 && !m->busted; }

static struct hd_execution_memory *memory_move(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r) {
  struct hd_execution_memory *from = memory_find(g, r);
  struct hadron_venue_report told = *r;
  told.price = from->price, told.quantity = from->quantity, told.fee = from->fee;
  hd_index_remove(&g->by_execution, from->hash, memory_place(g, from));
  from->key[2] = 0; // its place is forgotten in its turn
  return memory_add(g, o, &told);
}

// ---- records

static int32_t record_execution(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r, uint32_t instrument,
                                const struct hd_execution_memory *m, uint8_t flags, int64_t now_ns) {
  struct hadron_execution e = {
      .id = ++g->execution_id,
      .time_ns = now_ns,
      .venue_ns = r->venue_ns,
      .client_order_id = m->id,
      .price = m->price,
      .quantity = m->quantity,
      .fee = m->fee,
      .instrument = instrument,
      .venue = r->venue,
      .side = o ? o->request.side : r->side,
      .liquidity = r->liquidity,
      .flags = flags | g->mark,
  };
  memcpy(e.execution_id, m->key + 2, sizeof e.execution_id);
  if (o != NULL) {
    e.trace = o->request.trace, e.cause = o->request.cause, e.intent = o->request.intent, e.filled = o->filled;
    e.arm = o->share_count == 1 ? o->shares[0].arm : 0;
  }
  g->counts.executions++;
  int32_t err = hd_record(&g->sink, HADRON_MSG_EXECUTION, &e, sizeof e, now_ns, HD_RECORD_RESERVED);
  hd_crash_here(HD_CRASH_EXECUTION_RECORDED);
  if (err) hd_gateway_alert(g, 3, HADRON_ERR_IO, instrument, r->venue, "execution %.39s was not recorded (%s)", e.execution_id, hadron_error_name(err));
  if (g->listener.execution) g->listener.execution(g->listener.self, &e);
  return err ? HADRON_ERR_IO : HADRON_OK;
}

static int32_t record_part(struct hd_gateway *g, const struct hd_order *o, const struct hd_execution_memory *m, const struct hd_part *part,
                           uint8_t flags, int64_t now_ns) {
  HD_ASSERT(part->quantity.e8 > 0);
  struct hadron_allocation a = {
      .execution = g->execution_id,
      .opportunity = o->opportunity,
      .time_ns = now_ns,
      .price = m->price,
      .quantity = part->quantity,
      .fee = part->fee,
      .instrument = o->request.instrument,
      .arm = part->arm,
      .side = o->request.side,
      .flags = flags | g->mark,
  };
  int32_t refused = g->listener.allocate(g->listener.self, &a);
  if (refused)
    hd_gateway_alert(g, 3, refused, a.instrument, o->request.venue, "the book of arm %u did not take its share of execution %.39s (%s)", a.arm,
                     (const char *)m->key + 2, hadron_error_name(refused));
  int32_t err = hd_record(&g->sink, HADRON_MSG_ALLOCATION, &a, sizeof a, now_ns, HD_RECORD_RESERVED);
  hd_crash_here(HD_CRASH_ALLOCATION_RECORDED);
  if (!refused && g->listener.allocated) g->listener.allocated(g->listener.self, &a);
  if (err) hd_gateway_alert(g, 3, HADRON_ERR_IO, a.instrument, o->request.venue, "an allocation of arm %u was not recorded (%s)", a.arm, hadron_error_name(err));
  return err ? HADRON_ERR_IO : HADRON_OK;
}

// ---- fills

static void share_parts(struct hd_gateway *g, struct hd_order *o, struct hd_execution_memory *m) {
  int64_t given[HD_SHARES_MAX], fees[HD_SHARES_MAX];
  hd_share_fill(o, m->quantity.e8, hd_order_lot(g, o), given);
  hd_share_out(m->fee.micros, given, o->share_count, fees);
  for (uint32_t i = 0; i < o->share_count; i++) {
    if (given[i] == 0) continue;
    o->shares[i].filled.e8 += given[i];
    struct hd_part *part = &g->parts[g->part_next++ % g->part_size];
    *part = (struct hd_part){.arm = o->shares[i].arm, .quantity = {given[i]}, .fee = {fees[i]}};
    m->part_count++;
  }
  HD_ASSERT(m->part_count >= 1 && m->part_count <= o->share_count);
}

static void average(struct hd_order *o, struct hadron_price last) {
  if (o->filled.e8 > 0 && o->filled_value == (hadron_int128)last.nanos * o->filled.e8) { // all at one price, as most are
    o->average = last;
    return;
  }
  hadron_int128 price = o->filled.e8 > 0 ? hadron_divide_round(o->filled_value, o->filled.e8) : 0;
  o->average.nanos = (int64_t)price; // between the lowest and the highest price of its fills
}

static int32_t fill_refused(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r, int32_t code, const char *why) {
  g->counts.impossible++;
  hd_gateway_alert(g, 3, code, o->request.instrument, r->venue, "order %.24s: fill %.39s of %lld e-8 at %lld e-9: %s", o->request.client_order_id.hex,
                   r->execution_id, (long long)r->quantity.e8, (long long)r->price.nanos, why);
  return code;
}

// Without an id a fill is told apart by the venue's count alone; an answer to a question without one says how much, not what.
static bool fill_known(struct hd_order *o, const struct hadron_venue_report *r) {
  if (r->execution_id[0]) return false;
  if (r->flags & 1) return true;
  return r->cumulative.e8 >= 0 && r->cumulative.e8 <= o->filled.e8;
}

static int32_t fill_check(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, const struct hd_execution_memory *known) {
  if (known != NULL || fill_known(o, r)) {
    if (known != NULL && known->busted)
      hd_gateway_alert(g, 2, HADRON_ERR_DUPLICATE, o->request.instrument, r->venue, "execution %.39s was taken back before", r->execution_id);
    if (known != NULL || !(r->flags & 1)) g->counts.duplicates++;
    return HADRON_ERR_DUPLICATE;
  }
  if (r->quantity.e8 <= 0) return fill_refused(g, o, r, HADRON_ERR_ARGUMENT, "the quantity must be positive");
  int64_t sum;
  hadron_int128 value;
  if (__builtin_add_overflow(o->filled.e8, r->quantity.e8, &sum) ||
      __builtin_add_overflow(o->filled_value, (hadron_int128)r->price.nanos * r->quantity.e8, &value)) return fill_refused(g, o, r, HADRON_ERR_OVERFLOW, "the sum of its fills overflows");
  return HADRON_OK;
}

static void fill_alerts(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r, uint8_t before) {
  const char *id = o->request.client_order_id.hex;
  if (o->filled.e8 > o->request.quantity.e8)
    hd_gateway_alert(g, 3, HADRON_ERR_RANGE, o->request.instrument, r->venue, "order %.24s: overfill: ordered %lld e-8, filled %lld e-8; booked", id,
                     (long long)o->request.quantity.e8, (long long)o->filled.e8);
  else if (hd_order_final(before))
    hd_gateway_alert(g, 2, HADRON_ERR_STATE, o->request.instrument, r->venue, "order %.24s: fill after %s; booked", id, hd_order_state_name(before));
  if (r->price.nanos <= 0)
    hd_gateway_alert(g, 2, HADRON_ERR_RANGE, o->request.instrument, r->venue, "order %.24s: filled at %lld e-9; booked", id, (long long)r->price.nanos);
  if (r->side != 0 && r->side != o->request.side)
    hd_gateway_alert(g, 3, HADRON_ERR_CORRUPT, o->request.instrument, r->venue, "order %.24s: the fill's side %u is not the order's %u", id, r->side, o->request.side);
}

static void count_fill(struct hd_gateway *g, struct hd_order *o, struct hd_execution_memory *m) {
  o->filled.e8 += m->quantity.e8;
  o->filled_value += (hadron_int128)m->price.nanos * m->quantity.e8;
  average(o, m->price);
  share_parts(g, o, m);
}

static int32_t record_fill(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, const struct hd_execution_memory *m, int64_t now_ns) {
  int32_t err = record_execution(g, o, r, o->request.instrument, m, 0, now_ns);
  for (uint32_t i = 0; i < m->part_count; i++) {
    int32_t failed = record_part(g, o, m, &g->parts[(m->part_first + i) % g->part_size], 0, now_ns);
    if (failed) err = failed;
  }
  return err;
}

int32_t hd_gateway_fill(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns) {
  // What was told before has been counted before: since then some of it may have been taken back.
  const struct hd_execution_memory *known = memory_find(g, r);
  bool early = is_early(known);
  if (r->cumulative.e8 > o->told_e8 && known == NULL) o->told_e8 = r->cumulative.e8;
  int32_t err = fill_check(g, o, r, early ? NULL : known);
  if (err) {
    hd_table_gap(g, o, now_ns);
    return err;
  }
  struct hd_execution_memory *m = early ? memory_move(g, o, r) : memory_add(g, o, r);
  uint8_t before = o->state;
  count_fill(g, o, m);
  if (!early) err = record_fill(g, o, r, m, now_ns);
  fill_alerts(g, o, r, before);
  struct hd_cause cause = {.venue_ns = r->venue_ns};
  enum hadron_order_state to = hd_order_where(o, HADRON_CHANGE_FILL);
  if (to == HADRON_STATE_INVALID || (hd_order_unsent(o) && to != HADRON_STATE_FILLED)) {
    g->counts.impossible++;
    hd_gateway_alert(g, 3, HADRON_ERR_STATE, o->request.instrument, r->venue, "order %.24s: filled in state %s; booked", o->request.client_order_id.hex,
                     hd_order_state_name(o->state));
    hd_table_gap(g, o, now_ns);
    return HADRON_ERR_STATE;
  }
  hd_table_gap(g, o, now_ns);
  int32_t failed = hd_order_change(g, o, HADRON_CHANGE_FILL, &cause, true, now_ns);
  return failed ? failed : err;
}

// ---- executions taken back

// A bust of something that was never told, or long ago: who had it is worked out from what the shares have.
static void guess_parts(struct hd_gateway *g, struct hd_order *o, struct hd_execution_memory *m) {
  int64_t filled[HD_SHARES_MAX], given[HD_SHARES_MAX], fees[HD_SHARES_MAX];
  hadron_int128 sum = 0;
  for (uint32_t i = 0; i < o->share_count; i++) sum += filled[i] = o->shares[i].filled.e8;
  for (uint32_t i = 0; sum == 0 && i < o->share_count; i++) filled[i] = o->shares[i].ordered.e8; // after an earlier guess
  hd_share_lots(m->quantity.e8, filled, o->share_count, hd_order_lot(g, o), given);
  hd_share_out(m->fee.micros, given, o->share_count, fees);
  for (uint32_t i = 0; i < o->share_count; i++) {
    if (given[i] == 0) continue;
    g->parts[g->part_next++ % g->part_size] = (struct hd_part){.arm = o->shares[i].arm, .quantity = {given[i]}, .fee = {fees[i]}};
    m->part_count++;
  }
  HD_ASSERT(m->part_count >= 1);
}

static void share_back(struct hd_order *o, const struct hd_part *part) {
  for (uint32_t i = 0; i < o->share_count; i++)
    if (o->shares[i].arm == part->arm) {
      int64_t had = o->shares[i].filled.e8;
      o->shares[i].filled.e8 = had > part->quantity.e8 ? had - part->quantity.e8 : 0; // less only after a guess (guess_parts)
      return;
    }
}

// Takes what is remembered out of the order, and tells it.
static int32_t take_back(struct hd_gateway *g, struct hd_order *o, struct hd_execution_memory *m, const struct hadron_venue_report *r, int64_t now_ns) {
  HD_ASSERT(m->busted && m->quantity.e8 > 0 && m->quantity.e8 <= o->filled.e8);
  o->filled.e8 -= m->quantity.e8;
  o->filled_value -= (hadron_int128)m->price.nanos * m->quantity.e8;
  average(o, m->price);
  if (r->cumulative.e8 >= 0) o->told_e8 = r->cumulative.e8;
  else o->told_e8 = o->told_e8 > m->quantity.e8 ? o->told_e8 - m->quantity.e8 : 0;
  int32_t err = record_execution(g, o, r, o->request.instrument, m, 1, now_ns);
  for (uint32_t i = 0; i < m->part_count; i++) {
    const struct hd_part *part = &g->parts[(m->part_first + i) % g->part_size];
    share_back(o, part);
    int32_t failed = record_part(g, o, m, part, 1, now_ns);
    if (failed) err = failed;
  }
  hd_gateway_alert(g, 3, 0, o->request.instrument, r->venue, "order %.24s: execution %.39s was taken back", o->request.client_order_id.hex,
                   (const char *)m->key + 2);
  hd_table_gap(g, o, now_ns);
  struct hd_cause cause = {.venue_ns = r->venue_ns};
  memcpy(cause.text, r->text, sizeof cause.text);
  if (hd_order_where(o, HADRON_CHANGE_BUST) == HADRON_STATE_INVALID) return HADRON_ERR_STATE;
  int32_t failed = hd_order_change(g, o, HADRON_CHANGE_BUST, &cause, true, now_ns);
  return failed ? failed : err;
}

bool hd_gateway_executed(const struct hd_gateway *g, const struct hadron_venue_report *r, struct hd_order **o) {
  const struct hd_execution_memory *m = memory_find(g, r);
  if (m == NULL) return false;
  *o = m->order != 0 ? hd_table_find(g, &m->id) : NULL;
  return true;
}

int32_t hd_gateway_bust(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns) {
  if (r->execution_id[0] == 0) return fill_refused(g, o, r, HADRON_ERR_ARGUMENT, "a bust must name its execution");
  struct hd_execution_memory *m = memory_find(g, r);
  if (m != NULL) {
    if (m->busted) {
      g->counts.duplicates++;
      return HADRON_ERR_DUPLICATE;
    }
    if (m->quantity.e8 > o->filled.e8) return fill_refused(g, o, r, HADRON_ERR_RANGE, "more is taken back than was filled");
    m->busted = 1;
    return take_back(g, o, m, r, now_ns);
  }
  // Nothing of it is booked if the order has less than that, or nothing was ever forgotten: it has overtaken its fill.
  bool never = g->execution_first == 0 || r->quantity.e8 <= 0 || o->filled.e8 < r->quantity.e8;
  m = memory_add(g, o, r);
  m->busted = 1;
  if (!never) {
    guess_parts(g, o, m);
    return take_back(g, o, m, r, now_ns);
  }
  hd_gateway_alert(g, 2, HADRON_ERR_NOT_FOUND, o->request.instrument, r->venue, "order %.24s: execution %.39s is taken back and was never told",
                   o->request.client_order_id.hex, r->execution_id);
  return HADRON_ERR_NOT_FOUND;
}

// ---- not ours

int32_t hd_gateway_external(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns) {
  bool listed = r->listing >= 1 && r->listing <= g->instruments->listing_count;
  uint32_t instrument = listed ? g->instruments->listings[r->listing].instrument : 0;
  bool ours = !hd_id_zero(&r->client_order_id) && hd_ids_has(g, &r->client_order_id);
  bool fill = r->change == HADRON_CHANGE_FILL, bust = r->change == HADRON_CHANGE_BUST;
  struct hd_execution_memory *known = fill || bust ? memory_find(g, r) : NULL;
  if (known != NULL && (fill || known->busted)) {
    g->counts.duplicates++;
    return HADRON_ERR_DUPLICATE;
  }
  g->counts.external++;
  hd_gateway_alert(g, fill || bust ? 3 : 2, HADRON_ERR_NOT_FOUND, instrument, r->venue, "%s for order \"%.24s\" (venue's \"%.39s\"), which is %s",
                   hd_order_change_name(r->change), r->client_order_id.hex, r->venue_order_id, ours ? "ours but no longer known" : "not ours");
  if (!(fill || bust) || (r->quantity.e8 <= 0 && known == NULL)) return HADRON_ERR_NOT_FOUND;
  bool booked = fill || (known != NULL && known->order == 0); // taken back before it was told: nothing was
  if (known == NULL) known = memory_add(g, NULL, r);
  known->busted = bust;
  int32_t err = record_execution(g, NULL, r, instrument, known, bust ? 3 : 2, now_ns);
  if (!err && booked) hd_gateway_book_stray(g, r, known, now_ns);
  return err ? err : HADRON_ERR_NOT_FOUND;
}

uint64_t hd_gateway_adopt(struct hd_gateway *g, const struct hadron_venue_report *fill, int64_t now_ns) {
  HD_ASSERT(fill->listing >= 1 && fill->listing <= g->instruments->listing_count && fill->quantity.e8 > 0);
  g->counts.external++;
  struct hd_execution_memory *m = memory_add(g, NULL, fill);
  return record_execution(g, NULL, fill, g->instruments->listings[fill->listing].instrument, m, 2, now_ns) ? 0 : g->execution_id;
}

// ---- from the journal

void hd_gateway_fold_told(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns) {
  const struct hd_execution_memory *m = memory_find(g, r);
  if (r->change == HADRON_CHANGE_FILL) {
    if (r->cumulative.e8 > o->told_e8 && m == NULL) o->told_e8 = r->cumulative.e8;
    if (is_early(m)) count_fill(g, o, memory_move(g, o, r));
    if (m != NULL || fill_known(o, r)) hd_table_gap(g, o, now_ns); // no execution follows
    return;
  }
  if (r->execution_id[0] == 0) return;
  bool never = g->execution_first == 0 || r->quantity.e8 <= 0 || o->filled.e8 < r->quantity.e8;
  if (m == NULL && never) {
    memory_add(g, o, r)->busted = 1;
    return;
  }
  int64_t quantity = m != NULL ? m->quantity.e8 : r->quantity.e8;
  if (m != NULL && (m->busted || quantity > o->filled.e8)) return;
  if (r->cumulative.e8 >= 0) o->told_e8 = r->cumulative.e8;
  else o->told_e8 = o->told_e8 > quantity ? o->told_e8 - quantity : 0;
}

static void fold_back(struct hd_gateway *g, struct hd_order *o, struct hd_execution_memory *m) {
  m->busted = 1;
  o->filled.e8 -= m->quantity.e8;
  o->filled_value -= (hadron_int128)m->price.nanos * m->quantity.e8;
  average(o, m->price);
  for (uint32_t i = 0; i < m->part_count; i++) share_back(o, &g->parts[(m->part_first + i) % g->part_size]);
}

bool hd_gateway_fold_execution(struct hd_gateway *g, const struct hadron_execution *e, int64_t now_ns) {
  struct hadron_venue_report r = {.client_order_id = e->client_order_id, .price = e->price, .quantity = e->quantity, .fee = e->fee, .venue = e->venue};
  memcpy(r.execution_id, e->execution_id, sizeof r.execution_id);
  bool bust = e->flags & 1, external = e->flags & 2;
  struct hd_order *o = external ? NULL : hd_table_find(g, &e->client_order_id);
  struct hd_execution_memory *m = memory_find(g, &r);
  if (e->id > g->execution_id) g->execution_id = e->id;
  g->counts.executions++;
  g->counts.external += external;
  if (bust && m != NULL && m->busted) return false; // its report has found no execution: that had no room in the journal, and nothing of it was made anew
  if (m == NULL || !bust) {
    bool guessed = bust && o != NULL;
    m = memory_add(g, o, &r);
    if (guessed) guess_parts(g, o, m);
    else if (o != NULL && m->quantity.e8 > 0) count_fill(g, o, m);
  }
  if (bust && o != NULL && m->quantity.e8 <= o->filled.e8) fold_back(g, o, m);
  m->busted = bust;
  if (o != NULL) hd_table_gap(g, o, now_ns);
  return true;
}

bool hd_gateway_fold_knows(const struct hd_gateway *g, uint64_t execution) { return execution <= g->execution_id; }

uint32_t hd_gateway_fold_unshared(const struct hd_gateway *g, const struct hadron_execution *last, uint32_t told, struct hadron_allocation out[HD_SHARES_MAX]) {
  struct hadron_venue_report r = {.venue = last->venue};
  memcpy(r.execution_id, last->execution_id, sizeof r.execution_id);
  if (g->execution_next == g->execution_first) return 0;
  const struct hd_execution_memory *m = memory_find(g, &r); // one that is taken back is not the newest that is known
  if (m == NULL) m = memory_at(g, g->execution_next - 1);
  const struct hd_order *o = m->order ? hd_table_find(g, &m->id) : NULL;
  uint32_t count = 0;
  for (uint32_t i = told; o != NULL && i < m->part_count; i++) {
    const struct hd_part *part = &g->parts[(m->part_first + i) % g->part_size];
    out[count++] = (struct hadron_allocation){.execution = g->execution_id, .opportunity = o->opportunity, .price = m->price, .quantity = part->quantity,
                                              .fee = part->fee, .instrument = o->request.instrument, .arm = part->arm, .side = o->request.side,
                                              .flags = (uint8_t)(m->busted | g->mark)};
  }
  return count;
}

// ---- from an image

void hd_executions_load(struct hd_gateway *g, struct hd_image *m, const uint16_t *venues, uint32_t venue_max) {
  uint64_t count;
  HD_IMAGE_GET(m, count);
  for (uint64_t n = 0; n < count && !m->bad; n++) {
    struct hd_execution_memory saved;
    uint16_t venue;
    HD_IMAGE_GET(m, saved);
    m->bad |= saved.part_count > HD_SHARES_MAX;
    if (m->bad) return;
    memcpy(&venue, saved.key, sizeof venue);
    struct hadron_venue_report r = {.client_order_id = saved.id, .price = saved.price, .quantity = saved.quantity, .fee = saved.fee, .venue = venue <= venue_max ? venues[venue] : 0};
    memcpy(r.execution_id, saved.key + 2, sizeof r.execution_id);
    const struct hd_order *o = saved.order ? hd_table_find(g, &saved.id) : NULL;
    struct hd_execution_memory *e = memory_add(g, o, &r);
    e->busted = saved.busted;
    for (uint32_t i = 0; i < saved.part_count; i++) {
      HD_IMAGE_GET(m, g->parts[g->part_next % g->part_size]);
      g->part_next++;
    }
    e->part_count = saved.part_count;
  }
}
