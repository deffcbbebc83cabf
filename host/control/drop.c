// The drop folder of a running host: looked at on a worker, with a registry of its own, because a file that is registered is probed first
// and nobody else should wait for that. What arrives is heard of by the registry's bell (arrive.c).
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/deploy.h"
#include "registry/drop.h"

struct hd_dropping {
  struct hd_control *c;
  struct hd_registry *registry; // the worker's
  struct hd_drop *drop;
  uv_poll_t bell;
  uv_work_t work;
  bool has_bell, working, closed, failing;
  int64_t next_ns;              // monotonic
  int32_t code;
  struct hd_fault fault;
};

static void on_arrived(void *user, const char *file, const struct hd_version *version, const struct hd_registry_added *added) {
  (void)user;
  hd_log_info("DROP", "%s is %s@%s now%s%s", file, version->name, version->version, *added->warning ? ": " : "", added->warning);
}

static void on_rejected(void *user, const char *file, const struct hd_fault *fault) {
  (void)user;
  hd_log_warn("DROP_REJECTED", "%s was moved to rejected: %s", file, fault->text);
}

static void tick_work(uv_work_t *work) {
  struct hd_dropping *p = work->data;
  p->next_ns = INT64_MAX;
  p->code = hd_drop_tick(p->drop, hd_clock_monotonic_ns(), &p->next_ns, &p->fault);
}

static void bell_watch(struct hd_dropping *p);

static void tick_done(uv_work_t *work, int status) {
  struct hd_dropping *p = work->data;
  (void)status;
  p->working = false;
  if (p->code && !p->failing) hd_log_warn("DROP_FAILED", "drop folder: %s", p->fault.text);
  p->failing = p->code != HADRON_OK;
  if (p->failing) p->next_ns = hd_clock_monotonic_ns() + HD_DROP_RETRY_NS;
  if (!p->closed) bell_watch(p);
}

static void look(struct hd_dropping *p) {
  if (p->working || p->closed) return;
  if (p->has_bell) uv_poll_stop(&p->bell); // until it has been looked at
  p->working = true;
  uv_queue_work(p->c->options.loop, &p->work, tick_work, tick_done);
}

static void on_bell(uv_poll_t *bell, int status, int events) {
  (void)status, (void)events;
  look(bell->data);
}

static void bell_watch(struct hd_dropping *p) {
  if (p->has_bell) uv_poll_start(&p->bell, UV_READABLE, on_bell);
}

void hd_dropping_tick(struct hd_dropping *p) {
  if (p && hd_clock_monotonic_ns() >= p->next_ns) look(p);
}

static void dropping_free(struct hd_dropping *p) {
  hd_drop_close(p->drop);
  hd_registry_close(p->registry);
  free(p);
}

// A folder that cannot be used is no reason not to trade.
void hd_dropping_open(struct hd_deploying *d) {
  struct hd_registry_paths paths;
  struct hd_fault fault = {0};
  const struct hd_config *config = d->c->options.session->config;
  hd_registry_paths(config, &paths);
  struct hd_dropping *p = *paths.drop ? calloc(1, sizeof *p) : NULL;
  if (!p) return;
  p->c = d->c;
  p->bell.data = p->work.data = p;
  int32_t code = hd_session_registry_open(config, &p->registry, &fault);
  const struct hd_drop_options options = {.registry = p->registry, .directory = paths.drop, .who = "drop folder", .user = p, .arrived = on_arrived, .rejected = on_rejected};
  if (!code) code = hd_drop_open(&options, &p->drop, &fault);
  if (code) {
    hd_log_error("DROP_OFF", "drop folder %s is not used: %s", paths.drop, fault.text);
    dropping_free(p);
    return;
  }
  int fd = hd_drop_fd(p->drop);
  p->has_bell = fd >= 0 && uv_poll_init(d->c->options.loop, &p->bell, fd) == 0;
  if (p->has_bell) uv_unref((uv_handle_t *)&p->bell);
  d->dropping = p;
  look(p);
}

static void bell_closed(uv_handle_t *bell) { dropping_free(bell->data); }

void hd_dropping_close(struct hd_deploying *d) {
  struct hd_dropping *p = d->dropping;
  if (!p) return;
  p->closed = true;
  d->dropping = NULL;
  while (p->working) uv_run(d->c->options.loop, UV_RUN_ONCE);
  if (!p->has_bell) {
    dropping_free(p);
    return;
  }
  uv_close((uv_handle_t *)&p->bell, bell_closed);
  uv_run(d->c->options.loop, UV_RUN_NOWAIT);
}
