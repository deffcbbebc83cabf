#include "plugin/instance.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/calling.h"
#include "base/log.h"
#include "base/text.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"

// ---- capabilities of this room

static void log_write(struct hadron_instance *instance, uint32_t level, const char *id, const char *text) {
  if (level < HADRON_LOG_DEBUG || level > HADRON_LOG_ERROR) level = HADRON_LOG_WARN;
  instance->lines++;
  hd_log_text(level, instance->name, id ? id : "-", text ? text : "");
  // An error line written during a call that then fails is the best account of why.
  if (level == HADRON_LOG_ERROR && text != NULL) hd_instance_fail(instance, text);
}

static int32_t metrics_open(struct hadron_instance *instance, const struct hadron_metric *metric, int64_t **cell) {
  struct hd_fault fault = {0};
  if (metric == NULL || cell == NULL) return HADRON_ERR_ARGUMENT;
  int32_t err = hd_metrics_open(instance->metrics, instance->metric_owner, metric, 1, cell, &fault);
  if (err) hd_instance_fail(instance, fault.text);
  return err;
}

static const struct hadron_log log_table = {.struct_size = sizeof log_table, .write = log_write};
static const struct hadron_metrics metrics_table = {.struct_size = sizeof metrics_table, .open = metrics_open};

const void *hd_instance_capability(const struct hadron_instance *instance, const char *name) {
  if (name == NULL) return NULL;
  for (const struct hd_capability *c = instance->capabilities; c != NULL && c->name != NULL; c++)
    if (strcmp(c->name, name) == 0) return c->table;
  if (strcmp(name, HADRON_CAP_LOG) == 0) return &log_table;
  if (strcmp(name, HADRON_CAP_METRICS) == 0) return instance->metrics ? &metrics_table : NULL;
  return NULL;
}

// ---- struct hadron_host

static const void *host_capability(struct hadron_instance *instance, const char *name) { return hd_instance_capability(instance, name); }
static int64_t host_now(struct hadron_instance *instance) { return instance->now(instance->owner); }
static uint64_t host_random(struct hadron_instance *instance) { return hd_random_next(&instance->random); }

static int32_t check_required(const struct hadron_instance *instance, struct hd_fault *fault) {
  const char *cursor = instance->plugin->manifest.requires_;
  char name[HD_CAPABILITY_NAME_SIZE];
  while (hd_capability_next(&cursor, name))
    if (hd_instance_capability(instance, name) == NULL && strcmp(name, HD_CAP_EXTERNAL) != 0) // the bus offers that, not the room
      return hd_fault_set(fault, HADRON_ERR_CAPABILITY, "%s %s: plugin %s %s requires capability \"%s\", which is not offered in this run; drop the requirement or run it where it is",
                          hd_kind_name(instance->plugin->manifest.kind), instance->name, instance->plugin->manifest.name, instance->plugin->manifest.version, name);
  return HADRON_OK;
}

int32_t hd_instance_init(struct hadron_instance *instance, const struct hd_instance_options *o, struct hd_fault *fault) {
  HD_ASSERT(o->plugin != NULL && o->now != NULL && o->name != NULL);
  memset(instance, 0, sizeof *instance);
  instance->plugin = o->plugin;
  instance->capabilities = o->capabilities;
  instance->owner = o->owner;
  instance->family = o->family;
  instance->now = o->now;
  instance->metrics = o->metrics;
  instance->arm = o->arm;
  instance->venue = o->venue;
  hd_random_init(&instance->random, o->seed);
  hd_text_copy(instance->name, sizeof instance->name, o->name);
  hd_text_copy(instance->metric_owner, sizeof instance->metric_owner, o->metric_owner ? o->metric_owner : o->name);
  instance->host = (struct hadron_host){.struct_size = sizeof instance->host,
                                        .abi_major = HADRON_ABI_MAJOR,
                                        .abi_minor = HADRON_ABI_MINOR,
                                        .instance = instance,
                                        .capability = host_capability,
                                        .now_ns = host_now,
                                        .random = host_random};
  int32_t err = check_required(instance, fault);
  if (!err) instance->state = HD_INSTANCE_LOADED;
  return err;
}

void hd_instance_fini(struct hadron_instance *instance) {
  if (instance == NULL || instance->plugin == NULL) return;
  hd_instance_destroy(instance);
  memset(instance, 0, sizeof *instance);
}

void hd_instance_destroy_owned(struct hadron_instance *instance) {
  if (!instance) return;
  hd_instance_fini(instance);
  free(instance);
}

// ---- words

static _Thread_local struct {
  const struct hadron_instance *whose;
  char text[HD_INSTANCE_FAIL_SIZE];
} words_of_call;

void hd_instance_fail(struct hadron_instance *instance, const char *text) {
  words_of_call.whose = instance;
  hd_text_copy(words_of_call.text, sizeof words_of_call.text, text ? text : "");
  hd_text_printable(words_of_call.text);
}

const char *hd_instance_words(const struct hadron_instance *instance) {
  return words_of_call.whose == instance ? words_of_call.text : "";
}

void hd_instance_hush(struct hadron_instance *instance) {
  if (words_of_call.whose == instance) words_of_call.whose = NULL;
}

