#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/server_internal.h"

// ---- the thread ------------------------------------------------------------------------------------------------------------------------------

static void run_errands(struct hd_bus *bus) {
  pthread_mutex_lock(&bus->lock);
  while (bus->errands) {
    struct hd_bus_errand *e = bus->errands;
    bus->errands = e->next;
    pthread_mutex_unlock(&bus->lock);
    e->function(e->argument);
    pthread_mutex_lock(&bus->lock);
    e->done = true;
    pthread_cond_broadcast(&bus->done);
  }
  pthread_mutex_unlock(&bus->lock);
}

static void take_inbox(struct hd_bus *bus) {
  uint32_t gone[HD_SOCKET_GONE_MAX], gone_count;
  struct hd_request *r = hd_inbox_take(&bus->inbox, gone, &gone_count);
  while (r) {
    struct hd_request *next = r->next; // the request may be on its way again once it is answered
    hd_peer_request(bus, r);
    r = next;
  }
  for (uint32_t i = 0; i < gone_count; i++) hd_peer_gone(bus, gone[i]); // after what it had still to say
}

static void *bus_main(void *argument) {
  struct hd_bus *bus = argument;
  while (!atomic_load_explicit(&bus->stop, memory_order_acquire)) {
    bus->now_ns = hd_clock_monotonic_ns();
    bus->wall_ns = hd_clock_wall_ns();
    run_errands(bus);
    take_inbox(bus);
    int64_t due_ns = hd_peers_work(bus);
    hd_bell_wait(&bus->bell, due_ns - hd_clock_monotonic_ns());
  }
  run_errands(bus);
  return NULL;
}

void hd_bus_ask(struct hd_bus *bus, void (*function)(void *argument), void *argument) {
  if (!bus->running || pthread_equal(pthread_self(), bus->thread)) {
    function(argument);
    return;
  }
  struct hd_bus_errand e = {.function = function, .argument = argument};
  pthread_mutex_lock(&bus->lock);
  struct hd_bus_errand **at = &bus->errands;
  while (*at) at = &(*at)->next;
  *at = &e;
  hd_bell_ring(&bus->bell);
  while (!e.done) pthread_cond_wait(&bus->done, &bus->lock);
  pthread_mutex_unlock(&bus->lock);
}

// ---- seats -----------------------------------------------------------------------------------------------------------------------------------

static void seat_free(struct hd_bus_seat *seat) {
  if (!seat) return;
  hd_stream_fini(&seat->stream);
  free(seat->params);
  free(seat);
}

void hd_bus_sits(struct hd_bus_seat *seat, uint32_t arm, const char *role) {
  atomic_store(&seat->arm, arm);
  atomic_store(&seat->role, role ? role : "");
}

static void attach_now(void *argument) {
  struct hd_bus_seat *seat = argument;
  seat->next = seat->bus->seats;
  seat->bus->seats = seat;
}

static int32_t open_door(struct hd_bus *bus, struct hd_bus_seat *seat, struct hd_fault *fault) {
  static _Atomic uint32_t count;
  const char *slash = strrchr(bus->worker_url, '/');
  if (!slash) return HADRON_OK; // this bus has no workers
  snprintf(seat->url, sizeof seat->url, "%.*s/w%u.ipc", (int)(slash - bus->worker_url), bus->worker_url, atomic_fetch_add(&count, 1) % 1000000);
  return hd_socket_also(&bus->sockets[bus->listener_count - 1], seat->url, &seat->listener, fault);
}

