// A feed: what is published to everybody, made whole by asking over a session for what did not come.
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define MS INT64_C(1000000)
#define STREAMS_MAX 256 // shards of a host are fewer
#define RECEIVE_BUFFER 8192
#define SUB_BUSY 1
#define SUB_DONE 2
#define STALE_HEARTBEATS 3
#define SILENT_STALES 8 // so many stale times without a packet: the connection is taken for dead
#define ANSWER_WAIT (2000 * MS) // of a repair, REQ's own repetitions among it

struct feed_stream {
  uint32_t id;
  struct hc_stream stream;
  // A snapshot that comes in several answers: rows so far, of which life, and the lowest of the numbers that they stand for. rows 0: none begun.
  uint64_t rows, rows_epoch, rows_next;
};

struct feed_item { // what waits to be given out, in order: a packet, or an event
  struct hc_packet *packet; // NULL: the event
  uint64_t from;
  struct hadron_event event;
};

struct hadron_feed {
  struct hc_bell bell;
  struct hc_place place;
  char topic[8];
  nng_socket socket;
  nng_dialer dialer;
  struct hc_presence *presence; // owned
  nng_aio *aio;
  _Atomic uint32_t receiving; // SUB_BUSY, SUB_DONE
  bool open;
  struct hc_patience patience;   // with a socket that has no connection, or one that says nothing
  int64_t heard_ns;
  _Atomic bool woken;
  struct hadron_client *session; // NULL: none, or refused for good
  int64_t session_ns;            // when it wants to be looked at, besides when it rings
  struct hc_stream_limits limits;
  uint64_t seed;
  struct feed_stream *streams[STREAMS_MAX];
  uint32_t stream_count;
  uint32_t turn;                 // whose gap is asked for next
  struct feed_stream *asked;     // whose question is on its way; NULL: none
  enum hc_question question;
  struct feed_item *items;       // a queue that grows up to what a stream holds
  uint32_t item_first, item_count, item_room;
  struct hc_packet *current;
  uint64_t from;
  char words[256];               // of a session that was refused
  int64_t host_ns;
  struct hadron_feed_figures figures;
};

// ---- what waits to be given out ----------------------------------------------------------------------------------------------------------------

static bool items_grow(struct hadron_feed *f) {
  uint32_t room = f->item_room ? 2 * f->item_room : 64;
  struct feed_item *items = calloc(room, sizeof *items);
  if (!items) return false;
  for (uint32_t i = 0; i < f->item_count; i++) items[i] = f->items[(f->item_first + i) % f->item_room];
  free(f->items);
  f->items = items;
  f->item_first = 0;
  f->item_room = room;
  return true;
}

static void add_item(struct hadron_feed *f, const struct feed_item *item) {
  if (f->item_count == f->item_room && !items_grow(f)) {
    hc_packet_free(item->packet);
    return;
  }
  f->items[(f->item_first + f->item_count++) % f->item_room] = *item;
}

static void add_packet(struct hadron_feed *f, struct hc_packet *p, uint64_t from) { add_item(f, &(struct feed_item){.packet = p, .from = from}); }

static void add_event(struct hadron_feed *f, const struct feed_stream *s, uint32_t kind, uint64_t sequence, uint64_t lost) {
  add_item(f, &(struct feed_item){.event = {.kind = kind, .epoch = s->stream.epoch, .stream = s->id, .sequence = sequence, .lost = lost}});
}

static bool next_item(struct hadron_feed *f, struct hadron_event *out) {
  for (;;) {
    if (f->current && hc_packet_event(f->current, f->from, NULL, out)) {
      f->figures.messages += out->count;
      out->host_ns = f->host_ns;
      return true;
    }
    hc_packet_free(f->current);
    f->current = NULL;
    if (f->item_count == 0) return false;
    struct feed_item item = f->items[f->item_first];
    f->item_first = (f->item_first + 1) % f->item_room;
    f->item_count--;
    f->current = item.packet;
    f->from = item.from;
    if (item.packet) continue;
    *out = item.event;
    out->host_ns = f->host_ns;
    return true;
  }
}

// What a stream has to tell: before anything that comes after it.
static void tell(struct hadron_feed *f, struct feed_stream *s) {
  uint64_t from, to;
  if (hc_stream_was_reset(&s->stream)) {
    s->rows = 0;
    add_event(f, s, HADRON_EVENT_RESET, 0, 0);
  }
  if (hc_stream_lost(&s->stream, &from, &to)) add_event(f, s, HADRON_EVENT_LOST, from, to - from);
}

