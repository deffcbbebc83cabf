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
  const struct hadron_host *host;
  const struct hadron_venue_host *api;
  hd_venue_hear *hear;
  void *user;
  bool started;
} here;

static bool connected(const struct hd_world *w) {
  return here.started && (w->state == HADRON_VENUE_RECONCILING || w->state == HADRON_VENUE_READY || w->state == HADRON_VENUE_DEGRADED);
}

// ---- to the host --------------------------------------------------------------------------------------------------------------------

static bool speaks_of_life(uint8_t change) {
  return change == HADRON_CHANGE_ACCEPT || change == HADRON_CHANGE_FILL || change == HADRON_CHANGE_REPLACED || change == HADRON_CHANGE_TRIGGER;
}
static bool ends(uint8_t change) {
  return change == HADRON_CHANGE_REJECT || change == HADRON_CHANGE_CANCELED || change == HADRON_CHANGE_ABSENT || change == HADRON_CHANGE_EXPIRE ||
         change == HADRON_CHANGE_SEND_FAIL || change == HADRON_CHANGE_REPLACE_REJECT;
}

static int64_t venue_clock(const struct hd_world *w) { return !w->calm && w->now_ns < w->venue_offset_until_ns ? w->venue_offset_ns : 0; }

static void pass(const struct hadron_venue_report *report) { here.api->report(here.host->instance, report); }

static void hand_over(struct hd_world *w, const struct hadron_venue_report *report) {
  struct hadron_venue_report r = *report;
  struct hd_truth_order *o = hd_world_order(w, &r.client_order_id);
  r.listing = w->instruments[r.listing].handle;
  r.venue_ns += venue_clock(w);
  if (o && speaks_of_life(r.change)) o->acknowledged = 1;
  if (o && ends(r.change)) o->denied = 1;
  w->reports++;
  hd_world_digest(w, &r, sizeof r);
  hd_world_trace(w, "-> host: change %u of %.24s %s quantity %lld cumulative %lld flags %u %s", r.change, r.client_order_id.hex[0] ? r.client_order_id.hex : "-",
                 r.execution_id, (long long)r.quantity.e8, (long long)r.cumulative.e8, r.flags, r.text);
  if (here.hear) here.hear(here.user, &r, pass);
  else pass(&r);
}

// The session notices that something is missing and is opened again.
static void gap(struct hd_world *w) {
  int64_t at = w->now_ns + hd_world_between(&w->luck, 10, 1500) * HD_MS;
  if (w->state != HADRON_VENUE_READY || at >= w->state_ns) return;
  w->state_ns = at;
}

