#include "session.h"

#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define GREET_WAIT (1000 * MS)      // no answer to a HELLO: the connection is taken for dead
#define SILENT_STALES 8             // so many stale times without a sign of life: the same
#define AGAIN_MIN (50 * MS)         // after a refusal that may pass, doubled each time
#define AGAIN_MAX (2000 * MS)      // a host closes the door on an address with more than 60 refusals a minute
#define STALE_BEFORE_JOIN (300 * MS)

struct hadron_frame hc_session_frame(const struct hadron_client *c, uint16_t kind, uint16_t count, uint64_t sequence) {
  return (struct hadron_frame){.topic = HADRON_TOPIC_SESSION, .stream = c->info.session, .kind = kind, .count = count, .epoch = c->info.epoch, .sequence = sequence};
}

static void say(struct hadron_client *c, uint32_t kind, int32_t code, const char *text) {
  hc_say(c, &(struct hadron_event){.kind = kind, .code = code, .epoch = c->info.epoch, .stream = c->info.session, .sequence = c->stream.next}, text, text ? strlen(text) : 0);
}

// ---- coming and going ----------------------------------------------------------------------------------------------------------------------

void hc_session_close(struct hadron_client *c, int32_t code, const char *text) {
  if (c->state == HC_CLOSED) return;
  c->state = HC_CLOSED;
  c->closed_code = code;
  say(c, HADRON_EVENT_CLOSED, code, text);
}

static void go_away(struct hadron_client *c, const char *why, int64_t now) {
  for (size_t i = 0; i < HC_CALLS; i++) hc_call_cancel(&c->link.calls[i]);
  if (c->state == HC_JOINED) {
    c->away_ns = now;
    say(c, HADRON_EVENT_AWAY, 0, why);
  }
  c->state = HC_AWAY;
  c->rewound = 0;
}

void hc_session_again(struct hadron_client *c, const char *why, int64_t now) {
  int64_t wait = AGAIN_MIN << (c->refusals < 6 ? c->refusals : 6);
  c->refusals++;
  c->greet_ns = now + (wait < AGAIN_MAX ? wait : AGAIN_MAX);
  go_away(c, why, now);
}

static void greet(struct hadron_client *c, int64_t now) {
  struct hc_resume resume = {c->forget ? 0 : c->info.session, c->info.epoch, c->stream.next};
  char *json;
  int32_t code = hc_hello_make(&c->who, &c->link.place, &resume, c->nonce[0] ? c->nonce : NULL, &json);
  if (code != HADRON_OK) {
    hc_session_close(c, code, hc_words());
    return;
  }
  struct hadron_frame f = {.topic = HADRON_TOPIC_SESSION, .kind = HADRON_FRAME_HELLO};
  c->generation = hc_link_up(&c->link);
  if (hc_call_send(c->hello, &f, json, strlen(json), NULL, 0) == HADRON_OK) c->state = HC_GREETING;
  c->greeted_ns = now;
  free(json);
}

static void drop_ready(struct hadron_client *c) {
  for (uint32_t i = 0; i < c->ready_count; i++) hc_packet_free(c->ready[i].packet);
  c->ready_count = 0;
  hc_packet_free(c->current);
  c->current = NULL;
}

static void welcome(struct hadron_client *c, const struct hc_packet *p, int64_t now) {
  struct hc_welcome w;
  if (hc_welcome_read(hc_packet_payload(p), p->head.size, &w) != HADRON_OK) {
    hc_session_close(c, HADRON_ERR_PARSE, hc_words());
    return;
  }
  bool resumed = w.info.session == c->info.session && w.info.epoch == c->info.epoch && w.next == c->stream.next && !c->forget;
  if (!resumed) {
    hc_outbox_forget(c);
    drop_ready(c);
    free(c->ask_bytes);
    c->ask_bytes = NULL;
    hc_stream_begin(&c->stream, w.info.epoch, w.next);
    c->given = c->giving = w.next;
    c->cause = 0;
  }
  c->info = w.info;
  c->state = HC_JOINED;
  c->heard_ns = now;
  hc_patience_init(&c->patience);
  c->nonce[0] = 0;
  c->forget = c->told = false;
  c->rewound = 0;
  c->figures.joined++;
  c->figures.resumed += resumed;
  hc_say(c, &(struct hadron_event){.kind = HADRON_EVENT_JOINED, .flags = resumed ? HADRON_EVENT_RESUMED : 0, .epoch = w.info.epoch, .stream = w.info.session, .sequence = w.next},
         hc_packet_payload(p), p->head.size);
}

