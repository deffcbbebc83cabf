#include "feed.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS INT64_C(1000000)
#define NO_PLACE UINT64_MAX
#define BATCH 1024             // messages in one request to the server
#define ACK_EVERY 256          // messages, or when no more wait
#define EXPIRES_MS 3000        // of a request; a server that says nothing for that long and GRACE_MS is dead
#define GRACE_MS 2000
#define ACK_AFTER_MS 100       // a host with threads has a tick a little after its venue's next poll
#define SLICE_MS 200           // between two looks at whether we shall stop
#define BACKOFF_MAX_MS 10000

// ---- The ring.

static uint32_t ring_used(struct feed *f) { return atomic_load_explicit(&f->head, memory_order_relaxed) - atomic_load_explicit(&f->tail, memory_order_acquire); }

static void wait_ms(struct feed *f, int64_t ms) {
  for (; ms > 0 && !atomic_load(&f->stop); ms -= SLICE_MS) poll(NULL, 0, (int)(ms < SLICE_MS ? ms : SLICE_MS));
}

// Room for one more, waiting for poll to make some. NULL: we shall stop.
static struct entry *ring_room(struct feed *f) {
  while (ring_used(f) >= RING_MAX) {
    f->ring_bell(f->self);
    poll(NULL, 0, 1);
    if (atomic_load(&f->stop)) return NULL;
  }
  return &f->ring[atomic_load_explicit(&f->head, memory_order_relaxed) % RING_MAX];
}

static void ring_push(struct feed *f) { atomic_fetch_add_explicit(&f->head, 1, memory_order_release); }

const struct entry *feed_take(struct feed *f) {
  uint32_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);
  return tail == atomic_load_explicit(&f->head, memory_order_acquire) ? NULL : &f->ring[tail % RING_MAX];
}

void feed_taken(struct feed *f) { atomic_fetch_add_explicit(&f->tail, 1, memory_order_release); }

void feed_settle(struct feed *f) { atomic_store_explicit(&f->settled, atomic_load_explicit(&f->tail, memory_order_relaxed), memory_order_release); }

static void status_push(struct feed *f, uint32_t state, const char *words) {
  struct entry *e = ring_room(f);
  if (!e) return;
  e->kind = ENTRY_STATUS;
  e->body.status.state = state;
  snprintf(e->body.status.words, sizeof e->body.status.words, "%.255s", words);
  ring_push(f);
  f->ring_bell(f->self);
}

// ---- Instruments.

