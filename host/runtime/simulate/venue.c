// The way to the venue and back: a session that breaks, requests and reports that are lost, late, doubled or out of order, a feed with
// holes. The plugin that the host loads is here; what it says has passed through all of this.
#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "plugin/loader.h"
#include "runtime/simulate/world.h"

// The host's present life: this process's alone, so that a dead host is never spoken to.
static struct here {
  struct hd_world *world;
  hd_venue_hear *hear;
  void *user;
  struct there {
    const struct hadron_host *host;
    const struct hadron_venue_host *api;
    bool started;
  } of[HD_WORLD_VENUES];
} here;

static struct there *there(const struct hd_world *w, const struct hd_world_venue *v) { return &here.of[v - w->venues]; }

static bool connected(const struct hd_world *w, const struct hd_world_venue *v) {
  return there(w, v)->started && (v->state == HADRON_VENUE_RECONCILING || v->state == HADRON_VENUE_READY || v->state == HADRON_VENUE_DEGRADED);
}

// For the trace: of one venue alone nobody need say which it is.
static const char *name_of(const struct hd_world *w, const struct hd_world_venue *v) { return w->setting.venues == 1 ? "" : v == w->venues ? "first " : "second "; }

// ---- to the host --------------------------------------------------------------------------------------------------------------------

static bool speaks_of_life(uint8_t change) {
  return change == HADRON_CHANGE_ACCEPT || change == HADRON_CHANGE_FILL || change == HADRON_CHANGE_REPLACED || change == HADRON_CHANGE_TRIGGER;
}
static bool ends(uint8_t change) {
  return change == HADRON_CHANGE_REJECT || change == HADRON_CHANGE_CANCELED || change == HADRON_CHANGE_ABSENT || change == HADRON_CHANGE_EXPIRE ||
         change == HADRON_CHANGE_SEND_FAIL || change == HADRON_CHANGE_REPLACE_REJECT;
}

static int64_t venue_clock(const struct hd_world *w, const struct hd_world_venue *v) { return !w->calm && w->now_ns < v->clock_offset_until_ns ? v->clock_offset_ns : 0; }

static void pass(const struct hadron_venue_report *report) {
  const struct there *t = &here.of[report->venue];
  struct hadron_venue_report r = *report;
  r.venue = 0; // the host knows who speaks
  t->api->report(t->host->instance, &r);
}

static void hand_over(struct hd_world *w, struct hd_world_venue *v, const struct hadron_venue_report *report) {
  struct hadron_venue_report r = *report;
  struct hd_truth_order *o = hd_world_order(w, &r.client_order_id);
  r.listing = w->instruments[r.listing].handle;
  r.venue_ns += venue_clock(w, v);
  if (o && speaks_of_life(r.change)) o->acknowledged = 1;
  if (o && ends(r.change)) o->denied = 1;
  w->reports++;
  hd_world_digest(w, &r, sizeof r);
  r.venue = (uint16_t)(v - w->venues);
  hd_world_trace(w, "%s-> host: change %u of %.24s %s quantity %lld cumulative %lld flags %u %s", name_of(w, v), r.change, r.client_order_id.hex[0] ? r.client_order_id.hex : "-",
                 r.execution_id, (long long)r.quantity.e8, (long long)r.cumulative.e8, r.flags, r.text);
  if (here.hear) here.hear(here.user, &r, pass);
  else pass(&r);
}

// The session notices that something is missing and is opened again.
static void gap(struct hd_world *w, struct hd_world_venue *v) {
  int64_t at = w->now_ns + hd_world_between(&w->luck, 10, 1500) * HD_MS;
  if (v->state != HADRON_VENUE_READY || at >= v->state_ns) return;
  v->state_ns = at;
}

