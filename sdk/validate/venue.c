// What is asked of a venue: made and thrown away at any point; started, polled on a clock of the host's, stopped twice; its ticks
// and reports are within their ranges and of listings that it resolved; where it takes orders, every order gets an answer.
#include "base/banned.h"
#include "hadron/ext/io.h"
#include "sdk/validate/trial.h"

#define LISTINGS_MAX 4096
#define POLLS_MAX 400
#define STEP_NS INT64_C(50000000)

struct exchange {
  struct trial *trial;
  struct hadron_instance instance;
  struct hadron_listing listings[LISTINGS_MAX];
  struct hadron_price last[LISTINGS_MAX]; // last trade or bid of each
  uint32_t listing_count, state;
  int64_t now_ns;
  uint64_t ticks, reports, wrong, answers;
  uint64_t followed;   // ticks of another venue that it was shown
  bool finished, stopped, follows;
  char first_wrong[160];
};

static struct exchange *exchange_of(struct hadron_instance *instance) { return instance->owner; }

__attribute__((format(printf, 2, 3))) static void wrong(struct exchange *x, const char *format, ...) {
  if (x->wrong++ > 0) return;
  va_list args;
  va_start(args, format);
  vsnprintf(x->first_wrong, sizeof x->first_wrong, format, args);
  va_end(args);
}

static int32_t host_resolve(struct hadron_instance *instance, const struct hadron_listing *l, uint32_t *handle) {
  struct exchange *x = exchange_of(instance);
  if (l->symbol[0] == 0) return wrong(x, "resolve: the symbol is empty"), HADRON_ERR_ARGUMENT;
  for (uint32_t i = 0; i < x->listing_count; i++)
    if (memcmp(x->listings[i].symbol, l->symbol, sizeof l->symbol) == 0) return *handle = i + 1, HADRON_OK;
  if (x->listing_count == LISTINGS_MAX) return HADRON_ERR_FULL;
  x->listings[x->listing_count++] = *l;
  *handle = x->listing_count;
  return HADRON_OK;
}

static void check_tick(struct exchange *x, const struct hadron_tick *tick) {
  if (x->stopped) wrong(x, "ticks after stop");
  if (tick->instrument == 0 || tick->instrument > x->listing_count) wrong(x, "tick of handle %u, which was never resolved", tick->instrument);
  else if (tick->kind == HADRON_TICK_TRADE) x->last[tick->instrument - 1] = tick->value.trade.price;
  else if (tick->kind == HADRON_TICK_QUOTE && tick->value.quote.bid.nanos > 0) x->last[tick->instrument - 1] = tick->value.quote.bid;
  if (tick->kind < HADRON_TICK_TRADE || tick->kind > HADRON_TICK_STATUS) wrong(x, "tick of kind %u, which is none", tick->kind);
  if (tick->event_ns <= 0) wrong(x, "tick without an event time");
}

static uint32_t host_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct exchange *x = exchange_of(instance);
  // Every third batch is cut: what is not taken must come again.
  uint32_t taken = x->ticks % 3 == 2 && count > 1 ? count / 2 : count;
  for (uint32_t i = 0; i < taken; i++) check_tick(x, &ticks[i]);
  x->ticks += taken;
  return taken;
}

static void host_report(struct hadron_instance *instance, const struct hadron_venue_report *r) {
  struct exchange *x = exchange_of(instance);
  x->reports++;
  if (x->stopped) wrong(x, "report after stop");
  if (r->change < HADRON_CHANGE_SEND_FAIL || r->change > HADRON_CHANGE_BUST) wrong(x, "report of change %u, which is none of a venue's", r->change);
  if (r->change == HADRON_CHANGE_FILL && (r->quantity.e8 <= 0 || r->execution_id[0] == 0)) wrong(x, "fill without quantity or execution id");
  if (r->client_order_id.hex[0] != 0) x->answers++;
}

static void host_status(struct hadron_instance *instance, uint32_t state, const char *text) {
  struct exchange *x = exchange_of(instance);
  (void)text;
  if (state < HADRON_VENUE_CONNECTING || state > HADRON_VENUE_FINISHED) wrong(x, "status %u, which is none", state);
  x->state = state;
  if (state == HADRON_VENUE_FINISHED) x->finished = true;
}

static void host_adjust(struct hadron_instance *instance, const struct hadron_adjustment *a) {
  if (a->numerator <= 0 || a->denominator <= 0) wrong(exchange_of(instance), "adjustment with a ratio of %lld to %lld", (long long)a->numerator, (long long)a->denominator);
}
static void host_progress(struct hadron_instance *instance, uint64_t done, uint64_t total) {
  if (total > 0 && done > total) wrong(exchange_of(instance), "progress of %llu of %llu", (unsigned long long)done, (unsigned long long)total);
}
static uint32_t host_instrument(struct hadron_instance *instance, uint32_t handle) { return handle <= exchange_of(instance)->listing_count ? handle : 0; }

