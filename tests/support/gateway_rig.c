#include "support/gateway_rig.h"

static uint64_t digest(uint64_t d, const void *bytes, size_t size) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < size; i++) d = (d ^ p[i]) * UINT64_C(1099511628211);
  return d;
}

static int32_t write_record(void *self, uint16_t template_id, const void *block, uint16_t size, const void *tail, uint32_t tail_size, int64_t now_ns,
                            uint32_t flags) {
  struct rig *rig = self;
  (void)tail, (void)now_ns;
  assert_int_equal(tail_size, 0);
  assert_true(size <= sizeof(((struct rig_record *)0)->m));
  uint64_t number = rig->writes + 1;
  if (rig->fail_at && (number == rig->fail_at || (rig->fail_on && number > rig->fail_at))) {
    rig->writes++;
    return HADRON_ERR_FULL;
  }
  rig->writes++;
  rig->digest = digest(digest(rig->digest, &template_id, 2), block, size);
  struct rig_record *r = &rig->records[rig->record_count++ % RIG_KEPT];
  memset(r, 0, sizeof *r);
  r->template_id = template_id;
  r->flags = flags;
  memcpy(&r->m, block, size);
  return HADRON_OK;
}

static int32_t command(struct rig *rig, uint32_t kind, const struct hadron_order *order) {
  if (rig->port_error[kind]) return rig->port_error[kind];
  struct rig_sent *s = &rig->sent[rig->sent_count++ % RIG_KEPT];
  *s = (struct rig_sent){.command = kind, .writes = rig->writes, .order = *order};
  return HADRON_OK;
}
static int32_t port_submit(void *self, const struct hadron_order *order) {
  struct rig *rig = self;
  int32_t err = command(rig, RIG_SUBMIT, order);
  if (!err && rig->answer) {
    struct hadron_client_order_id id = order->client_order_id;
    if (rig->answer == HADRON_CHANGE_FILL) rig_fill(rig, &id, "", (double)order->quantity.e8 / 1e8, 100);
    else rig_say(rig, &id, (uint8_t)rig->answer);
  }
  return err;
}
static int32_t port_cancel(void *self, const struct hadron_order *order) { return command(self, RIG_CANCEL, order); }
static int32_t port_replace(void *self, const struct hadron_order *order) { return command(self, RIG_REPLACE, order); }
static int32_t port_query(void *self, const struct hadron_order *order) { return command(self, RIG_QUERY, order); }
static uint32_t port_features(void *self, uint16_t venue) {
  (void)venue;
  return ((struct rig *)self)->features;
}
static uint32_t port_state(void *self, uint16_t venue) {
  (void)venue;
  return ((struct rig *)self)->venue_state;
}

static void heard_event(void *self, const struct hadron_order_event *event) {
  struct rig *rig = self;
  rig->event_count++;
  if (rig->on_event) rig->on_event(rig, event);
}
static void heard_execution(void *self, const struct hadron_execution *execution) {
  struct rig *rig = self;
  (void)execution;
  rig->executions++;
}
static int32_t heard_allocation(void *self, struct hadron_allocation *a) {
  struct rig *rig = self;
  a->id = ++rig->allocation_ids;
  int64_t sign = ((a->side == HADRON_SIDE_BUY) == !(a->flags & 1)) ? 1 : -1;
  rig->allocated_e8 += (uint64_t)a->quantity.e8;
  if (a->arm < 64 && a->instrument < 8) a->position.e8 = rig->position[a->arm][a->instrument] += sign * a->quantity.e8;
  return HADRON_OK;
}
static void heard_alert(void *self, uint32_t severity, int32_t code, uint32_t instrument, uint16_t venue, const char *text) {
  struct rig *rig = self;
  (void)code, (void)instrument, (void)venue;
  rig->alert_count++;
  rig->critical += severity == 3;
  snprintf(rig->alert, sizeof rig->alert, "%s", text);
}