void hd_venue_tell(struct hd_world *w, struct hd_world_venue *v, struct hadron_venue_report *report, enum hd_tell how) {
  struct hd_wire_message m = {.kind = HD_WIRE_REPORT, .of.report = *report};
  if (!connected(w, v)) return; // it is told when somebody asks
  int64_t due = w->now_ns + hd_world_between(&w->luck, 100, 2000) * 1000;
  if (how == HD_TELL_LISTED) {
    hd_wire_put(w, v, &v->down, due, true, &m);
    return;
  }
  bool asked = (report->flags & 1) != 0;
  if (how == HD_TELL_ANSWER && hd_venue_strikes(w, v, HD_FAULT_ANSWER_LOST)) {
    hd_world_trace(w, "lost: answer %u about %.24s", report->change, report->client_order_id.hex);
    return;
  }
  if (how == HD_TELL_NEWS && hd_venue_strikes(w, v, HD_FAULT_STREAM_LOST)) {
    hd_world_trace(w, "lost: news %u about %.24s", report->change, report->client_order_id.hex);
    gap(w, v);
    return;
  }
  if (asked && hd_venue_strikes(w, v, HD_FAULT_QUERY_LATE)) {
    hd_wire_put(w, v, &v->down, due + hd_world_between(&w->luck, 200, 4000) * HD_MS, false, &m);
    return;
  }
  if (hd_venue_strikes(w, v, HD_FAULT_REPORT_DELAYED)) due += hd_world_between(&w->luck, 50, 5000) * HD_MS;
  bool reordered = hd_venue_strikes(w, v, HD_FAULT_REPORT_REORDERED);
  if (reordered) due += hd_world_between(&w->luck, 0, 300) * HD_MS;
  hd_wire_put(w, v, &v->down, due, !reordered, &m);
  if (hd_venue_strikes(w, v, HD_FAULT_REPORT_DUPLICATED)) hd_wire_put(w, v, &v->down, due + hd_world_between(&w->luck, 0, 2000) * HD_MS, false, &m);
}

// ---- the feed -----------------------------------------------------------------------------------------------------------------------

static void spoil_price(struct hd_world *w, struct hadron_tick *t) {
  static const int64_t prices[] = {0, -1, INT64_MAX, INT64_MIN, 1};
  int64_t price = prices[hd_random_below(&w->luck, sizeof prices / sizeof *prices)];
  if (t->kind == HADRON_TICK_TRADE) t->value.trade.price.nanos = price;
  else t->value.quote.ask.nanos = price;
}

static void spoil_form(struct hd_world *w, struct hadron_tick *t) {
  switch (hd_random_below(&w->luck, 6)) {
  case 0: t->kind = 77; break;
  case 1: t->event_ns = 0; break;
  case 2: t->event_ns += 3600 * HD_SECOND; break;
  case 3: t->value.raw[1] = INT64_MIN; break;
  case 4: t->kind = HADRON_TICK_BOOK; t->value.book.action = 99; break;
  default: t->kind = HADRON_TICK_STATUS; t->value.status.state = 99; break;
  }
}

static void deliver(struct hd_world *w, const struct hd_world_venue *v, const struct hadron_tick *tick) {
  const struct there *t = there(w, v);
  if (!connected(w, v)) return;
  w->ticks++;
  hd_world_digest(w, tick, sizeof *tick);
  t->api->ticks(t->host->instance, tick, 1);
}

void hd_venue_tick(struct hd_world *w, struct hd_world_instrument *i, struct hadron_tick *tick) {
  struct hd_world_venue *v = &w->venues[i->venue];
  if (!connected(w, v) || hd_venue_strikes(w, v, HD_FAULT_FEED_GAP)) return;
  struct hadron_tick t = *tick;
  t.recv_ns = t.event_ns + w->clock_offset_ns; // the venue's clock and the host's agree, most of the time; it is the world that does not know it
  t.event_ns = t.recv_ns + venue_clock(w, v);
  t.instrument = i->handle;
  struct hadron_tick whole = t;
  if (hd_venue_strikes(w, v, HD_FAULT_FEED_SYMBOL)) t.instrument = hd_random_below(&w->luck, 2) ? UINT32_MAX : 4000;
  if (hd_venue_strikes(w, v, HD_FAULT_FEED_PRICE)) spoil_price(w, &t);
  if (hd_venue_strikes(w, v, HD_FAULT_FEED_FORM)) spoil_form(w, &t);
  if (t.kind == HADRON_TICK_QUOTE && hd_venue_strikes(w, v, HD_FAULT_FEED_CROSSED)) t.value.quote.bid.nanos = t.value.quote.ask.nanos + i->increment;
  if (hd_venue_strikes(w, v, HD_FAULT_FEED_REORDER)) {
    t.sequence = ++i->sequence; // the later one first
    deliver(w, v, &t);
    deliver(w, v, &whole);
    return;
  }
  deliver(w, v, &t);
  if (hd_venue_strikes(w, v, HD_FAULT_FEED_DUPLICATE)) deliver(w, v, &t);
}

