#include "support/sim_host.h"

#include <dlfcn.h>

#include "support/test.h"

static struct sim_host *owner(struct hadron_instance *instance) { return (struct sim_host *)(void *)instance; }

// --- what the host offers

static int64_t now_ns(struct hadron_instance *instance) { return owner(instance)->now_ns; }

static uint64_t next_random(struct hadron_instance *instance) {
  struct sim_host *h = owner(instance);
  h->random = hd_random_mix(h->random);
  return h->random;
}

static void digest(struct sim_host *h, const void *bytes, size_t size) {
  const unsigned char *b = bytes;
  for (size_t i = 0; i < size; i++) h->digest = (h->digest ^ b[i]) * UINT64_C(0x100000001b3);
}

static int32_t resolve(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle) {
  struct sim_host *h = owner(instance);
  (void)listing;
  if (h->listings == SIM_HOST_INSTRUMENTS) return HADRON_ERR_FULL;
  *handle = ++h->listings;
  return HADRON_OK;
}

static uint32_t take_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct sim_host *h = owner(instance);
  if (h->take_max && count > h->take_max) count = h->take_max;
  for (uint32_t i = 0; i < count; i++) {
    digest(h, &ticks[i], sizeof ticks[i]);
    h->tick_count++;
    if (h->on_tick) h->on_tick(h->user, &ticks[i]);
  }
  return count;
}

static const char *const changes[] = {"INVALID", "DENY",     "QUEUE",         "SEND",     "SEND_FAIL",      "LOSE",   "CANCEL",
                                      "REPLACE",  "ACCEPT",   "REJECT",        "FILL",     "CANCELED",       "CANCEL_REJECT",
                                      "REPLACED", "REPLACE_REJECT", "EXPIRE",  "ABSENT",   "TRIGGER",        "BUST",
                                      "POSITION"};

static void say(struct sim_host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct sim_host *h, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(h->said + h->said_size, sizeof h->said - h->said_size, format, arguments);
  va_end(arguments);
  if (n > 0 && h->said_size + (size_t)n < sizeof h->said) h->said_size += (size_t)n;
}

static void report(struct hadron_instance *instance, const struct hadron_venue_report *r) {
  struct sim_host *h = owner(instance);
  digest(h, r, sizeof *r);
  h->report_count++;
  h->last_report = *r;
  if (h->on_report) h->on_report(h->user, r);
  if (h->said_size > sizeof h->said - 512) return;
  if (h->said_size > 0) say(h, "; ");
  if (h->times) say(h, "%lldms ", (long long)((h->now_ns - SIM_HOST_EPOCH) / SIM_HOST_MS));
  char id[25] = "-";
  if (r->client_order_id.hex[0]) memcpy(id, r->client_order_id.hex, 24);
  for (int i = 23; i > 0 && id[i] == '.'; i--) id[i] = '\0';
  say(h, "%s %s", id, changes[r->change]);
  if (r->flags & 1) say(h, " again");
  if (r->quantity.e8) say(h, " %lld", (long long)(r->quantity.e8 / HADRON_QUANTITY_SCALE));
  if (r->price.nanos) say(h, " @ %lld.%02lld", (long long)(r->price.nanos / 1000000000), (long long)(r->price.nanos / 10000000 % 100));
  if (r->change == HADRON_CHANGE_FILL && r->liquidity) say(h, r->liquidity == HADRON_LIQUIDITY_MAKER ? " maker" : " taker");
  if (h->numbers && r->change == HADRON_CHANGE_FILL)
    say(h, " fee %lld of %lld", (long long)r->fee.micros, (long long)(r->cumulative.e8 / HADRON_QUANTITY_SCALE));
  if (r->reason) say(h, " (%s)", r->text);
}

static void status(struct hadron_instance *instance, uint32_t state, const char *text) {
  (void)text;
  owner(instance)->state = state;
}
static void adjust(struct hadron_instance *instance, const struct hadron_adjustment *a) { (void)instance, (void)a; }
static void progress(struct hadron_instance *instance, uint64_t done, uint64_t total) { (void)instance, (void)done, (void)total; }
static void fail_with(struct hadron_instance *instance, const char *text) {
  snprintf(owner(instance)->fault, sizeof owner(instance)->fault, "%s", text);
}
static uint32_t instrument(struct hadron_instance *instance, uint32_t handle) { return (void)instance, handle; }