struct hd_gateway_options rig_options(void) {
  return (struct hd_gateway_options){
      .orders_max = 64, .unknown_after_ns = 500 * RIG_MS, .query_every_ns = RIG_S, .day_end_ns = INT64_C(72000) * RIG_S, .expires = true};
}

void rig_open(struct rig *rig, const struct hd_gateway_options *options) {
  memset(rig, 0, sizeof *rig);
  rig->now = RIG_T0 + INT64_C(36000) * RIG_S;
  rig->features = RIG_ALL_FEATURES;
  rig->venue_state = HADRON_VENUE_READY;
  rig->digest = UINT64_C(14695981039346656037);
  assert_int_equal(hd_instruments_init(&rig->instruments, 4, false), HADRON_OK);
  static const char *const names[] = {"AAPL", "BTC-USD"};
  for (uint32_t i = 0; i < 2; i++) {
    struct hd_instrument d = {.lot = {1}};
    snprintf(d.name, sizeof d.name, "%s", names[i]);
    uint32_t id, handle;
    assert_int_equal(hd_instruments_add(&rig->instruments, &d, &id), HADRON_OK);
    assert_int_equal(hd_instruments_list(&rig->instruments, id, 1, names[i], &handle), HADRON_OK);
    assert_int_equal(hd_instruments_list(&rig->instruments, id, 2, names[i], &handle), HADRON_OK);
  }
  rig->marks.max = 4;
  rig->marks.cells = aligned_alloc(64, 5 * sizeof *rig->marks.cells);
  rig->records = calloc(RIG_KEPT, sizeof *rig->records);
  rig->sent = calloc(RIG_KEPT, sizeof *rig->sent);
  rig->position = calloc(64, sizeof *rig->position);
  assert_true(rig->marks.cells && rig->records && rig->sent && rig->position);
  memset(rig->marks.cells, 0, 5 * sizeof *rig->marks.cells);
  struct hd_gateway_options usual = rig_options();
  struct hd_record_sink sink = {rig, write_record, NULL};
  struct hd_venue_port port = {rig, port_submit, port_cancel, port_replace, port_query, port_features, port_state};
  struct hd_gateway_listener listener = {rig, heard_event, heard_execution, heard_allocation, heard_alert, NULL, NULL};
  assert_int_equal(hd_gateway_create(options ? options : &usual, &rig->instruments, &rig->marks, &sink, &port, &listener, &rig->g), HADRON_OK);
}

void rig_close(struct rig *rig) {
  hd_gateway_destroy(rig->g);
  hd_instruments_fini(&rig->instruments);
  free(rig->marks.cells);
  free(rig->records);
  free(rig->sent);
  free(rig->position);
}

struct hadron_intent rig_intent(struct rig *rig, uint8_t side, uint8_t type, double quantity, double limit) {
  struct hadron_intent i = {.id = ++rig->intents, .opportunity = 1000 + rig->intents, .cause = 7, .instrument = 1, .arm = 1, .venue = 1, .kind = HADRON_INTENT_NEW};
  i.trace.bytes[0] = 1;
  i.key = rig->intents;
  i.side = side, i.order_type = type;
  i.quantity.e8 = rig_e8(quantity);
  i.limit.nanos = rig_nanos(limit);
  i.time_in_force = type == HADRON_ORDER_MARKET ? HADRON_TIF_IOC : HADRON_TIF_GTC;
  return i;
}

int32_t rig_new(struct rig *rig, const struct hadron_intent *intent, struct hadron_client_order_id *id) {
  struct hd_share share = {.arm = intent->arm, .ordered = intent->quantity};
  struct hd_verdict verdict = {0};
  if (id) hd_gateway_order_id(rig->g, intent, "sma", rig->now, id);
  return hd_gateway_intent(rig->g, intent, &share, 1, &verdict, "sma", rig->now);
}

