// The calls of a session, and how its messages become events.
#include <stdlib.h>
#include <string.h>

#include "session.h"

const char *hadron_client_words(void) { return hc_words(); }
const char *hadron_client_version(void) { return HADRON_CLIENT_VERSION; }

// ---- open and close ----------------------------------------------------------------------------------------------------------------------------

static void packet_go(void *self, void *packet) {
  (void)self;
  hc_packet_free(packet);
}

static int32_t start(struct hadron_client *c, const struct hadron_client_options *o, struct hc_bell *bell) {
  struct hc_place place;
  const struct hc_stream_limits limits = {.hold_max = HC_READY_MAX, .repairs = true};
  int32_t code = bell ? HADRON_OK : hc_bell_init(&c->own_bell);
  c->bell = bell ? bell : &c->own_bell;
  if (code == HADRON_OK) code = hc_who_init(&c->who, o);
  if (code == HADRON_OK) code = hc_stream_init(&c->stream, &limits, 1, packet_go, c);
  if (code == HADRON_OK && !(c->decisions = calloc(HADRON_CLIENT_DECISIONS_MAX, sizeof *c->decisions))) code = hc_fail(HADRON_ERR_MEMORY, "out of memory");
  if (code == HADRON_OK && !(c->room = malloc(HADRON_PACKET_MAX))) code = hc_fail(HADRON_ERR_MEMORY, "out of memory");
  if (code == HADRON_OK) code = hc_place_init(&place, o, o->url);
  if (code != HADRON_OK) return code;
  code = hc_link_init(&c->link, &place, c->bell);
  if (code != HADRON_OK) hc_place_fini(&place);
  return code;
}

int32_t hc_session_open(const struct hadron_client_options *options, struct hc_bell *bell, struct hadron_client **out) {
  struct hadron_client_options o = {0};
  if (!options || options->struct_size < offsetof(struct hadron_client_options, connect_ms) || options->struct_size > 4096)
    return hc_fail(HADRON_ERR_ARGUMENT, "struct_size: found %u, expected %zu", options ? options->struct_size : 0, sizeof o);
  memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
  struct hadron_client *c = calloc(1, sizeof *c);
  if (!c) return hc_fail(HADRON_ERR_MEMORY, "out of memory");
  c->own_bell.fd = -1;
  c->window = o.window;
  c->connect_ns = (int64_t)o.connect_ms * 1000000;
  c->away_ns = c->heard_ns = hc_now_ns();
  hc_patience_init(&c->patience);
  int32_t code = start(c, &o, bell);
  if (code != HADRON_OK) {
    hadron_client_close(c);
    return code;
  }
  c->next = &c->link.calls[0];
  c->hello = &c->link.calls[HADRON_WINDOW_MAX];
  c->decide = c->hello + 1;
  c->other = c->hello + 2;
  c->feed = c->hello + 3;
  *out = c;
  return HADRON_OK;
}

int32_t hadron_client_open(const struct hadron_client_options *options, struct hadron_client **out) { return hc_session_open(options, NULL, out); }

static void say_goodbye(struct hadron_client *c) {
  struct hadron_frame f = hc_session_frame(c, HADRON_FRAME_BYE, 0, 0);
  int64_t until = hc_now_ns() + HC_RESEND_MS * INT64_C(1000000);
  if (c->state != HC_JOINED || hc_call_state(c->other) != HC_IDLE || hc_call_send(c->other, &f, NULL, 0, NULL, 0) != HADRON_OK) return;
  while (hc_call_state(c->other) == HC_BUSY && hc_link_up(&c->link) == c->generation && hc_now_ns() < until) {
    hc_bell_wait(c->bell, until);
    hc_bell_clear(c->bell);
  }
}

void hadron_client_close(struct hadron_client *c) {
  if (!c) return;
  if (c->link.open) say_goodbye(c);
  hc_link_fini(&c->link);
  for (uint32_t i = 0; i < c->ready_count; i++) hc_packet_free(c->ready[i].packet);
  hc_packet_free(c->current);
  free(c->room);
  for (uint32_t i = 0; i < c->say_count; i++) free(c->says[(c->say_first + i) % c->say_room].text);
  free(c->says);
  free(c->said.text);
  free(c->ask_bytes);
  hc_stream_fini(&c->stream);
  hc_outbox_fini(c);
  hc_who_fini(&c->who);
  hc_packet_free(c->reply);
  hc_bell_fini(&c->own_bell);
  free(c);
}

// ---- events ----------------------------------------------------------------------------------------------------------------------------------------

static bool says_grow(struct hadron_client *c) {
  uint32_t room = c->say_room ? 2 * c->say_room : 16;
  struct hc_say *says = calloc(room, sizeof *says);
  if (!says) return false;
  for (uint32_t i = 0; i < c->say_count; i++) says[i] = c->says[(c->say_first + i) % c->say_room];
  free(c->says);
  c->says = says;
  c->say_first = 0;
  c->say_room = room;
  return true;
}

void hc_say(struct hadron_client *c, const struct hadron_event *event, const char *text, size_t size) {
  if (c->say_count == c->say_room && !says_grow(c)) return;
  struct hc_say *s = &c->says[(c->say_first + c->say_count++) % c->say_room];
  *s = (struct hc_say){.event = *event, .text = text ? strndup(text, size) : NULL};
  s->event.text = s->text;
  s->event.text_size = s->text ? (uint32_t)strlen(s->text) : 0;
}

