// The bridge, inward: ticks that another host has published (nats_out) are this host's market. A thread of the venue's own speaks to the
// server (feed.c); poll takes what it has left in the ring. docs/bridge.md is the user's page.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "hadron/ext/io.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"

#define POLL_MAX 2048 // entries in one poll: a bounded piece of work
#define TICKS_MAX 256 // handed over at once
#define NO_HANDLE 0u

enum cell { CELL_TICKS, CELL_REPEATED, CELL_GAPS, CELL_UNNAMED, CELL_BAD, CELL_RECONNECTS, CELL_CONNECTED, CELL_COUNT };
static const struct hadron_metric metrics[CELL_COUNT] = {
    [CELL_TICKS] = {"nats_in_ticks_total", "ticks handed to the host", "ticks", HADRON_METRIC_COUNTER, 0},
    [CELL_REPEATED] = {"nats_in_repeated_total", "messages that came again and were dropped", "messages", HADRON_METRIC_COUNTER, 0},
    [CELL_GAPS] = {"nats_in_gaps_total", "gaps: ticks that were deleted unread, sessions that began, streams made anew", "gaps", HADRON_METRIC_COUNTER, 0},
    [CELL_UNNAMED] = {"nats_in_unnamed_total", "ticks of instruments without a name, or that the universe does not want", "ticks", HADRON_METRIC_COUNTER, 0},
    [CELL_BAD] = {"nats_in_bad_messages_total", "messages that are no ticks", "messages", HADRON_METRIC_COUNTER, 0},
    [CELL_RECONNECTS] = {"nats_in_reconnects_total", "connections lost or refused", "connections", HADRON_METRIC_COUNTER, 0},
    [CELL_CONNECTED] = {"nats_in_connected", "1 while the consumer answers", "flag", HADRON_METRIC_GAUGE, 0},
};

struct inlet {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  const struct hadron_io *io;
  const struct hadron_log *log;
  int64_t *cells[CELL_COUNT], spare[CELL_COUNT];
  struct feed_options options; // parameters
  char symbols[4096];
  char name[HADRON_NAME_SIZE];
  uint16_t number;
  struct feed feed;
  uint32_t handles[SLOTS_MAX]; // by slot; NO_HANDLE: the universe does not want it
  struct hadron_tick ticks[TICKS_MAX];
  uint32_t count;
  int64_t unwanted, list_ns;
  bool listed; // the start is over
};

#define FIELD(name, help, initial, type, field) {name, help, "", initial, type, offsetof(struct inlet, field), sizeof(((struct inlet *)0)->field), 0, 1, 0, 1, 0}
static const struct hadron_param params_rows[] = {
    LINK_PARAMS(inlet, options.link),
    FIELD("stream", "the stream that the other host publishes into", "HADRON", HADRON_PARAM_TEXT, options.stream),
    FIELD("prefix", "of its subjects, as in nats_out", "hadron", HADRON_PARAM_TEXT, options.prefix),
    FIELD("durable", "name of the consumer on the server: the place that outlives a restart; empty: this venue's name", "", HADRON_PARAM_TEXT, options.durable),
    FIELD("start", "where a new consumer begins: new, last (of each instrument), or all", "new", HADRON_PARAM_TEXT, options.start),
    FIELD("contiguous", "a jump in the other host's tick numbers is a gap too: if all its instruments are traded, and it has no threads", "false", HADRON_PARAM_BOOL, options.contiguous),
    FIELD("symbols", "instruments to list, beside those that the stream has when this host starts", "", HADRON_PARAM_TEXT, symbols),
    LINK_TIME(inlet, list_ns, "list_timeout", "how long a start waits for the stream's list of instruments", "2s"),
};

static void cell_set(struct inlet *v, enum cell cell, int64_t value) { __atomic_store_n(v->cells[cell], value, __ATOMIC_RELAXED); }

static void bell(void *self) {
  struct inlet *v = self;
  v->io->wake(v->host->instance);
}

static void tell(void *self, uint32_t level, const char *id, const char *text) {
  struct inlet *v = self;
  if (v->log) v->log->write(v->host->instance, level, id, text);
}

static int32_t inlet_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct inlet *v = calloc(1, sizeof *v);
  if (!v) return HADRON_ERR_MEMORY;
  snprintf(v->name, sizeof v->name, "%s", context->name);
  int32_t rc = feed_init(&v->feed, &v->options, v->name);
  if (rc != HADRON_OK) {
    free(v);
    return rc;
  }
  v->host = host;
  v->number = context->venue;
  v->venue = host->capability(host->instance, "hadron.venue/1");
  v->io = host->capability(host->instance, HADRON_CAP_IO);
  v->log = host->capability(host->instance, HADRON_CAP_LOG);
  v->feed.self = v;
  v->feed.ring_bell = bell;
  v->feed.tell = tell;
  const struct hadron_metrics *m = host->capability(host->instance, HADRON_CAP_METRICS);
  for (int i = 0; i < CELL_COUNT; i++) {
    v->cells[i] = &v->spare[i];
    if (m) m->open(host->instance, &metrics[i], &v->cells[i]);
  }
  *self = v;
  return HADRON_OK;
}

static void inlet_destroy(void *self) {
  struct inlet *v = self;
  feed_fini(&v->feed);
  free(v);
}

static int32_t refuse(struct inlet *v, const char *words) {
  v->venue->fail(v->host->instance, words);
  return HADRON_ERR_CONFIG;
}

