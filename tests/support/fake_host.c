#include "support/fake_host.h"

#include <jansson.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bell.h"
#include "base/clock.h"
#include "base/hash.h"
#include "bus/hangup.h"

#define MS INT64_C(1000000)

// NNG 1.5.2 loses a message or a dialer now and then when something is given up or closed (its issue 1713), and clears away behind the end of main.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }
#define HEARTBEAT (100 * MS)

bool fake_is_position(uint64_t number) { return number % 37 == 0; }

void fake_tick(uint64_t number, struct hadron_tick *out) {
  *out = (struct hadron_tick){.event_ns = (int64_t)number * 1000, .recv_ns = (int64_t)number * 1000 + 7, .sequence = number, .instrument = 1 + (uint32_t)(number % 5),
                              .venue = 1, .kind = HADRON_TICK_TRADE,
                              .value.trade = {.price = {(int64_t)(hd_random_mix(number) >> 32)}, .quantity = {1 + (int64_t)(number % 100)}}};
}

void fake_position(uint64_t number, struct hadron_position *out) {
  *out = (struct hadron_position){.after = number, .position = {(int64_t)hd_random_mix(number) >> 20}, .arm = 3, .instrument = 1};
}

static bool chance(struct fake_host *h, double p) { return p > 0 && hd_random_unit(&h->random) < p; }

// ---- packets -----------------------------------------------------------------------------------------------------------------------------------

struct packet {
  uint8_t bytes[HADRON_PACKET_MAX];
  uint32_t size;
};

static void put(struct packet *p, const struct fake_host *h, const char *topic, uint32_t stream, uint16_t kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  struct hadron_frame f = {.stream = stream, .kind = kind, .count = count, .epoch = h->epoch, .sequence = sequence, .size = size};
  HD_ASSERT(p->size + sizeof f + size <= sizeof p->bytes);
  memcpy(f.topic, topic, strlen(topic));
  f.crc = hd_crc32c(hd_crc32c(0, &f, sizeof f), payload, size);
  memcpy(p->bytes + p->size, &f, sizeof f);
  if (size) memcpy(p->bytes + p->size + sizeof f, payload, size);
  p->size += (uint32_t)sizeof f + size;
}

