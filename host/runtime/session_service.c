// Services of a session. In live each has a thread (live.c); here is what both forms share, and the form without threads: replay steps
// the services itself, and drains them at the end.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/session_internal.h"
#include "runtime/setting.h"

#define DRAIN_NS INT64_C(2000000000) // what a live session's end gives its services before they are stopped

static struct hd_journal_reader *reader_of(struct hadron_instance *instance) {
  return &((struct hd_session_service *)instance->owner)->reader;
}

static int64_t service_now(void *owner) {
  (void)owner;
  return hd_clock_wall_ns();
}

int32_t hd_session_service_instance(struct hd_session *s, struct hd_session_service *service, const struct hd_plugin *plugin, struct hadron_instance **out,
                                    struct hd_fault *fault) {
  static struct hd_capability capabilities[2];
  const struct hd_config_plugin *c = service->config;
  if (!capabilities[0].name) capabilities[0] = (struct hd_capability){HADRON_CAP_JOURNAL, hd_journal_capability(reader_of)};
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = capabilities, .owner = service, .now = service_now,
                                              .metrics = s->metrics, .name = c->name, .seed = s->config->seed};
  if (!(*out = calloc(1, sizeof **out))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "service %s: out of memory", c->name);
  int32_t code = hd_instance_init(*out, &options, fault);
  if (!code) code = hd_instance_create_service(*out, fault);
  if (!code) code = hd_params_apply(*out, c->params, c->param_count, fault);
  if (!code && !s->open) code = hd_settings_service(s->settings, c->name, *out, fault); // at the start: another version begins with the configuration
  return code;
}

static int32_t make_service(struct hd_session *s, struct hd_session_service *service, const struct hd_config_plugin *c, struct hd_fault *fault) {
  const struct hd_plugin *plugin;
  int32_t code = hd_session_load(s, c, HADRON_KIND_SERVICE, &plugin, fault);
  if (code) return code;
  if (!s->journal)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s:%d: service %s reads the journal, which is off; set journal.enabled = true", s->config->path, c->line, c->name);
  service->config = c;
  service->api = plugin->api;
  code = hd_journal_reader_init(&service->reader, s->journal, c->name, fault);
  if (!code) code = hd_session_service_instance(s, service, plugin, &service->instance, fault);
  if (!code) code = hd_instance_start(service->instance, fault);
  if (code) return hd_fault_prefix(fault, "%s:%d: ", s->config->path, c->line);
  service->started = true;
  hd_session_service_heard(service);
  return HADRON_OK;
}

void hd_session_service_heard(struct hd_session_service *service) {
  const char *words = hd_instance_words(service->instance);
  if (!words[0]) return;
  if (atomic_load_explicit(&service->alerting, memory_order_acquire) == 0) { // one at a time; the log has them all
    snprintf(service->alert, sizeof service->alert, "service %s: %s", service->config->name, words);
    atomic_store_explicit(&service->alerting, 1, memory_order_release);
  }
  hd_instance_hush(service->instance);
}

int32_t hd_session_start_services(struct hd_session *s, struct hd_fault *fault) {
  s->services = calloc(s->config->service_count + 1, sizeof *s->services);
  if (!s->services) return hd_fault_set(fault, HADRON_ERR_MEMORY, "services: out of memory");
  for (uint32_t i = 0; i < s->config->service_count; i++) {
    if (!s->config->services[i].enabled) continue;
    int32_t code = make_service(s, &s->services[s->service_count++], &s->config->services[i], fault);
    if (code) return code;
  }
  return HADRON_OK;
}

// A reader is given what is on the disk: at an end that is all.
static void flush_rest(struct hd_session *s) {
  if (s->journal) (void)hd_journal_sync(s->journal, hd_journal_end(s->journal) - 1);
}

void hd_session_services(struct hd_session *s, int64_t now_ns, bool drain) {
  // Live, a service that is far behind is not waited for: it goes on where it was at the next start.
  int64_t end_ns = s->options.is_virtual ? INT64_MAX : hd_clock_monotonic_ns() + DRAIN_NS;
  struct hd_fault fault;
  if (s->journal && hd_journal_maintain(s->journal, &fault)) hd_log_warn("JOURNAL_MAINTAIN", "%s", fault.text);
  if (drain && s->service_count) flush_rest(s);
  for (uint32_t i = 0; i < s->service_count; i++) {
    struct hd_session_service *service = &s->services[i];
    service->reader.now_ns = s->options.is_virtual ? now_ns : 0;
    while (service->started) {
      service->next_ns = service->api->step(service->instance->self, now_ns);
      hd_session_service_heard(service);
      if (!drain || service->next_ns > now_ns || hd_clock_monotonic_ns() >= end_ns) break;
    }
  }
}

void hd_session_stop_services(struct hd_session *s) {
  if (s->service_count) flush_rest(s);
  for (uint32_t i = 0; i < s->service_count; i++) {
    if (s->services[i].instance) hd_instance_stop(s->services[i].instance);
    hd_instance_destroy_owned(s->services[i].instance);
    hd_journal_reader_fini(&s->services[i].reader);
  }
  free(s->services);
  s->services = NULL;
  s->service_count = 0;
}