// ---- the session ---------------------------------------------------------------------------------------------------------------------

static void tell_state(const struct hd_world *w, const struct hd_world_venue *v, const char *words) {
  const struct there *t = there(w, v);
  if (t->started) t->api->status(t->host->instance, v->state, words);
}

static void enter_state(struct hd_world *w, struct hd_world_venue *v, uint32_t state, int64_t for_ns, const char *words) {
  v->state = state;
  v->state_ns = for_ns == INT64_MAX ? INT64_MAX : w->now_ns + for_ns;
  hd_world_trace(w, "%ssession %u: state %u %s", name_of(w, v), v->session, state, words);
  tell_state(w, v, words);
}

static void request_list(struct hd_world *w, struct hd_world_venue *v, int64_t since_ns) {
  struct hd_wire_message m = {.kind = HD_WIRE_RECONCILE, .of.since_ns = since_ns};
  hd_wire_put(w, v, &v->up, w->now_ns + 2 * HD_MS, true, &m);
}

// What was on its way to the host is gone; of what was on its way to the venue, some arrives.
static void cut_for(struct hd_world *w, struct hd_world_venue *v, int64_t low_ms, int64_t high_ms, const char *why) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < v->up.count; i++) {
    const struct hd_wire_message *m = &v->up.messages[i];
    if (m->kind != HD_WIRE_RECONCILE && (w->calm || hd_random_below(&w->luck, 2))) v->up.messages[kept++] = *m;
  }
  v->up.count = kept;
  v->down.count = 0;
  v->down.last_ns = 0;
  v->clogged = false;
  if (connected(w, v)) v->heard_ns = w->now_ns;
  v->session++;
  enter_state(w, v, HADRON_VENUE_DOWN, w->calm ? 50 * HD_MS : hd_world_between(&w->luck, low_ms, high_ms) * HD_MS, why);
}

void hd_venue_cut(struct hd_world *w, struct hd_world_venue *v, const char *why) { cut_for(w, v, 20, 3000, why); }

static void next_state(struct hd_world *w, struct hd_world_venue *v) {
  switch (v->state) {
  case HADRON_VENUE_DOWN: enter_state(w, v, HADRON_VENUE_CONNECTING, 20 * HD_MS, ""); break;
  case HADRON_VENUE_CONNECTING: enter_state(w, v, HADRON_VENUE_AUTHENTICATING, 20 * HD_MS, ""); break;
  case HADRON_VENUE_AUTHENTICATING:
    enter_state(w, v, HADRON_VENUE_RECONCILING, INT64_MAX, "");
    request_list(w, v, v->heard_ns - 60 * HD_SECOND);
    break;
  default: hd_venue_cut(w, v, "a gap in the session's sequence"); break;
  }
}

static void arrived(struct hd_world *w, struct hd_world_venue *v, const struct hd_wire_message *m) {
  struct hd_wire_message ready = {.kind = HD_WIRE_READY};
  hd_world_trace(w, "%svenue <- request %u %.24s", name_of(w, v), m->kind, m->kind == HD_WIRE_RECONCILE ? "reconcile" : m->of.order.client_order_id.hex);
  hd_exchange_request(w, v, m);
  if (m->kind == HD_WIRE_RECONCILE && connected(w, v)) hd_wire_put(w, v, &v->down, w->now_ns, true, &ready);
}