static int32_t host_definition(struct hadron_instance *instance, uint32_t instrument, struct hadron_instrument_definition *out) {
  struct exchange *x = exchange_of(instance);
  if (instrument == 0 || instrument > x->listing_count) return HADRON_ERR_NOT_FOUND;
  const struct hadron_listing *l = &x->listings[instrument - 1];
  memset(out, 0, sizeof *out);
  out->instrument = out->listing = instrument;
  out->venue = 1;
  out->increment.nanos = l->increment.nanos > 0 ? l->increment.nanos : HADRON_PRICE_SCALE / 100;
  out->lot.e8 = l->lot.e8 > 0 ? l->lot.e8 : HADRON_QUANTITY_SCALE;
  out->multiplier.e8 = l->multiplier.e8 > 0 ? l->multiplier.e8 : HADRON_QUANTITY_SCALE;
  memcpy(out->symbol, l->symbol, sizeof out->symbol);
  memcpy(out->name, l->symbol, sizeof out->name);
  return HADRON_OK;
}

static int64_t host_now(void *owner) { return ((struct exchange *)owner)->now_ns; }

static const struct hadron_venue_host venue_table = {.struct_size = sizeof venue_table, .resolve = host_resolve, .ticks = host_ticks, .report = host_report, .status = host_status,
                                                     .adjust = host_adjust, .progress = host_progress, .fail = hd_instance_fail, .instrument = host_instrument,
                                                     .definition = host_definition};

// The script has a clock of its own, and the host's table says what that means: nothing outside is waited for.
static int32_t io_watch(struct hadron_instance *instance, int32_t fd, uint32_t events) {
  (void)instance, (void)fd, (void)events;
  return HADRON_ERR_UNSUPPORTED;
}
static void io_unwatch(struct hadron_instance *instance, int32_t fd) { (void)instance, (void)fd; }
static void io_wake(struct hadron_instance *instance) { (void)instance; }
static const struct hadron_io io_table = {sizeof io_table, 0, io_watch, io_unwatch, io_wake};
static const struct hd_capability everything[] = {{"hadron.venue/1", &venue_table}, {HADRON_CAP_IO, &io_table}, {NULL, NULL}};

static int32_t open_exchange(struct exchange *x, struct trial *t, struct hd_fault *fault) {
  memset(x, 0, sizeof *x);
  x->trial = t;
  x->now_ns = INT64_C(1704207600000000000);
  struct hd_instance_options o = {.plugin = t->plugin, .capabilities = everything, .owner = x, .now = host_now, .metrics = hd_metrics_create(256), .name = t->plugin->manifest.name,
                                  .seed = t->options->seed, .venue = 1};
  int32_t err = hd_instance_init(&x->instance, &o, fault);
  if (err) return err;
  struct hadron_venue_context context = {sizeof context, 1, 0, t->plugin->manifest.name};
  trial_step(t, "create");
  return hd_instance_create_venue(&x->instance, &context, fault);
}

struct hadron_instance *validate_venue_open(struct trial *t, int32_t *err, struct hd_fault *fault) {
  struct exchange *x = calloc(1, sizeof *x);
  if (x == NULL) return NULL;
  *err = open_exchange(x, t, fault);
  return &x->instance;
}

static void close_exchange(struct exchange *x) {
  trial_step(x->trial, "destroy");
  hd_instance_fini(&x->instance);
}

// A tick of another venue, for one that fills orders against those.
static void follow(struct exchange *x, int i) {
  const struct hadron_venue_api *api = x->trial->plugin->api;
  struct hadron_tick tick = {.event_ns = x->now_ns, .recv_ns = x->now_ns, .sequence = ++x->followed, .instrument = 1, .venue = 2, .kind = HADRON_TICK_TRADE,
                             .value.trade = {.price = {(10000 + i % 50) * (HADRON_PRICE_SCALE / 100)}, .quantity = {HADRON_QUANTITY_SCALE}, .trade_id = x->followed}};
  x->last[0] = tick.value.trade.price;
  uint64_t begun = trial_begin(x->trial, CALLBACK_TICK);
  api->on_tick(x->instance.self, &tick);
  trial_end(x->trial, CALLBACK_TICK, begun, HADRON_OK);
}

