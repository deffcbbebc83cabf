#include "bus/session.h"

#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"

#define DECISION ((uint32_t)sizeof(struct hadron_decision))
#define LEAST (128u * 1024) // an ask's piece fits into it
#define FAST_NS INT64_C(30000000)
#define SLOW_NS INT64_C(150000000)
#define SMALL (HADRON_PACKET_MAX / 8) // a packet of so many bytes is kept in as much memory as it needs

void hd_bus_session_init(struct hd_bus_session *s, const struct hd_session_port *port, uint32_t number, uint64_t epoch, uint32_t window, int64_t heartbeat_ns) {
  HD_ASSERT(window >= 1 && window <= HADRON_WINDOW_MAX);
  *s = (struct hd_bus_session){.port = *port, .number = number, .window = window, .epoch = epoch, .heartbeat_ns = heartbeat_ns,
                               .acked = 1, .sent = 1, .made = 1, .packet_max = LEAST};
}

// Memory for a packet of any size. What is given back to the system comes again as pages that have to be cleared first: that was a third of what a
// packet cost.
static uint8_t *room_take(struct hd_bus_session *s) { return s->spare_count ? s->spare[--s->spare_count] : malloc(HADRON_PACKET_MAX); }

static void room_give(struct hd_bus_session *s, uint8_t *bytes) {
  if (s->spare_count < HD_SESSION_KEPT) s->spare[s->spare_count++] = bytes;
  else free(bytes);
}

static void rooms_free(struct hd_bus_session *s) {
  while (s->spare_count) free(s->spare[--s->spare_count]);
}

static void release(struct hd_bus_session *s, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (s->kept[i].whole) room_give(s, s->kept[i].bytes);
    else free(s->kept[i].bytes);
  }
  s->kept_count -= count;
  memmove(s->kept, s->kept + count, s->kept_count * sizeof *s->kept);
}

void hd_bus_session_fini(struct hd_bus_session *s) {
  HD_ASSERT(!hd_bus_session_waits(s));
  release(s, s->kept_count);
  rooms_free(s);
}

void hd_bus_session_drop(struct hd_bus_session *s, void (*drop)(void *self, uint64_t ticket)) {
  for (uint32_t i = 0; i < s->waiting_count; i++) drop(s->port.self, s->waiting[i].ticket);
  for (uint32_t i = 0; i < s->decide_count; i++) drop(s->port.self, s->decides[i].ticket);
  s->waiting_count = s->decide_count = 0;
}

static void answer(struct hd_bus_session *s, uint64_t ticket, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  uint8_t bytes[sizeof(struct hadron_frame) + HD_TICK_DECISIONS_MAX * sizeof(struct hadron_refusal)];
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, s->number, s->epoch, kind, count, sequence);
  bool fits = hd_frame_put(&packet, &head, payload, size);
  HD_ASSERT(fits);
  s->port.answer(s->port.self, ticket, packet.bytes, packet.size);
}

static void refuse(struct hd_bus_session *s, uint64_t ticket, const char *json) {
  answer(s, ticket, HADRON_FRAME_REFUSED, 0, s->sent, json, (uint32_t)strlen(json));
}

// ---- the stream ------------------------------------------------------------------------------------------------------------------------

static void heartbeat(struct hd_bus_session *s, uint64_t ticket, int64_t wall_ns) {
  s->counts.heartbeats++;
  rooms_free(s);
  answer(s, ticket, HADRON_FRAME_HEARTBEAT, 0, s->sent, &wall_ns, sizeof wall_ns);
}

// What did not fill its packet says nothing about the link.
static void measure(struct hd_bus_session *s, const struct hd_session_kept *k, int64_t now_ns) {
  int64_t took_ns = now_ns - k->given_ns;
  if (k->size <= s->packet_max / 2) return;
  if (took_ns < FAST_NS && s->packet_max < HADRON_PACKET_MAX) s->packet_max *= 2;
  if (took_ns > SLOW_NS && s->packet_max > LEAST) s->packet_max /= 2;
}

static void acknowledge(struct hd_bus_session *s, uint64_t before, int64_t now_ns) {
  uint32_t count = 0;
  while (count < s->kept_count && s->kept[count].next <= before) measure(s, &s->kept[count++], now_ns);
  release(s, count);
  s->counts.acknowledged += before - s->acked;
  s->acked = before;
}