// That, and what waited in it and is next now.
static void settle(struct hadron_feed *f, struct feed_stream *s, int64_t now) {
  struct hc_piece piece;
  uint64_t skip;
  tell(f, s);
  while (hc_stream_take(&s->stream, now, &piece, &skip)) add_packet(f, piece.of, piece.from + skip);
}

// ---- what was published ------------------------------------------------------------------------------------------------------------------------

static void packet_go(void *self, void *packet) {
  (void)self;
  hc_packet_free(packet);
}

static struct feed_stream *stream_of(struct hadron_feed *f, uint32_t id) {
  for (uint32_t i = 0; i < f->stream_count; i++)
    if (f->streams[i]->id == id) return f->streams[i];
  if (f->stream_count == STREAMS_MAX) return NULL;
  struct feed_stream *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->id = id;
  if (hc_stream_init(&s->stream, &f->limits, f->seed + id, packet_go, f) != HADRON_OK) {
    free(s);
    return NULL;
  }
  return f->streams[f->stream_count++] = s;
}

// A packet with numbers, from the publisher or from a repair. Moved.
static void numbers_came(struct hadron_feed *f, struct feed_stream *s, struct hc_packet *p, int64_t now) {
  struct hc_piece piece = {p->from, p->to, p};
  uint64_t skip, before = s->stream.next;
  enum hc_verdict verdict = hc_stream_offer(&s->stream, p->head.epoch, &piece, now, &skip);
  tell(f, s);
  if (p->flags & HADRON_EVENT_REPAIRED && verdict == HC_DELIVER) f->figures.repaired += s->stream.next - before;
  if (verdict == HC_DELIVER)
    add_packet(f, p, p->from + skip);
  else if (verdict != HC_HELD)
    hc_packet_free(p);
  settle(f, s, now);
}

static void published(struct hadron_feed *f, nng_msg *msg, int64_t now) {
  struct hc_packet *p = hc_packet_open(msg, false);
  struct feed_stream *s = p && memcmp(p->head.topic, f->topic, sizeof f->topic) == 0 ? stream_of(f, p->head.stream) : NULL;
  f->figures.packets++;
  if (!s) {
    f->figures.damaged++;
    hc_packet_free(p);
    return;
  }
  f->heard_ns = now;
  f->patience.limit_ns = HC_PATIENCE_MIN;
  if (p->heartbeat) f->host_ns = p->host_ns;
  if (p->heartbeat && p->from == p->to) {
    hc_stream_heartbeat(&s->stream, p->head.epoch, p->next, now);
    settle(f, s, now);
  }
  if (p->to > p->from)
    numbers_came(f, s, p, now);
  else
    hc_packet_free(p);
}

// [nng]
static void received(void *self) {
  struct hadron_feed *f = self;
  atomic_store_explicit(&f->receiving, SUB_DONE, memory_order_release);
  hc_bell_ring(&f->bell);
}

// What NNG has, until there is something to give out: the rest is better kept there, where its bound is.
static void receive(struct hadron_feed *f, int64_t now) {
  nng_msg *msg;
  while (f->item_count == 0 && !f->current && atomic_load_explicit(&f->receiving, memory_order_acquire) == SUB_DONE) {
    if (nng_aio_result(f->aio) == 0 && (msg = nng_aio_get_msg(f->aio))) {
      nng_aio_set_msg(f->aio, NULL);
      published(f, msg, now);
    } else if (nng_recvmsg(f->socket, &msg, NNG_FLAG_NONBLOCK) == 0) {
      published(f, msg, now);
    } else {
      atomic_store_explicit(&f->receiving, SUB_BUSY, memory_order_relaxed);
      nng_recv_aio(f->socket, f->aio);
    }
  }
}

// ---- what is asked for -------------------------------------------------------------------------------------------------------------------------

static void ask(struct hadron_feed *f, int64_t now) {
  for (uint32_t i = 0; i < f->stream_count && !f->asked; i++) {
    struct feed_stream *s = f->streams[f->turn++ % f->stream_count];
    uint64_t from = 0, to = 0;
    enum hc_question q = hc_stream_ask(&s->stream, now, &from, &to);
    settle(f, s, now); // without a session a gap is given up here
    if (q == HC_NOTHING || !f->session) continue;
    struct hadron_repair what = {.stream = s->id, .epoch = s->stream.epoch, .from = from, .to = to};
    memcpy(what.topic, f->topic, sizeof what.topic);
    if (q == HC_SNAPSHOT) what.from = s->rows_epoch == what.epoch ? s->rows : 0;
    if (!hc_session_ask(f->session, q == HC_REPAIR ? HADRON_FRAME_REPAIR : HADRON_FRAME_SNAPSHOT, &what)) return;
    hc_stream_asked(&s->stream, now);
    f->asked = s;
    f->question = q;
    f->figures.repairs += q == HC_REPAIR;
  }
}