static int32_t definition(struct hadron_instance *instance, uint32_t id, struct hadron_instrument_definition *out) {
  if (id == 0 || id > SIM_HOST_INSTRUMENTS) return HADRON_ERR_NOT_FOUND;
  *out = (struct hadron_instrument_definition){.instrument = id, .listing = id, .asset = (uint8_t)owner(instance)->asset};
  out->increment.nanos = 10000000, out->lot.e8 = HADRON_QUANTITY_SCALE, out->multiplier.e8 = HADRON_QUANTITY_SCALE;
  return HADRON_OK;
}

static const void *capability(struct hadron_instance *instance, const char *name) {
  static const struct hadron_venue_host venue = {
      sizeof venue, 0, resolve, take_ticks, report, status, adjust, progress, fail_with, instrument, definition};
  (void)instance;
  return strcmp(name, "hadron.venue/1") == 0 ? &venue : NULL;
}

// --- life

static int64_t decimal(const char *text, int64_t scale) {
  int64_t value = 0;
  assert_int_equal(hadron_decimal_parse(text, strlen(text), scale, &value), HADRON_OK);
  return value;
}

static int64_t duration(const char *text) {
  char *unit;
  int64_t n = strtoll(text, &unit, 10);
  if (strcmp(unit, "ms") == 0) return n * 1000000;
  if (strcmp(unit, "us") == 0) return n * 1000;
  if (strcmp(unit, "ns") == 0) return n;
  assert_string_equal(unit, "s");
  return n * 1000000000;
}

static void write_value(struct sim_host *h, const struct hadron_param *row, const char *text) {
  char *at = (char *)h->self + row->offset;
  int64_t whole = 0;
  double real = 0;
  switch (row->type) {
  case HADRON_PARAM_TEXT:
    snprintf(at, row->size, "%s", text);
    for (char *c = at; *c; c++)
      if (*c == ',') *c = '\n';
    return;
  case HADRON_PARAM_REAL:
    real = strtod(text, NULL);
    assert_true(row->real_min > row->real_max || (real >= row->real_min && real <= row->real_max));
    memcpy(at, &real, sizeof real);
    return;
  case HADRON_PARAM_BOOL: whole = strcmp(text, "true") == 0; break;
  case HADRON_PARAM_DURATION: whole = duration(text); break;
  case HADRON_PARAM_PRICE: whole = decimal(text, HADRON_PRICE_SCALE); break;
  case HADRON_PARAM_QUANTITY: whole = decimal(text, HADRON_QUANTITY_SCALE); break;
  case HADRON_PARAM_MONEY: whole = decimal(text, HADRON_MONEY_SCALE); break;
  default: whole = strtoll(text, NULL, 10); break;
  }
  if (row->min <= row->max && (whole < row->min || whole > row->max)) fail_msg("%s = %s is out of range", row->name, text);
  memcpy(at, &whole, sizeof whole);
}

int32_t sim_host_set(struct sim_host *h, const char *name, const char *value) {
  for (uint32_t i = 0; i < h->params->count; i++) {
    if (strcmp(h->params->params[i].name, name) != 0) continue;
    write_value(h, &h->params->params[i], value);
    return h->params->changed(h->self);
  }
  fail_msg("sim has no parameter %s", name);
  return HADRON_ERR_NOT_FOUND;
}

static void set_all(struct sim_host *h, const char *settings) {
  char text[8192], *rest = NULL;
  snprintf(text, sizeof text, "%s", settings);
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    char *equals = strchr(word, '=');
    assert_non_null(equals);
    *equals = '\0';
    uint32_t i = 0;
    while (i < h->params->count && strcmp(h->params->params[i].name, word) != 0) i++;
    if (i == h->params->count) fail_msg("sim has no parameter %s", word);
    write_value(h, &h->params->params[i], equals + 1);
  }
}

