// Promise: a deployment is read whole from a Lua file or from JSON, or told what is wrong with it, all mistakes at once and each with its
// line; what is written is read back the same; the differences of two are told; a command makes of a good deployment a good one, or
// leaves it as it was and says why. How: texts in a directory of their own; random deployments there and back (HADRON_TEST_SEED repeats).
#include "support/test.h"

#include "base/text.h"
#include "registry/deployment.h"
#include "runtime/config.h"
#include "support/directory.h"

#define ERRORS 32

static struct hd_deployment_error errors[ERRORS];
static char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];

static int setup(void **state) {
  (void)state;
  test_directory_make(dir);
  test_path(path, dir, "deployment.lua");
  return 0;
}
static int teardown(void **state) {
  (void)state;
  test_directory_remove(dir);
  return 0;
}

static uint32_t load(struct hd_deployment *d, const char *text) {
  test_file_write(path, text, strlen(text));
  memset(errors, 0, sizeof errors);
  return hd_deployment_load(path, d, errors, ERRORS);
}

static void expect_error(uint32_t found, int line, const char *words) {
  for (uint32_t i = 0; i < found && i < ERRORS; i++)
    if (errors[i].line == line && strstr(errors[i].text, words)) return;
  for (uint32_t i = 0; i < found && i < ERRORS; i++) fprintf(stderr, "  line %d: %s\n", errors[i].line, errors[i].text);
  fail_msg("expected \"%s\" at line %d", words, line);
}

// ---- files ---------------------------------------------------------------------------------------------------------------------------

static void a_whole_file(void **state) {
  (void)state;
  static struct hd_deployment d;
  assert_int_equal(load(&d, "local fast = 5\n"
                            "return {\n"
                            "  name = 'sma_fast', plugin = 'sma',\n"
                            "  arms = {\n"
                            "    { version = '1.0.0', weight = 0.9, params = { slow = 50, fast = fast, list = { 'a', 2 }, half = 0.5, on = true } },\n"
                            "    { version = '1.1.0', role = 'canary', weight = 0.1 },\n"
                            "    { version = '2.0.0-rc.1', role = 'shadow' },\n"
                            "  },\n"
                            "  split = 'instrument', arrival = 'canary', canary_weight = 0.25, warm = '1h30m', gate = 3,\n"
                            "  guard = { errors = 5, latency_p99 = '250us', drawdown = '1234.56' },\n"
                            "  governor = { time = '1ms', allocations = 100, errors = 7, watchdog = '2s', over = 3, action = 'fence' },\n"
                            "}\n"), 0);
  assert_string_equal(d.name, "sma_fast");
  assert_int_equal(d.kind, HADRON_KIND_STRATEGY);
  assert_true(d.enabled);
  assert_int_equal(d.split, HD_SPLIT_INSTRUMENT);
  assert_int_equal(d.arrival, HD_ARRIVAL_CANARY);
  assert_true(d.canary_weight == 0.25);
  assert_int_equal(d.warm_ns, INT64_C(5400000000000));
  assert_int_equal(d.gate_sessions, 3);
  assert_int_equal(d.guard.errors_max, 5);
  assert_int_equal(d.guard.latency_p99_max_ns, 250000);
  assert_int_equal(d.guard.drawdown_max.micros, 1234560000);
  assert_int_equal(d.budget.time_max_ns, 1000000);
  assert_int_equal(d.budget.allocations_max, 100);
  assert_int_equal(d.budget.errors_max, 7);
  assert_int_equal(d.budget.watchdog_ns, 2000000000);
  assert_int_equal(d.budget.over_max, 3);
  assert_int_equal(d.budget.action, HD_BUDGET_FENCE);
  assert_int_equal(d.arm_count, 3);
  assert_int_equal(d.arms[0].role, HD_DEPLOYMENT_LIVE);
  assert_int_equal(d.arms[2].role, HD_DEPLOYMENT_SHADOW);
  assert_true(d.arms[0].weight == 0.9 && d.arms[2].weight == 0);
  static const char *const params[5][2] = {{"fast", "5"}, {"half", "0.5"}, {"list", "a\n2"}, {"on", "true"}, {"slow", "50"}}; // by name
  assert_int_equal(d.arms[0].param_count, 5);
  for (int i = 0; i < 5; i++) {
    assert_string_equal(d.arms[0].params[i].name, params[i][0]);
    assert_string_equal(d.arms[0].params[i].text, params[i][1]);
  }
  assert_int_equal(load(&d, "return { name = 'a', plugin = 'b', arms = { { version = '1.0.0' } } }"), 0); // the least, with all defaults
  static struct hd_deployment same;
  hd_deployment_init(&same, "a", "b");
  same.arm_count = 1;
  same.arms[0] = (struct hd_deployment_arm){.version = "1.0.0", .role = HD_DEPLOYMENT_LIVE, .weight = 1};
  assert_int_equal(hd_deployment_diff(&same, &d, NULL, NULL), 0);
}