static uint32_t head(uint8_t *to, uint16_t template_id, size_t block) {
  struct hadron_message_header m = {(uint16_t)block, template_id, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
  memcpy(to, &m, sizeof m);
  return sizeof m;
}

static void put_ask(struct packet *p, const struct fake_host *h, uint32_t stream, uint64_t number) {
  static const char *const pieces[] = {"{\"hello\":", "\"worker\"}!"};
  bool second = number == 6;
  const char *text = pieces[second];
  uint32_t size = (uint32_t)strlen(text), at;
  struct hadron_ask ask = {.number = 1, .verb = HADRON_ASK_CREATE, .offset = second ? (uint32_t)strlen(pieces[0]) : 0, .total = (uint32_t)(strlen(pieces[0]) + strlen(pieces[1]))};
  uint8_t payload[128];
  if (h->options.asks_too_much) ask.total = UINT32_MAX;
  at = head(payload, HADRON_MSG_ASK, sizeof ask);
  memcpy(payload + at, &ask, sizeof ask), at += (uint32_t)sizeof ask;
  memcpy(payload + at, &size, 4), at += 4;
  memcpy(payload + at, text, size), at += size;
  put(p, h, HADRON_TOPIC_SESSION, stream, HADRON_FRAME_DATA, 1, number, payload, at);
}

// Messages [from, to): a run of ticks is one frame.
static void put_messages(struct packet *p, const struct fake_host *h, const char *topic, uint32_t stream, uint64_t from, uint64_t to, bool feed) {
  static _Thread_local uint8_t payload[HADRON_PACKET_MAX];
  while (from < to) {
    if (!feed && h->options.asks && (from == 5 || from == 6)) {
      put_ask(p, h, stream, from++);
      continue;
    }
    uint64_t first = from;
    uint32_t at;
    if (!feed && fake_is_position(from)) {
      struct hadron_position position;
      fake_position(from++, &position);
      at = head(payload, HADRON_MSG_POSITION, sizeof position);
      memcpy(payload + at, &position, sizeof position);
      at += (uint32_t)sizeof position;
    } else {
      at = head(payload, HADRON_MSG_TICK, sizeof(struct hadron_tick));
      for (; from < to && (feed || (!fake_is_position(from) && !(h->options.asks && from == 5))); from++, at += (uint32_t)sizeof(struct hadron_tick)) {
        struct hadron_tick tick;
        fake_tick(from, &tick);
        memcpy(payload + at, &tick, sizeof tick);
      }
    }
    put(p, h, topic, stream, HADRON_FRAME_DATA, (uint16_t)(from - first), first, payload, at);
  }
}

static void put_heartbeat(struct packet *p, const struct fake_host *h, const char *topic, uint32_t stream, uint64_t next) {
  int64_t now = hd_clock_wall_ns();
  put(p, h, topic, stream, HADRON_FRAME_HEARTBEAT, 0, next, &now, sizeof now);
}

enum { RECEIVING, RECEIVED, SENDING, SENT };

// [nng]
static void call_done(void *self) {
  struct fake_call *call = self;
  atomic_fetch_add(&call->state, 1);
  hd_bell_ring(&call->host->bell);
}

static void receive(struct fake_call *call) {
  call->session = NULL;
  if (call->request) nng_msg_free(call->request);
  call->request = NULL;
  atomic_store(&call->state, RECEIVING);
  nng_ctx_recv((nng_ctx){call->context}, call->aio);
}

static void reply(struct fake_host *h, struct fake_call *call, const struct packet *p) {
  nng_msg *msg;
  if (chance(h, h->options.lose)) {
    atomic_fetch_add(&h->lost, 1);
    receive(call);
    return;
  }
  HD_ASSERT(nng_msg_alloc(&msg, 0) == 0);
  nng_msg_append(msg, p->bytes, p->size);
  atomic_store(&call->state, SENDING);
  call->session = NULL;
  nng_aio_set_msg(call->aio, msg);
  nng_ctx_send((nng_ctx){call->context}, call->aio);
}

static void reply_frame(struct fake_host *h, struct fake_call *request, uint32_t stream, uint16_t kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  struct packet p = {.size = 0};
  put(&p, h, HADRON_TOPIC_SESSION, stream, kind, count, sequence, payload, size);
  reply(h, request, &p);
}

static void refuse(struct fake_host *h, struct fake_call *request, const char *code) {
  char json[128];
  int size = snprintf(json, sizeof json, "{\"code\":\"%s\",\"text\":\"the fake host refuses\"}", code);
  reply_frame(h, request, 0, HADRON_FRAME_REFUSED, 0, 0, json, (uint32_t)size);
}

// ---- sessions ------------------------------------------------------------------------------------------------------------------------------------

static struct fake_session *session_of(struct fake_host *h, const struct hadron_frame *f) {
  for (uint32_t i = 0; i < h->session_count; i++)
    if (h->sessions[i].number == f->stream && f->epoch == h->epoch) return &h->sessions[i];
  return NULL;
}

static void hello(struct fake_host *h, struct fake_call *request, const char *text, uint32_t size) {
  json_t *json = json_loadb(text, size, 0, NULL), *resume = json_object_get(json, "resume");
  struct fake_session *s = NULL;
  const char *epoch = json_string_value(json_object_get(resume, "epoch")), *next = json_string_value(json_object_get(resume, "next"));
  snprintf(h->hello, sizeof h->hello, "%.*s", (int)size, text);
  atomic_fetch_add(&h->hellos, 1);
  if (epoch && strtoull(epoch, NULL, 10) == h->epoch)
    for (uint32_t i = 0; i < h->session_count; i++)
      if (h->sessions[i].number == json_integer_value(json_object_get(resume, "session"))) s = &h->sessions[i];
  if (s) {
    atomic_fetch_add(&h->resumes, 1);
    s->sent = strtoull(next, NULL, 10);
  } else {
    HD_ASSERT(h->session_count < FAKE_SESSIONS);
    s = &h->sessions[h->session_count];
    *s = (struct fake_session){.number = ++h->session_count, .acked = 1, .sent = 1};
  }
  json_decref(json);
  s->pipe = request->pipe;
  char words[512];
  int length = snprintf(words, sizeof words,
                        "{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"%llu\",\"heartbeat_ms\":100,\"stale_ms\":300,\"window\":2,\"class\":\"trade\",\"arm\":3,"
                        "\"role\":\"live\",\"instruments\":5,\"host\":\"fake\",\"mode\":\"paper\",\"version\":\"0.1.0\",\"params\":{}}",
                        s->number, (unsigned long long)h->epoch, (unsigned long long)s->sent);
  reply_frame(h, request, s->number, HADRON_FRAME_WELCOME, 0, 0, words, (uint32_t)length);
}

static void next(struct fake_host *h, struct fake_session *s, struct fake_call *call, const struct hadron_frame *f) {
  HD_ASSERT(f->sequence >= 1 && f->sequence <= h->options.messages + 1);
  if (f->sequence > s->acked) s->acked = f->sequence;
  if (f->count == 1 && f->sequence < s->sent) s->sent = f->sequence;
  if (s->sent < s->acked) s->sent = s->acked;
  call->session = s;
  call->since_ns = hd_clock_monotonic_ns();
}

static void serve_waiting(struct fake_host *h, struct fake_call *call, int64_t now) {
  struct packet p = {.size = 0};
  struct fake_session *s = call->session;
  uint64_t left = h->options.messages + 1 - s->sent, count = 1 + hd_random_below(&h->random, h->options.burst);
  if (count > left) count = left;
  if (count == 0 && now - call->since_ns < HEARTBEAT) return;
  if (count > 0) put_messages(&p, h, HADRON_TOPIC_SESSION, s->number, s->sent, s->sent + count, false);
  else put_heartbeat(&p, h, HADRON_TOPIC_SESSION, s->number, s->sent);
  s->sent += count;
  reply(h, call, &p);
}

static void decide(struct fake_host *h, struct fake_session *s, struct fake_call *request, const struct hadron_frame *f, const uint8_t *payload) {
  struct hadron_refusal refusals[64];
  uint16_t count = 0;
  for (uint32_t i = 0; i < f->count && f->sequence <= s->handled + 1; i++) {
    struct hadron_decision d;
    memcpy(&d, payload + sizeof(struct hadron_message_header) + i * sizeof d, sizeof d);
    uint64_t number = f->sequence + i;
    if (d.regime == FAKE_REFUSED) refusals[count++] = (struct hadron_refusal){number, HADRON_ERR_RANGE, 0};
    if (number <= s->handled) continue;
    HD_ASSERT(number == s->handled + 1 && d.key < FAKE_DECISIONS);
    s->handled = number;
    atomic_fetch_add(&h->taken[d.key], 1);
    atomic_fetch_add(&h->decisions, 1);
  }
  reply_frame(h, request, s->number, HADRON_FRAME_ACK, count, s->handled, refusals, count * (uint32_t)sizeof *refusals);
}

static void repair(struct fake_host *h, struct fake_call *request, const struct hadron_frame *f, const uint8_t *payload) {
  struct hadron_repair r;
  struct packet p = {.size = 0};
  memcpy(&r, payload, sizeof r);
  uint64_t oldest = h->options.kept && h->published > h->options.kept ? h->published - h->options.kept : 1;
  if (f->kind == HADRON_FRAME_SNAPSHOT) {
    struct hadron_mark mark = {.instrument = 1, .sequence = h->published - 1};
    uint8_t bytes[sizeof mark + 8];
    memcpy(bytes + head(bytes, HADRON_MSG_MARK, sizeof mark), &mark, sizeof mark);
    put(&p, h, HADRON_TOPIC_TICKS, r.stream, HADRON_FRAME_DATA, 1, 0, bytes, sizeof bytes);
    put_heartbeat(&p, h, HADRON_TOPIC_TICKS, r.stream, h->published);
  } else if (r.epoch != h->epoch || r.from < oldest) {
    put(&p, h, HADRON_TOPIC_TICKS, r.stream, HADRON_FRAME_TOO_OLD, 0, oldest, NULL, 0);
  } else {
    uint64_t to = r.to < h->published ? r.to : h->published;
    put_messages(&p, h, HADRON_TOPIC_TICKS, r.stream, r.from, to < r.from + 1000 ? to : r.from + 1000, true);
  }
  reply(h, request, &p);
}

static void worker_answer(struct fake_host *h, struct fake_session *s, struct fake_call *request, const struct hadron_frame *f, const uint8_t *payload) {
  struct hadron_answer a;
  memcpy(&a, payload, sizeof a);
  uint32_t size = f->size - (uint32_t)sizeof a;
  if (a.offset == 0) memcpy(h->answer, payload + sizeof a, size < sizeof h->answer ? size : sizeof h->answer);
  if (a.offset + size == a.total) atomic_fetch_add(&h->answers, 1);
  reply_frame(h, request, s->number, HADRON_FRAME_ACK, 0, a.number, NULL, 0);
}

static void request_came(struct fake_host *h, struct fake_call *request) {
  struct hadron_frame f;
  nng_msg *msg = request->request;
  HD_ASSERT(nng_msg_len(msg) >= sizeof f);
  memcpy(&f, nng_msg_body(msg), sizeof f);
  const uint8_t *payload = (const uint8_t *)nng_msg_body(msg) + sizeof f;
  struct hadron_frame bare = f;
  bare.crc = 0;
  HD_ASSERT(nng_msg_len(msg) == sizeof f + f.size && hd_crc32c(hd_crc32c(0, &bare, sizeof bare), payload, f.size) == f.crc);
  if (chance(h, h->options.lose)) {
    atomic_fetch_add(&h->lost, 1);
    receive(request);
    return;
  }
  struct fake_session *s = f.kind == HADRON_FRAME_HELLO ? NULL : session_of(h, &f);
  if (f.kind == HADRON_FRAME_HELLO) {
    hello(h, request, (const char *)payload, f.size);
  } else if (!s || s->pipe != request->pipe) {
    atomic_fetch_add(&h->stranger, 1);
    refuse(h, request, "HADRON_ERR_STATE");
  } else if (f.kind == HADRON_FRAME_NEXT) {
    next(h, s, request, &f);
  } else if (f.kind == HADRON_FRAME_DECIDE) {
    decide(h, s, request, &f, payload);
  } else if (f.kind == HADRON_FRAME_ANSWER) {
    worker_answer(h, s, request, &f, payload);
  } else if (f.kind == HADRON_FRAME_REPAIR || f.kind == HADRON_FRAME_SNAPSHOT) {
    repair(h, request, &f, payload);
  } else if (f.kind == HADRON_FRAME_ADMIN) {
    reply_frame(h, request, s->number, HADRON_FRAME_ADMIN, 0, 0, payload, f.size);
  } else {
    reply_frame(h, request, s->number, HADRON_FRAME_ACK, 0, 0, NULL, 0);
  }
}

// ---- the feed ------------------------------------------------------------------------------------------------------------------------------------

static void publish(struct fake_host *h, uint64_t from, uint64_t to) {
  struct packet p = {.size = 0};
  nng_msg *msg;
  if (from < to) put_messages(&p, h, HADRON_TOPIC_TICKS, 1, from, to, true);
  else put_heartbeat(&p, h, HADRON_TOPIC_TICKS, 1, to);
  if (chance(h, h->options.lose)) {
    atomic_fetch_add(&h->lost, 1);
    return;
  }
  HD_ASSERT(nng_msg_alloc(&msg, 0) == 0);
  nng_msg_append(msg, p.bytes, p.size);
  if (nng_sendmsg((nng_socket){h->pub}, msg, 0) != 0) nng_msg_free(msg);
}

static void feed(struct fake_host *h, int64_t now) {
  if (!h->options.feed) return;
  uint64_t left = h->options.messages + 1 - h->published, count = 1 + hd_random_below(&h->random, h->options.publish);
  if (count > left) count = left;
  if (count > 0) {
    publish(h, h->published, h->published + count);
    h->published += count;
  }
  if (now < h->beat_ns) return;
  h->beat_ns = now + HEARTBEAT;
  publish(h, h->published, h->published);
}

// ---- the thread ----------------------------------------------------------------------------------------------------------------------------------

static void serve(struct fake_host *h, struct fake_call *call, int64_t now) {
  uint32_t state = atomic_load(&call->state);
  if (state == RECEIVING || state == SENDING) return;
  if (state == SENT) {
    if (nng_aio_result(call->aio) != 0) nng_msg_free(nng_aio_get_msg(call->aio)); // there is nobody any more
    receive(call);
  } else if (call->session) {
    serve_waiting(h, call, now);
  } else if (nng_aio_result(call->aio) == 0) {
    call->request = nng_aio_get_msg(call->aio);
    call->pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(call->request));
    request_came(h, call);
  }
}