void hd_venue_tell(struct hd_world *w, struct hadron_venue_report *report, enum hd_tell how) {
  struct hd_wire_message m = {.kind = HD_WIRE_REPORT, .of.report = *report};
  if (!connected(w)) return; // it is told when somebody asks
  int64_t due = w->now_ns + hd_world_between(&w->luck, 100, 2000) * 1000;
  if (how == HD_TELL_LISTED) {
    hd_wire_put(w, &w->down, due, true, &m);
    return;
  }
  bool asked = (report->flags & 1) != 0;
  if (how == HD_TELL_ANSWER && hd_world_strikes(w, HD_FAULT_ANSWER_LOST)) {
    hd_world_trace(w, "lost: answer %u about %.24s", report->change, report->client_order_id.hex);
    return;
  }
  if (how == HD_TELL_NEWS && hd_world_strikes(w, HD_FAULT_STREAM_LOST)) {
    hd_world_trace(w, "lost: news %u about %.24s", report->change, report->client_order_id.hex);
    gap(w);
    return;
  }
  if (asked && hd_world_strikes(w, HD_FAULT_QUERY_LATE)) {
    hd_wire_put(w, &w->down, due + hd_world_between(&w->luck, 200, 4000) * HD_MS, false, &m);
    return;
  }
  if (hd_world_strikes(w, HD_FAULT_REPORT_DELAYED)) due += hd_world_between(&w->luck, 50, 5000) * HD_MS;
  bool reordered = hd_world_strikes(w, HD_FAULT_REPORT_REORDERED);
  if (reordered) due += hd_world_between(&w->luck, 0, 300) * HD_MS;
  hd_wire_put(w, &w->down, due, !reordered, &m);
  if (hd_world_strikes(w, HD_FAULT_REPORT_DUPLICATED)) hd_wire_put(w, &w->down, due + hd_world_between(&w->luck, 0, 2000) * HD_MS, false, &m);
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

static void deliver(struct hd_world *w, const struct hadron_tick *tick) {
  if (!connected(w)) return;
  w->ticks++;
  hd_world_digest(w, tick, sizeof *tick);
  here.api->ticks(here.host->instance, tick, 1);
}

void hd_venue_tick(struct hd_world *w, struct hd_world_instrument *i, struct hadron_tick *tick) {
  if (!connected(w) || hd_world_strikes(w, HD_FAULT_FEED_GAP)) return;
  struct hadron_tick t = *tick;
  t.event_ns += w->clock_offset_ns + venue_clock(w); // the venue's clock and the host's agree; it is the world that does not know the time
  t.recv_ns = t.event_ns;
  t.instrument = i->handle;
  struct hadron_tick whole = t;
  if (hd_world_strikes(w, HD_FAULT_FEED_SYMBOL)) t.instrument = hd_random_below(&w->luck, 2) ? UINT32_MAX : 4000;
  if (hd_world_strikes(w, HD_FAULT_FEED_PRICE)) spoil_price(w, &t);
  if (hd_world_strikes(w, HD_FAULT_FEED_FORM)) spoil_form(w, &t);
  if (t.kind == HADRON_TICK_QUOTE && hd_world_strikes(w, HD_FAULT_FEED_CROSSED)) t.value.quote.bid.nanos = t.value.quote.ask.nanos + i->increment;
  if (hd_world_strikes(w, HD_FAULT_FEED_REORDER)) {
    t.sequence = ++i->sequence; // the later one first
    deliver(w, &t);
    deliver(w, &whole);
    return;
  }
  deliver(w, &t);
  if (hd_world_strikes(w, HD_FAULT_FEED_DUPLICATE)) deliver(w, &t);
}

// ---- the session ---------------------------------------------------------------------------------------------------------------------

static void enter_state(struct hd_world *w, uint32_t state, int64_t for_ns, const char *words) {
  w->state = state;
  w->state_ns = for_ns == INT64_MAX ? INT64_MAX : w->now_ns + for_ns;
  hd_world_trace(w, "session %u: state %u %s", w->session, state, words);
  if (here.started) here.api->status(here.host->instance, state, words);
}

static void request_list(struct hd_world *w, int64_t since_ns) {
  struct hd_wire_message m = {.kind = HD_WIRE_RECONCILE, .of.since_ns = since_ns};
  hd_wire_put(w, &w->up, w->now_ns + 2 * HD_MS, true, &m);
}

// What was on its way to the host is gone; of what was on its way to the venue, some arrives.
void hd_venue_cut(struct hd_world *w, const char *why) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < w->up.count; i++) {
    const struct hd_wire_message *m = &w->up.messages[i];
    if (m->kind != HD_WIRE_RECONCILE && (w->calm || hd_random_below(&w->luck, 2))) w->up.messages[kept++] = *m;
  }
  w->up.count = kept;
  w->down.count = 0;
  w->down.last_ns = 0;
  w->clogged = false;
  if (connected(w)) w->heard_ns = w->now_ns;
  w->session++;
  enter_state(w, HADRON_VENUE_DOWN, w->calm ? 50 * HD_MS : hd_world_between(&w->luck, 20, 3000) * HD_MS, why);
}

static void next_state(struct hd_world *w) {
  switch (w->state) {
  case HADRON_VENUE_DOWN: enter_state(w, HADRON_VENUE_CONNECTING, 20 * HD_MS, ""); break;
  case HADRON_VENUE_CONNECTING: enter_state(w, HADRON_VENUE_AUTHENTICATING, 20 * HD_MS, ""); break;
  case HADRON_VENUE_AUTHENTICATING:
    enter_state(w, HADRON_VENUE_RECONCILING, INT64_MAX, "");
    request_list(w, w->heard_ns - 60 * HD_SECOND);
    break;
  default: hd_venue_cut(w, "a gap in the session's sequence"); break;
  }
}