static void snapshot_came(struct hadron_feed *f, struct feed_stream *s, struct hc_packet *p, int64_t now) {
  if (!p->heartbeat || (s->rows && p->head.epoch != s->rows_epoch)) { // it does not say what it stands for; or another life goes on with it
    s->rows = 0;
    hc_stream_failed(&s->stream, now, 0);
    hc_packet_free(p);
    return;
  }
  uint64_t next = s->rows && s->rows_next < p->next ? s->rows_next : p->next;
  bool more = p->more && p->rows > 0;
  s->rows += p->rows;
  s->rows_epoch = p->head.epoch;
  s->rows_next = next;
  p->flags |= HADRON_EVENT_OF_SNAPSHOT;
  if (more) {
    hc_stream_answered(&s->stream, now);
    add_packet(f, p, 0);
    return;
  }
  s->rows = 0;
  hc_stream_snapshot(&s->stream, p->head.epoch, next, now);
  tell(f, s);
  add_packet(f, p, 0);
  add_event(f, s, HADRON_EVENT_SNAPSHOT, next, 0);
  settle(f, s, now);
}

static void answered(struct hadron_feed *f, struct hc_packet *p, int64_t now) {
  struct feed_stream *s = f->asked;
  int64_t wait = 0;
  f->asked = NULL;
  if (!s) {
    hc_packet_free(p);
    return;
  }
  uint16_t kind = p ? p->kind : HADRON_FRAME_INVALID;
  if (p && f->question == HC_SNAPSHOT && (kind == HADRON_FRAME_DATA || kind == HADRON_FRAME_HEARTBEAT)) {
    snapshot_came(f, s, p, now);
    return;
  }
  if (p && kind == HADRON_FRAME_DATA && p->to > p->from) {
    p->flags |= HADRON_EVENT_REPAIRED;
    hc_stream_answered(&s->stream, now);
    numbers_came(f, s, p, now);
    return;
  }
  if (kind == HADRON_FRAME_TOO_OLD) {
    hc_stream_too_old(&s->stream, now);
    settle(f, s, now);
  } else {
    if (kind == HADRON_FRAME_BUSY && p->head.size >= sizeof wait) memcpy(&wait, hc_packet_payload(p), sizeof wait);
    hc_stream_failed(&s->stream, now, wait > 0 && wait < 1000 * MS ? wait : 0);
  }
  hc_packet_free(p);
}

// Refused for good: what comes is given out, gaps are declared.
static void without_session(struct hadron_feed *f, const struct hadron_event *e) {
  snprintf(f->words, sizeof f->words, "%s", e->text ? e->text : "");
  add_item(f, &(struct feed_item){.event = {.kind = HADRON_EVENT_REFUSED, .code = e->code, .text = f->words, .text_size = (uint32_t)strlen(f->words)}});
  hadron_client_close(f->session);
  f->session = NULL;
  f->asked = NULL;
  f->limits.repairs = f->limits.snapshots = false;
  for (uint32_t i = 0; i < f->stream_count; i++) {
    struct hc_stream *s = &f->streams[i]->stream;
    s->limits.repairs = s->limits.snapshots = s->snapshot_wanted = s->pending = false;
    if (s->next == 0 && s->held_count > 0) s->next = s->held[0].from;
    if (s->next == 0) s->next = s->tail;
  }
}

static void serve_session(struct hadron_feed *f, int64_t now, bool rung) {
  struct hadron_event e;
  if (!rung && now < f->session_ns) return;
  while (f->session) {
    int32_t code = hadron_client_poll(f->session, 0, &e);
    if (f->session->replied) {
      struct hc_packet *reply = f->session->reply;
      f->session->reply = NULL;
      f->session->replied = false;
      answered(f, reply, now);
    }
    if (code == HADRON_ERR_CLOSED) without_session(f, &e);
    if (code != HADRON_OK) break;
  }
  if (f->session) f->session_ns = hc_session_due(f->session, now);
}