static void all_mistakes_at_once(void **state) {
  (void)state;
  static struct hd_deployment d;
  uint32_t n = load(&d, "return {\n"
                        "  nam = 'sma_fast', plugin = 7,\n" // no name; 7 is a text too
                        "  split = 'instruments',\n"
                        "  warm = '9d',\n"
                        "  guard = {\n"
                        "    error = 5, drawdown = -1 },\n"
                        "  governor = 5,\n"
                        "  arms = {\n"
                        "    { role = 'live' },\n"
                        "    { version = '1.1.0', weight = 'much',\n"
                        "      params = { a = {}, b = { {} } }, wait = 1 },\n"
                        "    'x' } }\n");
  expect_error(n, 2, "nam: there is no such key; did you mean \"name\"?");
  expect_error(n, 1, "name: expected a text, found nothing");
  expect_error(n, 3, "split: expected one of: capital instrument, found \"instruments\"");
  expect_error(n, 4, "warm: expected a duration");
  expect_error(n, 6, "guard.error: there is no such key; did you mean \"errors\"?");
  expect_error(n, 6, "guard.drawdown: expected an amount");
  expect_error(n, 7, "governor: expected a table");
  expect_error(n, 9, "arms[1].version: expected a text, found nothing");
  expect_error(n, 10, "arms[2].weight: expected a number, found \"much\"");
  expect_error(n, 11, "arms[2].params.b: expected a value");
  expect_error(n, 11, "arms[2].wait: there is no such key");
  expect_error(n, 12, "arms[3]: expected a table");
  assert_int_equal(n, 12); // params.a = {} is an empty list
  n = load(&d, "return { name = 'a', plugin = 'b',\n arms = { { version = '1.0.0', role = 'shadow' },\n { version = 'one' },\n { version = '1.0.0', role = 'canary', weight = 0 } } }");
  expect_error(n, 2, "arms[1].role: expected the live arm first, found shadow");
  expect_error(n, 3, "arms[2].version: expected a semantic version");
  expect_error(n, 3, "arms[2].role: expected one live arm");
  expect_error(n, 4, "arms[3].version: expected another version");
  expect_error(n, 4, "arms[3].weight: expected a weight above 0");
  assert_int_equal(n, 5);
  expect_error(load(&d, "return { name = 'A b', plugin = '../x', arms = { { version = '1.0.0' } } }"), 1, "name: expected a name");
  expect_error(load(&d, "return { name = 'a', plugin = 'b',\n arms = {} }"), 2, "arms: expected a list");
  expect_error(load(&d, "return 5"), 1, "expected a table");
  expect_error(load(&d, "return {\n name = }"), 2, "unexpected symbol");
  assert_int_equal(load(&d, "return { name = 'a', plugin = 'b', kind = 'venue', enabled = false, arms = { { version = '1.0.0' } } }"), 1);
  expect_error(1, 1, "only strategies are disabled");
  assert_int_equal(load(&d, "return { name = 'a', plugin = 'b', kind = 'venue', arms = { { version = '1.0.0' }, { version = '1.1.0', role = 'canary' } } }"), 1);
  expect_error(1, 1, "only strategies run side by side");
  setenv("HADRON_TEST_SECRET", "s3cr3t-w0rd", 1);
  n = load(&d, "return { name = 'a', plugin = 'b',\n split = env('HADRON_TEST_SECRET'), arms = { { version = '1.0.0' } } }");
  expect_error(n, 2, "not shown");
  assert_null(strstr(errors[0].text, "s3cr3t"));
}