int32_t hd_instance_fault(struct hadron_instance *instance, int32_t code, const char *what, struct hd_fault *fault) {
  char number[48];
  const char *words = hadron_error_text(code), *own = hd_instance_words(instance);
  if (code >= 0 || strcmp(hadron_error_name(code), "UNKNOWN") == 0) {
    snprintf(number, sizeof number, "code %d, which is not an error code", code);
    words = number;
    code = HADRON_ERR_PLUGIN;
  }
  hd_fault_set(fault, code, "%s %s: %s: %s%s%s", hd_kind_name(instance->plugin->manifest.kind), instance->name, what, words, own[0] ? ": " : "", own);
  hd_instance_hush(instance);
  return code;
}

// ---- life

static int32_t created(struct hadron_instance *instance, int32_t code, void *self, struct hd_fault *fault) {
  hd_making = (struct hd_making){NULL, NULL};
  if (code != HADRON_OK) return hd_instance_fault(instance, code, "create failed", fault);
  if (self == NULL) {
    hd_instance_fail(instance, "expected an instance, found NULL");
    return hd_instance_fault(instance, HADRON_ERR_PLUGIN, "create failed", fault);
  }
  instance->self = self;
  instance->state = HD_INSTANCE_CREATED;
  return HADRON_OK;
}

static const void *begin_create(struct hadron_instance *instance, uint32_t kind) {
  HD_ASSERT(instance->state == HD_INSTANCE_LOADED && instance->plugin->manifest.kind == kind);
  hd_instance_hush(instance);
  hd_making = (struct hd_making){instance, "create"};
  return instance->plugin->api;
}

int32_t hd_instance_create_strategy(struct hadron_instance *instance, const struct hadron_strategy_context *context, struct hd_fault *fault) {
  const struct hadron_strategy_api *api = begin_create(instance, HADRON_KIND_STRATEGY);
  void *self = NULL;
  int32_t code = api->create(&instance->host, context, &self);
  return created(instance, code, self, fault);
}

int32_t hd_instance_create_venue(struct hadron_instance *instance, const struct hadron_venue_context *context, struct hd_fault *fault) {
  const struct hadron_venue_api *api = begin_create(instance, HADRON_KIND_VENUE);
  void *self = NULL;
  int32_t code = api->create(&instance->host, context, &self);
  return created(instance, code, self, fault);
}

int32_t hd_instance_create_allocator(struct hadron_instance *instance, struct hd_fault *fault) {
  const struct hadron_allocator_api *api = begin_create(instance, HADRON_KIND_ALLOCATOR);
  void *self = NULL;
  int32_t code = api->create(&instance->host, &self);
  return created(instance, code, self, fault);
}

int32_t hd_instance_create_service(struct hadron_instance *instance, struct hd_fault *fault) {
  const struct hadron_service_api *api = begin_create(instance, HADRON_KIND_SERVICE);
  void *self = NULL;
  int32_t code = api->create(&instance->host, instance->name, &self);
  return created(instance, code, self, fault);
}

// start, stop and destroy have the same type in every kind's table that has them; one row each.
typedef int32_t (*start_function)(void *self);
typedef void (*end_function)(void *self);

static start_function start_of(const struct hd_plugin *p) {
  switch (p->manifest.kind) {
  case HADRON_KIND_STRATEGY: return ((const struct hadron_strategy_api *)p->api)->start;
  case HADRON_KIND_VENUE: return ((const struct hadron_venue_api *)p->api)->start;
  case HADRON_KIND_SERVICE: return ((const struct hadron_service_api *)p->api)->start;
  default: return NULL;
  }
}

static end_function stop_of(const struct hd_plugin *p) {
  switch (p->manifest.kind) {
  case HADRON_KIND_VENUE: return ((const struct hadron_venue_api *)p->api)->stop;
  case HADRON_KIND_SERVICE: return ((const struct hadron_service_api *)p->api)->stop;
  default: return NULL;
  }
}

static end_function destroy_of(const struct hd_plugin *p) {
  switch (p->manifest.kind) {
  case HADRON_KIND_STRATEGY: return ((const struct hadron_strategy_api *)p->api)->destroy;
  case HADRON_KIND_VENUE: return ((const struct hadron_venue_api *)p->api)->destroy;
  case HADRON_KIND_ALLOCATOR: return ((const struct hadron_allocator_api *)p->api)->destroy;
  default: return ((const struct hadron_service_api *)p->api)->destroy;
  }
}

int32_t hd_instance_start(struct hadron_instance *instance, struct hd_fault *fault) {
  HD_ASSERT(instance->state == HD_INSTANCE_CREATED);
  start_function start = start_of(instance->plugin);
  hd_instance_hush(instance);
  hd_making = (struct hd_making){instance, "start"};
  int32_t code = start ? start(instance->self) : HADRON_OK;
  hd_making = (struct hd_making){NULL, NULL};
  if (code != HADRON_OK) return hd_instance_fault(instance, code, "start failed", fault);
  instance->state = HD_INSTANCE_ACTIVE;
  return HADRON_OK;
}

void hd_instance_stop(struct hadron_instance *instance) {
  if (instance->state != HD_INSTANCE_ACTIVE) return;
  end_function stop = stop_of(instance->plugin);
  hd_making = (struct hd_making){instance, "stop"};
  if (stop != NULL) stop(instance->self);
  hd_making = (struct hd_making){NULL, NULL};
  instance->state = HD_INSTANCE_STOPPED;
}

void hd_instance_destroy(struct hadron_instance *instance) {
  hd_instance_stop(instance);
  if (instance->self == NULL) return;
  hd_making = (struct hd_making){instance, "destroy"};
  destroy_of(instance->plugin)(instance->self);
  hd_making = (struct hd_making){NULL, NULL};
  instance->self = NULL;
  instance->state = HD_INSTANCE_LOADED;
}
