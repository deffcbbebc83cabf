#include "support/inline_rig.h"

#include "lua/runtime.h"
#include "runtime/strategy.h"
#include "support/strategy_host.h"

void decision_list_add(struct decision_list *l, const struct hadron_decision *d, uint32_t count) {
  if (count == 0) return;
  if (l->count + count > l->room) {
    l->room = (l->room + count) * 2;
    l->rows = realloc(l->rows, l->room * sizeof *l->rows);
    assert_non_null(l->rows);
  }
  memcpy(&l->rows[l->count], d, count * sizeof *d);
  l->count += count;
}

void decision_list_fini(struct decision_list *l) {
  free(l->rows);
  *l = (struct decision_list){0};
}

void decision_list_same(const struct decision_list *expected, const struct decision_list *found) {
  for (uint32_t i = 0; i < expected->count && i < found->count; i++)
    if (memcmp(&expected->rows[i], &found->rows[i], sizeof expected->rows[i]) != 0)
      fail_msg("decision %u: expected cause %llu instrument %u time %lld quantity %lld, found cause %llu instrument %u time %lld quantity %lld", i, (unsigned long long)expected->rows[i].cause,
               expected->rows[i].instrument, (long long)expected->rows[i].time_ns, (long long)expected->rows[i].quantity.e8, (unsigned long long)found->rows[i].cause, found->rows[i].instrument,
               (long long)found->rows[i].time_ns, (long long)found->rows[i].quantity.e8);
  assert_int_equal(expected->count, found->count);
}

static void on_fault(void *self, struct hd_engine_instance *place, int32_t code, bool fenced) { (void)self, (void)place, (void)code, (void)fenced; }
static void on_turbulent(void *self, uint32_t instrument, bool on) { (void)self, (void)instrument, (void)on; }
static void on_fired(void *self, const struct hadron_timer_fired *fired) { (void)self, (void)fired; }
static struct hd_arm_view on_view(void *self, uint32_t arm, uint32_t instrument) {
  (void)self, (void)arm, (void)instrument;
  return (struct hd_arm_view){0};
}

static const struct hd_plugin *open_plugin(const char *plugin) {
  const struct hd_plugin *opened;
  struct hd_fault fault = {0};
  char path[1024];
  if (plugin[0] == '/') snprintf(path, sizeof path, "%s", plugin);
  else snprintf(path, sizeof path, "%s/%s", getenv("HADRON_PLUGIN_DIR") ? getenv("HADRON_PLUGIN_DIR") : "plugins", plugin);
  int32_t code = strncmp(plugin, "--", 2) == 0 ? strategy_host_load(plugin, &opened, &fault) : hd_plugin_open(path, &hd_lua_language, &opened, &fault);
  if (code) fail_msg("%s", fault.text);
  return opened;
}

void inline_rig_open(struct inline_rig *rig, const char *plugin, uint32_t instruments, const char *const *params) {
  const struct hd_engine_options options = {.session = INLINE_SESSION, .errors_max = 8, .volatility_decay = 0.94};
  const struct hd_engine_listener listener = {rig, on_fault, NULL, on_turbulent, on_fired, on_view};
  struct hd_fault fault = {0};
  memset(rig, 0, sizeof *rig);
  test_market_init(&rig->market);
  rig->plugin = open_plugin(plugin);
  for (; params && params[0]; params += 2) rig->params[rig->param_count++] = (struct hd_param_value){params[0], params[1], "test"};
  for (uint32_t i = 0; i < instruments; i++) rig->universe[rig->universe_count++] = i + 1;
  const struct hadron_strategy_api *api = rig->plugin->api;
  bool universe = api->scope == HADRON_SCOPE_UNIVERSE;
  rig->count = universe ? 1 : instruments;
  assert_int_equal(hd_engine_create(&options, &rig->market.instruments, &rig->market.marks, &listener, &rig->engine), HADRON_OK);
  for (uint32_t i = 0; i < rig->count; i++) {
    struct hd_engine_instance *seat = &rig->seats[i];
    char name[64];
    *seat = (struct hd_engine_instance){.api = api, .instruments = &rig->universe[i], .instrument_count = universe ? instruments : 1, .arm = INLINE_ARM,
                                        .on_timer = rig->plugin->timer ? rig->plugin->timer->on_timer : NULL};
    assert_int_equal(hd_engine_add(rig->engine, seat), HADRON_OK);
    snprintf(name, sizeof name, universe ? "test" : "test/%s", rig->market.rows[rig->universe[i]].name);
    const struct hd_instance_options o = {.plugin = rig->plugin, .capabilities = hd_strategy_capabilities, .owner = seat, .now = hd_strategy_now, .name = name, .family = rig,
                                          .seed = hd_random_mix(INLINE_SEED) ^ ((uint64_t)INLINE_ARM << 32 | seat->instruments[0]), .arm = INLINE_ARM};
    const struct hadron_strategy_context context = {sizeof context, INLINE_ARM, seat->instruments, seat->instrument_count, 0};
    int32_t code = hd_instance_init(&rig->instances[i], &o, &fault);
    if (!code) code = hd_instance_create_strategy(&rig->instances[i], &context, &fault);
    if (!code) code = hd_params_apply(&rig->instances[i], rig->params, rig->param_count, &fault);
    if (code) fail_msg("%s", fault.text);
    seat->self = rig->instances[i].self;
  }
}