// A configuration says the same for the first revision, in its own way.
static void a_configuration(void **state) {
  (void)state;
  static struct hd_config_error wrong[HD_CONFIG_ERRORS_MAX];
  struct hd_config c;
  static const char good[] = "return { venues = { sim = {} }, registry = { policy = 'require', drop = 'none' }, strategies = { a = {}, b = { deployment = { arrival = 'canary',\n"
                             "warm = '5m', guard = { drawdown = '10.5' }, governor = { action = 'disable' } } } } }";
  test_file_write(path, good, strlen(good));
  assert_int_equal(hd_config_load(&c, path, NULL, 0, wrong), 0);
  assert_true(c.registry);
  assert_int_equal(c.registry_policy, 3);
  assert_int_equal(c.strategies[0].arrival, HD_ARRIVAL_NOTHING);
  assert_int_equal(c.strategies[0].warm_ns, INT64_C(600000000000));
  assert_int_equal(c.strategies[1].arrival, HD_ARRIVAL_CANARY);
  assert_int_equal(c.strategies[1].warm_ns, INT64_C(300000000000));
  assert_int_equal(c.strategies[1].guard.drawdown_max.micros, 10500000);
  assert_int_equal(c.strategies[1].budget.action, HD_BUDGET_DISABLE);
  hd_config_fini(&c);
  static const char bad[] = "return { venues = { sim = {} },\n registry = { polcy = 1 },\n strategies = { a = { deployment = {\n arival = 1,\n guard = { error = 1 },\n governor = 5 } } } }";
  test_file_write(path, bad, strlen(bad));
  assert_int_equal(hd_config_load(&c, path, NULL, 0, wrong), 4);
  static const char *const words[] = {"registry.polcy: there is no such key", "strategies.a.deployment.arival: there is no such key; did you mean \"arrival\"",
                                      "strategies.a.deployment.guard.error: there is no such key", "strategies.a.deployment.governor: expected a table"};
  for (int i = 0; i < 4; i++) {
    assert_non_null(strstr(wrong[i].text, words[i]));
    assert_int_equal(wrong[i].line, i == 0 ? 2 : 3 + i);
  }
  hd_config_fini(&c);
}

// ---- JSON ------------------------------------------------------------------------------------------------------------------------------

