#include <stdlib.h>
#include <string.h>

#include "session.h"

#define LETTER_PIECE (64 * 1024) // bytes of a worker's answer in one request

static struct hadron_decision *slot(struct hadron_client *c, uint64_t number) { return &c->decisions[number % HADRON_CLIENT_DECISIONS_MAX]; }

// ---- decisions ---------------------------------------------------------------------------------------------------------------------

int32_t hadron_client_decide(struct hadron_client *c, const struct hadron_decision *decisions, uint32_t count, uint64_t *number) {
  if (count == 0 || !decisions) return hc_fail(HADRON_ERR_ARGUMENT, "decide: found no decision, expected 1 to %d", HADRON_CLIENT_DECISIONS_MAX);
  if (c->info.session == 0 || strcmp(c->info.rights, "read") == 0)
    return hc_fail(HADRON_ERR_STATE, "decide: %s; wait for JOINED, and register with a name and the right to trade",
                   c->info.session == 0 ? "the session has not joined" : "this session may only read");
  if (c->state == HC_CLOSED) return hc_fail(HADRON_ERR_CLOSED, "decide: the session is over");
  if (count > HADRON_CLIENT_DECISIONS_MAX - (c->decided - c->acknowledged))
    return hc_fail(HADRON_ERR_FULL, "decide: %u more than the %llu that wait to be acknowledged pass %d; poll before deciding more", count,
                   (unsigned long long)(c->decided - c->acknowledged), HADRON_CLIENT_DECISIONS_MAX);
  if (number) *number = c->decided + 1;
  for (uint32_t i = 0; i < count; i++) {
    struct hadron_decision *d = slot(c, ++c->decided);
    *d = decisions[i];
    if (d->cause == 0 && !c->who.exact) d->cause = c->cause;
  }
  c->figures.decisions += count;
  hc_outbox_pump(c, hc_now_ns()); // at once, where none is on its way
  return HADRON_OK;
}