int32_t hd_bus_attach(struct hd_bus *bus, const struct hd_bus_expected *who, struct hd_bus_seat **out, struct hd_fault *fault) {
  HD_ASSERT(who->channel_count >= 1 && who->channel_count <= HD_SHARDS_MAX);
  struct hd_bus_seat *seat = calloc(1, sizeof *seat);
  const struct hd_stream_options options = {who->channels, who->channel_count, who->universe, who->universe_count, who->token != NULL, who->lock_step, who->shares};
  if (!seat || hd_stream_init(&seat->stream, &options) || (who->params && !(seat->params = strdup(who->params)))) {
    seat_free(seat);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: %s: no memory for its seat", who->name);
  }
  seat->bus = bus;
  hd_text_copy(seat->name, sizeof seat->name, who->name);
  hd_text_copy(seat->version, sizeof seat->version, who->version ? who->version : "");
  seat->declared = who->declared;
  HD_ASSERT(who->bar_count <= HD_BAR_KINDS_MAX);
  seat->bar_count = who->bar_count;
  if (who->bar_count) memcpy(seat->bars, who->bars, who->bar_count * sizeof *who->bars);
  seat->is_worker = who->token != NULL;
  seat->joined = who->again;
  if (who->token) memcpy(seat->token, who->token, sizeof seat->token);
  seat->lock_step = who->lock_step;
  seat->latency = who->latency;
  hd_bus_sits(seat, who->arm, who->role);
  seat->changed = who->changed;
  seat->self = who->self;
  seat->given = hd_channel_given(who->channels[0]);
  int32_t code = who->token ? open_door(bus, seat, fault) : HADRON_OK;
  if (code) {
    seat_free(seat);
    return code;
  }
  for (uint32_t i = 0; i < who->channel_count; i++) who->channels[i]->far_bell = &bus->bell;
  hd_bus_ask(bus, attach_now, seat);
  *out = seat;
  return HADRON_OK;
}

struct params_errand {
  struct hd_bus_seat *seat;
  char *params; // moved
};

static void params_now(void *argument) {
  const struct params_errand *e = argument;
  free(e->seat->params);
  e->seat->params = e->params;
}

void hd_bus_params(struct hd_bus *bus, struct hd_bus_seat *seat, const char *params) {
  struct params_errand e = {seat, strdup(params)};
  if (e.params) hd_bus_ask(bus, params_now, &e); // else the next WELCOME says what it said before
}

// Who comes under this name afterwards is told that it has no seat now, and may have one again.
static void remember(struct hd_bus *bus, const char *name) {
  for (uint32_t i = 0; i < bus->known_count; i++)
    if (strcmp(bus->known[i], name) == 0) return;
  void *grown = realloc(bus->known, (bus->known_count + 1) * sizeof *bus->known);
  if (!grown) return;
  bus->known = grown;
  hd_text_copy(bus->known[bus->known_count++], HADRON_NAME_SIZE, name);
}

static void detach_now(void *argument) {
  struct hd_bus_seat *seat = argument;
  if (!seat->is_worker) remember(seat->bus, seat->name);
  if (seat->peer) {
    seat->changed = NULL; // who detaches knows
    hd_peer_end(seat->peer, "its seat is gone");
  }
  for (struct hd_bus_seat **at = &seat->bus->seats; *at; at = &(*at)->next)
    if (*at == seat) {
      *at = seat->next;
      return;
    }
}

void hd_bus_detach(struct hd_bus *bus, struct hd_bus_seat *seat) {
  if (!seat) return;
  hd_bus_ask(bus, detach_now, seat);
  if (nng_listener_id(seat->listener) > 0) hd_socket_shut_one(seat->listener);
  for (uint32_t i = 0; i < seat->stream.channel_count; i++) seat->stream.channels[i]->far_bell = NULL;
  seat_free(seat);
}

struct figures_errand {
  const struct hd_bus_seat *seat;
  struct hd_bus_figures *out;
};

static void figures_now(void *argument) {
  const struct figures_errand *e = argument;
  const struct hd_bus_peer *p = e->seat->peer;
  *e->out = e->seat->figures;
  if (!p) return;
  hd_peer_figures(p, e->out);
  e->out->heard_ns = p->heard_ns;
  e->out->state = p->state;
  e->out->pid = p->pid;
  hd_text_copy(e->out->peer, sizeof e->out->peer, p->peer);
}

void hd_bus_figures(struct hd_bus *bus, struct hd_bus_seat *seat, struct hd_bus_figures *out) {
  struct figures_errand e = {seat, out};
  hd_bus_ask(bus, figures_now, &e);
}

// ---- life ------------------------------------------------------------------------------------------------------------------------------------