static void heard(struct hd_world *w, struct hd_world_venue *v, const struct hd_wire_message *m) {
  if (m->kind == HD_WIRE_REPORT) hand_over(w, v, &m->of.report);
  else if (v->state == HADRON_VENUE_RECONCILING) enter_state(w, v, HADRON_VENUE_READY, INT64_MAX, "");
  else tell_state(w, v, ""); // an answer to the host's own question ends so too
}

static struct hd_world_instrument *market_due(struct hd_world *w, const struct hd_world_venue *v) {
  struct hd_world_instrument *first = NULL;
  for (uint32_t i = 0; i < w->setting.instruments; i++) {
    struct hd_world_instrument *in = &w->instruments[i];
    if (in->venue == (uint32_t)(v - w->venues) && (!first || in->next_ns < first->next_ns)) first = in;
  }
  return first;
}

static int64_t due_at(struct hd_world *w, const struct hd_world_venue *v) {
  int64_t up = hd_wire_due(&v->up), down = hd_wire_due(&v->down), tick = w->still ? INT64_MAX : market_due(w, v)->next_ns;
  int64_t due = up < down ? up : down;
  if (tick < due) due = tick;
  return v->state_ns < due ? v->state_ns : due;
}

static void market_moves(struct hd_world *w, struct hd_world_venue *v) {
  hd_exchange_market(w, market_due(w, v));
  hd_exchange_whim(w, v);
  if (v->state == HADRON_VENUE_READY && hd_venue_strikes(w, v, HD_FAULT_DISCONNECT)) hd_venue_cut(w, v, "connection reset");
  if (v->state == HADRON_VENUE_READY && hd_venue_strikes(w, v, HD_FAULT_VENUE_AWAY)) cut_for(w, v, 5000, 20000, "away");
}

static void happen(struct hd_world *w, struct hd_world_venue *v, int64_t due) {
  struct hd_wire_message m;
  if (due > w->now_ns) w->now_ns = due;
  if (v->clogged) hd_venue_cut(w, v, "too much is under way");
  else if (hd_wire_take(&v->up, due, &m)) arrived(w, v, &m);
  else if (v->state_ns <= due) next_state(w, v);
  else if (hd_wire_take(&v->down, due, &m)) heard(w, v, &m);
  else market_moves(w, v);
}

int64_t hd_venue_run(struct hd_world *w, struct hd_world_venue *v, int64_t now_ns) {
  int64_t due;
  while ((due = due_at(w, v)) <= now_ns) happen(w, v, due);
  if (now_ns > w->now_ns) w->now_ns = now_ns;
  return due;
}

void hd_venue_run_all(struct hd_world *w, int64_t now_ns) {
  for (;;) {
    struct hd_world_venue *first = &w->venues[0];
    for (uint32_t i = 1; i < w->setting.venues; i++)
      if (due_at(w, &w->venues[i]) < due_at(w, first)) first = &w->venues[i];
    int64_t due = due_at(w, first);
    if (due > now_ns) break;
    happen(w, first, due);
  }
  if (now_ns > w->now_ns) w->now_ns = now_ns;
}

// ---- requests of the host --------------------------------------------------------------------------------------------------------------

static struct hd_truth_order *sent_order(struct hd_world *w, const struct hd_world_venue *v, const struct hadron_order *order) {
  struct hd_truth_order *o = hd_world_order(w, &order->client_order_id);
  if (!o && w->order_count < HD_WORLD_ORDERS) {
    o = &w->orders[w->order_count++];
    *o = (struct hd_truth_order){.request = *order, .sent_ns = w->now_ns, .memory = w->memory};
    while (o->instrument + 1 < w->setting.instruments && w->instruments[o->instrument].handle != order->listing) o->instrument++;
    o->number = ++hd_world_venue_of(w, o->instrument)->order_count;
  }
  if (o && hd_world_venue_of(w, o->instrument) != v) hd_world_finding(w, "route: order %.24s is of another venue's listing, or was sent to the other one before", order->client_order_id.hex);
  return o;
}

