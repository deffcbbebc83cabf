#include "runtime/session_bus.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "bus/feed.h"

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static const char *there(const char *text) { return text[0] ? text : NULL; }

// data_dir/bus, absolute: a worker has another working directory.
static int32_t directory_of(const struct hd_config *c, char *to, size_t size, struct hd_fault *fault) {
  char *whole = realpath(c->data_dir, NULL);
  if (!whole) return hd_fault_set(fault, HADRON_ERR_IO, "bus: %s: %s", c->data_dir, strerror(errno));
  int length = snprintf(to, size, "%s/bus", whole);
  free(whole);
  return length > 0 && (size_t)length < size ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_RANGE, "bus: data_dir is too long: %s", c->data_dir);
}

static int32_t make(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  struct hd_bus_listen listeners[HD_BUS_LISTENERS_MAX];
  char directory[1024], host[HADRON_NAME_SIZE] = "hadron";
  int32_t code = directory_of(c, directory, sizeof directory, fault);
  if (code) return code;
  gethostname(host, sizeof host - 1);
  for (uint32_t i = 0; i < c->bus.session_count; i++) {
    const struct hd_config_listen *l = &c->bus.sessions[i];
    listeners[i] = (struct hd_bus_listen){.url = l->url, .rights = l->rights, .tokens = there(l->tokens), .certificate = there(l->certificate), .key = there(l->key),
                                          .ca = there(l->ca), .crl = there(l->crl), .insecure = l->insecure};
  }
  // A run on a virtual clock has the strategies that were started for it, and hears nobody else.
  char own[1100];
  snprintf(own, sizeof own, "ipc://%s/strategies.ipc", directory);
  if (s->options.is_virtual) listeners[0] = (struct hd_bus_listen){.url = own, .rights = HD_BUS_TRADE};
  const struct hd_bus_options options = {.listeners = listeners, .listener_count = s->options.is_virtual ? 1 : c->bus.session_count, .directory = directory, .host = host, .mode = c->mode,
                                         .is_virtual = s->options.is_virtual, .starting = !s->open && !s->options.is_virtual, .heartbeat_ns = c->bus.heartbeat_ns, .stale_after_ns = c->bus.stale_after_ns,
                                         .session_keep_ns = c->bus.session_keep_ns, .window = c->bus.window, .sessions_max = c->bus.sessions_max,
                                         .decisions_per_second = c->bus.decisions_per_second};
  return hd_bus_create(&options, &s->bus, fault);
}

int32_t hd_session_bus(struct hd_session *s, struct hd_bus **out, struct hd_fault *fault) {
  pthread_mutex_lock(&making);
  int32_t code = s->bus ? HADRON_OK : make(s, fault);
  if (!code) *out = s->bus;
  pthread_mutex_unlock(&making);
  return code;
}

int32_t hd_session_bus_open(struct hd_session *s, struct hd_fault *fault) {
  struct hd_bus *bus;
  if (s->options.is_virtual || s->options.recorded || s->config->bus.session_count + s->config->bus.feed_count == 0) return HADRON_OK;
  return hd_session_bus(s, &bus, fault);
}

// ---- the journal, as the feed reads it [feed] -------------------------------------------------------------------------------------------------

static int32_t feed_open(void *self, void **cursor) {
  const struct hd_session *s = self;
  struct hd_journal_cursor *opened;
  int32_t code = hd_journal_cursor_open_on(hd_journal_disk(s->journal), hd_journal_dir(s->journal), &opened, NULL);
  if (!code) *cursor = opened;
  return code;
}

static void feed_close(void *self, void *cursor) {
  (void)self;
  hd_journal_cursor_close(cursor);
}

static int32_t feed_seek(void *self, void *cursor, uint64_t position) {
  (void)self;
  return hd_journal_cursor_seek(cursor, position, NULL);
}

static int32_t feed_next(void *self, void *cursor, struct hadron_record *record) {
  (void)self;
  return hd_journal_cursor_next(cursor, record, NULL);
}

// Rows are made before the first record that names them, and their shard does not change.
static uint32_t feed_shard(void *self, uint32_t instrument) {
  const struct hd_session *s = self;
  return instrument <= s->config->universe_max ? s->pipeline.instruments.rows[instrument].shard : 0;
}