static int32_t inlet_changed(void *self) {
  struct inlet *v = self;
  const struct feed_options *o = &v->options;
  char words[LINK_ERROR_SIZE];
  snprintf(v->feed.durable, sizeof v->feed.durable, "%s", o->durable[0] ? o->durable : v->name);
  if (link_check(&o->link, words) != HADRON_OK) return refuse(v, words);
  if (!o->stream[0] || strpbrk(o->stream, " .*>/\\\t") || strpbrk(v->feed.durable, " .*>/\\\t"))
    return refuse(v, "stream, durable: expected names without blanks, '.', '*', '>' and slashes; correct them");
  if (!subject_prefix_valid(o->prefix)) return refuse(v, "prefix: expected tokens joined by '.', without '*', '>', blanks and a '$' in front; correct it");
  if (strcmp(o->start, "new") != 0 && strcmp(o->start, "last") != 0 && strcmp(o->start, "all") != 0) return refuse(v, "start: expected new, last or all; correct it");
  return HADRON_OK;
}

// The handle of a listing, also of one that turns up while ticks flow: the host takes it in.
static uint32_t handle_of(struct inlet *v, const struct hadron_listing *l) {
  uint32_t handle = NO_HANDLE;
  return v->venue->resolve(v->host->instance, l, &handle) == HADRON_OK ? handle : NO_HANDLE;
}

static int32_t symbols_resolve(struct inlet *v) {
  for (const char *at = v->symbols; *at;) { // known by name alone: the universe or the defaults say the rest
    struct hadron_listing l = {.asset = 0};
    size_t size = strcspn(at, "\n");
    if (size >= sizeof l.symbol) return refuse(v, "symbols: expected names of up to 31 characters; shorten them");
    memcpy(l.symbol, at, size);
    memcpy(l.name, at, size);
    if (size) handle_of(v, &l);
    at += size + (at[size] == '\n');
  }
  return HADRON_OK;
}

static void hand_over(struct inlet *v) {
  if (v->count) v->venue->ticks(v->host->instance, v->ticks, v->count); // a live host takes all
  cell_set(v, CELL_TICKS, *v->cells[CELL_TICKS] + v->count);
  v->count = 0;
}

static void entry_handle(struct inlet *v, const struct entry *e, int64_t now_ns) {
  if (e->kind == ENTRY_TICK) {
    if (v->handles[e->slot] == NO_HANDLE) {
      v->unwanted++;
      return;
    }
    struct hadron_tick *t = &v->ticks[v->count++];
    *t = e->body.tick;
    t->instrument = v->handles[e->slot];
    t->venue = v->number;
    t->recv_ns = now_ns;
    if (v->count == TICKS_MAX) hand_over(v);
    return;
  }
  hand_over(v);
  if (e->kind == ENTRY_STATUS) {
    v->venue->status(v->host->instance, e->body.status.state, e->body.status.words);
    cell_set(v, CELL_CONNECTED, e->body.status.state == HADRON_VENUE_READY);
  } else if (e->kind == ENTRY_LISTED) {
    v->listed = true;
  } else {
    v->handles[e->slot] = handle_of(v, &e->body.listing);
  }
}

static int32_t inlet_start(void *self) {
  struct inlet *v = self;
  int32_t rc = symbols_resolve(v);
  if (rc == HADRON_OK && (rc = feed_start(&v->feed)) != HADRON_OK) v->venue->fail(v->host->instance, "nats_in: no thread could be started; free memory or raise the limit of processes");
  if (rc != HADRON_OK) return rc;
  int64_t until_ns = link_clock_ns(&v->feed.link) + v->list_ns, now_ns = v->host->now_ns(v->host->instance);
  while (!v->listed && link_clock_ns(&v->feed.link) < until_ns) {
    const struct entry *e = feed_take(&v->feed);
    if (e) {
      entry_handle(v, e, now_ns);
      feed_taken(&v->feed);
    } else {
      poll(NULL, 0, 2);
    }
  }
  v->listed = true;
  return HADRON_OK;
}

static void inlet_stop(void *self) {
  struct inlet *v = self;
  feed_settle(&v->feed);
  feed_stop(&v->feed);
  v->count = 0;
}

static int64_t inlet_poll(void *self, int64_t now_ns) {
  struct inlet *v = self;
  const struct feed_counts *c = &v->feed.counts;
  const struct entry *e = NULL;
  feed_settle(&v->feed); // what the poll before has taken
  for (int i = 0; i < POLL_MAX && (e = feed_take(&v->feed)); i++) {
    entry_handle(v, e, now_ns);
    feed_taken(&v->feed);
  }
  hand_over(v);
  cell_set(v, CELL_REPEATED, (int64_t)atomic_load_explicit(&c->repeated, memory_order_relaxed));
  cell_set(v, CELL_GAPS, (int64_t)atomic_load_explicit(&c->gaps, memory_order_relaxed));
  cell_set(v, CELL_UNNAMED, (int64_t)atomic_load_explicit(&c->unnamed, memory_order_relaxed) + v->unwanted);
  cell_set(v, CELL_BAD, (int64_t)atomic_load_explicit(&c->bad, memory_order_relaxed));
  cell_set(v, CELL_RECONNECTS, (int64_t)atomic_load_explicit(&c->reconnects, memory_order_relaxed));
  return e ? now_ns : INT64_MAX;
}

static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS, .create = inlet_create, .destroy = inlet_destroy,
                                            .start = inlet_start, .stop = inlet_stop, .poll = inlet_poll};

static const struct hadron_params params = {
    .struct_size = sizeof params, .count = sizeof params_rows / sizeof *params_rows, .params = params_rows, .changed = inlet_changed};

static const void *inlet_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

HADRON_PLUGIN(VENUE, "nats_in", "1.0.0", "ticks that another host publishes into a NATS JetStream", "hadron.venue/1 hadron.io/1", &api, inlet_capability);