// ---- the calls -----------------------------------------------------------------------------------------------------------------------------------

static int32_t subscribe(struct hadron_feed *f) {
  int error = nng_sub0_open(&f->socket);
  if (error) return hc_fail(HADRON_ERR_MEMORY, "%s: no socket: %s", f->place.url, nng_strerror(error));
  if (!(f->presence = hc_presence_watch(f->socket, &f->bell, 0))) {
    nng_close(f->socket); // nothing has been dialled
    return hc_fail(HADRON_ERR_MEMORY, "out of memory");
  }
  f->open = true;
  hc_socket_defaults(f->socket);
  nng_socket_set_int(f->socket, NNG_OPT_RECVBUF, RECEIVE_BUFFER);
  nng_socket_set(f->socket, NNG_OPT_SUB_SUBSCRIBE, f->topic, strlen(f->topic));
  if (nng_aio_alloc(&f->aio, received, f) != 0) return hc_fail(HADRON_ERR_MEMORY, "out of memory");
  atomic_store(&f->receiving, SUB_BUSY);
  nng_recv_aio(f->socket, f->aio);
  return hc_place_dial(&f->place, f->socket, &f->dialer);
}

// What it had is a gap, and is asked for like any other.
static bool unsubscribe(struct hadron_feed *f, int64_t wait_ns) {
  if (f->aio) {
    nng_aio_stop(f->aio);
    if (nng_aio_result(f->aio) == 0 && nng_aio_get_msg(f->aio)) nng_msg_free(nng_aio_get_msg(f->aio));
    nng_aio_free(f->aio);
  }
  f->aio = NULL;
  atomic_store(&f->receiving, SUB_BUSY);
  if (!f->open) return true;
  f->open = false;
  return hc_socket_end(f->presence, &f->place, wait_ns);
}

// A host that publishes sends heartbeats as well: a connection that says nothing is half open, and nobody has told.
static void look_at_connection(struct hadron_feed *f, int64_t now) {
  bool waits = f->item_count > 0 || f->current || atomic_load(&f->receiving) == SUB_DONE, heard = waits || now - f->heard_ns < SILENT_STALES * f->limits.stale_ns;
  if (!hc_patience_over(&f->patience, heard && f->open && atomic_load(&f->presence->up) != 0, now) || hc_sockets_left() >= HC_LEFT_MAX) return;
  unsubscribe(f, 0);
  subscribe(f); // without memory for it: again, later
}

int32_t hadron_feed_open(const struct hadron_feed_options *options, struct hadron_feed **out) {
  if (!options || options->struct_size != sizeof *options)
    return hc_fail(HADRON_ERR_ARGUMENT, "struct_size: found %u, expected %zu", options ? options->struct_size : 0, sizeof *options);
  const struct hadron_feed_options *o = options;
  const char *topic = o->topic ? o->topic : HADRON_TOPIC_TICKS;
  if (strcmp(topic, HADRON_TOPIC_TICKS) != 0 && strcmp(topic, HADRON_TOPIC_EVENTS) != 0)
    return hc_fail(HADRON_ERR_ARGUMENT, "topic: found \"%s\", expected %s or %s", topic, HADRON_TOPIC_TICKS, HADRON_TOPIC_EVENTS);
  struct hadron_feed *f = calloc(1, sizeof *f);
  if (!f) return hc_fail(HADRON_ERR_MEMORY, "out of memory");
  memcpy(f->topic, topic, strlen(topic));
  f->bell.fd = -1;
  hc_patience_init(&f->patience);
  f->heard_ns = hc_now_ns();
  int64_t heartbeat = (o->heartbeat_ms ? o->heartbeat_ms : 100) * MS, repair = (o->repair_ms ? o->repair_ms : 10) * MS;
  f->limits = (struct hc_stream_limits){.hold_max = o->hold ? o->hold : 1024, .snapshots = o->session.url, .repairs = o->session.url, .settle_ns = repair / 10,
                                        .repair_ns = repair, .answer_ns = ANSWER_WAIT, .stale_ns = STALE_HEARTBEATS * heartbeat};
  f->seed = o->seed ? o->seed : (uint64_t)hc_now_ns();
  int32_t code = hc_bell_init(&f->bell);
  if (code == HADRON_OK) code = hc_place_init(&f->place, &o->session, o->url);
  if (code == HADRON_OK) code = subscribe(f);
  if (code == HADRON_OK && o->session.url) code = hc_session_open(&o->session, &f->bell, &f->session);
  if (code != HADRON_OK) {
    hadron_feed_close(f);
    return code;
  }
  *out = f;
  return HADRON_OK;
}

