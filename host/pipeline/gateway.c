// Intents in, and the questions that others ask about open orders.
#include "pipeline/gateway.h"

#include "base/banned.h"
#include "base/pages.h"
#include "base/text.h"
#include "pipeline/gateway_internal.h"

#define TOUCHED_MAX ((size_t)64 << 20) // of the tables; who sets `gateway.orders_max` beyond some 60,000 gets the rest as it is used

// ---- life

static void defaults(struct hd_gateway_options *o) {
  if (o->alert_after_ns == 0) o->alert_after_ns = o->unknown_after_ns < INT64_MAX / 10 ? o->unknown_after_ns * 10 : INT64_MAX;
  if (o->query_every_ns <= 0) o->query_every_ns = o->unknown_after_ns > 0 ? o->unknown_after_ns : 1000000000;
  if (o->ids_max == 0) o->ids_max = o->orders_max * 4;
  if (o->executions_max == 0) o->executions_max = o->orders_max;
}

// The next table of the room, or, without one, how far the next would be.
static void *table_next(char *room, size_t *used, size_t count, size_t size) {
  size_t at = *used;
  *used = at + ((count * size + 63) & ~(size_t)63);
  return room ? room + at : NULL;
}

// All tables lie in one room, those of the day's ids last: most of them are never touched. What is reached into least comes first, where the pages
// are small. Returns how long it is.
static size_t lay_tables(struct hd_gateway *g, char *room) {
  const struct hd_gateway_options *o = &g->options;
  size_t instruments = (size_t)g->instrument_max + 1, used = 0;
  g->parts = table_next(room, &used, g->part_size, sizeof *g->parts);
  g->executions = table_next(room, &used, o->executions_max, sizeof *g->executions);
  g->instrument_head = table_next(room, &used, instruments, sizeof *g->instrument_head);
  g->instrument_tail = table_next(room, &used, instruments, sizeof *g->instrument_tail);
  g->instrument_unknown = table_next(room, &used, instruments, sizeof *g->instrument_unknown);
  g->instrument_held = table_next(room, &used, instruments, sizeof *g->instrument_held);
  g->heap = table_next(room, &used, (size_t)o->orders_max + 1, sizeof *g->heap);
  hd_index_init_in(&g->by_id, o->orders_max, table_next(room, &used, hd_index_cells(o->orders_max), sizeof *g->by_id.cells));
  hd_index_init_in(&g->by_execution, o->executions_max, table_next(room, &used, hd_index_cells(o->executions_max), sizeof *g->by_execution.cells));
  g->orders = table_next(room, &used, (size_t)o->orders_max + 1, sizeof *g->orders);
  g->ids = table_next(room, &used, hd_ids_cells(g), sizeof *g->ids);
  return used;
}

static int32_t make_tables(struct hd_gateway *g) {
  const struct hd_gateway_options *o = &g->options;
  g->id_mask_last = 15;
  while (g->id_mask_last < o->ids_max * 2) g->id_mask_last = g->id_mask_last * 2 + 1;
  // A table of up to a megabyte never grows while orders wait.
  g->id_mask_first = g->id_mask = g->id_mask_last < HD_IDS_FIRST ? g->id_mask_last : HD_IDS_FIRST - 1;
  g->part_size = (uint64_t)o->executions_max * 2 + HD_SHARES_MAX;
  g->room_bytes = lay_tables(g, NULL);
  size_t later = (hd_ids_cells(g) - g->id_mask_first - 1) * sizeof *g->ids; // of days that are busier than most
  size_t now = g->room_bytes - later;
  g->room = hd_pages_alloc(g->room_bytes, now < TOUCHED_MAX ? now : TOUCHED_MAX);
  g->id_cache = calloc(1, sizeof *g->id_cache);
  if (!g->room || !g->id_cache) return HADRON_ERR_MEMORY;
  lay_tables(g, g->room);
  return HADRON_OK;
}