static void make_random(struct hd_random *r, struct hd_deployment *d) {
  hd_deployment_init(d, "some", "thing");
  d->enabled = hd_random_below(r, 2);
  d->split = 1 + (uint32_t)hd_random_below(r, 2);
  d->arrival = 1 + (uint32_t)hd_random_below(r, 4);
  d->canary_weight = (double)(1 + hd_random_below(r, 998)) / 1000;
  d->warm_ns = (int64_t)hd_random_below(r, INT64_C(604800000000000));
  d->gate_sessions = (uint32_t)hd_random_below(r, 1001);
  d->gate_accept = (double)hd_random_below(r, 1001) / 1000;
  d->guard = (struct hd_guard){hd_random_below(r, INT64_MAX), (int64_t)hd_random_below(r, INT64_MAX), {(int64_t)hd_random_below(r, INT64_MAX)}};
  d->budget = (struct hd_budget){(int64_t)hd_random_below(r, INT64_MAX), hd_random_below(r, 9), hd_random_below(r, 9), (int64_t)hd_random_below(r, 9), (uint32_t)hd_random_below(r, UINT32_MAX),
                                 1 + (uint32_t)hd_random_below(r, 3)};
  d->arm_count = 1 + (uint32_t)hd_random_below(r, HD_DEPLOYMENT_ARMS_MAX);
  for (uint32_t i = 0; i < d->arm_count; i++) {
    struct hd_deployment_arm *arm = &d->arms[i];
    snprintf(arm->version, sizeof arm->version, "1.%u.%u", i, (unsigned)hd_random_below(r, 1000));
    for (int k = 0; k < 32; k++) arm->digest[k] = (uint8_t)hd_random_below(r, 256);
    arm->role = i == 0 ? 1 : 2 + (uint32_t)hd_random_below(r, 2);
    arm->weight = arm->role == 3 ? 0 : (double)(1 + hd_random_below(r, 100000)) / 1000;
    arm->param_count = (uint32_t)hd_random_below(r, HD_DEPLOYMENT_PARAMS_MAX + 1);
    for (uint32_t p = 0; p < arm->param_count; p++) {
      snprintf(arm->params[p].name, sizeof arm->params[p].name, "p%02u", p);
      for (size_t k = 0, size = hd_random_below(r, HD_DEPLOYMENT_TEXT); k < size; k++) arm->params[p].text[k] = (char)(' ' + hd_random_below(r, 95));
    }
  }
}

static void what_is_written_is_read(void **state) {
  (void)state;
  static struct hd_deployment d, back;
  struct hd_random r = test_random();
  struct hd_fault fault;
  for (int round = 0; round < 500; round++) {
    make_random(&r, &d);
    assert_int_equal(hd_deployment_good(&d, &fault), HADRON_OK);
    char *text = hd_deployment_text(&d);
    assert_non_null(text);
    if (hd_deployment_parse(text, &back, &fault)) fail_msg("%s: %s", fault.text, text);
    assert_memory_equal(&d, &back, sizeof d);
    assert_int_equal(hd_deployment_diff(&d, &back, NULL, NULL), 0);
    // Cut or changed anywhere it is read or refused, never more.
    size_t size = strlen(text);
    for (int k = 0; k < 20; k++) {
      size_t at = hd_random_below(&r, size);
      char was = text[at];
      text[at] = (char)(k % 2 ? 0 : 1 + hd_random_below(&r, 255));
      int32_t code = hd_deployment_parse(text, &back, &fault);
      assert_true(code == HADRON_OK || fault.text[0]);
      text[at] = was;
    }
    free(text);
  }
}

// ---- differences -----------------------------------------------------------------------------------------------------------------------

struct lines {
  char text[4096];
  size_t at;
};
static void add_line(void *user, const char *text) {
  struct lines *l = user;
  l->at += (size_t)snprintf(l->text + l->at, sizeof l->text - l->at, "%s\n", text);
  assert_true(l->at < sizeof l->text);
}

static void differences_are_told(void **state) {
  (void)state;
  static struct hd_deployment a, b;
  struct lines l = {.at = 0};
  assert_int_equal(load(&a, "return { name = 'a', plugin = 'b', warm = '10m', arms = { { version = '1.0.0', params = { x = 1, y = 2 } },\n"
                            "{ version = '1.1.0', role = 'shadow' }, { version = '0.9.0', role = 'shadow' } } }"), 0);
  assert_int_equal(load(&b, "return { name = 'a', plugin = 'b', warm = '90s', arms = { { version = '1.1.0', weight = 2 },\n"
                            "{ version = '1.0.0', role = 'canary', params = { x = 3, z = 4 } }, { version = '2.0.0', role = 'canary', weight = 0.5 } } }"), 0);
  assert_int_equal(hd_deployment_diff(&a, &b, add_line, &l), 9);
  assert_string_equal(l.text, "warm: 10m -> 90s\n"
                              "- shadow 0.9.0\n"
                              "+ canary 2.0.0, weight 0.5\n"
                              "1.1.0: shadow -> live\n"
                              "1.1.0: weight 0 -> 2\n"
                              "1.0.0: live -> canary\n"
                              "1.0.0: x = 1 -> 3\n"
                              "1.0.0: y = 2 -> the configuration's\n"
                              "1.0.0: z = the configuration's -> 4\n");
}