void inline_rig_start(struct inline_rig *rig) {
  struct hd_fault fault = {0};
  for (uint32_t i = 0; i < rig->count; i++)
    if (hd_instance_start(&rig->instances[i], &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_engine_seal(rig->engine), HADRON_OK);
}

void inline_rig_close(struct inline_rig *rig) {
  struct hd_engine_wishes nobody = {0};
  for (uint32_t i = 0; i < rig->count; i++) {
    rig->seats[i].wishes = &nobody;
    hd_instance_fini(&rig->instances[i]);
  }
  hd_engine_destroy(rig->engine);
  decision_list_fini(&rig->decisions);
}

static void keep(struct inline_rig *rig) {
  uint32_t count;
  const struct hadron_decision *d = hd_engine_decisions(rig->engine, &count);
  decision_list_add(&rig->decisions, d, count);
}

void inline_rig_time(struct inline_rig *rig, int64_t now_ns) {
  while (hd_engine_fire(rig->engine, now_ns)) keep(rig);
}

void inline_rig_tick(struct inline_rig *rig, const struct hadron_tick *tick) {
  inline_rig_time(rig, tick->recv_ns);
  hd_engine_tick(rig->engine, tick);
  keep(rig);
}

void inline_rig_note(struct inline_rig *rig, const struct hd_channel_note *n) {
  const struct hd_arm_view view = {n->view.position, n->view.working_buy, n->view.working_sell, n->view.average_entry};
  switch (n->kind) {
  case HADRON_MSG_POSITION: hd_engine_view(rig->engine, INLINE_ARM, n->view.instrument, &view); return;
  case HADRON_MSG_ALLOCATION: hd_engine_allocation(rig->engine, &n->of.allocation, &view); break;
  default: hd_engine_order_event(rig->engine, INLINE_ARM, &n->of.order_event, &view); break;
  }
  keep(rig);
}

char *inline_rig_describe(const struct inline_rig *rig) {
  const struct hd_far_description d = {.name = "test", .plugin = rig->plugin, .arm = INLINE_ARM, .seed = INLINE_SEED, .session = INLINE_SESSION, .volatility_decay = 0.94, .errors_max = 8,
                                       .instruments = &rig->market.instruments, .universe = rig->universe, .universe_count = rig->universe_count, .params = rig->params,
                                       .param_count = rig->param_count};
  char *text = hd_far_describe(&d);
  assert_non_null(text);
  return text;
}

// ---- a market -------------------------------------------------------------------------------------------------------------------------

#define CENT INT64_C(10000000)

void walk_init(struct walk *w, uint64_t seed, uint32_t instruments) {
  *w = (struct walk){.instruments = instruments, .now_ns = INT64_C(1704205800000000000)};
  hd_random_init(&w->random, seed);
  for (uint32_t i = 1; i <= instruments; i++) w->prices[i] = (9000 + 500 * (int64_t)i) * CENT;
}

bool walk_next(struct walk *w, struct hadron_tick *tick, struct hd_channel_note *note) {
  uint32_t id = (uint32_t)(hd_random_next(&w->random) % w->instruments) + 1, dice = (uint32_t)(hd_random_next(&w->random) % 100);
  w->now_ns += (int64_t)(hd_random_next(&w->random) % 400000000);
  if (dice < 6) { // something about the arm
    int64_t quantity = ((int64_t)(hd_random_next(&w->random) % 9) - 4) * 100000000;
    *note = (struct hd_channel_note){.kind = dice < 3 ? HADRON_MSG_ALLOCATION : dice < 5 ? HADRON_MSG_ORDER_EVENT : HADRON_MSG_POSITION};
    w->positions[id] += quantity;
    note->view = (struct hadron_position){.position = {w->positions[id]}, .working_buy = {(int64_t)dice * 100000000}, .average_entry = {w->positions[id] ? w->prices[id] : 0}, .arm = INLINE_ARM,
                                          .instrument = id};
    if (note->kind == HADRON_MSG_ALLOCATION)
      note->of.allocation = (struct hadron_allocation){.time_ns = w->now_ns, .arm = INLINE_ARM, .instrument = id, .price = {w->prices[id]}, .quantity = {quantity}};
    if (note->kind == HADRON_MSG_ORDER_EVENT) note->of.order_event = (struct hadron_order_event){.time_ns = w->now_ns, .cause = w->sequence, .instrument = id};
    return false;
  }
  w->prices[id] += ((int64_t)(hd_random_next(&w->random) % 41) - 20) * CENT;
  if (w->prices[id] < 100 * CENT) w->prices[id] = 100 * CENT;
  *tick = (struct hadron_tick){.event_ns = w->now_ns - 1000, .recv_ns = w->now_ns, .sequence = ++w->sequence, .instrument = id, .venue = 1, .kind = dice < 70 ? HADRON_TICK_TRADE : HADRON_TICK_QUOTE};
  if (tick->kind == HADRON_TICK_TRADE) {
    tick->value.trade.price.nanos = w->prices[id];
    tick->value.trade.quantity.e8 = (int64_t)(hd_random_next(&w->random) % 50 + 1) * 100000000;
  } else {
    tick->value.quote.bid.nanos = w->prices[id] - CENT;
    tick->value.quote.ask.nanos = w->prices[id] + CENT;
    tick->value.quote.bid_size.e8 = tick->value.quote.ask_size.e8 = INT64_C(10000000000);
  }
  return true;
}
