// Promise: an instance gets what its plugin requires or is refused by name; its parameters are applied whole or not at all, and a
// wrong one is told with plugin, name, range and value; a saved state loads only if it is whole; failures carry the plugin's words.
#include "support/test.h"

#include "base/log.h"
#include "hadron/ext/metrics.h"
#include "plugin/instance.h"
#include "plugin/params.h"
#include "plugin/state.h"
#include "support/plugin.h"

static int64_t fixed_now(void *owner) { return *(int64_t *)owner; }
static int32_t count_decisions(struct hadron_instance *instance, const struct hadron_decision *decision) {
  (void)decision;
  instance->errors++; // any counter that the test can see
  return HADRON_OK;
}
static const struct hadron_strategy_host strategy_table = {.struct_size = sizeof strategy_table, .decide = count_decisions};
static const struct hd_capability room[] = {{"hadron.strategy/1", &strategy_table}, {NULL, NULL}};
static int64_t now = 1000;

static const struct hd_plugin *open_plugin(const char *name) {
  const struct hd_plugin *plugin = NULL;
  struct hd_fault fault = {0};
  if (hd_plugin_open(test_plugin_path(name), NULL, &plugin, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return plugin;
}

static int32_t make(struct hadron_instance *instance, const char *name, struct hd_fault *fault) {
  struct hd_instance_options o = {.plugin = open_plugin(name), .capabilities = room, .owner = &now, .now = fixed_now, .name = "test/X", .seed = 7};
  assert_int_equal(hd_instance_init(instance, &o, fault), HADRON_OK);
  static const uint32_t instruments[] = {1};
  struct hadron_strategy_context context = {sizeof context, 1, instruments, 1, 0};
  return hd_instance_create_strategy(instance, &context, fault);
}

static void make_good(struct hadron_instance *instance) {
  struct hd_fault fault = {0};
  if (make(instance, "good_strategy", &fault) != HADRON_OK) fail_msg("%s", fault.text);
  if (hd_params_apply(instance, NULL, 0, &fault) != HADRON_OK) fail_msg("%s", fault.text);
}

static void host_side(void **state) {
  (void)state;
  struct hadron_instance a = {0}, b = {0};
  make_good(&a), make_good(&b);
  assert_int_equal(a.host.now_ns(&a), 1000);
  assert_int_equal(a.host.random(&a), b.host.random(&b)); // same seed, same stream
  assert_ptr_equal(a.host.capability(&a, "hadron.strategy/1"), &strategy_table);
  assert_non_null(a.host.capability(&a, HADRON_CAP_LOG));
  assert_null(a.host.capability(&a, HADRON_CAP_METRICS)); // no registry, no capability
  assert_null(a.host.capability(&a, "hadron.strategy/2"));
  assert_null(a.host.capability(&a, NULL));
  hd_instance_fini(&a), hd_instance_fini(&b), hd_instance_fini(&b);
}

static void room_must_bring_what_is_required(void **state) {
  (void)state;
  struct hadron_instance instance;
  struct hd_fault fault = {0};
  struct hd_instance_options o = {.plugin = open_plugin("good_strategy"), .owner = &now, .now = fixed_now, .name = "test/X"};
  assert_int_equal(hd_instance_init(&instance, &o, &fault), HADRON_ERR_CAPABILITY);
  assert_non_null(strstr(fault.text, "hadron.strategy/1"));
  assert_non_null(strstr(fault.text, "good_strategy 1.0.0"));
  hd_instance_fini(&instance);
}

static void metrics_by_capability(void **state) {
  (void)state;
  struct hd_metrics *registry = hd_metrics_create(2);
  struct hadron_instance a, b;
  struct hd_instance_options o = {.plugin = open_plugin("good_strategy"), .capabilities = room, .owner = &now, .now = fixed_now, .metrics = registry, .metric_owner = "good.shard0"};
  o.name = "good/A";
  assert_int_equal(hd_instance_init(&a, &o, NULL), HADRON_OK);
  o.name = "good/B";
  assert_int_equal(hd_instance_init(&b, &o, NULL), HADRON_OK);
  const struct hadron_metrics *metrics = a.host.capability(&a, HADRON_CAP_METRICS);
  static const struct hadron_metric row = {"crossings", "how often", "times", HADRON_METRIC_COUNTER, 0}, odd = {"Odd", "", "", 9, 0};
  int64_t *cell_a = NULL, *cell_b = NULL, *none = NULL;
  assert_int_equal(metrics->open(&a, &row, &cell_a), HADRON_OK);
  assert_int_equal(metrics->open(&b, &row, &cell_b), HADRON_OK);
  assert_ptr_equal(cell_a, cell_b); // all instances of a plugin on one shard share it
  assert_int_equal(metrics->open(&a, &odd, &none), HADRON_ERR_ARGUMENT);
  assert_null(none);
  assert_non_null(strstr(hd_instance_words(&a), "Odd"));
  hd_instance_fini(&a), hd_instance_fini(&b);
  hd_metrics_destroy(registry);
}

static void failures_carry_words(void **state) {
  (void)state;
  struct hadron_instance instance;
  struct hd_fault fault = {0};
  hd_log_level(HADRON_LOG_ERROR + 1);
  assert_int_equal(make(&instance, "error_create", &fault), HADRON_ERR_PERMISSION);
  assert_string_equal(fault.text, "strategy test/X: create failed: not permitted: licence file is missing");
  assert_int_equal(instance.state, HD_INSTANCE_LOADED);
  hd_instance_fini(&instance);
  assert_int_equal(make(&instance, "null_self", &fault), HADRON_ERR_PLUGIN);
  assert_non_null(strstr(fault.text, "expected an instance, found NULL"));
  hd_instance_fini(&instance);
  hd_log_level(HADRON_LOG_INFO);
}

// ---- parameters

static void assert_values(const struct hadron_instance *instance, const char *const *expected) {
  char text[64];
  for (uint32_t i = 0; i < instance->plugin->params->count; i++) {
    hd_param_format(instance->plugin, instance, i, text, sizeof text);
    assert_string_equal(text, expected[i]);
  }
}

static void defaults_and_values(void **state) {
  (void)state;
  struct hadron_instance instance;
  struct hd_fault fault = {0};
  make_good(&instance);
  assert_values(&instance, (const char *const[]){"10", "false", "0.01", "0.01", "100", "1000.5", "90s", "none"});
  struct hd_param_value values[] = {{"period", "20", NULL}, {"aloud", "yes", NULL},      {"threshold", "2.5e-1", NULL}, {"floor", "12.34", NULL},
                                    {"size", "0.5", NULL},  {"budget", "-7.25", NULL}, {"pause", "250ms", NULL},      {"label", "a b\nc", NULL}};
  if (hd_params_apply(&instance, values, 8, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_values(&instance, (const char *const[]){"20", "true", "0.25", "12.34", "0.5", "-7.25", "250ms", "a b\nc"});
  hd_instance_fini(&instance);
}

static void wrong_values(void **state) {
  (void)state;
  static const struct {
    struct hd_param_value value;
    int32_t code;
    const char *words;
  } rows[] = {
      {{"period", "501", "demo.lua:12"}, HADRON_ERR_RANGE, "demo.lua:12: plugin good_strategy, parameter period: expected an integer, 1 to 500 ticks, found \"501\""},
      {{"period", "0", NULL}, HADRON_ERR_RANGE, "found \"0\""},
      {{"period", "1.5", NULL}, HADRON_ERR_PARSE, "expected an integer"},
      {{"period", "99999999999999999999", NULL}, HADRON_ERR_OVERFLOW, "expected an integer"},
      {{"aloud", "maybe", NULL}, HADRON_ERR_PARSE, "expected true or false"},
      {{"threshold", "nan", NULL}, HADRON_ERR_PARSE, "expected a number, 0 to 100"},
      {{"threshold", "1e999", NULL}, HADRON_ERR_PARSE, "expected a number"},
      {{"threshold", "0,5", NULL}, HADRON_ERR_PARSE, "expected a number"},
      {{"threshold", "0x1p3", NULL}, HADRON_ERR_PARSE, "expected a number"},
      {{"threshold", "100.1", NULL}, HADRON_ERR_RANGE, "0 to 100"},
      {{"floor", "-0.01", NULL}, HADRON_ERR_RANGE, "expected a price, at least 0"},
      {{"floor", "1e2", NULL}, HADRON_ERR_PARSE, "expected a price"},
      {{"size", "1000000.00000001", NULL}, HADRON_ERR_RANGE, "expected a quantity, 0.00000001 to 1000000"},
      {{"pause", "5", NULL}, HADRON_ERR_PARSE, "expected a duration, 0s to 1h"},
      {{"pause", "2h", NULL}, HADRON_ERR_RANGE, "expected a duration, 0s to 1h"},
      {{"label", "sixteen bytes!!!", NULL}, HADRON_ERR_RANGE, "expected a text of at most 15 bytes"},
      {{"perod", "5", "demo.lua:3"}, HADRON_ERR_NOT_FOUND, "demo.lua:3: plugin good_strategy has no parameter \"perod\"; did you mean \"period\"?"},
      {{"zzzzzzzz", "5", NULL}, HADRON_ERR_NOT_FOUND, "it has period, aloud, threshold"},
      {{"period", "13", NULL}, HADRON_ERR_RANGE, "the new parameters do not go together"},
  };
  struct hadron_instance instance;
  make_good(&instance);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    // A good value goes with each bad one: neither may be applied.
    struct hd_param_value values[] = {{"size", "55", NULL}, rows[i].value, {"label", "new", NULL}};
    bool second = strcmp(rows[i].value.name, "size") == 0 || strcmp(rows[i].value.name, "label") == 0;
    struct hd_fault fault = {0};
    int32_t err = second ? hd_params_apply(&instance, &values[1], 1, &fault) : hd_params_apply(&instance, values, 3, &fault);
    if (err != rows[i].code || strstr(fault.text, rows[i].words) == NULL)
      fail_msg("%s = %s: expected %s with \"%s\", found %s: %s", rows[i].value.name, rows[i].value.text, hadron_error_name(rows[i].code), rows[i].words, hadron_error_name(err), fault.text);
    assert_values(&instance, (const char *const[]){"10", "false", "0.01", "0.01", "100", "1000.5", "90s", "none"});
  }
  hd_instance_fini(&instance);
}

static void live_changes(void **state) {
  (void)state;
  struct hadron_instance instance;
  struct hd_fault fault = {0};
  struct hd_params_change *change = NULL;
  make_good(&instance);
  assert_int_equal(hd_instance_start(&instance, &fault), HADRON_OK);
  struct hd_param_value live[] = {{"period", "42", NULL}, {"label", "live", NULL}}, fixed[] = {{"floor", "1", NULL}}, twice[] = {{"size", "1", NULL}, {"size", "2", NULL}};
  assert_int_equal(hd_params_prepare_live(instance.plugin, fixed, 1, &change, &fault), HADRON_ERR_STATE);
  assert_non_null(strstr(fault.text, "parameter floor: expected one that may change while it runs"));
  assert_int_equal(hd_params_prepare_live(instance.plugin, twice, 2, &change, &fault), HADRON_ERR_DUPLICATE);
  assert_null(change);
  assert_int_equal(hd_params_prepare_live(instance.plugin, live, 2, &change, &fault), HADRON_OK);
  assert_int_equal(hd_params_commit(change, &instance, &fault), HADRON_OK);
  assert_values(&instance, (const char *const[]){"42", "false", "0.01", "0.01", "100", "1000.5", "90s", "live"});
  hd_params_free(change);
  live[0].text = "13"; // `changed` refuses it: both are rolled back
  live[1].text = "lost";
  assert_int_equal(hd_params_prepare_live(instance.plugin, live, 2, &change, &fault), HADRON_OK);
  assert_int_equal(hd_params_commit(change, &instance, &fault), HADRON_ERR_RANGE);
  assert_values(&instance, (const char *const[]){"42", "false", "0.01", "0.01", "100", "1000.5", "90s", "live"});
  hd_params_free(change);
  hd_instance_fini(&instance);
}

static void count_wrong(void *user, const struct hd_param_value *value, const struct hd_fault *fault) {
  (void)value;
  assert_true(fault->text[0] != 0);
  ++*(int *)user;
}

static void all_errors_at_once(void **state) {
  (void)state;
  int told = 0;
  struct hd_param_value values[] = {{"period", "x", NULL}, {"size", "5", NULL}, {"nope", "5", NULL}, {"pause", "5", NULL}};
  assert_int_equal(hd_params_check(open_plugin("good_strategy"), values, 4, count_wrong, &told), 3);
  assert_int_equal(told, 3);
}

// ---- state

static void feed(struct hadron_instance *instance, int ticks) {
  const struct hadron_strategy_api *api = instance->plugin->api;
  for (int i = 0; i < ticks; i++) {
    struct hadron_tick tick = {.instrument = 1, .kind = HADRON_TICK_TRADE};
    struct hadron_market market = {.instrument = 1, .last = {(100 + i % 7) * HADRON_PRICE_SCALE}};
    assert_int_equal(api->on_tick(instance->self, &tick, &market), HADRON_OK);
  }
}

static void state_round_trip_and_damage(void **state) {
  (void)state;
  struct hd_random r = test_random();
  struct hadron_instance a, b;
  struct hd_fault fault = {0};
  _Alignas(16) unsigned char saved[64], again[64], damaged[64];
  uint32_t size = 0, size_again = 0;
  make_good(&a), make_good(&b);
  feed(&a, 100);
  assert_int_equal(hd_state_size_max(a.plugin), 32);
  assert_int_equal(hd_state_save(&a, saved, 31, &size, &fault), HADRON_ERR_FULL);
  assert_int_equal(hd_state_save(&a, saved, 8, &size, &fault), HADRON_ERR_FULL);
  assert_int_equal(size, 0);
  assert_int_equal(hd_state_save(&a, saved, sizeof saved, &size, &fault), HADRON_OK);
  assert_int_equal(size, 32);
  assert_int_equal(hd_state_load(&b, saved, size, &fault), HADRON_OK);
  assert_int_equal(hd_state_save(&b, again, sizeof again, &size_again, &fault), HADRON_OK);
  assert_int_equal(size_again, size);
  assert_memory_equal(again, saved, size);
  for (uint32_t cut = 0; cut < size; cut++) {
    memcpy(damaged, saved, cut);
    assert_int_equal(hd_state_load(&b, damaged, cut, &fault), HADRON_ERR_CORRUPT);
  }
  for (int i = 0; i < 1000; i++) { // any single flipped bit, in header or payload
    uint64_t bit = hd_random_below(&r, 8 * size);
    memcpy(damaged, saved, size);
    damaged[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    assert_int_not_equal(hd_state_load(&b, damaged, size, &fault), HADRON_OK);
  }
  struct hadron_state_header header;
  memcpy(&header, saved, sizeof header);
  header.schema = 2;
  memcpy(damaged, saved, size);
  memcpy(damaged, &header, sizeof header);
  assert_int_equal(hd_state_load(&b, damaged, size, &fault), HADRON_ERR_UNSUPPORTED);
  assert_non_null(strstr(fault.text, "takes schema 1 to 1, found 2"));
  hd_instance_fini(&a), hd_instance_fini(&b);
  assert_int_equal(make(&a, "greedy_state", &fault), HADRON_OK);
  assert_int_equal(hd_state_save(&a, saved, sizeof saved, &size, &fault), HADRON_ERR_PLUGIN);
  assert_non_null(strstr(fault.text, "expected at most 48 bytes, the plugin claims 49"));
  hd_instance_fini(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(host_side),           cmocka_unit_test(room_must_bring_what_is_required),
      cmocka_unit_test(metrics_by_capability), cmocka_unit_test(failures_carry_words),
      cmocka_unit_test(defaults_and_values), cmocka_unit_test(wrong_values),
      cmocka_unit_test(live_changes),        cmocka_unit_test(all_errors_at_once),
      cmocka_unit_test(state_round_trip_and_damage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