static const char *keep_text(struct hd_bus *bus, const char *text) {
  if (!text || !*text || bus->text_count == sizeof bus->texts / sizeof *bus->texts) return NULL;
  char *copy = strdup(text);
  if (copy) bus->texts[bus->text_count++] = copy;
  return copy;
}

static int32_t take_listener(struct hd_bus *bus, const struct hd_bus_listen *from, struct hd_fault *fault) {
  if (bus->listener_count == HD_BUS_LISTENERS_MAX)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus.sessions: expected at most %d addresses", HD_BUS_LISTENERS_MAX);
  struct hd_bus_listen *l = &bus->listeners[bus->listener_count++];
  *l = *from;
  l->url = keep_text(bus, from->url);
  l->tokens = keep_text(bus, from->tokens);
  l->certificate = keep_text(bus, from->certificate);
  l->key = keep_text(bus, from->key);
  l->ca = keep_text(bus, from->ca);
  l->crl = keep_text(bus, from->crl);
  return l->url ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: no memory for an address");
}

// The workers' address: a socket that this user alone reaches.
static int32_t worker_listener(struct hd_bus *bus, const char *directory, struct hd_fault *fault) {
  int length = snprintf(bus->worker_url, sizeof bus->worker_url, "ipc://%s/workers.ipc", directory);
  if (length >= 100 + 6) // struct sockaddr_un has 108 bytes
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus: %s: a socket's path has at most 100 bytes, found %d; use a shorter data_dir", bus->worker_url + 6, length - 6);
  if (mkdir(directory, 0700) && errno != EEXIST) return hd_fault_set(fault, HADRON_ERR_IO, "bus: making %s: %s", directory, strerror(errno));
  struct stat is;
  if (lstat(directory, &is) || !S_ISDIR(is.st_mode) || (is.st_mode & 077))
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "bus: %s: expected a directory of mode 0700; others could talk to the host as its workers", directory);
  bus->listeners[bus->listener_count++] = (struct hd_bus_listen){.url = bus->worker_url, .rights = HD_BUS_TRADE, .only_workers = true};
  return HADRON_OK;
}

static void defaults(struct hd_bus_options *o) {
  if (!o->heartbeat_ns) o->heartbeat_ns = 100000000;
  if (!o->stale_after_ns) o->stale_after_ns = 300000000;
  if (!o->session_keep_ns) o->session_keep_ns = INT64_C(30000000000);
  if (!o->window) o->window = 2;
  if (!o->sessions_max) o->sessions_max = 64;
  if (!o->decisions_per_second) o->decisions_per_second = 1000;
}