int32_t rig_cancel(struct rig *rig, const struct hadron_client_order_id *id) {
  struct hadron_intent i = {.id = ++rig->intents, .kind = HADRON_INTENT_CANCEL, .order = *id};
  struct hd_verdict verdict = {0};
  return hd_gateway_intent(rig->g, &i, NULL, 0, &verdict, "sma", rig->now);
}

int32_t rig_replace(struct rig *rig, const struct hadron_client_order_id *id, double quantity, double limit, struct hadron_client_order_id *successor) {
  const struct hd_order *o = rig_find(rig, id);
  struct hadron_intent i = rig_intent(rig, o->request.side, o->request.order_type, quantity, limit);
  i.kind = HADRON_INTENT_REPLACE;
  i.order = *id;
  i.stop = o->request.stop;
  return rig_new(rig, &i, successor);
}

struct hadron_client_order_id rig_order(struct rig *rig, double quantity, double limit, bool accept) {
  struct hadron_client_order_id id;
  struct hadron_intent i = rig_intent(rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, quantity, limit);
  assert_int_equal(rig_new(rig, &i, &id), HADRON_OK);
  if (accept) assert_int_equal(rig_say(rig, &id, HADRON_CHANGE_ACCEPT), HADRON_OK);
  return id;
}

struct hadron_venue_report rig_report(struct rig *rig, const struct hadron_client_order_id *id, uint8_t change) {
  struct hadron_venue_report r = {.venue_ns = rig->now - RIG_MS, .client_order_id = *id, .cumulative = {-1}, .listing = 1, .venue = 1, .change = change};
  r.side = HADRON_SIDE_BUY;
  const struct hd_order *o = hd_gateway_order(rig->g, id);
  if (o) r.side = o->request.side, r.listing = o->request.listing, r.venue = o->request.venue;
  return r;
}

int32_t rig_say(struct rig *rig, const struct hadron_client_order_id *id, uint8_t change) {
  struct hadron_venue_report r = rig_report(rig, id, change);
  return hd_gateway_report(rig->g, &r, rig->now);
}

int32_t rig_fill(struct rig *rig, const struct hadron_client_order_id *id, const char *execution, double quantity, double price) {
  struct hadron_venue_report r = rig_report(rig, id, HADRON_CHANGE_FILL);
  snprintf(r.execution_id, sizeof r.execution_id, "%s", execution);
  r.quantity.e8 = rig_e8(quantity);
  r.price.nanos = rig_nanos(price);
  r.fee.micros = 1000;
  r.liquidity = HADRON_LIQUIDITY_TAKER;
  return hd_gateway_report(rig->g, &r, rig->now);
}

void rig_mark(struct rig *rig, uint32_t instrument, double last) {
  struct hd_mark *m = hd_mark_begin(&rig->marks.cells[instrument]);
  m->last.nanos = rig_nanos(last);
  m->state = HADRON_MARKET_OPEN;
  hd_mark_end(&rig->marks.cells[instrument]);
  hd_gateway_mark(rig->g, instrument, rig->now);
}

int64_t rig_later(struct rig *rig, int64_t ns) {
  rig->now += ns;
  return hd_gateway_timer(rig->g, rig->now);
}

const struct hd_order *rig_find(struct rig *rig, const struct hadron_client_order_id *id) {
  const struct hd_order *o = hd_gateway_order(rig->g, id);
  assert_non_null(o);
  return o;
}

uint32_t rig_state(struct rig *rig, const struct hadron_client_order_id *id) { return rig_find(rig, id)->state; }

const struct rig_record *rig_last(struct rig *rig, uint16_t template_id) {
  for (uint32_t n = rig->record_count; n > 0 && rig->record_count - n < RIG_KEPT; n--)
    if (rig->records[(n - 1) % RIG_KEPT].template_id == template_id) return &rig->records[(n - 1) % RIG_KEPT];
  return NULL;
}

const struct rig_sent *rig_command(struct rig *rig, uint32_t back) {
  assert_true(rig->sent_count > back);
  return &rig->sent[(rig->sent_count - 1 - back) % RIG_KEPT];
}