int32_t hd_gateway_create(const struct hd_gateway_options *options, const struct hd_instruments *instruments, const struct hd_marks *marks,
                          const struct hd_record_sink *sink, const struct hd_venue_port *port, const struct hd_gateway_listener *listener,
                          struct hd_gateway **out) {
  HD_ASSERT(sink->write != NULL && listener->allocate != NULL);
  HD_ASSERT(port->submit && port->cancel && port->features && port->state);
  if (options->orders_max == 0 || options->orders_max > (1u << 24) || options->ids_max > (1u << 28) || options->executions_max > (1u << 28) ||
      options->day_end_ns >= HD_DAY_NS)
    return HADRON_ERR_ARGUMENT;
  struct hd_gateway *g = calloc(1, sizeof *g);
  if (g == NULL) return HADRON_ERR_MEMORY;
  g->options = *options;
  defaults(&g->options);
  g->instruments = instruments, g->marks = marks, g->sink = *sink, g->port = *port, g->listener = *listener;
  g->instrument_max = instruments->max;
  g->id_day = 1;
  if (options->shadow) g->mark = HADRON_ORDER_SHADOW, g->event_id = g->execution_id = HADRON_SHADOW_ID;
  int32_t err = make_tables(g);
  if (err) {
    hd_gateway_destroy(g);
    return err;
  }
  g->id_cache->day = g->id_cache->key.day = INT64_MIN;
  for (uint32_t i = 1; i <= g->options.orders_max; i++) {
    g->orders[i].previous = i - 1;
    g->orders[i].next = i < g->options.orders_max ? i + 1 : 0;
  }
  g->head[HD_LIST_FREE] = 1;
  g->tail[HD_LIST_FREE] = g->options.orders_max;
  *out = g;
  return HADRON_OK;
}

void hd_gateway_destroy(struct hd_gateway *g) {
  if (g == NULL) return;
  hd_pages_free(g->room, g->room_bytes);
  free(g->held);
  free(g->id_cache);
  free(g);
}

// ---- new orders

static bool is_stop(uint32_t type) { return type == HADRON_ORDER_STOP || type == HADRON_ORDER_STOP_LIMIT; }

// Copies the shares in ascending order of arms; false if they do not make up the order.
static bool shares_take(struct hd_order *o, const struct hd_share *shares, uint32_t count) {
  if (count == 0 || count > HD_SHARES_MAX) return false;
  hadron_int128 sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (shares[i].ordered.e8 <= 0) return false;
    sum += shares[i].ordered.e8;
    uint32_t at = i;
    for (; at > 0 && o->shares[at - 1].arm > shares[i].arm; at--) o->shares[at] = o->shares[at - 1];
    if (at > 0 && o->shares[at - 1].arm == shares[i].arm) return false;
    o->shares[at] = (struct hd_share){.arm = shares[i].arm, .ordered = shares[i].ordered};
  }
  o->share_count = (uint8_t)count;
  return sum == o->request.quantity.e8;
}

static void request_make(const struct hadron_intent *intent, uint16_t venue, uint32_t listing, const struct hadron_client_order_id *id,
                         int64_t now_ns, struct hadron_order *out) {
  *out = (struct hadron_order){
      .trace = intent->trace,
      .cause = intent->cause,
      .intent = intent->id,
      .time_ns = now_ns,
      .expire_ns = intent->expire_ns,
      .limit = intent->limit,
      .stop = intent->stop,
      .quantity = intent->quantity,
      .client_order_id = *id,
      .instrument = intent->instrument,
      .listing = listing,
      .arm = intent->arm,
      .venue = venue,
      .side = intent->side,
      .order_type = intent->order_type,
      .time_in_force = intent->time_in_force,
      .flags = intent->flags,
      .slot = intent->slot,
  };
}

static bool fields_fit(const struct hadron_intent *i) {
  if (i->quantity.e8 <= 0 || i->limit.nanos < 0 || i->stop.nanos < 0) return false;
  if (i->side != HADRON_SIDE_BUY && i->side != HADRON_SIDE_SELL) return false;
  if (i->order_type < HADRON_ORDER_MARKET || i->order_type > HADRON_ORDER_STOP_LIMIT) return false;
  if (i->time_in_force < HADRON_TIF_DAY || i->time_in_force > HADRON_TIF_GTD) return false;
  bool limited = i->order_type == HADRON_ORDER_LIMIT || i->order_type == HADRON_ORDER_STOP_LIMIT;
  if (limited != (i->limit.nanos > 0) || is_stop(i->order_type) != (i->stop.nanos > 0)) return false;
  return i->time_in_force != HADRON_TIF_GTD || i->expire_ns > 0;
}