// What passes by itself: another session of the same name that is not yet given up, a host that is full or just starting.
static bool may_pass(int32_t code) {
  return code == HADRON_ERR_FULL || code == HADRON_ERR_STATE || code == HADRON_ERR_AGAIN || code == HADRON_ERR_EXISTS || code == HADRON_ERR_TIMEOUT || code == HADRON_ERR_DUPLICATE;
}

static void hello_answered(struct hadron_client *c, const struct hc_packet *p, int64_t now) {
  struct hc_refused r;
  if (p->kind == HADRON_FRAME_WELCOME) {
    welcome(c, p, now);
    return;
  }
  hc_refused_read(hc_packet_payload(p), p->kind == HADRON_FRAME_REFUSED ? p->head.size : 0, &r);
  if (r.nonce[0] && strcmp(r.nonce, c->nonce) != 0) { // said again, signed
    memcpy(c->nonce, r.nonce, sizeof c->nonce);
    c->state = HC_AWAY;
    c->greet_ns = now;
  } else if (c->info.session && !c->forget) { // it is not known any more
    c->forget = true;
    c->nonce[0] = 0;
    hc_session_again(c, r.text, now);
  } else if (may_pass(r.code)) {
    c->nonce[0] = 0;
    if (!c->told) say(c, HADRON_EVENT_AWAY, r.code, r.text); // once: it may be what somebody has to mend
    c->told = true;
    hc_session_again(c, r.text, now);
  } else {
    hc_session_close(c, r.code, r.text);
  }
}

// ---- the stream --------------------------------------------------------------------------------------------------------------------------

static void ready(struct hadron_client *c, struct hc_packet *p, uint64_t from) { c->ready[c->ready_count++] = (struct hc_ready){p, from}; }

// The host keeps twice its window of packets until they are handled, and gives no more. If the NEXTs that wait there were all sent while that many were on
// their way or still here, nobody tells it of what was handled meanwhile, and it stands until a heartbeat is due.
static bool room_for_more(const struct hadron_client *c) {
  uint32_t packets = c->ready_count + c->stream.held_count + (c->current && c->given < c->current->to);
  for (size_t i = 0; i < HADRON_WINDOW_MAX; i++) packets += hc_call_state(&c->next[i]) != HC_IDLE;
  return packets < 2 * c->info.window;
}

static void numbers_came(struct hadron_client *c, struct hc_packet *p, uint64_t serial, int64_t now) {
  struct hc_piece piece = {p->from, p->to, p};
  uint64_t skip, gaps = c->stream.figures.gaps;
  enum hc_verdict verdict = hc_stream_offer(&c->stream, p->head.epoch, &piece, now, &skip);
  if (c->stream.figures.gaps > gaps || verdict == HC_HELD) c->gap_serial = serial;
  if (verdict == HC_DELIVER)
    ready(c, p, p->from + skip);
  else if (verdict != HC_HELD)
    hc_packet_free(p);
  while (hc_stream_take(&c->stream, now, &piece, &skip)) ready(c, piece.of, piece.from + skip);
  if (c->stream.next > c->rewound) c->rewound = 0;
}

static void heartbeat_came(struct hadron_client *c, const struct hc_packet *p, uint64_t serial, int64_t now) {
  c->host_ns = p->host_ns;
  if (c->verbose) hc_say(c, &(struct hadron_event){.kind = HADRON_EVENT_HEARTBEAT, .epoch = p->head.epoch, .stream = p->head.stream, .sequence = p->next, .host_ns = p->host_ns}, NULL, 0);
  if (p->next <= c->stream.tail) return;
  hc_stream_heartbeat(&c->stream, p->head.epoch, p->next, now);
  c->gap_serial = serial;
}

static void next_answered(struct hadron_client *c, const struct hc_call *call, struct hc_packet *p, int64_t now) {
  struct hc_refused r;
  if (p->kind == HADRON_FRAME_REFUSED) {
    hc_refused_read(hc_packet_payload(p), p->head.size, &r);
    if (c->state == HC_JOINED && call->generation == c->generation) hc_session_again(c, r.text, now);
    hc_packet_free(p);
    return;
  }
  if (p->head.epoch != c->info.epoch || p->head.stream != c->info.session) { // of a session that is over
    hc_packet_free(p);
    return;
  }
  c->refusals = 0;
  if (p->heartbeat) heartbeat_came(c, p, call->serial, now);
  if (p->to > p->from)
    numbers_came(c, p, call->serial, now);
  else
    hc_packet_free(p);
}

