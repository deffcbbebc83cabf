#include <string.h>

#include <nng/nng.h>

#include <nng/protocol/pubsub0/pub.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "bus/feed_internal.h"
#include "bus/hangup.h"

#define READ_MAX 4096               // records between two looks at everything else
#define SUB_PROTOCOL 0x21           // SP's number of who dials a feed
#define IDLE_NS INT64_C(1000000)    // nobody rings when the journal grows: that is how long the news may wait

// ---- what is published ---------------------------------------------------------------------------------------------------------------------------

// What only a recovery, or a run that is held against its journal, needs is not told.
bool hd_feed_is_event(uint16_t template_id) {
  static const uint64_t kept_back = UINT64_C(1) << HADRON_MSG_TICK | UINT64_C(1) << HADRON_MSG_HEARD | UINT64_C(1) << HADRON_MSG_TIMER | UINT64_C(1) << HADRON_MSG_MARK |
                                    UINT64_C(1) << HADRON_MSG_VENUE_REPORT | UINT64_C(1) << HADRON_MSG_TICK_REJECT | UINT64_C(1) << HADRON_MSG_SHARE;
  return template_id < 64 && template_id > 0 && !(kept_back >> template_id & 1);
}

struct hd_feed_stream *hd_feed_stream_of(struct hd_feed *f, const struct hadron_record *r) {
  if (r->template_id != HADRON_MSG_TICK) return hd_feed_is_event(r->template_id) ? f->streams[0] : NULL;
  struct hadron_tick t;
  if (r->block_length < sizeof t) return NULL;
  memcpy(&t, r->bytes, sizeof t);
  uint32_t shard = f->options.journal.shard_of(f->options.journal.self, t.instrument);
  return shard + 1 < f->stream_count ? f->streams[1 + shard] : NULL;
}

void hd_feed_write_end(struct hd_feed_writer *w) {
  if (w->count) hd_frame_end(w->packet, w->count);
  w->count = 0;
}

bool hd_feed_write(struct hd_feed_writer *w, const struct hadron_record *r, uint64_t number) {
  bool alone = r->size != r->block_length; // what has a variable part has a frame for itself
  if (w->count && (w->template_id != r->template_id || alone || w->count == UINT16_MAX)) hd_feed_write_end(w);
  if (!w->count) {
    const struct hadron_frame head = hd_frame_head(w->topic, w->stream, w->epoch, HADRON_FRAME_DATA, 0, number);
    const struct hadron_message_header header = hd_frame_header(r->template_id, r->block_length);
    if (hd_frame_left(w->packet) < sizeof head + sizeof header + r->size || !hd_frame_begin(w->packet, &head)) return false;
    memcpy(hd_frame_more(w->packet, sizeof header), &header, sizeof header);
  }
  void *to = hd_frame_more(w->packet, r->size);
  if (!to) {
    hd_feed_write_end(w);
    return false;
  }
  memcpy(to, r->bytes, r->size);
  w->template_id = r->template_id;
  w->count++;
  if (alone) hd_feed_write_end(w);
  return true;
}

static struct hd_feed_writer writer_of(struct hd_feed *f, struct hd_feed_stream *s) {
  return (struct hd_feed_writer){&s->packet, s->topic, s->id, f->options.epoch, s->template_id, s->count};
}

static void publish(struct hd_feed *f, struct hd_feed_stream *s, int64_t now_ns) {
  struct hd_feed_writer w = writer_of(f, s);
  hd_feed_write_end(&w);
  s->count = 0;
  for (uint32_t i = 0; s->packet.size > 0 && i < f->listener_count; i++) {
    struct hd_feed_listener *l = &f->listeners[i];
    nng_msg *m;
    if (l->events != s->events || atomic_load_explicit(&l->pipes, memory_order_relaxed) == 0 || nng_msg_alloc(&m, s->packet.size)) continue;
    memcpy(nng_msg_body(m), s->packet.bytes, s->packet.size);
    if (nng_sendmsg(l->socket, m, NNG_FLAG_NONBLOCK)) nng_msg_free(m); // a gap, which its numbers show
  }
  atomic_fetch_add_explicit(&f->packets, 1, memory_order_relaxed);
  hd_packet_init(&s->packet, s->bytes, sizeof s->bytes);
  s->sent_ns = now_ns;
}

// The place of a message, where it is kept.
static void note_place(struct hd_feed_stream *s, uint64_t position) {
  if ((s->next - 1) % HD_FEED_STEP) return;
  if (s->place_count == HD_FEED_PLACES) { // the older half goes
    s->place_count /= 2;
    s->skipped += s->place_count;
    memmove(s->places, s->places + s->place_count, s->place_count * sizeof *s->places);
  }
  if (s->place_count == s->place_room) {
    uint32_t room = s->place_room ? s->place_room * 2 : 1024;
    uint64_t *more = realloc(s->places, room * sizeof *more);
    if (!more) { // everything so far cannot be repaired any more
      s->skipped += s->place_count;
      s->place_count = 0;
      if (!s->place_room) return;
    } else {
      s->places = more;
      s->place_room = room;
    }
  }
  s->places[s->place_count++] = position;
}