// The last checks, which need what only the gateway knows. Returns the reason, or 0.
static uint16_t refused(struct hd_gateway *g, const struct hadron_intent *intent, uint16_t venue, uint32_t listing, const char **text) {
  uint32_t features = listing ? g->port.features(g->port.self, venue) : 0;
  *text = "";
  if (listing == 0) *text = "no listing at the venue";
  if (listing == 0) return HADRON_RISK_INSTRUMENT;
  if (!(features & HADRON_VENUE_ORDERS)) *text = "the venue takes no orders";
  if (!(features & HADRON_VENUE_ORDERS)) return HADRON_RISK_VENUE_DOWN;
  if (!fields_fit(intent)) *text = "fields do not fit each other";
  else if ((intent->flags & HADRON_ORDER_POST_ONLY) && !(features & HADRON_VENUE_POST_ONLY)) *text = "the venue has no post-only orders";
  if (**text) return HADRON_RISK_BOUNDS;
  return 0;
}

// Is there room for one more? An id is never forgotten within its day, so the day's last one ends trading until midnight: a person hears of it.
static void table_full(struct hd_gateway *g, struct hd_verdict *v, const char **text) {
  if (hd_table_room(g)) return;
  bool ids = g->id_count >= g->options.ids_max;
  v->reason = HADRON_RISK_ORDER_TABLE;
  v->actual = v->bound = ids ? g->options.ids_max : g->options.orders_max;
  *text = ids ? "the table of the day's ids is full" : "the order table is full";
  if (!ids || g->id_day_told == g->id_day) return;
  g->id_day_told = g->id_day;
  hd_gateway_alert(g, 3, HADRON_ERR_FULL, 0, 0, "%u orders were made today (UTC), no more can be told apart: new ones are denied until midnight; gateway.ids_max sets the bound at a start", g->id_count);
}

struct hd_made { // what the checks of an intent have found
  struct hadron_client_order_id id;
  uint16_t venue;
  uint32_t listing;
};

// Denies the intent or finds where it goes.
static int32_t intent_check(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_verdict *verdict, const char *strategy,
                            int64_t now_ns, struct hd_made *made) {
  hd_gateway_order_id(g, intent, strategy, now_ns, &made->id);
  bool known = intent->instrument >= 1 && intent->instrument <= hd_instruments_count(g->instruments);
  uint32_t first = known ? g->instruments->rows[intent->instrument].listing : 0;
  made->venue = intent->venue || !first ? intent->venue : g->instruments->listings[first].venue;
  made->listing = known ? hd_instruments_at(g->instruments, intent->instrument, made->venue) : 0;
  struct hd_verdict own = *verdict;
  const char *text = "";
  if (own.reason == 0) own.reason = refused(g, intent, made->venue, made->listing, &text);
  if (own.reason == 0) table_full(g, &own, &text);
  if (own.reason == 0 && hd_gateway_seen(g, &made->id)) own.reason = HADRON_RISK_DUPLICATE, own.actual = 1, text = "this id was used";
  if (own.reason == 0) return HADRON_OK;
  hd_order_deny(g, intent, &made->id, &own, text, now_ns);
  return own.reason == HADRON_RISK_DUPLICATE ? HADRON_ERR_DUPLICATE : HADRON_ERR_RISK;
}

// Makes the order of a checked intent; NULL if the shares do not fit it.
static struct hd_order *order_make(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count,
                                   const struct hd_made *made, int64_t now_ns) {
  struct hadron_order request;
  HD_ASSERT((intent->flags & HADRON_ORDER_SHADOW) == g->mark); // no order of one kind at the desk of the other
  request_make(intent, made->venue, made->listing, &made->id, now_ns, &request);
  struct hd_order *o = hd_table_take(g, &request);
  HD_ASSERT(o != NULL); // there was room
  if (!shares_take(o, shares, share_count)) {
    hd_table_drop(g, o);
    return NULL;
  }
  o->opportunity = intent->opportunity;
  if (is_stop(request.order_type) && !(g->port.features(g->port.self, made->venue) & HADRON_VENUE_STOPS)) hd_table_hold(g, o, HD_HOLD_WAITING);
  hd_order_expiry(g, o, now_ns);
  return o;
}

// If it cannot be recorded there is no order.
static int32_t order_record(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  int32_t err = hd_order_queue(g, o, now_ns);
  if (err) {
    hd_order_denied(g, 0);
    hd_table_drop(g, o);
    return err;
  }
  g->counts.orders++;
  return HADRON_OK;
}

// Records and sends what has been made.
static int32_t order_go(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  int32_t err = order_record(g, o, now_ns);
  if (err) return err;
  hd_table_due(g, o);
  if (o->held == HD_HOLD_WAITING || o->state != HADRON_STATE_PENDING_SUBMIT) return HADRON_OK;
  return hd_order_submit(g, o, now_ns);
}