static int32_t open_sockets(struct hd_bus *bus, struct hd_fault *fault) {
  if (!(bus->sockets = calloc(bus->listener_count + 1, sizeof *bus->sockets))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: no memory for its sockets");
  for (uint32_t i = 0; i < bus->listener_count; i++) {
    uint32_t requests = 8 * bus->options.sessions_max + 16;
    bus->socket_count = i + 1;
    int32_t code = hd_socket_open(&bus->sockets[i], &bus->inbox, bus->lobby, &bus->listeners[i], requests, 2 * bus->options.sessions_max + 16, fault);
    if (code) return code;
  }
  return HADRON_OK;
}

// NNG allocates every message and frees it. Packets of this size would each be mapped, cleared page by page and unmapped.
static void keep_packets_mapped(void) {
  mallopt(M_MMAP_THRESHOLD, 2 * HADRON_PACKET_MAX);
  mallopt(M_TRIM_THRESHOLD, 4 * HADRON_PACKET_MAX);
}

int32_t hd_bus_create(const struct hd_bus_options *options, struct hd_bus **out, struct hd_fault *fault) {
  struct hd_bus *bus = aligned_alloc(_Alignof(struct hd_bus), sizeof *bus);
  if (!bus) return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: no memory");
  memset(bus, 0, sizeof *bus);
  keep_packets_mapped();
  bus->options = *options;
  defaults(&bus->options);
  HD_ASSERT(bus->options.sessions_max <= HD_BUS_SESSIONS_MAX && bus->options.window <= HADRON_WINDOW_MAX);
  bus->options.host = keep_text(bus, options->host);
  bus->options.listeners = NULL;
  bus->epoch = options->epoch;
  bus->starting = options->starting;
  while (!bus->epoch)
    if (getrandom(&bus->epoch, sizeof bus->epoch, 0) != sizeof bus->epoch) bus->epoch = 0;
  pthread_mutex_init(&bus->lock, NULL);
  pthread_cond_init(&bus->done, NULL);
  int32_t code = hd_inbox_init(&bus->inbox, &bus->bell);
  if (!code && !(bus->packet = malloc(HADRON_PACKET_MAX))) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: no memory for its answers");
  for (uint32_t i = 0; !code && i < options->listener_count; i++) code = take_listener(bus, &options->listeners[i], fault);
  if (!code && options->directory) code = worker_listener(bus, options->directory, fault);
  if (!code && (code = hd_lobby_create(options->handshake_ns, options->quiet_ns, &bus->lobby)))
    hd_fault_set(fault, code, "bus: the descriptors of the host cannot be looked at in /proc/self/fd, or a thread cannot be started: %s; mount /proc", hadron_error_text(code));
  if (!code) code = open_sockets(bus, fault);
  if (!code && pthread_create(&bus->thread, NULL, bus_main, bus)) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: its thread could not be started");
  else if (!code) bus->running = true;
  if (code) {
    hd_bus_destroy(bus);
    return code;
  }
  pthread_setname_np(bus->thread, "hd-bus");
  *out = bus;
  return HADRON_OK;
}

static void end_peers(void *argument) {
  struct hd_bus *bus = argument;
  while (bus->peer_count) hd_peer_end(bus->peers[0], "the host stops");
}

struct publish_errand {
  struct hd_bus *bus;
  struct hd_feed *feed;
};

static void publish_now(void *argument) {
  const struct publish_errand *e = argument;
  e->bus->feed = e->feed;
}

int32_t hd_bus_publish(struct hd_bus *bus, const struct hd_feed_options *options, struct hd_fault *fault) {
  struct hd_feed_options o = *options;
  struct hd_feed *feed;
  HD_ASSERT(!bus->feed);
  o.epoch = bus->epoch;
  o.heartbeat_ns = bus->options.heartbeat_ns;
  o.answered = &bus->bell;
  o.lobby = bus->lobby;
  int32_t code = hd_feed_create(&o, &feed, fault);
  if (code) return code;
  struct publish_errand e = {bus, feed};
  hd_bus_ask(bus, publish_now, &e);
  return HADRON_OK;
}

const struct hd_feed *hd_bus_feed(const struct hd_bus *bus) { return bus->feed; }

void hd_bus_destroy(struct hd_bus *bus) {
  if (!bus) return;
  if (bus->running) {
    hd_bus_ask(bus, end_peers, bus);
    atomic_store_explicit(&bus->stop, true, memory_order_release);
    hd_bell_ring(&bus->bell);
    pthread_join(bus->thread, NULL);
    bus->running = false;
  }
  HD_ASSERT(!bus->seats);
  while (bus->peer_count) hd_peer_end(bus->peers[0], "the host stops"); // who came in between
  for (uint32_t i = 0; i < bus->socket_count; i++) hd_socket_close(&bus->sockets[i]);
  hd_feed_destroy(bus->feed);
  hd_lobby_destroy(bus->lobby);
  free(bus->packet);
  free(bus->known);
  free(bus->sockets);
  hd_inbox_fini(&bus->inbox);
  pthread_cond_destroy(&bus->done);
  pthread_mutex_destroy(&bus->lock);
  for (uint32_t i = 0; i < bus->text_count; i++) free(bus->texts[i]);
  free(bus);
}

const char *hd_bus_worker_url(const struct hd_bus *bus) { return bus->worker_url; }
const char *hd_bus_seat_url(const struct hd_bus_seat *seat) { return seat->url; }
uint64_t hd_bus_epoch(const struct hd_bus *bus) { return bus->epoch; }
void hd_bus_started(struct hd_bus *bus) { atomic_store(&bus->starting, false); }