// What has to hold of every order that leaves the host, whatever the venue makes of it.
static void judge(struct hd_world *w, const struct hadron_order *order) {
  const struct hd_world_setting *s = &w->setting;
  if (w->killed && !w->calm) hd_world_finding(w, "risk: order %.24s was sent while the kill switch was on", order->client_order_id.hex);
  if (order->quantity.e8 > s->quantity_max_e8 || order->quantity.e8 <= 0)
    hd_world_finding(w, "risk: order %.24s: quantity %lld e-8 was sent, the limit is %lld e-8", order->client_order_id.hex, (long long)order->quantity.e8, (long long)s->quantity_max_e8);
  for (uint32_t i = 0; i < w->order_count; i++) {
    const struct hadron_order *other = &w->orders[i].request;
    if (w->orders[i].memory != w->memory || other->intent != order->intent || memcmp(&other->client_order_id, &order->client_order_id, sizeof order->client_order_id) == 0) continue;
    w->duplicates++;
    hd_world_finding(w, "duplicate: intent %llu became order %.24s and order %.24s", (unsigned long long)order->intent, other->client_order_id.hex, order->client_order_id.hex);
  }
  // Counted when they are made: a stop that the host has held goes out when it must.
  int64_t rate = 1;
  for (uint32_t i = w->order_count; i-- > 0 && s->order_rate_max;) {
    const struct hadron_order *other = &w->orders[i].request;
    bool same = memcmp(&other->client_order_id, &order->client_order_id, sizeof order->client_order_id) == 0; // sent once more
    rate += !same && other->time_ns > order->time_ns - HD_SECOND && other->time_ns <= order->time_ns;
  }
  if (s->order_rate_max && rate > s->order_rate_max)
    hd_world_finding(w, "risk: %lld orders in one second, the limit is %lld", (long long)rate, (long long)s->order_rate_max);
}

static void lose(struct hd_world *w, struct hd_world_venue *v, const struct hadron_order *order, uint8_t change, const char *text) {
  struct hadron_venue_report r = {.client_order_id = order->client_order_id, .change = change, .cumulative = {-1}};
  const struct hd_truth_order *o = hd_world_order(w, &order->client_order_id);
  r.listing = o ? o->instrument : 0;
  memcpy(r.text, text, strlen(text));
  hand_over(w, v, &r);
}

static int32_t request(struct hd_world_venue *v, uint8_t kind, const struct hadron_order *order) {
  struct hd_world *w = here.world;
  bool makes = kind == HD_WIRE_SUBMIT || kind == HD_WIRE_REPLACE;
  hd_world_call(w);
  w->requests++;
  hd_world_trace(w, "host -> %srequest %u %.24s side %u type %u quantity %lld limit %lld", name_of(w, v), kind, order->client_order_id.hex, order->side, order->order_type,
                 (long long)order->quantity.e8, (long long)order->limit.nanos);
  if (makes && (!connected(w, v) || w->order_count == HD_WORLD_ORDERS)) return HADRON_ERR_STATE;
  if (!connected(w, v) || hd_venue_strikes(w, v, HD_FAULT_REQUEST_REFUSED)) return HADRON_ERR_IO;
  if (makes && hd_venue_strikes(w, v, HD_FAULT_RATE_LIMIT)) v->limited_until_ns = w->now_ns + hd_world_between(&w->luck, 100, 1000) * HD_MS;
  if (makes && w->now_ns < v->limited_until_ns) {
    lose(w, v, order, HADRON_CHANGE_SEND_FAIL, "rate limit");
    return HADRON_OK;
  }
  if (makes) {
    judge(w, order);
    struct hd_truth_order *o = sent_order(w, v, order);
    o->sent++;
  }
  struct hd_wire_message m = {.kind = kind, .of.order = *order};
  bool lost = hd_venue_strikes(w, v, HD_FAULT_REQUEST_LOST);
  if (makes && hd_venue_strikes(w, v, HD_FAULT_OUTCOME_LOST)) {
    lost = hd_random_below(&w->luck, 2) == 0;
    lose(w, v, order, HADRON_CHANGE_LOSE, "connection reset");
  }
  if (lost) return HADRON_OK;
  bool late = hd_venue_strikes(w, v, HD_FAULT_REQUEST_DELAYED);
  int64_t due = w->now_ns + hd_world_between(&w->luck, 200, 3000) * 1000 + (late ? hd_world_between(&w->luck, 100, 6000) * HD_MS : 0);
  hd_wire_put(w, v, &v->up, due, !late, &m);
  return HADRON_OK;
}