static int32_t intent_new(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count,
                          const struct hd_verdict *verdict, const char *strategy, int64_t now_ns) {
  struct hd_made made;
  int32_t err = intent_check(g, intent, verdict, strategy, now_ns, &made);
  if (err) return err;
  struct hd_order *o = order_make(g, intent, shares, share_count, &made, now_ns);
  if (o == NULL) return HADRON_ERR_ARGUMENT;
  return order_go(g, o, now_ns);
}

// ---- replaces

// The venue puts one order in the other's place.
static int32_t replace_in_place(struct hd_gateway *g, struct hd_order *old, struct hd_order *o, int64_t now_ns) {
  o->successor = HD_SUCCESSOR_IN_PLACE;
  o->request.replaces = old->request.client_order_id;
  memcpy(o->request.venue_order_id, old->venue_order_id, sizeof old->venue_order_id);
  int32_t err = order_record(g, o, now_ns);
  if (err) return err;
  struct hd_cause cause = hd_cause_text("");
  old->resume = old->state;
  bool possible = hd_order_where(old, HADRON_CHANGE_REPLACE) != HADRON_STATE_INVALID; // a listener may have acted meanwhile
  if (!possible || o->state != HADRON_STATE_PENDING_SUBMIT || hd_order_change(g, old, HADRON_CHANGE_REPLACE, &cause, false, now_ns)) {
    o->successor = HD_SUCCESSOR_DONE;
    cause = hd_cause_text("not recorded, so not sent");
    if (hd_order_where(o, HADRON_CHANGE_DENY) != HADRON_STATE_INVALID) hd_order_change(g, o, HADRON_CHANGE_DENY, &cause, true, now_ns);
    hd_order_denied(g, 0);
    return HADRON_ERR_IO;
  }
  old->replaced_by = o->request.client_order_id;
  old->ask_ns = INT64_MAX; // the new order's answer is the one to wait for
  hd_table_due(g, old);
  err = hd_order_submit(g, o, now_ns);
  hd_order_after(g, o, now_ns);
  return err;
}

// A stop that the host holds: the new one is recorded first, so that there is never none.
static int32_t replace_held(struct hd_gateway *g, struct hd_order *old, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(old->held == HD_HOLD_WAITING);
  int32_t err = order_go(g, o, now_ns);
  if (err) return err;
  if (hd_order_final(old->state)) return HADRON_OK;
  old->replaced_by = o->request.client_order_id;
  hd_order_pin(o);
  err = hd_order_cancel(g, old, now_ns);
  if (err && !hd_order_final(o->state)) { // both would trigger: the new one goes
    old->replaced_by = (struct hadron_client_order_id){{0}};
    hd_order_cancel(g, o, now_ns);
  }
  hd_order_unpin(o);
  return err;
}

// The venue cannot: the old one is cancelled, and the new one sent when that has been told.
static int32_t replace_by_cancel(struct hd_gateway *g, struct hd_order *old, struct hd_order *o, int64_t now_ns) {
  o->successor = HD_SUCCESSOR_WAITS;
  o->request.replaces = old->request.client_order_id;
  old->replaced_by = o->request.client_order_id;
  hd_order_pin(o);
  int32_t err = hd_order_cancel_for(g, old, now_ns);
  if (!err && hd_order_final(old->state)) hd_order_after(g, old, now_ns); // its end was told inside the call
  hd_order_unpin(o);
  if (!err || o->state != HADRON_STATE_INITIALIZED) return err;
  old->replaced_by = (struct hadron_client_order_id){{0}};
  hd_table_drop(g, o);
  return err;
}