static void arrived(struct hd_world *w, const struct hd_wire_message *m) {
  struct hd_wire_message ready = {.kind = HD_WIRE_READY};
  hd_world_trace(w, "venue <- request %u %.24s", m->kind, m->kind == HD_WIRE_RECONCILE ? "reconcile" : m->of.order.client_order_id.hex);
  hd_exchange_request(w, m);
  if (m->kind == HD_WIRE_RECONCILE && connected(w)) hd_wire_put(w, &w->down, w->now_ns, true, &ready);
}

static void heard(struct hd_world *w, const struct hd_wire_message *m) {
  if (m->kind == HD_WIRE_REPORT) hand_over(w, &m->of.report);
  else if (w->state == HADRON_VENUE_RECONCILING) enter_state(w, HADRON_VENUE_READY, INT64_MAX, "");
  else if (here.started) here.api->status(here.host->instance, w->state, ""); // an answer to the host's own question ends so too
}

static struct hd_world_instrument *market_due(struct hd_world *w) {
  struct hd_world_instrument *first = &w->instruments[0];
  for (uint32_t i = 1; i < w->setting.instruments; i++)
    if (w->instruments[i].next_ns < first->next_ns) first = &w->instruments[i];
  return first;
}

int64_t hd_venue_run(struct hd_world *w, int64_t now_ns) {
  for (;;) {
    struct hd_world_instrument *market = market_due(w);
    struct hd_wire_message m;
    int64_t up = hd_wire_due(&w->up), down = hd_wire_due(&w->down), tick = w->still ? INT64_MAX : market->next_ns;
    int64_t due = up < down ? up : down;
    if (tick < due) due = tick;
    if (w->state_ns < due) due = w->state_ns;
    if (due > now_ns) {
      if (now_ns > w->now_ns) w->now_ns = now_ns;
      return due;
    }
    if (due > w->now_ns) w->now_ns = due;
    if (w->clogged) hd_venue_cut(w, "too much is under way");
    else if (hd_wire_take(&w->up, due, &m)) arrived(w, &m);
    else if (w->state_ns <= due) next_state(w);
    else if (hd_wire_take(&w->down, due, &m)) heard(w, &m);
    else {
      hd_exchange_market(w, market);
      hd_exchange_whim(w);
      if (w->state == HADRON_VENUE_READY && hd_world_strikes(w, HD_FAULT_DISCONNECT)) hd_venue_cut(w, "connection reset");
    }
  }
}

// ---- requests of the host --------------------------------------------------------------------------------------------------------------

static struct hd_truth_order *sent_order(struct hd_world *w, const struct hadron_order *order) {
  struct hd_truth_order *o = hd_world_order(w, &order->client_order_id);
  if (!o && w->order_count < HD_WORLD_ORDERS) {
    o = &w->orders[w->order_count++];
    *o = (struct hd_truth_order){.request = *order, .sent_ns = w->now_ns, .memory = w->memory};
    while (o->instrument + 1 < w->setting.instruments && w->instruments[o->instrument].handle != order->listing) o->instrument++;
  }
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

static void lose(struct hd_world *w, const struct hadron_order *order, uint8_t change, const char *text) {
  struct hadron_venue_report r = {.client_order_id = order->client_order_id, .change = change, .cumulative = {-1}};
  const struct hd_truth_order *o = hd_world_order(w, &order->client_order_id);
  r.listing = o ? o->instrument : 0;
  memcpy(r.text, text, strlen(text));
  hand_over(w, &r);
}

static int32_t request(struct hd_world *w, uint8_t kind, const struct hadron_order *order) {
  bool makes = kind == HD_WIRE_SUBMIT || kind == HD_WIRE_REPLACE;
  hd_world_call(w);
  w->requests++;
  hd_world_trace(w, "host -> request %u %.24s side %u type %u quantity %lld limit %lld", kind, order->client_order_id.hex, order->side, order->order_type,
                 (long long)order->quantity.e8, (long long)order->limit.nanos);
  if (makes && (!connected(w) || w->order_count == HD_WORLD_ORDERS)) return HADRON_ERR_STATE;
  if (!connected(w) || hd_world_strikes(w, HD_FAULT_REQUEST_REFUSED)) return HADRON_ERR_IO;
  if (makes && hd_world_strikes(w, HD_FAULT_RATE_LIMIT)) w->limited_until_ns = w->now_ns + hd_world_between(&w->luck, 100, 1000) * HD_MS;
  if (makes && w->now_ns < w->limited_until_ns) {
    lose(w, order, HADRON_CHANGE_SEND_FAIL, "rate limit");
    return HADRON_OK;
  }
  if (makes) {
    judge(w, order);
    struct hd_truth_order *o = sent_order(w, order);
    o->sent++;
  }
  struct hd_wire_message m = {.kind = kind, .of.order = *order};
  bool lost = hd_world_strikes(w, HD_FAULT_REQUEST_LOST);
  if (makes && hd_world_strikes(w, HD_FAULT_OUTCOME_LOST)) {
    lost = hd_random_below(&w->luck, 2) == 0;
    lose(w, order, HADRON_CHANGE_LOSE, "connection reset");
  }
  if (lost) return HADRON_OK;
  bool late = hd_world_strikes(w, HD_FAULT_REQUEST_DELAYED);
  int64_t due = w->now_ns + hd_world_between(&w->luck, 200, 3000) * 1000 + (late ? hd_world_between(&w->luck, 100, 6000) * HD_MS : 0);
  hd_wire_put(w, &w->up, due, !late, &m);
  return HADRON_OK;
}

static int32_t venue_submit(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_SUBMIT, order); }
static int32_t venue_cancel(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_CANCEL, order); }
static int32_t venue_replace(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_REPLACE, order); }
static int32_t venue_query(void *self, const struct hadron_order *order) { return request(self, HD_WIRE_QUERY, order); }