// A packet that was given out before, or a new one. False: nothing is there, or as much is unacknowledged as may be.
static bool give(struct hd_bus_session *s, uint64_t ticket, int64_t now_ns) {
  for (uint32_t i = 0; i < s->kept_count; i++) {
    if (s->kept[i].next <= s->sent) continue;
    s->counts.repeated += s->kept[i].next - s->kept[i].first;
    s->sent = s->kept[i].next;
    s->kept[i].given_ns = now_ns;
    s->port.answer(s->port.self, ticket, s->kept[i].bytes, s->kept[i].size);
    return true;
  }
  if (s->kept_count == 2 * s->window) return false;
  uint8_t *bytes = room_take(s), *small;
  if (!bytes) return false; // before anything is taken out of the stream
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, s->packet_max);
  uint32_t count = s->port.fill(s->port.self, &packet, s->made);
  if (count == 0) {
    room_give(s, bytes);
    return false;
  }
  bool whole = packet.size > SMALL || !(small = malloc(packet.size));
  if (!whole) {
    memcpy(small, bytes, packet.size);
    room_give(s, bytes);
    bytes = small;
  }
  s->kept[s->kept_count++] = (struct hd_session_kept){s->made, s->made + count, bytes, packet.size, whole, now_ns};
  s->sent = s->made += count;
  s->counts.sent += count;
  s->counts.packets++;
  s->port.answer(s->port.self, ticket, bytes, packet.size);
  return true;
}

static void on_next(struct hd_bus_session *s, uint64_t ticket, const struct hadron_frame *head, int64_t now_ns, int64_t wall_ns) {
  // More than was given out since a REWIND is no fault: the answer to the request before it, or a REWIND that came twice, was still on its way.
  if (head->sequence > s->made || head->sequence == 0 || head->count > HD_NEXT_REWIND) {
    refuse(s, ticket, "{\"code\":\"HADRON_ERR_ARGUMENT\",\"text\":\"NEXT: expected the number of a message that was sent, or the next one's, and count 0 or 1\"}");
    return;
  }
  if (head->sequence > s->acked) acknowledge(s, head->sequence, now_ns);
  if (head->count != HD_NEXT_REWIND && s->port.handled) s->port.handled(s->port.self, head->sequence);
  if (s->sent < s->acked) s->sent = s->acked;
  if (head->count == HD_NEXT_REWIND && head->sequence >= s->acked && head->sequence < s->sent) {
    s->sent = head->sequence;
    s->counts.rewinds++;
  }
  if (s->waiting_count == HADRON_WINDOW_MAX) {
    heartbeat(s, s->waiting[0].ticket, wall_ns);
    memmove(s->waiting, s->waiting + 1, --s->waiting_count * sizeof *s->waiting);
  }
  s->waiting[s->waiting_count++] = (struct hd_session_wait){ticket, now_ns};
}

static void work_stream(struct hd_bus_session *s, int64_t now_ns, int64_t wall_ns) {
  while (s->waiting_count > 0) {
    const struct hd_session_wait first = s->waiting[0];
    bool given = give(s, first.ticket, now_ns);
    if (!given && now_ns - first.since_ns < s->heartbeat_ns) return;
    if (!given) heartbeat(s, first.ticket, wall_ns);
    memmove(s->waiting, s->waiting + 1, --s->waiting_count * sizeof *s->waiting);
  }
}

int32_t hd_bus_session_resume(struct hd_bus_session *s, uint64_t next) {
  if (next < s->acked || next > s->made) return HADRON_ERR_NOT_FOUND;
  acknowledge(s, next, INT64_MAX / 2); // on another connection: as if it had been slow
  s->sent = next;
  return HADRON_OK;
}

// ---- decisions ---------------------------------------------------------------------------------------------------------------------------

static void remember(struct hd_bus_session *s, uint64_t number, int32_t code) {
  s->refusals[s->refusal_count++ % HD_SESSION_REFUSALS] = (struct hadron_refusal){number, code, 0};
}