static int32_t intent_replace(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count,
                              const struct hd_verdict *verdict, const char *strategy, int64_t now_ns) {
  struct hd_order *old = hd_table_find(g, &intent->order);
  if (old == NULL) return HADRON_ERR_NOT_FOUND;
  bool held = old->held == HD_HOLD_WAITING, working = hd_order_where(old, HADRON_CHANGE_REPLACE) != HADRON_STATE_INVALID;
  if (!held && !working) return HADRON_ERR_STATE;
  if (intent->instrument != old->request.instrument || intent->side != old->request.side) return HADRON_ERR_ARGUMENT;
  struct hadron_intent at = *intent;
  at.venue = old->request.venue; // an order cannot move
  hd_order_pin(old);
  struct hd_made made;
  int32_t err = intent_check(g, &at, verdict, strategy, now_ns, &made);
  struct hd_order *o = err || hd_order_final(old->state) ? NULL : order_make(g, &at, shares, share_count, &made, now_ns);
  if (!err && o == NULL) err = hd_order_final(old->state) ? HADRON_ERR_STATE : HADRON_ERR_ARGUMENT;
  if (o != NULL) {
    bool in_place = !held && o->held == HD_HOLD_NONE && (g->port.features(g->port.self, made.venue) & HADRON_VENUE_REPLACES) && g->port.replace;
    if (held) err = replace_held(g, old, o, now_ns);
    else err = in_place ? replace_in_place(g, old, o, now_ns) : replace_by_cancel(g, old, o, now_ns);
  }
  hd_order_unpin(old);
  return err;
}

int32_t hd_gateway_intent(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count,
                          const struct hd_verdict *verdict, const char *strategy, int64_t now_ns) {
  HD_ASSERT(g != NULL && intent != NULL && verdict != NULL && strategy != NULL);
  hd_ids_day(g, now_ns);
  if (intent->kind == HADRON_INTENT_NEW) return intent_new(g, intent, shares, share_count, verdict, strategy, now_ns);
  if (intent->kind == HADRON_INTENT_REPLACE) return intent_replace(g, intent, shares, share_count, verdict, strategy, now_ns);
  if (intent->kind != HADRON_INTENT_CANCEL) return HADRON_ERR_ARGUMENT;
  struct hd_order *o = hd_table_find(g, &intent->order);
  if (o == NULL) return HADRON_ERR_NOT_FOUND;
  hd_order_pin(o);
  int32_t err = hd_order_cancel(g, o, now_ns);
  hd_order_unpin(o);
  return err;
}

// ---- questions

bool hd_gateway_seen(const struct hd_gateway *g, const struct hadron_client_order_id *id) {
  HD_ASSERT(g != NULL && id != NULL);
  struct hd_id_cache *cache = g->id_cache;
  bool last = hd_id_same(id, &cache->id);
  if (last && cache->unused) return false;
  bool seen = hd_ids_has(g, id) || hd_table_find(g, id) != NULL;
  if (last) cache->unused = !seen;
  return seen;
}

const struct hd_order *hd_gateway_order(const struct hd_gateway *g, const struct hadron_client_order_id *id) { return hd_table_find(g, id); }

const struct hd_order *hd_gateway_first(const struct hd_gateway *g) {
  uint32_t at = g->head[HD_LIST_OPEN];
  return at ? &g->orders[at] : NULL;
}

const struct hd_order *hd_gateway_next(const struct hd_gateway *g, const struct hd_order *order) {
  HD_ASSERT(order->list == HD_LIST_OPEN);
  return order->next ? &g->orders[order->next] : NULL;
}

static bool has_arm(const struct hd_order *o, uint32_t arm) {
  if (arm == 0) return true;
  for (uint32_t i = 0; i < o->share_count; i++)
    if (o->shares[i].arm == arm) return true;
  return false;
}

// The newest, which is what the arm wants: an order in the making rather than the one that it will replace.
const struct hd_order *hd_gateway_slot(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, uint8_t slot) {
  HD_ASSERT(instrument <= g->instrument_max);
  for (uint32_t at = g->instrument_tail[instrument]; at; at = g->orders[at].previous_of_instrument)
    if (g->orders[at].request.slot == slot && has_arm(&g->orders[at], arm)) return &g->orders[at];
  return NULL;
}

static int64_t left_of(const struct hd_order *o, uint32_t arm) {
  int64_t left = 0;
  for (uint32_t i = 0; i < o->share_count; i++)
    if ((arm == 0 || o->shares[i].arm == arm) && o->shares[i].ordered.e8 > o->shares[i].filled.e8) left += o->shares[i].ordered.e8 - o->shares[i].filled.e8;
  return left;
}