static int32_t venue_reconcile(void *self, int64_t since_ns) {
  struct hd_world *w = self;
  hd_world_call(w);
  if (w->state == HADRON_VENUE_READY || w->state == HADRON_VENUE_RECONCILING) request_list(w, since_ns - w->clock_offset_ns);
  return HADRON_OK; // a session that is being opened asks by itself
}

// ---- the plugin -------------------------------------------------------------------------------------------------------------------------

static int32_t venue_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  (void)context;
  HD_ASSERT(here.world);
  here.host = host;
  here.api = host->capability(host->instance, "hadron.venue/1");
  *self = here.world;
  return HADRON_OK;
}

static void venue_destroy(void *self) { (void)self; }

static int32_t venue_start(void *self) {
  struct hd_world *w = self;
  for (uint32_t i = 0; i < w->setting.instruments; i++) {
    struct hd_world_instrument *in = &w->instruments[i];
    struct hadron_listing listing = {.currency = "USD", .increment = {in->increment}, .lot = {in->lot}, .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
    memcpy(listing.symbol, in->name, sizeof in->name);
    int32_t code = here.api->resolve(here.host->instance, &listing, &in->handle);
    if (code) return code;
  }
  here.started = true;
  w->session++;
  enter_state(w, HADRON_VENUE_CONNECTING, 10 * HD_MS, "");
  return HADRON_OK;
}

static void venue_stop(void *self) {
  (void)self;
  here.started = false;
}

static int64_t venue_poll(void *self, int64_t now_ns) {
  struct hd_world *w = self;
  int64_t due = hd_venue_run(w, now_ns - w->clock_offset_ns);
  return due == INT64_MAX ? INT64_MAX : due + w->clock_offset_ns;
}

static struct hadron_venue_api api = {
    .struct_size = sizeof api, .create = venue_create, .destroy = venue_destroy, .start = venue_start, .stop = venue_stop, .poll = venue_poll,
    .submit = venue_submit, .cancel = venue_cancel, .replace = venue_replace, .query = venue_query, .reconcile = venue_reconcile};

struct hd_plugin hd_venue_plugin = {
    .manifest = {.magic = HADRON_PLUGIN_MAGIC, .struct_size = sizeof(struct hadron_manifest), .abi_major = HADRON_ABI_MAJOR, .abi_minor = HADRON_ABI_MINOR,
                 .kind = HADRON_KIND_VENUE, .name = "hostile", .version = "1.0.0", .description = "The venue of a simulated world", .requires_ = "hadron.venue/1"},
    .api = &api, .path = "hostile", .fd = -1, .digest_text = "hostile", .digest = {1}};

void hd_venue_live(struct hd_world *w, hd_venue_hear *hear, void *user) {
  here = (struct here){.world = w, .hear = hear, .user = user};
  api.features = w->setting.features;
}