// A gap is the answer of an earlier request that is still on its way, or was lost: then it is asked for again. What is held is let go, so that the
// host's place in the stream and this side's are the same again.
static bool must_rewind(const struct hadron_client *c) {
  if (!hc_stream_behind(&c->stream) || c->rewound == c->stream.next) return false;
  for (size_t i = 0; i < HADRON_WINDOW_MAX; i++)
    if (hc_call_state(&c->next[i]) != HC_IDLE && c->next[i].serial < c->gap_serial) return false;
  return true;
}

static void ask_for_more(struct hadron_client *c) {
  uint32_t window = c->window ? c->window : c->info.window;
  for (uint32_t i = 0; i < window; i++) {
    struct hc_call *call = &c->next[i];
    if (hc_call_state(call) != HC_IDLE) continue;
    bool rewind = must_rewind(c);
    if (!rewind && !room_for_more(c)) continue;
    if (rewind) {
      hc_stream_begin(&c->stream, c->stream.epoch, c->stream.next);
      c->rewound = c->stream.next;
      c->figures.rewinds++;
    }
    struct hadron_frame f = hc_session_frame(c, HADRON_FRAME_NEXT, rewind, rewind ? c->stream.next : c->given);
    if (hc_call_send(call, &f, c->measured, c->measured_count * sizeof *c->measured, NULL, 0) == HADRON_OK) c->measured_count = 0;
    if (rewind) c->rewind_serial = call->serial;
  }
}

bool hc_session_ask(struct hadron_client *c, uint16_t kind, const struct hadron_repair *what) {
  if (c->state != HC_JOINED || hc_call_state(c->feed) != HC_IDLE || c->replied) return false;
  struct hadron_frame f = hc_session_frame(c, kind, 0, 0);
  return hc_call_send(c->feed, &f, what, sizeof *what, NULL, 0) == HADRON_OK;
}

// ---- the whole -------------------------------------------------------------------------------------------------------------------------------

static void answered(struct hadron_client *c, struct hc_call *call, int64_t now) {
  nng_msg *msg = hc_call_take(call);
  if (call->serial == c->rewind_serial) c->rewound = 0; // whatever came of it
  if (call == c->feed) c->replied = true;
  if (!msg) return;
  c->figures.packets++;
  c->figures.bytes += nng_msg_len(msg);
  struct hc_packet *p = hc_packet_open(msg, call->kind == HADRON_FRAME_NEXT);
  if (!p) {
    c->figures.damaged++;
    if (call->kind == HADRON_FRAME_NEXT) c->gap_serial = call->serial, c->stream.tail += c->stream.tail == c->stream.next; // it may have had messages
    if (call->kind == HADRON_FRAME_HELLO) hc_session_again(c, "a damaged answer", now);
    return;
  }
  c->heard_ns = now;
  if (call->kind == HADRON_FRAME_NEXT) {
    next_answered(c, call, p, now);
    return;
  }
  bool current = call->generation == c->generation;
  if (call == c->feed) {
    c->reply = p;
    return;
  }
  if (call->kind == HADRON_FRAME_HELLO) {
    if (current && c->state == HC_GREETING) hello_answered(c, p, now);
  } else if (current && c->state == HC_JOINED) {
    if (call->kind == HADRON_FRAME_DECIDE) hc_outbox_decided(c, p, now);
    else hc_outbox_delivered(c, p, now);
  }
  hc_packet_free(p);
}

static void drop(struct hadron_client *c) {
  c->dropped = hc_link_up(&c->link);
  hc_link_drop(&c->link);
}

static bool connected(const struct hadron_client *c) {
  uint32_t up = hc_link_up(&c->link);
  return up != 0 && up != c->dropped;
}