static void a_version_for_another(void **state) {
  (void)state;
  static struct hd_deployment a, b;
  struct lines l = {.at = 0};
  assert_int_equal(load(&a, "return { name = 'a', plugin = 'b', arms = { { version = '1.0.0', params = { x = 1 } }, { version = '0.9.0', role = 'shadow' } } }"), 0);
  assert_int_equal(load(&b, "return { name = 'a', plugin = 'b', arms = { { version = '1.1.0', weight = 2 }, { version = '0.9.0', role = 'shadow' } } }"), 0);
  assert_int_equal(hd_deployment_diff(&a, &b, add_line, &l), 3);
  assert_string_equal(l.text, "live: 1.0.0 -> 1.1.0\n1.1.0: weight 1 -> 2\n1.1.0: x = 1 -> the configuration's\n");
}

// ---- what commands make ------------------------------------------------------------------------------------------------------------------

static struct hd_deployment one(const char *version) {
  struct hd_deployment d;
  hd_deployment_init(&d, "fast", "sma");
  d.arm_count = 1;
  d.arms[0] = (struct hd_deployment_arm){.role = HD_DEPLOYMENT_LIVE, .weight = 1, .param_count = 1, .params = {{"fast", "5"}}};
  hd_text_copy(d.arms[0].version, sizeof d.arms[0].version, version);
  memset(d.arms[0].digest, 7, 32);
  return d;
}

static const char *arms_text(const struct hd_deployment *d) {
  static char text[512];
  size_t at = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < d->arm_count; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s %g%s", i ? ", " : "", hd_role_name(d->arms[i].role), d->arms[i].version, d->arms[i].weight,
                           d->arms[i].param_count ? " fast=5" : "");
  return text;
}