struct sim_host *sim_host_create(const char *settings) {
  struct sim_host *h = calloc(1, sizeof *h);
  const char *folder = getenv("HADRON_PLUGIN_DIR");
  char path[4096];
  assert_non_null(h);
  snprintf(path, sizeof path, "%s/sim.so", folder ? folder : "plugins");
  h->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!h->library) fail_msg("%s", dlerror());
  hadron_plugin_entry entry = (hadron_plugin_entry)dlsym(h->library, "hadron_plugin_v1");
  assert_non_null(entry);
  const struct hadron_plugin *plugin = entry();
  h->host = (struct hadron_host){sizeof h->host, HADRON_ABI_MAJOR, HADRON_ABI_MINOR, (struct hadron_instance *)(void *)h,
                                 capability, now_ns, next_random};
  h->api = plugin->api;
  h->params = plugin->capability(HADRON_CAP_PARAMS);
  h->now_ns = SIM_HOST_EPOCH, h->next_ns = INT64_MAX, h->random = 1, h->asset = 1, h->digest = 1;
  struct hadron_venue_context context = {sizeof context, 7, 0, "sim"};
  assert_int_equal(h->api->create(&h->host, &context, &h->self), HADRON_OK);
  for (uint32_t i = 0; i < h->params->count; i++) write_value(h, &h->params->params[i], h->params->params[i].initial);
  set_all(h, settings);
  return h;
}

int32_t sim_host_start(struct sim_host *h) {
  int32_t error = h->params->changed(h->self);
  return error ? error : h->api->start(h->self);
}

struct sim_host *sim_host_open(const char *settings) {
  struct sim_host *h = sim_host_create(settings);
  int32_t error = sim_host_start(h);
  if (error) fail_msg("start: %s: %s", hadron_error_text(error), h->fault);
  return h;
}

void sim_host_close(struct sim_host *h) {
  if (!h) return;
  h->api->stop(h->self);
  h->api->stop(h->self);
  h->api->destroy(h->self);
  free(h); // the library stays mapped, as in the host
}

// --- time

void sim_host_poll(struct sim_host *h) {
  do h->next_ns = h->api->poll(h->self, h->now_ns);
  while (h->next_ns <= h->now_ns);
}

void sim_host_until_ns(struct sim_host *h, int64_t at_ns) {
  sim_host_poll(h);
  while (h->next_ns <= at_ns) {
    h->now_ns = h->next_ns;
    sim_host_poll(h);
  }
  if (at_ns > h->now_ns) h->now_ns = at_ns;
}

void sim_host_until(struct sim_host *h, int64_t ms) { sim_host_until_ns(h, SIM_HOST_EPOCH + ms * SIM_HOST_MS); }

void sim_host_tick(struct sim_host *h, const struct hadron_tick *tick) {
  if (tick->recv_ns > h->now_ns) {
    if (h->lazy) h->now_ns = tick->recv_ns;
    else sim_host_until_ns(h, tick->recv_ns);
  }
  h->api->on_tick(h->self, tick);
  if (!h->lazy) sim_host_poll(h);
}

// --- words

static int64_t number(char **rest, int64_t scale) {
  char *word = strtok_r(NULL, " ", rest);
  assert_non_null(word);
  return decimal(word, scale);
}

static struct hadron_tick tick_at(int64_t ms, uint8_t kind) {
  int64_t at = SIM_HOST_EPOCH + ms * SIM_HOST_MS;
  return (struct hadron_tick){.event_ns = at, .recv_ns = at, .instrument = 1, .kind = kind};
}

void sim_host_quote(struct sim_host *h, int64_t ms, const char *words) {
  struct hadron_tick t = tick_at(ms, HADRON_TICK_QUOTE);
  struct hadron_quote *q = &t.value.quote;
  char text[128], *rest = NULL;
  snprintf(text, sizeof text, "%s", words);
  bool ask = false;
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (strcmp(word, "/") == 0) ask = true;
    else if (strcmp(word, "x") == 0 && ask) q->ask_size.e8 = number(&rest, HADRON_QUANTITY_SCALE);
    else if (strcmp(word, "x") == 0) q->bid_size.e8 = number(&rest, HADRON_QUANTITY_SCALE);
    else if (strcmp(word, "-") != 0 && ask) q->ask.nanos = decimal(word, HADRON_PRICE_SCALE);
    else if (strcmp(word, "-") != 0) q->bid.nanos = decimal(word, HADRON_PRICE_SCALE);
  }
  sim_host_tick(h, &t);
}

void sim_host_trade(struct sim_host *h, int64_t ms, const char *words) {
  struct hadron_tick t = tick_at(ms, HADRON_TICK_TRADE);
  char text[128], *rest = NULL;
  snprintf(text, sizeof text, "%s", words);
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (strcmp(word, "x") == 0) t.value.trade.quantity.e8 = number(&rest, HADRON_QUANTITY_SCALE);
    else if (strcmp(word, "buy") == 0) t.value.trade.aggressor = HADRON_SIDE_BUY;
    else if (strcmp(word, "sell") == 0) t.value.trade.aggressor = HADRON_SIDE_SELL;
    else if (strcmp(word, "bar") == 0) t.flags = HADRON_TICK_SYNTHETIC;
    else t.value.trade.price.nanos = decimal(word, HADRON_PRICE_SCALE);
  }
  sim_host_tick(h, &t);
}