static struct slot *slot_find(struct feed *f, const char *token) {
  uint32_t hash = 2166136261u;
  for (const char *c = token; *c; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
  struct slot *s = &f->slots[hash % SLOTS_MAX];
  while (s->token[0] && strcmp(s->token, token) != 0) s = s == &f->slots[SLOTS_MAX - 1] ? f->slots : s + 1;
  return s;
}

// What the publishing host says of the instrument: the last definition in the stream. Where it has expired the name alone is known.
static int32_t definition_ask(struct feed *f, const char *token, struct hadron_listing *l) {
  char subject[SUBJECT_SIZE];
  natsMsg *m = NULL;
  jsErrCode error = 0;
  struct hadron_instrument_definition d;
  subject_write(subject, f->options->prefix, HADRON_MSG_INSTRUMENT, token);
  natsStatus s = js_GetLastMsg(&m, f->link.js, f->options->stream, subject, NULL, &error);
  if (s == NATS_NOT_FOUND || error == JSNoMessageFoundErr) return HADRON_OK;
  if (s != NATS_OK) return link_fail(&f->link, "asking for an instrument's definition", s, error);
  size_t size = (size_t)natsMsg_GetDataLength(m), head = sizeof(struct hadron_message_header);
  if (size >= head + sizeof d) {
    memcpy(&d, natsMsg_GetData(m) + head, sizeof d);
    l->increment = d.increment, l->lot = d.lot, l->multiplier = d.multiplier, l->asset = d.asset;
    memcpy(l->currency, d.currency, sizeof l->currency - 1);
  }
  natsMsg_Destroy(m);
  return HADRON_OK;
}

// The slot of a token, made on its first tick: the listing goes through the ring in front of it. *slot NULL: no name, or no room.
static int32_t slot_get(struct feed *f, const char *token, struct slot **slot) {
  struct hadron_listing l = {.asset = 0};
  struct slot *s = *slot = slot_find(f, token);
  if (s->token[0]) return HADRON_OK;
  *slot = NULL;
  if (f->slot_count >= SLOTS_MAX / 2 || strlen(token) >= sizeof s->token || !subject_name(l.symbol, token)) {
    atomic_fetch_add(&f->counts.unnamed, 1);
    return HADRON_OK;
  }
  memcpy(l.name, l.symbol, sizeof l.name);
  int32_t rc = definition_ask(f, token, &l);
  struct entry *e = rc == HADRON_OK ? ring_room(f) : NULL;
  if (!e) return rc;
  e->kind = ENTRY_LISTING;
  e->slot = (uint32_t)(s - f->slots);
  e->body.listing = l;
  ring_push(f);
  snprintf(s->token, sizeof s->token, "%s", token);
  f->slot_count++;
  *slot = s;
  return HADRON_OK;
}

static void listed_push(struct feed *f) {
  struct entry *e = f->listed ? NULL : ring_room(f);
  if (!e) return;
  f->listed = true;
  e->kind = ENTRY_LISTED;
  ring_push(f);
}

// All instruments of the stream: those that are defined there, and those that have ticks.
static int32_t list_all(struct feed *f) {
  for (int i = 0; i < 2 && !f->listed; i++) {
    char filter[PREFIX_SIZE + 24];
    jsStreamInfo *info = NULL;
    jsErrCode error = 0;
    jsOptions o;
    int32_t rc = HADRON_OK;
    jsOptions_Init(&o);
    snprintf(filter, sizeof filter, "%s.%s.*", f->options->prefix, i == 0 ? "instrument" : "tick");
    o.Stream.Info.SubjectsFilter = filter;
    natsStatus s = js_GetStreamInfo(&info, f->link.js, f->options->stream, &o, &error);
    if (s != NATS_OK) return link_fail(&f->link, "asking for the stream's instruments", s, error);
    const jsStreamStateSubjects *subjects = info->State.Subjects;
    for (int n = 0; rc == HADRON_OK && subjects && n < subjects->Count && !atomic_load(&f->stop); n++) {
      const char *token = strrchr(subjects->List[n].Subject, '.');
      struct slot *slot;
      if (token) rc = slot_get(f, token + 1, &slot);
    }
    jsStreamInfo_Destroy(info);
    if (rc != HADRON_OK) return rc;
  }
  listed_push(f);
  return HADRON_OK;
}

static void gap(struct feed *f, const char *words) {
  atomic_fetch_add(&f->counts.gaps, 1);
  for (uint32_t i = 0; i < SLOTS_MAX; i++) f->slots[i].gap = true;
  f->tell(f->self, HADRON_LOG_WARN, "NATS_GAP", words);
}

// ---- Messages.

static const char *header(natsMsg *m, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(m, name, &value) == NATS_OK && value ? value : "";
}

// Is this the tick behind the last one that we had? By the stream: each names the one before it. By its number, where the other host
// numbers without holes: what it conflates or drops has a number too, and with threads ticks overtake each other.
static void tick_follows(struct feed *f, natsMsg *m, uint64_t number) {
  char words[WORDS_SIZE];
  const char *session = header(m, HEADER_SESSION);
  uint64_t before = strtoull(header(m, HEADER_BEFORE), NULL, 10);
  bool same = strcmp(session, f->session) == 0;
  if (f->last && before > f->last) {
    snprintf(words, sizeof words, "ticks between messages %" PRIu64 " and %" PRIu64 " of the stream were deleted before they were read", f->last, before);
    gap(f, words);
  } else if (!same && f->session[0]) {
    snprintf(words, sizeof words, "a new session of the publishing host begins with its tick %" PRIu64, number);
    gap(f, words);
  } else if (same && f->options->contiguous && number > f->tick + 1) {
    snprintf(words, sizeof words, "ticks %" PRIu64 " to %" PRIu64 " of the publishing host are not in the stream", f->tick + 1, number - 1);
    gap(f, words);
  }
  if (!same) snprintf(f->session, sizeof f->session, "%s", session);
  f->tick = number;
}

// "$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.…", with two tokens more behind ACK where there is a domain.
static uint64_t stream_sequence(const char *reply) {
  int dots = 0, at;
  for (const char *c = reply; *c; c++) dots += *c == '.';
  at = dots >= 10 ? 7 : 5;
  for (; *reply && at > 0; reply++) at -= *reply == '.';
  return strtoull(reply, NULL, 10);
}

static bool tick_read(natsMsg *m, struct hadron_tick *t) {
  struct hadron_message_header h;
  if ((size_t)natsMsg_GetDataLength(m) < sizeof h + sizeof *t) return false;
  memcpy(&h, natsMsg_GetData(m), sizeof h);
  memcpy(t, natsMsg_GetData(m) + sizeof h, sizeof *t);
  return h.template_id == HADRON_MSG_TICK && h.schema_id == HADRON_SCHEMA_ID && h.version >> 8 == HADRON_SCHEMA_MAJOR && h.block_length >= sizeof *t;
}

static int32_t tick_take(struct feed *f, natsMsg *m, uint64_t sequence) {
  const char *token = strrchr(natsMsg_GetSubject(m), '.');
  struct hadron_tick t;
  struct slot *slot;
  if (!token || !tick_read(m, &t)) {
    if (atomic_fetch_add(&f->counts.bad, 1) == 0) f->tell(f->self, HADRON_LOG_ERROR, "NATS_MESSAGE", "a message below PREFIX.tick is no tick of this schema's major version; it is left out: publish from a host of this major version");
    return HADRON_OK;
  }
  tick_follows(f, m, t.sequence);
  int32_t rc = slot_get(f, token + 1, &slot);
  if (rc != HADRON_OK || !slot) return rc;
  struct entry *e = ring_room(f);
  if (!e) return HADRON_OK;
  t.sequence = f->offset + sequence;
  t.flags &= (uint8_t) ~(HADRON_TICK_GAP | HADRON_TICK_STALE); // the other host's remarks: ours makes its own
  if (slot->gap) t.flags |= HADRON_TICK_GAP;
  slot->gap = false;
  e->kind = ENTRY_TICK;
  e->slot = (uint32_t)(slot - f->slots);
  e->body.tick = t;
  ring_push(f);
  return HADRON_OK;
}

// ---- Acknowledgements: of a whole batch, once the host has its last entry.

static void acks_mark(struct feed *f) {
  if (f->unmarked == 0 || f->mark_count == MARKS_MAX) return;
  uint32_t at = (f->mark_first + f->mark_count++) % MARKS_MAX;
  f->marks[at].head = atomic_load(&f->head);
  f->marks[at].since_ns = link_clock_ns(&f->link);
  memcpy(f->marks[at].reply, f->reply, sizeof f->reply);
  f->unmarked = 0;
}

// all: we stop, and the host is done with what it has taken.
static natsStatus acks_send(struct feed *f, bool all) {
  const char *reply = NULL;
  uint32_t settled = atomic_load(&f->settled);
  int64_t old_ns = link_clock_ns(&f->link) - (all ? 0 : ACK_AFTER_MS * MS_NS);
  while (f->mark_count > 0 && (int32_t)(settled - f->marks[f->mark_first].head) >= 0 && f->marks[f->mark_first].since_ns <= old_ns) {
    reply = f->marks[f->mark_first].reply; // those before it are acknowledged with it
    f->mark_first = (f->mark_first + 1) % MARKS_MAX;
    f->mark_count--;
  }
  if (f->mark_count > 0 && (int32_t)(settled - f->marks[f->mark_first].head) < 0) f->ring_bell(f->self); // a poll settles it
  return reply ? natsConnection_PublishString(f->link.connection, reply, "+ACK") : NATS_OK;
}

// ---- The consumer.

// One of the two consumers, if it is there. *place: what the host has had of the stream; NO_PLACE: it has not begun.
static int32_t consumer_look(struct feed *f, char which, const char *filter, bool *there, uint64_t *place) {
  char name[80];
  jsConsumerInfo *info = NULL;
  jsErrCode error = 0;
  snprintf(name, sizeof name, "%s_%c", f->durable, which);
  natsStatus s = js_GetConsumerInfo(&info, f->link.js, f->options->stream, name, NULL, &error);
  *there = s == NATS_OK;
  if (s == NATS_NOT_FOUND || error == JSConsumerNotFoundErr) return HADRON_OK;
  if (s != NATS_OK) return link_fail(&f->link, "asking for the consumer", s, error);
  const jsConsumerConfig *c = info->Config;
  *place = info->AckFloor.Stream ? info->AckFloor.Stream : c->OptStartSeq ? c->OptStartSeq - 1 : NO_PLACE; // the floor is 0 before the first acknowledgement
  bool ours = c->FilterSubject && strcmp(c->FilterSubject, filter) == 0 && !c->DeliverSubject;
  jsConsumerInfo_Destroy(info);
  if (ours) return HADRON_OK;
  snprintf(f->link.error, sizeof f->link.error, "consumer %s of stream %s on %.60s: expected one that is pulled, with the filter %s, found another; choose another durable name, or delete it",
           name, f->options->stream, f->link.server, filter);
  return HADRON_ERR_CONFIG;
}

static int32_t consumer_make(struct feed *f, const char *filter, uint64_t place) {
  jsConsumerConfig c;
  jsErrCode error = 0;
  jsConsumerConfig_Init(&c);
  c.Durable = f->consumer;
  c.FilterSubject = filter;
  c.DeliverPolicy = place == NO_PLACE ? js_DeliverLastPerSubject : js_DeliverByStartSequence;
  c.OptStartSeq = place == NO_PLACE ? 0 : place + 1;
  c.AckPolicy = js_AckAll;
  c.MaxAckPending = 4 * (int64_t)RING_MAX;
  natsStatus s = js_AddConsumer(NULL, f->link.js, f->options->stream, &c, NULL, &error);
  return s == NATS_OK ? HADRON_OK : link_fail(&f->link, "making the consumer", s, error);
}

// stream_end: where a consumer begins that is to have only what is new.
static int32_t consumer_bind(struct feed *f, uint64_t stream_end) {
  char filter[PREFIX_SIZE + 16], old[80];
  bool a, b;
  uint64_t of_a = NO_PLACE, of_b = NO_PLACE;
  jsErrCode error = 0;
  snprintf(filter, sizeof filter, "%s.tick.*", f->options->prefix);
  int32_t rc = consumer_look(f, 'a', filter, &a, &of_a);
  if (rc == HADRON_OK) rc = consumer_look(f, 'b', filter, &b, &of_b);
  if (rc != HADRON_OK) return rc;
  const char *start = f->options->start;
  bool use_b = b && (!a || of_a == NO_PLACE || (of_b != NO_PLACE && of_b > of_a)); // of two the younger was never read from: it is not ahead
  uint64_t place = use_b ? of_b : of_a;
  if (!a && !b && strcmp(start, "last") != 0) place = strcmp(start, "all") == 0 ? 0 : stream_end;
  if (place != NO_PLACE && place > f->last) f->last = place;
  snprintf(f->consumer, sizeof f->consumer, "%s_%c", f->durable, use_b ? 'a' : 'b');
  snprintf(old, sizeof old, "%s_%c", f->durable, use_b ? 'b' : 'a');
  natsStatus s = a && b ? js_DeleteConsumer(f->link.js, f->options->stream, f->consumer, NULL, &error) : NATS_OK;
  if (s == NATS_OK) rc = consumer_make(f, filter, place);
  if (s == NATS_OK && rc == HADRON_OK && (a || b)) s = js_DeleteConsumer(f->link.js, f->options->stream, old, NULL, &error);
  return s == NATS_OK ? rc : link_fail(&f->link, "deleting the consumer of the connection before", s, error);
}

// Is it still the stream that we have read from?
static int32_t stream_look(struct feed *f, uint64_t *end) {
  jsStreamInfo *info = NULL;
  jsErrCode error = 0;
  natsStatus s = js_GetStreamInfo(&info, f->link.js, f->options->stream, NULL, &error);
  if (s == NATS_NOT_FOUND || error == JSStreamNotFoundErr) {
    snprintf(f->link.error, sizeof f->link.error, "stream %s on %.60s: expected a stream of this name, found none; publish into it with nats_out, or correct the name", f->options->stream, f->link.server);
    return HADRON_ERR_NOT_FOUND;
  }
  if (s != NATS_OK) return link_fail(&f->link, "asking for the stream", s, error);
  bool anew = f->created_ns && (info->Created != f->created_ns || info->State.LastSeq < f->last);
  f->created_ns = info->Created;
  *end = info->State.LastSeq;
  jsStreamInfo_Destroy(info);
  if (!anew) return HADRON_OK;
  f->offset += f->last;
  f->last = 0;
  *end = 0; // all of it is new
  gap(f, "the stream was made anew");
  return HADRON_OK;
}

static int32_t feed_open(struct feed *f) {
  uint64_t end = 0;
  int32_t rc = link_open(&f->link, f->client, INT64_MAX);
  if (rc == HADRON_OK) rc = stream_look(f, &end);
  if (rc == HADRON_OK) rc = consumer_bind(f, end);
  if (rc == HADRON_OK) rc = list_all(f);
  if (rc != HADRON_OK) return rc;
  natsStatus s = natsInbox_Create(&f->inbox);
  if (s == NATS_OK) s = natsConnection_SubscribeSync(&f->messages, f->link.connection, f->inbox);
  f->asked = 0;
  f->mark_first = f->mark_count = f->unmarked = 0; // what is not acknowledged comes again, and is known
  return s == NATS_OK ? HADRON_OK : link_fail(&f->link, "listening", s, 0);
}

static void feed_close(struct feed *f) {
  link_hang_up(&f->link);
  natsSubscription_Destroy(f->messages);
  natsInbox_Destroy(f->inbox);
  f->messages = NULL;
  f->inbox = NULL;
  link_close(&f->link);
}

static natsStatus request(struct feed *f) {
  char subject[256], what[96];
  if (f->asked > 0) return NATS_OK;
  const char *domain = f->options->link.domain;
  snprintf(subject, sizeof subject, "$JS.%s%sAPI.CONSUMER.MSG.NEXT.%s.%s", domain, domain[0] ? "." : "", f->options->stream, f->consumer);
  snprintf(what, sizeof what, "{\"batch\":%d,\"expires\":%" PRId64 "}", BATCH, EXPIRES_MS * MS_NS);
  f->asked = BATCH;
  return natsConnection_PublishRequestString(f->link.connection, subject, f->inbox, what);
}

static int32_t message_take(struct feed *f, natsMsg *m) {
  const char *status = header(m, "Status"), *reply = natsMsg_GetReply(m);
  if (status[0]) {
    f->asked = 0; // the request is over; of what it was the next one tells
    bool calm = strcmp(status, "408") == 0 || strcmp(status, "404") == 0 || strcmp(status, "100") == 0 || strcmp(status, "409") == 0;
    return calm ? HADRON_OK : link_fail(&f->link, "asking for messages", NATS_NO_RESPONDERS, 0);
  }
  uint64_t sequence = reply ? stream_sequence(reply) : 0;
  int32_t rc = HADRON_OK;
  f->asked--;
  atomic_fetch_add(&f->counts.messages, 1);
  if (sequence == 0) return HADRON_OK;
  if (sequence <= f->last)
    atomic_fetch_add(&f->counts.repeated, 1);
  else
    rc = tick_take(f, m, sequence);
  if (rc != HADRON_OK || atomic_load(&f->stop)) return rc;
  if (sequence > f->last) f->last = sequence;
  snprintf(f->reply, sizeof f->reply, "%s", reply);
  f->unmarked++;
  return HADRON_OK;
}

// A request to a consumer that is gone, with its stream or alone, is answered by nobody.
static int32_t consumer_there(struct feed *f) {
  jsConsumerInfo *info = NULL;
  jsErrCode error = 0;
  natsStatus s = js_GetConsumerInfo(&info, f->link.js, f->options->stream, f->consumer, NULL, &error);
  jsConsumerInfo_Destroy(info);
  if (s == NATS_OK) return HADRON_OK;
  if (s != NATS_NOT_FOUND && error != JSConsumerNotFoundErr && error != JSStreamNotFoundErr) return link_fail(&f->link, "asking for the consumer", s, error);
  snprintf(f->link.error, sizeof f->link.error, "stream %s on %.60s: expected its consumer %s, found none; looking at the stream anew", f->options->stream, f->link.server, f->consumer);
  return HADRON_ERR_STALE;
}

// While the connection lasts.
static int32_t feed_listen(struct feed *f) {
  int64_t quiet_ns = link_clock_ns(&f->link);
  while (!atomic_load(&f->stop)) {
    uint64_t queued = 0;
    natsMsg *m = NULL;
    natsStatus s = request(f);
    if (s == NATS_OK) s = acks_send(f, false);
    if (s == NATS_OK) s = natsSubscription_NextMsg(&m, f->messages, f->mark_count ? 10 : SLICE_MS);
    if (s == NATS_OK) {
      int32_t rc = message_take(f, m);
      natsMsg_Destroy(m);
      if (rc != HADRON_OK) return rc;
      quiet_ns = link_clock_ns(&f->link);
      bool more = natsSubscription_QueuedMsgs(f->messages, &queued) == NATS_OK && queued > 0;
      if (!more || f->unmarked >= ACK_EVERY) {
        acks_mark(f);
        f->ring_bell(f->self);
      }
    } else if (s != NATS_TIMEOUT) {
      return link_fail(&f->link, "listening", s, 0);
    } else if (link_violation(&f->link, "listening") != HADRON_OK) {
      return HADRON_ERR_PERMISSION;
    } else if (link_clock_ns(&f->link) - quiet_ns > (EXPIRES_MS + GRACE_MS) * MS_NS) {
      if (!link_answers(&f->link, GRACE_MS)) return link_fail(&f->link, "listening", NATS_TIMEOUT, 0);
      int32_t rc = consumer_there(f);
      if (rc != HADRON_OK) return rc;
      f->asked = 0; // it lives: it was we who stood still, or a request that was lost
      quiet_ns = link_clock_ns(&f->link);
    }
  }
  return HADRON_OK;
}

// ---- The thread.

static void lose(struct feed *f, int32_t rc) {
  atomic_fetch_add(&f->counts.reconnects, 1);
  bool parks = link_parks(rc);
  if (!f->alerted) f->tell(f->self, parks ? HADRON_LOG_ERROR : HADRON_LOG_WARN, parks ? "NATS_PARKED" : "NATS_AWAY", f->link.error);
  f->alerted = f->alerted || parks;
  listed_push(f); // nobody waits for a list that cannot come now
  status_push(f, HADRON_VENUE_DOWN, f->link.error);
}

static void *feed_main(void *argument) {
  struct feed *f = argument;
  int64_t backoff_ms = 0;
  while (!atomic_load(&f->stop)) {
    status_push(f, HADRON_VENUE_CONNECTING, "connecting");
    int32_t rc = feed_open(f);
    if (rc == HADRON_OK) {
      char words[WORDS_SIZE];
      f->alerted = false;
      backoff_ms = 0;
      snprintf(words, sizeof words, "consumer %s of stream %s on %.60s", f->consumer, f->options->stream, f->link.server);
      status_push(f, HADRON_VENUE_READY, words);
      rc = feed_listen(f);
      if (rc == HADRON_OK) acks_send(f, true); // we stop
    }
    if (rc != HADRON_OK && !atomic_load(&f->stop)) lose(f, rc);
    feed_close(f);
    backoff_ms = backoff_ms ? backoff_ms * 2 : 100;
    if (backoff_ms > BACKOFF_MAX_MS) backoff_ms = BACKOFF_MAX_MS;
    wait_ms(f, backoff_ms);
  }
  nats_ReleaseThreadMemory();
  return NULL;
}

int32_t feed_init(struct feed *f, const struct feed_options *options, const char *name) {
  memset(f, 0, sizeof *f);
  f->options = options;
  snprintf(f->client, sizeof f->client, "hadron %s", name);
  int32_t rc = link_init(&f->link, &options->link);
  f->slots = calloc(SLOTS_MAX, sizeof *f->slots);
  f->ring = calloc(RING_MAX, sizeof *f->ring);
  if (rc == HADRON_OK && (!f->slots || !f->ring)) rc = HADRON_ERR_MEMORY;
  if (rc != HADRON_OK) feed_fini(f);
  return rc;
}

void feed_fini(struct feed *f) {
  feed_stop(f);
  link_fini(&f->link);
  free(f->slots);
  free(f->ring);
  f->slots = NULL;
  f->ring = NULL;
}

int32_t feed_start(struct feed *f) {
  atomic_store(&f->stop, false);
  if (pthread_create(&f->thread, NULL, feed_main, f) != 0) return HADRON_ERR_MEMORY;
  f->running = true;
  return HADRON_OK;
}

void feed_stop(struct feed *f) {
  atomic_store(&f->stop, true);
  if (f->running) pthread_join(f->thread, NULL);
  f->running = false;
}