static void record(struct hd_feed *f, const struct hadron_record *r, int64_t now_ns) {
  struct hd_feed_stream *s = hd_feed_stream_of(f, r);
  hd_feed_state_fold(f, r);
  if (!s) return;
  note_place(s, r->position);
  for (int twice = 0; twice < 2; twice++) {
    struct hd_feed_writer w = writer_of(f, s);
    bool fits = hd_feed_write(&w, r, s->next);
    s->template_id = w.template_id;
    s->count = w.count;
    if (fits) break;
    publish(f, s, now_ns); // a message larger than a packet is a gap: REPAIR has more room
  }
  s->next++;
  atomic_fetch_add_explicit(&f->messages, 1, memory_order_relaxed);
}

// Reads what is there. False: there is nothing more.
static bool read_some(struct hd_feed *f, int64_t now_ns) {
  const struct hd_feed_journal *j = &f->options.journal;
  struct hadron_record r;
  uint32_t count = 0;
  while (count < READ_MAX && j->next(j->self, f->cursor, &r) == HADRON_OK) {
    record(f, &r, now_ns);
    count++;
  }
  for (uint32_t i = 0; i < f->stream_count; i++)
    if (f->streams[i]->packet.size > 0) publish(f, f->streams[i], now_ns);
  return count == READ_MAX;
}

static void heartbeats(struct hd_feed *f, int64_t now_ns, int64_t wall_ns) {
  for (uint32_t i = 0; i < f->stream_count; i++) {
    struct hd_feed_stream *s = f->streams[i];
    if (now_ns - s->sent_ns < f->options.heartbeat_ns) continue;
    const struct hadron_frame head = hd_frame_head(s->topic, s->id, f->options.epoch, HADRON_FRAME_HEARTBEAT, 0, s->next);
    hd_frame_put(&s->packet, &head, &wall_ns, sizeof wall_ns);
    publish(f, s, now_ns);
    atomic_fetch_add_explicit(&f->heartbeats, 1, memory_order_relaxed);
  }
}

static int32_t start_listener(struct hd_feed_listener *l, struct hd_fault *fault);

static void shut_listener(struct hd_feed_listener *l) {
  hd_door_close(&l->door);
  if (nng_listener_id(l->listener) > 0) hd_listener_hang_up(l->listener), nng_listener_close(l->listener);
  l->listener = (nng_listener)NNG_LISTENER_INITIALIZER;
}

// Subscribers say no HELLO: who was revoked is found by listening anew. All others come back, and what they missed is repaired. [feed]
static void renew(struct hd_feed *f, int64_t now_ns) {
  for (uint32_t i = 0; i < f->listener_count; i++) {
    struct hd_feed_listener *l = &f->listeners[i];
    enum hd_tls_change changed = HD_TLS_SAME;
    struct hd_fault fault = {0};
    if (!l->proof) continue;
    if (hd_proof_refresh(l->proof, now_ns, &changed, &fault)) hd_log_error("FEED_TLS", "%s: %s; what was read before stays in force", l->listen.url, fault.text);
    if (changed == HD_TLS_SAME && (!l->shut || now_ns < l->again_ns)) continue;
    shut_listener(l);
    bool was_shut = l->shut;
    l->shut = start_listener(l, &fault) != HADRON_OK;
    l->again_ns = now_ns + 1000000000;
    if (l->shut && !was_shut) hd_log_error("FEED_TLS", "%s; trying again", fault.text);
    if (!l->shut) hd_log_info("FEED_TLS", "%s: listens anew, with the certificates and revocations of now", l->listen.url);
  }
}

// [feed]
static void doors(struct hd_feed *f, int64_t now_ns) {
  for (uint32_t i = 0; i < f->listener_count; i++) {
    struct hd_feed_listener *l = &f->listeners[i];
    struct hd_fault fault = {0};
    bool stuck = hd_door_stuck(&l->door, l->listen.url, l->listener, SUB_PROTOCOL, atomic_load(&l->accepted), now_ns);
    if (!stuck && (l->proof || !l->shut || now_ns < l->again_ns)) continue;
    shut_listener(l);
    l->shut = start_listener(l, &fault) != HADRON_OK;
    l->again_ns = now_ns + 1000000000;
    if (l->shut) hd_log_error("FEED_DOOR", "%s; trying again", fault.text);
    else hd_log_warn("FEED_DOOR", "%s: let nobody in any more, since somebody went in the middle of a greeting (nng issue 1518); it listens anew, and what is missed is repaired", l->listen.url);
  }
}