// See hangup.c and struct hc_patience. NNG says of a connection that it has gone only after it was cleared away.
static void dial_anew(struct hadron_client *c) {
  bool asked = hc_call_state(c->feed) != HC_IDLE, stuck = hc_link_up(&c->link) != 0;
  if (hc_sockets_left() >= HC_LEFT_MAX) {
    hc_session_close(c, HADRON_ERR_INTERNAL, "NNG does not let go of connections that are gone; start the program again");
    return;
  }
  if (stuck && !c->stuck_told) say(c, HADRON_EVENT_AWAY, HADRON_ERR_INTERNAL, "NNG does not let go of a connection that is gone: another one is made, and the old one ends with this process");
  c->stuck_told |= stuck;
  c->replied |= asked; // nothing comes of it
  hc_link_renew(&c->link); // without memory for it: again, later
}

static void cancel_old(struct hadron_client *c, uint32_t up) {
  for (size_t i = 0; i < HC_CALLS; i++)
    if (c->link.calls[i].generation != up) hc_call_cancel(&c->link.calls[i]);
}

static void look_at_connection(struct hadron_client *c, int64_t now) {
  uint32_t up = hc_link_up(&c->link);
  if (c->state == HC_AWAY) cancel_old(c, up);
  if (c->state != HC_AWAY && up != c->generation) {
    c->nonce[0] = 0; // a nonce is for one connection
    go_away(c, "the connection was cut", now);
  }
  if (c->state == HC_GREETING && now - c->greeted_ns > GREET_WAIT) {
    go_away(c, "no answer to the HELLO", now);
    drop(c);
    c->greet_ns = now + AGAIN_MIN;
  }
  if (c->state == HC_JOINED && now - c->heard_ns > SILENT_STALES * c->info.stale_ns) { // half open: nobody has told that the other side is gone
    go_away(c, "the host is silent", now);
    drop(c);
  }
  if (c->state == HC_AWAY && connected(c) && now >= c->greet_ns && hc_call_state(c->hello) == HC_IDLE) greet(c, now);
  if (hc_patience_over(&c->patience, connected(c), now)) dial_anew(c);
  if (c->state != HC_JOINED && c->connect_ns > 0 && now - c->away_ns > c->connect_ns) hc_session_close(c, HADRON_ERR_TIMEOUT, "the host was away for longer than connect_ms");
}

static int64_t stale_ns(const struct hadron_client *c) { return c->info.session ? c->info.stale_ns : STALE_BEFORE_JOIN; }

static void look_at_life(struct hadron_client *c, int64_t now) {
  bool stale = now - c->heard_ns > stale_ns(c);
  if (stale == c->stale || c->info.session == 0) return;
  c->stale = stale;
  say(c, stale ? HADRON_EVENT_STALE : HADRON_EVENT_LIVE, stale ? HADRON_ERR_STALE : 0, NULL);
}

void hc_session_pump(struct hadron_client *c, int64_t now) {
  if (c->state == HC_CLOSED) return;
  look_at_connection(c, now); // first: what was sent on an earlier connection is answered by nobody who knows it
  for (size_t i = 0; i < HC_CALLS; i++) {
    struct hc_call *call = &c->link.calls[i];
    bool room = call->kind == HADRON_FRAME_NEXT ? c->ready_count + c->stream.held_count < HC_READY_MAX : c->say_count < HC_SAYS;
    if (hc_call_state(call) == HC_DONE && room) answered(c, call, now);
  }
  look_at_life(c, now);
  if (c->state != HC_JOINED) return;
  ask_for_more(c);
  hc_outbox_pump(c, now);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t hc_session_due(const struct hadron_client *c, int64_t now) {
  int64_t due = INT64_MAX;
  if (c->state == HC_CLOSED) return due;
  if (c->info.session && !c->stale) due = earlier(due, c->heard_ns + stale_ns(c) + 1);
  if (c->state == HC_AWAY && connected(c) && hc_call_state(c->hello) == HC_IDLE) due = earlier(due, c->greet_ns);
  if (!connected(c)) due = earlier(due, hc_patience_due(&c->patience, now));
  if (c->state == HC_GREETING) due = earlier(due, c->greeted_ns + GREET_WAIT + 1);
  if (c->state == HC_JOINED) due = earlier(due, c->heard_ns + SILENT_STALES * c->info.stale_ns + 1);
  if (c->state != HC_JOINED && c->connect_ns > 0) due = earlier(due, c->away_ns + c->connect_ns + 1);
  due = earlier(due, hc_outbox_due(c));
  return due < now ? now : due;
}