static bool next_say(struct hadron_client *c, struct hadron_event *out) {
  if (c->say_count == 0) return false;
  c->said = c->says[c->say_first];
  c->say_first = (c->say_first + 1) % c->say_room;
  c->say_count--;
  *out = c->said.event;
  return true;
}

#define ASK_MAX (UINT32_C(17) << 20) // bytes of an ASK: a host sends 16 MiB of state at most

// A piece of an ASK. True: it is whole. One that is longer than any host's is passed over.
static bool gather_ask(struct hadron_client *c, struct hadron_event *e) {
  struct hadron_ask piece;
  memcpy(&piece, e->data, sizeof piece);
  if (piece.offset == 0) {
    free(c->ask_bytes);
    c->ask_bytes = piece.total <= ASK_MAX ? malloc(piece.total + 1u) : NULL;
    c->ask_size = 0;
    c->ask = piece;
  }
  if (!c->ask_bytes || piece.number != c->ask.number || piece.offset != c->ask_size || e->text_size > c->ask.total - c->ask_size) return false;
  if (e->text_size) memcpy(c->ask_bytes + c->ask_size, e->text, e->text_size);
  c->ask_size += e->text_size;
  if (c->ask_size < c->ask.total) return false;
  c->ask_bytes[c->ask_size] = 0;
  c->ask.offset = 0;
  e->data = &c->ask;
  e->count = 1;
  e->stride = sizeof c->ask;
  e->text = c->ask_bytes;
  e->text_size = c->ask_size;
  return true;
}

static void given_out(struct hadron_client *c, const struct hadron_event *e) {
  c->giving = e->sequence + e->count;
  c->figures.messages += e->count;
  const uint8_t *last = (const uint8_t *)e->data + (size_t)(e->count - 1) * e->stride;
  if (e->kind == HADRON_EVENT_TICKS) c->cause = ((const struct hadron_tick *)(const void *)last)->sequence;
  if (e->kind == HADRON_EVENT_LOST)
    for (uint32_t i = 0; i < e->count; i++) c->figures.lost += ((const struct hadron_lost *)(const void *)((const uint8_t *)e->data + (size_t)i * e->stride))->count;
}

static bool next_message(struct hadron_client *c, struct hadron_event *out) {
  for (;;) {
    if (!c->current) {
      if (c->ready_count == 0) return false;
      c->current = c->ready[0].packet;
      c->giving = c->ready[0].from;
      memmove(c->ready, c->ready + 1, --c->ready_count * sizeof *c->ready);
    }
    while (hc_packet_event(c->current, c->giving, c->room, out)) {
      given_out(c, out);
      out->host_ns = c->host_ns;
      if (out->kind != HADRON_EVENT_ASK || gather_ask(c, out)) return true;
    }
    c->given = c->giving;
    hc_packet_free(c->current);
    c->current = NULL;
  }
}

int32_t hadron_client_poll(struct hadron_client *c, int32_t timeout_ms, struct hadron_event *event) {
  int64_t now = hc_now_ns(), until = timeout_ms < 0 ? INT64_MAX : now + timeout_ms * INT64_C(1000000);
  free(c->said.text);
  c->said.text = NULL;
  c->given = c->giving; // the last event has been handled
  for (bool first = true;; first = false, now = hc_now_ns()) {
    if (!first || atomic_load_explicit(&c->bell->rung, memory_order_relaxed)) hc_bell_clear(c->bell); // a system call, where it may be needed
    hc_session_pump(c, now);
    if (next_say(c, event)) return event->kind == HADRON_EVENT_CLOSED ? HADRON_ERR_CLOSED : HADRON_OK;
    if (c->state != HC_CLOSED && next_message(c, event)) return HADRON_OK;
    if (c->state == HC_CLOSED) {
      *event = (struct hadron_event){.kind = HADRON_EVENT_CLOSED, .code = c->closed_code};
      return HADRON_ERR_CLOSED;
    }
    if (first) continue;
    *event = (struct hadron_event){.kind = HADRON_EVENT_NONE, .host_ns = c->host_ns};
    if (atomic_exchange(&c->woken, false) || now >= until) return HADRON_ERR_AGAIN;
    int64_t due = hc_session_due(c, now);
    hc_bell_wait(c->bell, due < until ? due : until);
  }
}

int hadron_client_fd(const struct hadron_client *c) { return c->bell->fd; }

int32_t hadron_client_due(const struct hadron_client *c) {
  int64_t now = hc_now_ns(), due = hc_session_due(c, now);
  if (c->say_count > 0 || c->ready_count > 0 || c->current) return 0;
  return due == INT64_MAX ? -1 : due - now > INT64_C(1000000000) * 60 ? 60000 : (int32_t)((due - now + 999999) / 1000000);
}

void hadron_client_wake(struct hadron_client *c) {
  atomic_store(&c->woken, true);
  hc_bell_ring(c->bell);
}

void hadron_client_measured(struct hadron_client *c, const struct hadron_measured *rows, uint32_t count) {
  for (uint32_t i = 0; i < count && c->measured_count < HADRON_MEASURED_MAX; i++) c->measured[c->measured_count++] = rows[i];
}

void hadron_client_heartbeats(struct hadron_client *c, int32_t on) { c->verbose = on != 0; }
void hadron_client_info(const struct hadron_client *c, struct hadron_client_info *out) { *out = c->info; }

void hadron_client_figures(const struct hadron_client *c, struct hadron_client_figures *out) {
  *out = c->figures;
  out->duplicates = c->stream.figures.duplicates;
}