static void *feed_main(void *argument) {
  struct hd_feed *f = argument;
  while (!atomic_load_explicit(&f->stop, memory_order_acquire)) {
    int64_t now_ns = hd_clock_monotonic_ns(), wall_ns = hd_clock_wall_ns();
    bool more = read_some(f, now_ns);
    heartbeats(f, now_ns, wall_ns);
    hd_feed_jobs_work(f, wall_ns);
    renew(f, now_ns);
    doors(f, now_ns);
    if (!more) hd_bell_wait(&f->bell, IDLE_NS);
  }
  return NULL;
}

// ---- life ------------------------------------------------------------------------------------------------------------------------------------------

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument) {
  struct hd_feed_listener *l = argument;
  if (event == NNG_PIPE_EV_REM_POST) {
    atomic_fetch_sub(&l->pipes, 1);
    hd_lobby_out(l->lobby, pipe);
    return;
  }
  atomic_fetch_add(&l->accepted, 1);
  bool room = atomic_fetch_add(&l->pipes, 1) < HD_FEED_PIPES_MAX;
  if (room && hd_lobby_in(l->lobby, pipe, false)) return;
  if (!room) atomic_fetch_add(&l->turned_away, 1);
  nng_pipe_close(pipe);
}

static const char *copied(const char *text) { return text && *text ? strdup(text) : NULL; }

static int32_t listen_now(struct hd_feed_listener *l, struct hd_fault *fault) {
  const char *url = l->listen.url;
  int error = nng_listener_create(&l->listener, l->socket, url);
  if (error) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "feed: %s: NNG refuses this address: %s", url, nng_strerror(error));
  if (strncmp(url, "ipc:", 4) == 0) nng_listener_set_int(l->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
  if (l->proof && (error = nng_listener_set_ptr(l->listener, NNG_OPT_TLS_CONFIG, hd_proof_config(l->proof))))
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "feed: %s: NNG takes no TLS here: %s", url, nng_strerror(error));
  if ((error = nng_listener_start(l->listener, 0))) return hd_fault_set(fault, HADRON_ERR_IO, "feed: %s: cannot listen: %s; is another host there?", url, nng_strerror(error));
  return HADRON_OK;
}

static int32_t start_listener(struct hd_feed_listener *l, struct hd_fault *fault) {
  int32_t code = listen_now(l, fault);
  hd_lobby_watch(l->lobby, l, code ? (nng_listener)NNG_LISTENER_INITIALIZER : l->listener); // one that does not listen has no address
  return code;
}

static int32_t open_listener(struct hd_feed_listener *l, struct hd_lobby *lobby, const struct hd_bus_listen *from, struct hd_fault *fault) {
  int32_t code = hd_listen_check(from, fault);
  if (code) return code;
  l->listen = (struct hd_bus_listen){.url = copied(from->url), .certificate = copied(from->certificate), .key = copied(from->key), .ca = copied(from->ca), .crl = copied(from->crl)};
  if (!l->listen.url) return hd_fault_set(fault, HADRON_ERR_MEMORY, "feed: no memory for an address");
  l->events = from->rights == HD_BUS_ADMIN;
  l->lobby = lobby;
  const char *url = l->listen.url;
  const struct hd_tls_files files = {l->listen.certificate, l->listen.key, l->listen.ca, l->listen.crl};
  bool tls = strncmp(url, "tls", 3) == 0 || strncmp(url, "wss", 3) == 0;
  // Every peer of a PUB socket gets every topic: whom the handshake lets in may see what is published here.
  if (tls && (code = hd_proof_open(&files, l->events ? HD_CERT_ADMIN : HD_CERT_READ, 16, &l->proof, fault))) return hd_fault_prefix(fault, "feed: %s: ", url);
  int error = nng_pub0_open(&l->socket);
  if (error) return hd_fault_set(fault, HADRON_ERR_MEMORY, "feed: %s: %s", url, nng_strerror(error));
  l->open = true;
  nng_socket_set_size(l->socket, NNG_OPT_RECVMAXSZ, 65536); // a subscriber has nothing to say
  nng_socket_set_int(l->socket, NNG_OPT_SENDBUF, HD_FEED_SENDBUF);
  nng_pipe_notify(l->socket, NNG_PIPE_EV_ADD_POST, on_pipe, l);
  nng_pipe_notify(l->socket, NNG_PIPE_EV_REM_POST, on_pipe, l);
  return start_listener(l, fault);
}