static void *run(void *self) {
  struct fake_host *h = self;
  while (!atomic_load(&h->stop)) {
    hd_bell_wait(&h->bell, MS);
    int64_t now = hd_clock_monotonic_ns();
    if (now < atomic_load(&h->freeze_until)) continue;
    for (size_t i = 0; i < FAKE_CALLS; i++) serve(h, &h->calls[i], now);
    feed(h, now);
  }
  return NULL;
}

// [nng]
static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *self) {
  struct fake_host *h = self;
  (void)pipe;
  atomic_fetch_add(&h->pipes, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
  hd_bell_ring(&h->bell);
}

static void watch(struct fake_host *h, nng_socket socket) {
  nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, pipe_event, h);
  nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_event, h);
}

static void unwatch(nng_socket socket) {
  nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, NULL, NULL);
  nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
}

static void must(int error, const char *what) {
  if (!error) return;
  fprintf(stderr, "fake host: %s: %s\n", what, nng_strerror(error));
  abort();
}

static void listen_at(nng_socket socket, const char *url, uint32_t *listener) {
  nng_listener l;
  must(nng_listen(socket, url, &l, 0), url);
  *listener = l.id;
}

void fake_host_start(struct fake_host *h, const struct fake_options *options) {
  nng_socket rep, pub;
  h->options = *options;
  if (h->epoch == 0) hd_random_init(&h->random, options->seed);
  h->epoch = hd_random_next(&h->random) | 1;
  h->session_count = 0;
  h->published = 1;
  h->beat_ns = 0;
  atomic_store(&h->stop, false);
  must(nng_rep0_open(&rep), "open");
  atomic_store(&h->pipes, 0);
  watch(h, rep);
  nng_socket_set_size(rep, NNG_OPT_RECVMAXSZ, HADRON_PACKET_MAX + 65536);
  listen_at(rep, options->url, &h->listeners[0]);
  h->rep = rep.id;
  for (size_t i = 0; i < FAKE_CALLS; i++) {
    struct fake_call *call = &h->calls[i];
    nng_ctx context;
    *call = (struct fake_call){.host = h};
    must(nng_ctx_open(&context, rep), "context");
    must(nng_aio_alloc((nng_aio **)&call->aio, call_done, call), "aio");
    call->context = context.id;
    receive(call);
  }
  if (options->feed) {
    must(nng_pub0_open(&pub), "open");
    watch(h, pub);
    nng_socket_set_int(pub, NNG_OPT_SENDBUF, 8192);
    listen_at(pub, options->feed, &h->listeners[1]);
    h->pub = pub.id;
  }
  HD_ASSERT(pthread_create(&h->thread, NULL, run, h) == 0);
  h->runs = true;
}