static int32_t venue_submit(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_SUBMIT, order); }
static int32_t venue_cancel(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_CANCEL, order); }
static int32_t venue_replace(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_REPLACE, order); }
static int32_t venue_query(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_QUERY, order); }

static int32_t venue_reconcile(void *self, int64_t since_ns) {
  struct hd_world *w = here.world;
  struct hd_world_venue *v = self;
  hd_world_call(w);
  if (v->state == HADRON_VENUE_READY || v->state == HADRON_VENUE_RECONCILING) request_list(w, v, since_ns - w->clock_offset_ns);
  return HADRON_OK; // a session that is being opened asks by itself
}

// ---- the plugin -------------------------------------------------------------------------------------------------------------------------

static int32_t create(uint32_t number, const struct hadron_host *host, void **self) {
  HD_ASSERT(here.world);
  here.of[number].host = host;
  here.of[number].api = host->capability(host->instance, "hadron.venue/1");
  *self = &here.world->venues[number];
  return HADRON_OK;
}
static int32_t first_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  (void)context;
  return create(0, host, self);
}
static int32_t second_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  (void)context;
  return create(1, host, self);
}

static void venue_destroy(void *self) { (void)self; }

static int32_t venue_start(void *self) {
  struct hd_world *w = here.world;
  struct hd_world_venue *v = self;
  struct there *t = there(w, v);
  for (uint32_t i = 0; i < w->setting.instruments; i++) {
    struct hd_world_instrument *in = &w->instruments[i];
    struct hadron_listing listing = {.currency = "USD", .increment = {in->increment}, .lot = {in->lot}, .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
    if (&w->venues[in->venue] != v) continue;
    memcpy(listing.symbol, in->name, sizeof in->name);
    int32_t code = t->api->resolve(t->host->instance, &listing, &in->handle);
    if (code) return code;
  }
  t->started = true;
  v->session++;
  enter_state(w, v, HADRON_VENUE_CONNECTING, 10 * HD_MS, "");
  return HADRON_OK;
}

static void venue_stop(void *self) { there(here.world, self)->started = false; }

static int64_t venue_poll(void *self, int64_t now_ns) {
  struct hd_world *w = here.world;
  int64_t due = hd_venue_run(w, self, now_ns - w->clock_offset_ns);
  return due == INT64_MAX ? INT64_MAX : due + w->clock_offset_ns;
}

#define VENUE_API(maker)                                                                                                                                                        \
  {.struct_size = sizeof(struct hadron_venue_api), .create = maker, .destroy = venue_destroy, .start = venue_start, .stop = venue_stop, .poll = venue_poll,                      \
   .submit = venue_submit, .cancel = venue_cancel, .replace = venue_replace, .query = venue_query, .reconcile = venue_reconcile}
static struct hadron_venue_api apis[HD_WORLD_VENUES] = {VENUE_API(first_create), VENUE_API(second_create)};

#define VENUE_PLUGIN(number, words)                                                                                                                                             \
  {.manifest = {.magic = HADRON_PLUGIN_MAGIC, .struct_size = sizeof(struct hadron_manifest), .abi_major = HADRON_ABI_MAJOR, .abi_minor = HADRON_ABI_MINOR,                       \
                .kind = HADRON_KIND_VENUE, .name = words, .version = "1.0.0", .description = "A venue of a simulated world", .requires_ = "hadron.venue/1"},                     \
   .api = &apis[number], .path = words, .fd = -1, .digest_text = words, .digest = {1, number}}
struct hd_plugin hd_venue_plugins[HD_WORLD_VENUES] = {VENUE_PLUGIN(0, "hostile"), VENUE_PLUGIN(1, "second")};

void hd_venue_live(struct hd_world *w, hd_venue_hear *hear, void *user) {
  here = (struct here){.world = w, .hear = hear, .user = user};
  for (uint32_t i = 0; i < w->setting.venues; i++) apis[i].features = w->venues[i].features;
}