static void send_decisions(struct hadron_client *c) {
  struct { struct hadron_message_header header; struct hadron_decision decisions[HC_DECISIONS_REQUEST]; } payload;
  uint64_t first = c->acknowledged + 1;
  uint32_t count = 0;
  payload.header = (struct hadron_message_header){sizeof(struct hadron_decision), HADRON_MSG_DECISION, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
  for (; count < HC_DECISIONS_REQUEST && first + count <= c->decided; count++) payload.decisions[count] = *slot(c, first + count);
  struct hadron_frame f = hc_session_frame(c, HADRON_FRAME_DECIDE, (uint16_t)count, first);
  if (hc_call_send(c->decide, &f, &payload, sizeof payload.header + count * sizeof *payload.decisions, NULL, 0) == HADRON_OK) c->asked_to = first + count - 1;
}

static void refused(struct hadron_client *c, uint64_t number, int32_t code, const char *text) {
  c->figures.refused++;
  hc_say(c, &(struct hadron_event){.kind = HADRON_EVENT_REFUSED, .epoch = c->info.epoch, .stream = c->info.session, .sequence = number, .code = code}, text, strlen(text));
}

static void acknowledged(struct hadron_client *c, const struct hc_packet *p) {
  uint64_t to = p->head.sequence > c->asked_to ? c->asked_to : p->head.sequence;
  if (to <= c->acknowledged) return;
  for (uint32_t i = 0; i < p->head.count && (i + 1) * sizeof(struct hadron_refusal) <= p->head.size; i++) {
    struct hadron_refusal r;
    memcpy(&r, (const uint8_t *)hc_packet_payload(p) + i * sizeof r, sizeof r);
    if (r.number > c->acknowledged && r.number <= to) refused(c, r.number, r.code, hadron_error_text(r.code));
  }
  c->figures.acknowledged += to - c->acknowledged;
  c->acknowledged = to;
  if (c->verbose) hc_say(c, &(struct hadron_event){.kind = HADRON_EVENT_ACK, .epoch = c->info.epoch, .stream = c->info.session, .sequence = to}, NULL, 0);
}

static int64_t busy_of(const struct hc_packet *p, int64_t now) {
  int64_t wait = 0;
  if (p->head.size >= sizeof wait) memcpy(&wait, hc_packet_payload(p), sizeof wait);
  return now + (wait < 1000000 ? 1000000 : wait > 1000000000 ? 1000000000 : wait);
}

// What no repetition makes right: the request itself is wrong.
static bool is_final(int32_t code) { return code == HADRON_ERR_ARGUMENT || code == HADRON_ERR_PERMISSION || code == HADRON_ERR_UNSUPPORTED || code == HADRON_ERR_RANGE; }

void hc_outbox_decided(struct hadron_client *c, const struct hc_packet *p, int64_t now) {
  struct hc_refused r;
  if (p->kind == HADRON_FRAME_ACK) {
    acknowledged(c, p);
  } else if (p->kind == HADRON_FRAME_BUSY) {
    c->decide_ns = busy_of(p, now);
  } else if (p->kind == HADRON_FRAME_REFUSED) {
    hc_refused_read(hc_packet_payload(p), p->head.size, &r);
    if (!is_final(r.code)) {
      hc_session_again(c, r.text, now);
      return;
    }
    while (c->acknowledged < c->asked_to) refused(c, ++c->acknowledged, r.code, r.text);
  }
}

// ---- answers and commands --------------------------------------------------------------------------------------------------------------

static struct hc_letter *letter(struct hadron_client *c, uint32_t i) { return &c->letters[(c->letter_first + i) % HADRON_CLIENT_ANSWERS_MAX]; }

// bytes: moved on success.
static int32_t add_letter(struct hadron_client *c, const struct hc_letter *l) {
  if (c->state == HC_CLOSED) return hc_fail(HADRON_ERR_CLOSED, "the session is over");
  if (c->letter_count == HADRON_CLIENT_ANSWERS_MAX)
    return hc_fail(HADRON_ERR_FULL, "%d answers and commands wait to be acknowledged; poll before more", HADRON_CLIENT_ANSWERS_MAX);
  *letter(c, c->letter_count++) = *l;
  hc_outbox_pump(c, hc_now_ns());
  return HADRON_OK;
}

// An answer comes behind what was decided before it. That of PARAMS does not wait for that: the host takes no decision before it has it.
int32_t hadron_client_answer(struct hadron_client *c, uint64_t number, int32_t code, const void *bytes, uint32_t size) {
  bool at_once = c->ask.number == number && c->ask.verb == HADRON_ASK_PARAMS;
  struct hc_letter l = {.kind = HADRON_FRAME_ANSWER, .head = {.number = number, .code = code, .total = size}, .after = at_once ? 0 : c->decided, .size = size, .bytes = malloc(size + 1u)};
  if (!l.bytes) return hc_fail(HADRON_ERR_MEMORY, "out of memory for an answer of %u bytes", size);
  if (size) memcpy(l.bytes, bytes, size);
  int32_t result = add_letter(c, &l);
  if (result != HADRON_OK) free(l.bytes);
  return result;
}

int32_t hadron_client_admin(struct hadron_client *c, const char *json) {
  size_t size = strlen(json);
  if (size > LETTER_PIECE) return hc_fail(HADRON_ERR_RANGE, "a command of %zu bytes; expected at most %d", size, LETTER_PIECE);
  // Numbered, so that what comes again by REQ's repetition is not carried out again.
  struct hc_letter l = {.kind = HADRON_FRAME_ADMIN, .head = {.number = c->commands + 1}, .size = (uint32_t)size, .bytes = strdup(json)};
  if (!l.bytes) return hc_fail(HADRON_ERR_MEMORY, "out of memory for a command");
  int32_t result = add_letter(c, &l);
  if (result != HADRON_OK) free(l.bytes);
  else c->commands++;
  return result;
}

static void pop_letter(struct hadron_client *c) {
  free(letter(c, 0)->bytes);
  c->letter_first = (c->letter_first + 1) % HADRON_CLIENT_ANSWERS_MAX;
  c->letter_count--;
}

static uint32_t piece_of(const struct hc_letter *l) {
  uint32_t left = l->size - l->head.offset;
  return left > LETTER_PIECE ? LETTER_PIECE : left;
}

static void send_letter(struct hadron_client *c) {
  struct hc_letter *l = letter(c, 0);
  bool answer = l->kind == HADRON_FRAME_ANSWER;
  struct hadron_frame f = hc_session_frame(c, l->kind, answer, l->head.number);
  hc_call_send(c->other, &f, &l->head, answer ? sizeof l->head : 0, l->bytes + l->head.offset, piece_of(l));
}

void hc_outbox_delivered(struct hadron_client *c, const struct hc_packet *p, int64_t now) {
  struct hc_refused r;
  struct hc_letter *l = letter(c, 0);
  if (c->letter_count == 0) return;
  const char *text = hc_packet_payload(p);
  struct hadron_event event = {.kind = HADRON_EVENT_ADMIN, .epoch = c->info.epoch, .stream = c->info.session};
  switch (p->kind) {
  case HADRON_FRAME_BUSY: c->letter_ns = busy_of(p, now); return;
  case HADRON_FRAME_ACK:
    l->head.offset += piece_of(l);
    if (l->kind == HADRON_FRAME_ANSWER && l->head.offset < l->size) return;
    break;
  case HADRON_FRAME_ADMIN:
    hc_say(c, &event, text, p->head.size);
    break;
  default:
    hc_refused_read(text, p->kind == HADRON_FRAME_REFUSED ? p->head.size : 0, &r);
    if (!is_final(r.code) && l->kind == HADRON_FRAME_ANSWER) {
      hc_session_again(c, r.text, now);
      return;
    }
    event.code = r.code;
    if (l->kind == HADRON_FRAME_ADMIN) hc_say(c, &event, r.text, strlen(r.text));
  }
  pop_letter(c);
}

// ---- the whole -----------------------------------------------------------------------------------------------------------------------------

// What may not be decided twice goes alone: one request at a time, all that has gathered meanwhile in the next.
void hc_outbox_pump(struct hadron_client *c, int64_t now) {
  if (c->state != HC_JOINED) return;
  if (c->decided > c->acknowledged && hc_call_state(c->decide) == HC_IDLE && now >= c->decide_ns) send_decisions(c);
  if (c->letter_count > 0 && hc_call_state(c->other) == HC_IDLE && now >= c->letter_ns && letter(c, 0)->after <= c->acknowledged) send_letter(c);
}

int64_t hc_outbox_due(const struct hadron_client *c) {
  int64_t due = INT64_MAX;
  if (c->state != HC_JOINED) return due;
  if (c->decided > c->acknowledged && hc_call_state(c->decide) == HC_IDLE) due = c->decide_ns;
  if (c->letter_count > 0 && hc_call_state(c->other) == HC_IDLE && c->letter_ns < due && c->letters[c->letter_first].after <= c->acknowledged) due = c->letter_ns;
  return due;
}

// Numbers are the session's: another one begins with 1. Whether the old one's last decisions were taken is not known, so they are not repeated.
void hc_outbox_forget(struct hadron_client *c) {
  while (c->acknowledged < c->decided) refused(c, ++c->acknowledged, HADRON_ERR_CLOSED, "the session ended before it was acknowledged; the host's journal says whether it was taken");
  c->decided = c->acknowledged = c->asked_to = c->commands = 0;
  while (c->letter_count > 0) pop_letter(c);
}

void hc_outbox_fini(struct hadron_client *c) {
  while (c->letter_count > 0) pop_letter(c);
  free(c->decisions);
}
