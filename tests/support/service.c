#include "support/service.h"

#include <dlfcn.h>

#include "base/text.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "support/test.h"

static struct test_service *service_of(struct hadron_instance *instance) { return (struct test_service *)instance; }
static struct hd_journal_reader *reader_of(struct hadron_instance *instance) { return &service_of(instance)->reader; }
static int64_t now_of(struct hadron_instance *instance) { return service_of(instance)->now_ns; }
static uint64_t random_of(struct hadron_instance *instance) { return (void)instance, 4; }

static void line_write(struct hadron_instance *instance, uint32_t level, const char *id, const char *text) {
  struct test_service *s = service_of(instance);
  s->said_level = level;
  s->errors += level == HADRON_LOG_ERROR;
  snprintf(s->said, sizeof s->said, "%s %s", id, text);
  if (getenv("HADRON_TEST_VERBOSE")) fprintf(stderr, "%s\n", s->said);
}

static int32_t cell_open(struct hadron_instance *instance, const struct hadron_metric *metric, int64_t **cell) {
  struct test_service *s = service_of(instance);
  if (s->cell_count == sizeof s->cells / sizeof *s->cells) return HADRON_ERR_FULL;
  s->cell_names[s->cell_count] = metric->name;
  *cell = &s->cells[s->cell_count++];
  return HADRON_OK;
}

static const void *capability_of(struct hadron_instance *instance, const char *name) {
  (void)instance;
  static const struct hadron_log log = {.struct_size = sizeof log, .write = line_write};
  static const struct hadron_metrics metrics = {.struct_size = sizeof metrics, .open = cell_open};
  if (strcmp(name, HADRON_CAP_JOURNAL) == 0) return hd_journal_capability(reader_of);
  if (strcmp(name, HADRON_CAP_LOG) == 0) return &log;
  if (strcmp(name, HADRON_CAP_METRICS) == 0) return &metrics;
  return NULL;
}

static const struct hadron_param *param_find(const struct test_service *s, const char *name) {
  for (uint32_t i = 0; s->params && i < s->params->count; i++)
    if (strcmp(s->params->params[i].name, name) == 0) return &s->params->params[i];
  fail_msg("the plugin has no parameter %s", name);
  return NULL;
}

void test_service_text(struct test_service *s, const char *param, const char *value) {
  const struct hadron_param *p = param_find(s, param);
  assert_int_equal(p->type, HADRON_PARAM_TEXT);
  assert_true(hd_text_copy((char *)s->self + p->offset, p->size, value));
}

void test_service_number(struct test_service *s, const char *param, int64_t value) {
  memcpy((char *)s->self + param_find(s, param)->offset, &value, sizeof value);
}

static void param_initial(struct test_service *s, const struct hadron_param *p) {
  int64_t value = 0;
  switch (p->type) {
  case HADRON_PARAM_TEXT: test_service_text(s, p->name, p->initial); return;
  case HADRON_PARAM_BOOL: value = strcmp(p->initial, "true") == 0; break;
  case HADRON_PARAM_DURATION: assert_int_equal(hd_duration_parse(p->initial, &value), HADRON_OK); break;
  default: assert_int_equal(hd_decimal_read(p->initial, 1, &value), HADRON_OK); break;
  }
  assert_true(p->min > p->max || (value >= p->min && value <= p->max));
  test_service_number(s, p->name, value);
}

void test_service_open(struct test_service *s, const char *name, struct hd_journal *journal) {
  memset(s, 0, sizeof *s);
  s->now_ns = INT64_C(1700000000000000000);
  s->host = (struct hadron_host){sizeof s->host, HADRON_ABI_MAJOR, HADRON_ABI_MINOR, (struct hadron_instance *)s, capability_of, now_of, random_of};
  struct hd_fault fault = {0};
  if (hd_journal_reader_init(&s->reader, journal, name, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  char path[512];
  const char *dir = getenv("HADRON_PLUGIN_DIR");
  snprintf(path, sizeof path, "%s/%s.so", dir ? dir : "plugins", name);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail_msg("%s", dlerror());
  hadron_plugin_entry entry;
  *(void **)&entry = dlsym(handle, "hadron_plugin_v1");
  assert_non_null(entry);
  const struct hadron_plugin *plugin = entry();
  assert_int_equal(plugin->kind, HADRON_KIND_SERVICE);
  s->api = plugin->api;
  s->params = plugin->capability ? plugin->capability(HADRON_CAP_PARAMS) : NULL;
  assert_int_equal(s->api->create(&s->host, name, &s->self), HADRON_OK);
  for (uint32_t i = 0; s->params && i < s->params->count; i++) param_initial(s, &s->params->params[i]);
}

void test_service_close(struct test_service *s) {
  if (s->self) s->api->destroy(s->self);
  hd_journal_reader_fini(&s->reader);
  s->self = NULL;
}

int64_t test_service_metric(const struct test_service *s, const char *name) {
  for (uint32_t i = 0; i < s->cell_count; i++)
    if (strcmp(s->cell_names[i], name) == 0) return s->cells[i];
  fail_msg("the plugin has no metric %s", name);
  return 0;
}

uint64_t test_service_run(struct test_service *s, uint64_t steps_max) {
  uint64_t steps = 0;
  while (steps < steps_max) {
    int64_t again = s->api->step(s->self, s->now_ns);
    steps++;
    if (again == INT64_MAX) break;
    if (again > s->now_ns) s->now_ns = again;
  }
  return steps;
}