static int32_t open_streams(struct hd_feed *f) {
  if (!(f->streams = calloc(f->options.shards + 1, sizeof(struct hd_feed_stream *)))) return HADRON_ERR_MEMORY;
  int64_t now_ns = hd_clock_monotonic_ns();
  for (uint32_t i = 0; i <= f->options.shards; i++) {
    struct hd_feed_stream *s = f->streams[i] = calloc(1, sizeof *s);
    if (!s) return HADRON_ERR_MEMORY;
    f->stream_count = i + 1;
    s->topic = i ? HADRON_TOPIC_TICKS : HADRON_TOPIC_EVENTS;
    s->id = i ? i : 1;
    s->events = i == 0;
    s->next = 1;
    s->sent_ns = now_ns;
    hd_packet_init(&s->packet, s->bytes, sizeof s->bytes);
  }
  return HADRON_OK;
}

static int32_t open_cursors(struct hd_feed *f, struct hd_fault *fault) {
  const struct hd_feed_journal *j = &f->options.journal;
  int32_t code = j->open(j->self, &f->cursor);
  if (!code) code = j->open(j->self, &f->repair_cursor);
  if (!code) code = j->seek(j->self, f->cursor, f->options.from);
  return code ? hd_fault_set(fault, code, "feed: the journal cannot be read: %s", hadron_error_text(code)) : HADRON_OK;
}

int32_t hd_feed_create(const struct hd_feed_options *options, struct hd_feed **out, struct hd_fault *fault) {
  struct hd_feed *f = aligned_alloc(_Alignof(struct hd_feed), sizeof *f);
  if (!f) return hd_fault_set(fault, HADRON_ERR_MEMORY, "feed: no memory");
  memset(f, 0, sizeof *f);
  f->options = *options;
  f->options.listeners = NULL; // they were the caller's
  pthread_mutex_init(&f->lock, NULL);
  HD_ASSERT(options->listener_count <= HD_BUS_LISTENERS_MAX);
  int32_t code = hd_feed_state_init(f) || open_streams(f) ? hd_fault_set(fault, HADRON_ERR_MEMORY, "feed: no memory for %u streams", options->shards + 1) : HADRON_OK;
  if (!code) code = open_cursors(f, fault);
  for (uint32_t i = 0; !code && i < options->listener_count; i++) {
    f->listener_count = i + 1;
    code = open_listener(&f->listeners[i], options->lobby, &options->listeners[i], fault);
  }
  if (!code && pthread_create(&f->thread, NULL, feed_main, f)) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "feed: its thread could not be started");
  else if (!code) f->running = true;
  if (code) {
    hd_feed_destroy(f);
    return code;
  }
  pthread_setname_np(f->thread, "hd-feed");
  hd_log_info("FEED", "publishes as epoch %llu", (unsigned long long)options->epoch);
  *out = f;
  return HADRON_OK;
}

void hd_feed_destroy(struct hd_feed *f) {
  if (!f) return;
  if (f->running) {
    atomic_store_explicit(&f->stop, true, memory_order_release);
    hd_bell_ring(&f->bell);
    pthread_join(f->thread, NULL);
  }
  const struct hd_feed_journal *j = &f->options.journal;
  for (uint32_t i = 0; i < f->listener_count; i++) {
    struct hd_feed_listener *l = &f->listeners[i];
    if (l->open) shut_listener(l);
    if (l->open) nng_pipe_notify(l->socket, NNG_PIPE_EV_ADD_POST, NULL, NULL), nng_pipe_notify(l->socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
    if (l->open) hd_nng_close(l->socket);
    hd_proof_close(l->proof);
    const char *texts[] = {l->listen.url, l->listen.certificate, l->listen.key, l->listen.ca, l->listen.crl};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free((char *)(uintptr_t)texts[k]);
  }
  for (uint32_t i = 0; i < f->stream_count; i++) {
    free(f->streams[i]->places);
    free(f->streams[i]);
  }
  free(f->streams);
  for (uint32_t i = 0; i < HD_FEED_JOBS; i++) free(f->jobs[i].bytes);
  if (f->cursor) j->close(j->self, f->cursor);
  if (f->repair_cursor) j->close(j->self, f->repair_cursor);
  hd_feed_state_fini(f);
  pthread_mutex_destroy(&f->lock);
  free(f);
}

void hd_feed_figures(const struct hd_feed *f, struct hd_feed_figures *out) {
  *out = (struct hd_feed_figures){.messages = atomic_load(&f->messages), .packets = atomic_load(&f->packets), .heartbeats = atomic_load(&f->heartbeats),
                                  .repairs = atomic_load(&f->repairs), .repaired = atomic_load(&f->repaired), .snapshots = atomic_load(&f->snapshots),
                                  .too_old = atomic_load(&f->too_old), .busy = atomic_load(&f->busy)};
  for (uint32_t i = 0; i < f->listener_count; i++) out->subscribers += atomic_load(&f->listeners[i].pipes), out->turned_away += atomic_load(&f->listeners[i].turned_away);
}