// As the host itself ends: connections are broken from below, contexts given up, and nng_close is not waited for longer than it is worth (bus/hangup.h).
void fake_host_stop(struct fake_host *h) {
  if (!h->runs) return;
  h->runs = false;
  atomic_store(&h->stop, true);
  pthread_join(h->thread, NULL);
  for (int64_t until = hd_clock_monotonic_ns() + 300 * MS; atomic_load(&h->pipes) > 0 && hd_clock_monotonic_ns() < until;) hd_bell_wait(&h->bell, MS);
  hd_listener_hang_up((nng_listener){h->listeners[0]});
  if (h->options.feed) hd_listener_hang_up((nng_listener){h->listeners[1]});
  for (size_t i = 0; i < FAKE_CALLS; i++) {
    struct fake_call *call = &h->calls[i];
    nng_aio_stop(call->aio);
    if (!call->request && atomic_load(&call->state) == RECEIVED && nng_aio_result(call->aio) == 0) call->request = nng_aio_get_msg(call->aio);
    if (call->request) nng_msg_free(call->request);
    if (atomic_load(&call->state) == SENT && nng_aio_result(call->aio) != 0) nng_msg_free(nng_aio_get_msg(call->aio));
    nng_aio_free(call->aio);
    nng_ctx_close((nng_ctx){call->context});
  }
  unwatch((nng_socket){h->rep});
  hd_nng_close((nng_socket){h->rep});
  if (!h->options.feed) return;
  unwatch((nng_socket){h->pub});
  hd_nng_close((nng_socket){h->pub});
}