int32_t hd_session_feed_open(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  struct hd_bus_listen listeners[HD_BUS_LISTENERS_MAX];
  if (!s->bus || !s->journal || c->bus.feed_count == 0) return HADRON_OK;
  for (uint32_t i = 0; i < c->bus.feed_count; i++) {
    const struct hd_config_listen *l = &c->bus.feeds[i];
    listeners[i] = (struct hd_bus_listen){.url = l->url, .rights = l->publish == 2 ? HD_BUS_ADMIN : HD_BUS_READ, .certificate = there(l->certificate), .key = there(l->key),
                                          .ca = there(l->ca), .crl = there(l->crl), .insecure = l->insecure};
  }
  const struct hd_feed_options options = {.journal = {s, feed_open, feed_close, feed_seek, feed_next, feed_shard}, .listeners = listeners,
                                          .listener_count = c->bus.feed_count, .from = s->bus_from, .shards = c->shards};
  return hd_bus_publish(s->bus, &options, fault);
}

// ---- figures ---------------------------------------------------------------------------------------------------------------------------------

#define METRIC(name, help, type) {name, help, "", type, 0}
enum { REQUESTS = 0, CERTIFICATES, CONNECTIONS, TURNED_AWAY, SILENT, BUS_METRICS };
static const struct hadron_metric bus_rows[BUS_METRICS] = {
    [REQUESTS] = METRIC("refused_requests", "requests of peers that were refused, HELLOs among them", HADRON_METRIC_COUNTER),
    [CERTIFICATES] = METRIC("refused_certificates", "TLS handshakes without a good certificate", HADRON_METRIC_COUNTER),
    [CONNECTIONS] = METRIC("refused_connections", "connections that never became one: garbage, silence, too large a message", HADRON_METRIC_COUNTER),
    [TURNED_AWAY] = METRIC("turned_away", "connections above the bound", HADRON_METRIC_COUNTER),
    [SILENT] = METRIC("silent", "connections ended for want of a handshake or a session in time", HADRON_METRIC_COUNTER)};
enum { MESSAGES = 0, PACKETS, HEARTBEATS, REPAIRS, REPAIRED, SNAPSHOTS, TOO_OLD, BUSY, SUBSCRIBERS, FEED_METRICS };
static const struct hadron_metric feed_rows[FEED_METRICS] = {
    [MESSAGES] = METRIC("messages", "messages published", HADRON_METRIC_COUNTER),
    [PACKETS] = METRIC("packets", "packets that they were in", HADRON_METRIC_COUNTER),
    [HEARTBEATS] = METRIC("heartbeats", "heartbeats of idle streams", HADRON_METRIC_COUNTER),
    [REPAIRS] = METRIC("repairs", "repairs that subscribers asked for", HADRON_METRIC_COUNTER),
    [REPAIRED] = METRIC("repaired", "messages given again: what NNG dropped", HADRON_METRIC_COUNTER),
    [SNAPSHOTS] = METRIC("snapshots", "snapshots given", HADRON_METRIC_COUNTER),
    [TOO_OLD] = METRIC("too_old", "repairs of what the journal no longer has", HADRON_METRIC_COUNTER),
    [BUSY] = METRIC("busy", "repairs that were put off", HADRON_METRIC_COUNTER),
    [SUBSCRIBERS] = METRIC("subscribers", "connections", HADRON_METRIC_GAUGE)};

static void set_all(struct hd_session *s, const char *owner, const struct hadron_metric *rows, uint32_t count, const uint64_t *values) {
  int64_t *cells[BUS_METRICS + FEED_METRICS];
  struct hd_fault fault;
  if (hd_metrics_open(s->metrics, owner, rows, count, cells, &fault)) return; // no room: they are not shown
  for (uint32_t i = 0; i < count; i++) hd_metric_set(cells[i], (int64_t)values[i]);
}

void hd_session_bus_figures(struct hd_session *s) {
  struct hd_bus_refusals r;
  struct hd_feed_figures f;
  if (!s->bus) return;
  hd_bus_refusals(s->bus, &r);
  set_all(s, "bus", bus_rows, BUS_METRICS, (const uint64_t[]){[REQUESTS] = r.requests, [CERTIFICATES] = r.certificate, [CONNECTIONS] = r.other, [TURNED_AWAY] = r.turned_away, [SILENT] = r.silent});
  if (!hd_bus_feed(s->bus)) return;
  hd_feed_figures(hd_bus_feed(s->bus), &f);
  set_all(s, "feed", feed_rows, FEED_METRICS,
          (const uint64_t[]){[MESSAGES] = f.messages, [PACKETS] = f.packets, [HEARTBEATS] = f.heartbeats, [REPAIRS] = f.repairs, [REPAIRED] = f.repaired, [SNAPSHOTS] = f.snapshots,
                             [TOO_OLD] = f.too_old, [BUSY] = f.busy, [SUBSCRIBERS] = f.subscribers});
}

void hd_session_bus_close(struct hd_session *s) {
  hd_bus_destroy(s->bus);
  s->bus = NULL;
}