// Of an order and the one that is to take its place, only one can be filled to its end: the larger rest counts.
static int64_t working_of(const struct hd_gateway *g, const struct hd_order *o, uint32_t arm) {
  bool pending = o->successor == HD_SUCCESSOR_IN_PLACE || o->successor == HD_SUCCESSOR_WAITS;
  const struct hd_order *old = pending ? hd_table_find(g, &o->request.replaces) : NULL;
  if (old != NULL && old->list == HD_LIST_OPEN) return 0; // counted there
  int64_t left = left_of(o, arm), filled = 0;
  const struct hd_order *successor = hd_id_zero(&o->replaced_by) ? NULL : hd_table_find(g, &o->replaced_by);
  if (successor == NULL || successor->list != HD_LIST_OPEN || successor->successor == HD_SUCCESSOR_DONE) return left;
  for (uint32_t i = 0; i < o->share_count; i++)
    if (arm == 0 || o->shares[i].arm == arm) filled += o->shares[i].filled.e8;
  int64_t other = left_of(successor, arm) - filled; // its quantity is the new total
  return other > left ? other : left;
}

void hd_gateway_working(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, bool slots, struct hadron_quantity *buy,
                        struct hadron_quantity *sell) {
  HD_ASSERT(instrument <= g->instrument_max);
  buy->e8 = sell->e8 = 0;
  if (g->instrument_head[instrument] == 0) return;
  hadron_int128 sums[2] = {0, 0};
  for (uint32_t at = g->instrument_head[instrument]; at; at = g->orders[at].next_of_instrument) {
    const struct hd_order *o = &g->orders[at];
    if (o->request.slot == 0 || slots) sums[o->request.side == HADRON_SIDE_SELL] += working_of(g, o, arm);
  }
  buy->e8 = sums[0] > INT64_MAX ? INT64_MAX : (int64_t)sums[0];
  sell->e8 = sums[1] > INT64_MAX ? INT64_MAX : (int64_t)sums[1];
}

uint32_t hd_gateway_unknown(const struct hd_gateway *g, uint32_t instrument) {
  HD_ASSERT(instrument <= g->instrument_max);
  return g->instrument_unknown[instrument];
}

const struct hd_gateway_counts *hd_gateway_count(const struct hd_gateway *g) { return &g->counts; }

// Listeners may act on every event, so the place in the list is found again after each cancel: `swept` says who has had his turn.
// venue 0: all venues.
static uint32_t cancel_where(struct hd_gateway *g, uint32_t arm, uint32_t instrument, uint16_t venue, int64_t now_ns) {
  HD_ASSERT(g != NULL && instrument <= g->instrument_max);
  uint64_t before = g->counts.cancels;
  uint32_t budget = g->counts.open; // a listener that makes new orders meanwhile cannot keep it going
  for (uint32_t at = g->head[HD_LIST_OPEN]; at; at = g->orders[at].next) g->orders[at].swept = 0;
  for (uint32_t at = g->head[HD_LIST_OPEN]; at && budget > 0; budget--) {
    struct hd_order *o = &g->orders[at];
    bool meant = !o->swept && has_arm(o, arm) && (instrument == 0 || o->request.instrument == instrument) && (venue == 0 || o->request.venue == venue);
    o->swept = 1;
    uint32_t next = o->next;
    if (meant) {
      hd_order_pin(o);
      hd_order_cancel(g, o, now_ns); // what cannot be recorded stays and is alerted by who owns the journal
      hd_order_unpin(o);
      next = o->list == HD_LIST_OPEN ? o->next : g->head[HD_LIST_OPEN];
      while (next && g->orders[next].swept) next = g->orders[next].next;
    }
    at = next;
  }
  return (uint32_t)(g->counts.cancels - before);
}

uint32_t hd_gateway_cancel_all(struct hd_gateway *g, uint32_t arm, uint32_t instrument, int64_t now_ns) { return cancel_where(g, arm, instrument, 0, now_ns); }
uint32_t hd_gateway_cancel_venue(struct hd_gateway *g, uint16_t venue, int64_t now_ns) {
  HD_ASSERT(venue > 0);
  return cancel_where(g, 0, 0, venue, now_ns);
}

void hd_gateway_times(struct hd_gateway *g, const struct hd_gateway_options *options) {
  HD_ASSERT(options->query_every_ns > 0 && options->day_end_ns < HD_DAY_NS);
  g->options.unknown_after_ns = options->unknown_after_ns;
  g->options.query_every_ns = options->query_every_ns;
  g->options.query_max_ns = options->query_max_ns;
  g->options.resend_within_ns = options->resend_within_ns;
  g->options.day_end_ns = options->day_end_ns;
  g->options.expires = options->expires;
}

void hd_gateway_port(struct hd_gateway *g, const struct hd_venue_port *port) { g->port = *port; }

void hd_gateway_measure(struct hd_gateway *g, const struct hd_stamps *stamps) { g->stamps = stamps; }