// ---- in a process of its own ---------------------------------------------------------------------------------------------------------------------

bool fake_host_main(int argc, char **argv) {
  static struct fake_host h;
  if (argc != 9 || strcmp(argv[1], "fake-host") != 0) return false;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const struct fake_options o = {.url = argv[2], .feed = argv[3], .seed = strtoull(argv[4], NULL, 10), .messages = strtoull(argv[5], NULL, 10), .burst = 100,
                                 .publish = (uint32_t)strtoul(argv[6], NULL, 10), .kept = strtoull(argv[7], NULL, 10), .lose = (double)strtoul(argv[8], NULL, 10) / 1e6};
  fake_host_start(&h, &o);
  for (;;) pause();
}

pid_t fake_host_spawn(const struct fake_options *o) {
  char seed[24], messages[24], publish[16], kept[24], lose[16];
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
  snprintf(messages, sizeof messages, "%llu", (unsigned long long)o->messages);
  snprintf(publish, sizeof publish, "%u", o->publish);
  snprintf(kept, sizeof kept, "%llu", (unsigned long long)o->kept);
  snprintf(lose, sizeof lose, "%u", (unsigned)(o->lose * 1e6));
  char *argv[] = {"fake-host", "fake-host", (char *)o->url, (char *)o->feed, seed, messages, publish, kept, lose, NULL};
  pid_t child;
  HD_ASSERT(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
  return child;
}