void hadron_feed_close(struct hadron_feed *f) {
  if (!f) return;
  hadron_client_close(f->session);
  if (!unsubscribe(f, HC_CLOSE_WAIT))
    hc_fail(HADRON_ERR_INTERNAL, "%s: NNG does not let go of a connection that is gone: its socket is left, and ends with this process", f->place.url);
  for (uint32_t i = 0; i < f->item_count; i++) hc_packet_free(f->items[(f->item_first + i) % f->item_room].packet);
  free(f->items);
  hc_packet_free(f->current);
  for (uint32_t i = 0; i < f->stream_count; i++) {
    hc_stream_fini(&f->streams[i]->stream);
    free(f->streams[i]);
  }
  hc_place_fini(&f->place);
  hc_bell_fini(&f->bell);
  free(f);
}

static void look_at_life(struct hadron_feed *f, int64_t now) {
  for (uint32_t i = 0; i < f->stream_count; i++) {
    struct feed_stream *s = f->streams[i];
    if (hc_stream_stale_changed(&s->stream, now)) add_event(f, s, s->stream.stale ? HADRON_EVENT_STALE : HADRON_EVENT_LIVE, s->stream.next, 0);
  }
}

static int64_t feed_due(const struct hadron_feed *f, int64_t now) {
  int64_t due = f->session ? hc_session_due(f->session, now) : INT64_MAX, look = hc_patience_due(&f->patience, now);
  if (look < due) due = look;
  // A gap that could not be asked for, because the session is away or another stream's question is out, is looked at when that rings.
  for (uint32_t i = 0; i < f->stream_count; i++) {
    int64_t at = hc_stream_due(&f->streams[i]->stream, now);
    if (at <= now) at = now + f->limits.repair_ns;
    if (at < due) due = at;
  }
  return due;
}

int32_t hadron_feed_poll(struct hadron_feed *f, int32_t timeout_ms, struct hadron_event *event) {
  int64_t now = hc_now_ns(), until = timeout_ms < 0 ? INT64_MAX : now + timeout_ms * MS;
  for (bool first = true;; first = false, now = hc_now_ns()) {
    bool rung = !first || atomic_load_explicit(&f->bell.rung, memory_order_relaxed);
    if (rung) hc_bell_clear(&f->bell);
    serve_session(f, now, rung);
    receive(f, now);
    look_at_connection(f, now);
    look_at_life(f, now);
    ask(f, now);
    if (next_item(f, event)) return HADRON_OK;
    if (first || (f->item_count == 0 && atomic_load(&f->receiving) == SUB_DONE)) continue;
    *event = (struct hadron_event){.kind = HADRON_EVENT_NONE, .host_ns = f->host_ns};
    if (atomic_exchange(&f->woken, false) || now >= until) return HADRON_ERR_AGAIN;
    int64_t due = feed_due(f, now);
    hc_bell_wait(&f->bell, due < until ? due : until);
  }
}

int hadron_feed_fd(const struct hadron_feed *f) { return f->bell.fd; }

int32_t hadron_feed_due(const struct hadron_feed *f) {
  int64_t now = hc_now_ns(), due = feed_due(f, now);
  if (f->item_count > 0 || f->current || atomic_load(&f->receiving) == SUB_DONE) return 0;
  return due == INT64_MAX ? -1 : due - now > 60000 * MS ? 60000 : (int32_t)((due - now + MS - 1) / MS);
}

void hadron_feed_wake(struct hadron_feed *f) {
  atomic_store(&f->woken, true);
  hc_bell_ring(&f->bell);
}

void hadron_feed_figures(const struct hadron_feed *f, struct hadron_feed_figures *out) {
  struct hadron_feed_figures sum = f->figures;
  for (uint32_t i = 0; i < f->stream_count; i++) {
    const struct hc_stream_figures *s = &f->streams[i]->stream.figures;
    sum.duplicates += s->duplicates, sum.old_epoch += s->old_epoch, sum.held += s->held, sum.overflowed += s->overflowed;
    sum.gaps += s->gaps, sum.gap_messages += s->gap_messages, sum.lost += s->lost, sum.snapshots += s->snapshots;
    sum.resets += s->resets, sum.stale += s->stale;
  }
  *out = sum;
}