// ACK: what was handled, and which of this request's were refused.
static void acknowledge_decide(struct hd_bus_session *s, const struct hd_session_decide *d) {
  struct hadron_refusal list[HD_TICK_DECISIONS_MAX];
  uint16_t count = 0;
  uint64_t from = s->refusal_count > HD_SESSION_REFUSALS ? s->refusal_count - HD_SESSION_REFUSALS : 0;
  for (uint64_t i = from; i < s->refusal_count && count < HD_TICK_DECISIONS_MAX; i++) {
    const struct hadron_refusal *r = &s->refusals[i % HD_SESSION_REFUSALS];
    if (r->number >= d->first && r->number - d->first < d->count) list[count++] = *r;
  }
  answer(s, d->ticket, HADRON_FRAME_ACK, count, s->handled, list, count * (uint32_t)sizeof *list);
}

// Takes the decisions of one cause from `at` on; false: there is no room for them now.
static bool take_cause(struct hd_bus_session *s, const struct hd_session_decide *d, uint32_t at) {
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  int32_t codes[HD_TICK_DECISIONS_MAX];
  uint32_t count = d->count - at; // at most HD_TICK_DECISIONS_MAX: on_decide has looked
  memcpy(batch, d->blocks + (size_t)at * DECISION, (size_t)count * DECISION);
  for (uint32_t i = 1; i < count; i++)
    if (batch[i].cause != batch[0].cause) count = i;
  if (s->port.decide(s->port.self, batch, count, s->handled + 1, codes)) return false;
  for (uint32_t i = 0; i < count; i++) {
    s->handled++;
    if (codes[i]) remember(s, s->handled, codes[i]);
    s->counts.refused += codes[i] != HADRON_OK;
    s->counts.decisions += codes[i] == HADRON_OK;
  }
  return true;
}

// True: it has its answer.
static bool work_decide(struct hd_bus_session *s, const struct hd_session_decide *d) {
  uint64_t last = d->first + d->count - 1;
  if (d->first > s->handled + 1) { // a gap: the number says where to go on
    acknowledge_decide(s, d);
    return true;
  }
  while (s->handled < last)
    if (!take_cause(s, d, (uint32_t)(s->handled + 1 - d->first))) return false;
  if (s->port.settled(s->port.self, s->handled) < last) return false;
  acknowledge_decide(s, d);
  return true;
}

static void work_decides(struct hd_bus_session *s) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < s->decide_count; i++)
    if (!work_decide(s, &s->decides[i])) s->decides[kept++] = s->decides[i];
  s->decide_count = kept;
}

static void on_decide(struct hd_bus_session *s, uint64_t ticket, const struct hd_frame *frame) {
  struct hd_frame_messages m;
  if (hd_frame_messages(frame, &m, NULL) || m.template_id != HADRON_MSG_DECISION || m.block_length != DECISION || m.tail_size || m.count > HD_TICK_DECISIONS_MAX ||
      frame->head.sequence == 0) {
    refuse(s, ticket, "{\"code\":\"HADRON_ERR_ARGUMENT\",\"text\":\"DECIDE: expected 1 to 64 messages of template 3, 128 bytes each, numbered from 1\"}");
    return;
  }
  if (s->decide_count == HD_SESSION_DECIDES) {
    answer(s, s->decides[0].ticket, HADRON_FRAME_BUSY, 0, s->handled, &s->heartbeat_ns, sizeof s->heartbeat_ns);
    memmove(s->decides, s->decides + 1, --s->decide_count * sizeof *s->decides);
  }
  if (frame->head.sequence <= s->handled) s->counts.duplicates++;
  s->decides[s->decide_count++] = (struct hd_session_decide){ticket, frame->head.sequence, m.count, m.blocks};
}

// ---- the whole -----------------------------------------------------------------------------------------------------------------------------

void hd_bus_session_request(struct hd_bus_session *s, uint64_t ticket, const struct hd_frame *frame, int64_t now_ns, int64_t wall_ns) {
  HD_ASSERT(frame->head.kind == HADRON_FRAME_NEXT || frame->head.kind == HADRON_FRAME_DECIDE);
  if (frame->head.kind == HADRON_FRAME_NEXT) on_next(s, ticket, &frame->head, now_ns, wall_ns);
  else on_decide(s, ticket, frame);
  hd_bus_session_work(s, now_ns, wall_ns);
}

void hd_bus_session_work(struct hd_bus_session *s, int64_t now_ns, int64_t wall_ns) {
  if (s->decide_count) work_decides(s);
  if (s->waiting_count) work_stream(s, now_ns, wall_ns);
}

int64_t hd_bus_session_due(const struct hd_bus_session *s) { return s->waiting_count ? s->waiting[0].since_ns + s->heartbeat_ns : INT64_MAX; }