static void promoting(void **state) {
  (void)state;
  static const uint8_t none[32];
  struct hd_fault fault;
  struct hd_deployment d = one("1.0.0");
  d.enabled = false;
  assert_int_equal(hd_deployment_promote(&d, "1.1.0", &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.1.0 1 fast=5"); // the parameters of the one it replaces
  assert_memory_equal(d.arms[0].digest, none, 32);           // whose artifact is to be found
  assert_true(d.enabled);
  static const struct hd_deployment_share shares[] = {{"1.1.0", 0.75}, {"1.2.0", 0.25}}, shadows[] = {{"2.0.0", 0}, {"0.9.0", 0}};
  assert_int_equal(hd_deployment_ab(&d, shares, 2, HD_SPLIT_INSTRUMENT, shadows, 2, &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.1.0 0.75 fast=5, canary 1.2.0 0.25 fast=5, shadow 2.0.0 0 fast=5, shadow 0.9.0 0 fast=5");
  assert_int_equal(d.split, HD_SPLIT_INSTRUMENT);
  assert_int_equal(hd_deployment_promote(&d, "2.0.0", &fault), HADRON_OK); // with all of the weight; the other shadow stays
  assert_string_equal(arms_text(&d), "live 2.0.0 1 fast=5, shadow 0.9.0 0 fast=5");
  assert_int_equal(hd_deployment_promote(&d, "2.0.0", &fault), HADRON_OK); // it is already
  assert_string_equal(arms_text(&d), "live 2.0.0 1 fast=5, shadow 0.9.0 0 fast=5");
  struct hd_deployment before = d;
  assert_int_equal(hd_deployment_promote(&d, "two", &fault), HADRON_ERR_ARGUMENT);
  assert_non_null(strstr(fault.text, "semantic version"));
  assert_memory_equal(&before, &d, sizeof d);
  // The same version twice: which one?
  d = one("1.0.0");
  d.arms[1] = d.arms[0];
  d.arms[1].role = HD_DEPLOYMENT_CANARY;
  d.arms[1].params[0].text[0] = '6';
  d.arm_count = 2;
  assert_int_equal(hd_deployment_good(&d, &fault), HADRON_OK);
  assert_int_equal(hd_deployment_promote(&d, "1.0.0", &fault), HADRON_ERR_STATE);
}

static void side_by_side(void **state) {
  (void)state;
  struct hd_fault fault;
  struct hd_deployment d = one("1.0.0");
  static const struct hd_deployment_share shares[] = {{"1.1.0", 3}, {"1.0.0", 1}, {"1.2.0", 0}};
  assert_int_equal(hd_deployment_ab(&d, shares, 2, HD_SPLIT_CAPITAL, NULL, 0, &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.0.0 1 fast=5, canary 1.1.0 3 fast=5"); // what is live stays live
  struct hd_deployment before = d;
  assert_int_equal(hd_deployment_ab(&d, shares, 1, HD_SPLIT_CAPITAL, NULL, 0, &fault), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_deployment_ab(&d, shares, 3, HD_SPLIT_CAPITAL, NULL, 0, &fault), HADRON_ERR_ARGUMENT); // a weight of 0
  struct hd_deployment_share many[HD_DEPLOYMENT_ARMS_MAX + 1];
  for (int i = 0; i <= HD_DEPLOYMENT_ARMS_MAX; i++) {
    snprintf(many[i].version, sizeof many[i].version, "3.%d.0", i);
    many[i].weight = 1;
  }
  assert_int_equal(hd_deployment_ab(&d, many, HD_DEPLOYMENT_ARMS_MAX + 1, HD_SPLIT_CAPITAL, NULL, 0, &fault), HADRON_ERR_FULL);
  assert_memory_equal(&before, &d, sizeof d);
}

static void enabling_and_disabling(void **state) {
  (void)state;
  struct hd_fault fault;
  struct hd_deployment d = one("1.0.0");
  static const struct hd_deployment_share shares[] = {{"1.0.0", 3}, {"1.1.0", 1}};
  assert_int_equal(hd_deployment_disable(&d, NULL, &fault), HADRON_OK);
  assert_false(d.enabled);
  assert_int_equal(hd_deployment_enable(&d, NULL, &fault), HADRON_OK);
  assert_true(d.enabled);
  d.enabled = false;
  assert_int_equal(hd_deployment_enable(&d, "1.0.0", &fault), HADRON_OK);
  assert_true(d.enabled);
  assert_int_equal(hd_deployment_ab(&d, shares, 2, HD_SPLIT_CAPITAL, NULL, 0, &fault), HADRON_OK);
  assert_int_equal(hd_deployment_disable(&d, "1.0.0", &fault), HADRON_ERR_STATE); // the live one
  assert_int_equal(hd_deployment_disable(&d, "1.2.0", &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_deployment_disable(&d, "1.1.0", &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.0.0 4 fast=5"); // with the weight of the one that went
  assert_int_equal(hd_deployment_enable(&d, "1.1.0", &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.1.0 4 fast=5");
}

static void arriving_and_being_demoted(void **state) {
  (void)state;
  struct hd_fault fault;
  struct hd_deployment d = one("1.0.0");
  assert_false(hd_deployment_arrive(&d, "1.1.0")); // nothing is the default
  d.arrival = HD_ARRIVAL_SHADOW;
  assert_true(hd_deployment_arrive(&d, "1.1.0"));
  assert_string_equal(arms_text(&d), "live 1.0.0 1 fast=5, shadow 1.1.0 0 fast=5");
  assert_false(hd_deployment_arrive(&d, "1.1.0"));
  assert_true(hd_deployment_arrive(&d, "1.2.0")); // the newest alone
  assert_string_equal(arms_text(&d), "live 1.0.0 1 fast=5, shadow 1.2.0 0 fast=5");
  d.arrival = HD_ARRIVAL_CANARY;
  d.canary_weight = 0.25;
  assert_true(hd_deployment_arrive(&d, "1.3.0"));
  assert_string_equal(arms_text(&d), "live 1.0.0 0.75 fast=5, shadow 1.2.0 0 fast=5, canary 1.3.0 0.25 fast=5");
  assert_true(hd_deployment_arrive(&d, "1.4.0"));
  assert_string_equal(arms_text(&d), "live 1.0.0 0.75 fast=5, shadow 1.2.0 0 fast=5, canary 1.4.0 0.25 fast=5");
  assert_int_equal(hd_deployment_demote(&d, "1.4.0", NULL, &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.0.0 1 fast=5, shadow 1.2.0 0 fast=5, shadow 1.4.0 0 fast=5");
  assert_int_equal(hd_deployment_disable(&d, "1.4.0", &fault), HADRON_OK);
  d.arrival = HD_ARRIVAL_LIVE;
  assert_true(hd_deployment_arrive(&d, "1.5.0"));
  assert_string_equal(arms_text(&d), "live 1.5.0 1 fast=5, shadow 1.2.0 0 fast=5");
  assert_int_equal(hd_deployment_demote(&d, "1.5.0", NULL, &fault), HADRON_ERR_STATE);
  assert_int_equal(hd_deployment_demote(&d, "1.5.0", "1.0.0", &fault), HADRON_OK);
  assert_string_equal(arms_text(&d), "live 1.0.0 1 fast=5, shadow 1.2.0 0 fast=5");
  assert_int_equal(hd_deployment_demote(&d, "1.5.0", NULL, &fault), HADRON_ERR_NOT_FOUND);
}

// Any commands in any order: a deployment stays good, and the weight of what trades is neither lost nor made, but by `ab`.
static void any_commands(void **state) {
  (void)state;
  struct hd_random r = test_random();
  struct hd_fault fault;
  static struct hd_deployment d, before;
  d = one("1.0.0");
  double sum = 1;
  for (int round = 0; round < 20000; round++) {
    char version[16];
    int32_t code = HADRON_OK;
    snprintf(version, sizeof version, "1.%u.0", (unsigned)hd_random_below(&r, 9));
    before = d;
    uint64_t verb = hd_random_below(&r, 6);
    d.arrival = 1 + (uint32_t)hd_random_below(&r, 4);
    if (verb == 0) code = hd_deployment_promote(&d, version, &fault);
    else if (verb == 1) code = hd_deployment_enable(&d, version, &fault);
    else if (verb == 2) code = hd_deployment_disable(&d, version, &fault);
    else if (verb == 3) hd_deployment_arrive(&d, version);
    else if (verb == 4) code = hd_deployment_demote(&d, version, "1.0.0", &fault);
    else {
      struct hd_deployment_share shares[2] = {{.weight = 0.5}, {"1.8.0", 0.25}};
      hd_text_copy(shares[0].version, sizeof shares[0].version, version);
      code = hd_deployment_ab(&d, shares, 2, 1 + (uint32_t)hd_random_below(&r, 2), NULL, 0, &fault);
      if (!code) sum = 0.75;
    }
    before.arrival = d.arrival;
    if (code) assert_memory_equal(&before, &d, sizeof d);
    if (hd_deployment_good(&d, &fault)) fail_msg("round %d: %s", round, fault.text);
    double found = 0;
    for (uint32_t i = 0; i < d.arm_count; i++) found += d.arms[i].weight;
    assert_true(found > sum - 1e-9 && found < sum + 1e-9);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_whole_file), cmocka_unit_test(all_mistakes_at_once), cmocka_unit_test(a_configuration), cmocka_unit_test(what_is_written_is_read),
                                     cmocka_unit_test(differences_are_told), cmocka_unit_test(a_version_for_another), cmocka_unit_test(promoting), cmocka_unit_test(side_by_side),
                                     cmocka_unit_test(enabling_and_disabling), cmocka_unit_test(arriving_and_being_demoted), cmocka_unit_test(any_commands)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