static void poll(struct exchange *x, int times) {
  const struct hadron_venue_api *api = x->trial->plugin->api;
  for (int i = 0; i < times && !x->finished; i++) {
    if (x->follows) follow(x, i);
    uint64_t begun = trial_begin(x->trial, CALLBACK_POLL);
    int64_t again = api->poll(x->instance.self, x->now_ns);
    trial_end(x->trial, CALLBACK_POLL, begun, HADRON_OK);
    if (again > x->now_ns || x->follows) x->now_ns = again > x->now_ns && again - x->now_ns < STEP_NS ? again : x->now_ns + STEP_NS;
  }
}

// One order far from the market, and its cancellation.
static void check_orders(struct exchange *x) {
  struct trial *t = x->trial;
  const struct hadron_venue_api *api = t->plugin->api;
  if ((api->features & HADRON_VENUE_ORDERS) == 0) {
    trial_skip(t, "orders", "it takes no orders");
    return;
  }
  if (x->state != HADRON_VENUE_READY || x->listing_count == 0 || x->finished) {
    trial_skip(t, "orders", "it did not come to state READY with a listing in %d polls", POLLS_MAX);
    return;
  }
  struct hadron_order order = {.time_ns = x->now_ns, .quantity = {HADRON_QUANTITY_SCALE}, .instrument = 1, .listing = 1, .arm = 1, .venue = 1, .side = HADRON_SIDE_BUY,
                               .order_type = HADRON_ORDER_LIMIT, .time_in_force = HADRON_TIF_GTC};
  struct hadron_instrument_definition d = {0};
  host_definition(&x->instance, 1, &d);
  int64_t half = x->last[0].nanos / 2;
  order.limit.nanos = half > d.increment.nanos ? half - half % d.increment.nanos : d.increment.nanos;
  order.quantity = d.lot;
  memcpy(order.client_order_id.hex, "0123456789abcdef01234567", sizeof order.client_order_id.hex);
  trial_step(t, "submit");
  int32_t code = api->submit(x->instance.self, &order);
  if (code == HADRON_OK) poll(x, 100);
  uint64_t after_submit = x->answers;
  trial_step(t, "cancel");
  if (code == HADRON_OK && api->cancel(x->instance.self, &order) == HADRON_OK) poll(x, 100);
  if (code != HADRON_OK) trial_fail(t, "orders", "submit of a limit order far from the market returned %d (%s)", code, hadron_error_text(code));
  else if (after_submit == 0) trial_fail(t, "orders", "an order got no report in 100 polls");
  else if (x->answers == after_submit && !x->finished) trial_fail(t, "orders", "a cancellation got no report in 100 polls");
  else trial_pass(t, "orders", "a limit order and its cancellation got %llu reports", (unsigned long long)x->answers);
}

static void run_venue(struct exchange *x) {
  struct trial *t = x->trial;
  const struct hadron_venue_api *api = t->plugin->api;
  // It brings no listings of its own: it is given one that another venue has.
  x->follows = (api->features & HADRON_VENUE_FOLLOWS) != 0 && x->listing_count == 0;
  if (x->follows) memcpy(x->listings[x->listing_count++].symbol, "FOLLOWED", 8);
  poll(x, POLLS_MAX);
  check_orders(x);
  trial_step(t, "stop");
  x->stopped = true;
  api->stop(x->instance.self);
  api->stop(x->instance.self);
  trial_pass(t, "stop_twice", "stops, and stops again");
  if (x->wrong > 0) trial_fail(t, "what_it_says", "%llu things were wrong; the first: %s", (unsigned long long)x->wrong, x->first_wrong);
  else trial_pass(t, "what_it_says", "%llu ticks of %u listings and %llu reports are in their ranges", (unsigned long long)x->ticks, x->listing_count, (unsigned long long)x->reports);
}

void validate_venue(struct trial *t) {
  struct exchange *x = calloc(1, sizeof *x);
  struct hd_fault fault = {0};
  if (x == NULL) return;
  int32_t err = open_exchange(x, t, &fault);
  close_exchange(x);
  if (err) trial_fail(t, "create_destroy", "%s", fault.text);
  else trial_pass(t, "create_destroy", "is made and thrown away without parameters and start");
  if (!err && open_exchange(x, t, &fault) == HADRON_OK && trial_params(t, &x->instance)) {
    trial_step(t, "start");
    err = hd_instance_start(&x->instance, &fault);
    if (err) trial_fail(t, "start", "%s", fault.text);
    else {
      trial_pass(t, "start", "parameters are taken, start succeeds");
      run_venue(x);
      trial_conduct(t, false); // a venue reads and writes; how long a poll took is in the table
    }
  }
  close_exchange(x);
  free(x);
}