void sim_host_status(struct sim_host *h, int64_t ms, uint32_t state) {
  struct hadron_tick t = tick_at(ms, HADRON_TICK_STATUS);
  t.value.status.state = state;
  sim_host_tick(h, &t);
}

static struct hadron_client_order_id id_of(const char *name) {
  struct hadron_client_order_id id;
  memset(id.hex, '.', sizeof id.hex);
  memcpy(id.hex, name, strlen(name));
  return id;
}

struct hadron_order sim_host_order(const struct sim_host *h, const char *id, const char *words) {
  static const char *const tifs[] = {"", "day", "gtc", "ioc", "fok", "gtd"};
  struct hadron_order o = {.time_ns = h->now_ns, .instrument = 1, .venue = 7, .order_type = HADRON_ORDER_MARKET};
  bool limit = false, stop = false;
  char text[256], *rest = NULL;
  snprintf(text, sizeof text, "%s", words);
  o.client_order_id = id_of(id);
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (strcmp(word, "buy") == 0) o.side = HADRON_SIDE_BUY;
    else if (strcmp(word, "sell") == 0) o.side = HADRON_SIDE_SELL;
    else if (strcmp(word, "limit") == 0) o.limit.nanos = number(&rest, HADRON_PRICE_SCALE), limit = true;
    else if (strcmp(word, "stop") == 0) o.stop.nanos = number(&rest, HADRON_PRICE_SCALE), stop = true;
    else if (strcmp(word, "post") == 0) o.flags |= HADRON_ORDER_POST_ONLY;
    else if (strcmp(word, "reduce") == 0) o.flags |= HADRON_ORDER_REDUCE_ONLY;
    else if (word[0] == 'x') o.instrument = (uint32_t)atoi(word + 1);
    else if (word[0] >= '0' && word[0] <= '9') o.quantity.e8 = decimal(word, HADRON_QUANTITY_SCALE);
    else if (strcmp(word, "market") != 0) {
      for (uint8_t i = 1; i < 6; i++)
        if (strcmp(word, tifs[i]) == 0) o.time_in_force = i;
      if (o.time_in_force == HADRON_TIF_GTD) o.expire_ns = SIM_HOST_EPOCH + number(&rest, SIM_HOST_MS);
      if (o.time_in_force == 0) fail_msg("no such word in an order: %s", word);
    }
  }
  if (limit || stop) o.order_type = stop ? (limit ? HADRON_ORDER_STOP_LIMIT : HADRON_ORDER_STOP) : HADRON_ORDER_LIMIT;
  if (o.time_in_force == 0) o.time_in_force = limit || stop ? HADRON_TIF_GTC : HADRON_TIF_IOC;
  o.listing = o.instrument;
  return o;
}

static int32_t ask(struct sim_host *h, int32_t (*call)(void *self, const struct hadron_order *order), const struct hadron_order *o) {
  int32_t result = call(h->self, o);
  if (!h->lazy) sim_host_poll(h);
  return result;
}

int32_t sim_host_submit(struct sim_host *h, const char *id, const char *words) {
  struct hadron_order o = sim_host_order(h, id, words);
  return ask(h, h->api->submit, &o);
}

int32_t sim_host_replace(struct sim_host *h, const char *old, const char *id, const char *words) {
  struct hadron_order o = sim_host_order(h, id, words);
  o.replaces = id_of(old);
  return ask(h, h->api->replace, &o);
}

int32_t sim_host_cancel(struct sim_host *h, const char *id) {
  struct hadron_order o = sim_host_order(h, id, "buy 1");
  return ask(h, h->api->cancel, &o);
}

int32_t sim_host_query(struct sim_host *h, const char *id) {
  struct hadron_order o = sim_host_order(h, id, "buy 1");
  return ask(h, h->api->query, &o);
}

const char *sim_host_said(struct sim_host *h) {
  static char text[sizeof h->said];
  memcpy(text, h->said, h->said_size);
  text[h->said_size] = '\0';
  h->said_size = 0;
  return text;
}
