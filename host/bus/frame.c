#include "bus/frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"

#define HEAD ((uint32_t)sizeof(struct hadron_frame))

// ---- writing ---------------------------------------------------------------------------------------------------------------------------

struct hadron_frame hd_frame_head(const char *topic, uint32_t stream, uint64_t epoch, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence) {
  struct hadron_frame head = {.stream = stream, .kind = (uint16_t)kind, .count = count, .epoch = epoch, .sequence = sequence};
  size_t length = strlen(topic);
  HD_ASSERT(length < sizeof head.topic);
  memcpy(head.topic, topic, length);
  return head;
}

struct hadron_message_header hd_frame_header(uint16_t template_id, uint16_t block_length) {
  return (struct hadron_message_header){block_length, template_id, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
}

bool hd_frame_begin(struct hd_packet *p, const struct hadron_frame *head) {
  HD_ASSERT(p->open == HD_FRAME_NONE);
  if (p->room - p->size < HEAD) return false;
  memcpy(p->bytes + p->size, head, HEAD);
  p->open = p->size;
  p->size += HEAD;
  return true;
}

uint32_t hd_frame_left(const struct hd_packet *p) { return p->room - p->size; }

void *hd_frame_more(struct hd_packet *p, uint32_t size) {
  HD_ASSERT(p->open != HD_FRAME_NONE);
  if (p->room - p->size < size) return NULL;
  void *at = p->bytes + p->size;
  p->size += size;
  return at;
}

void hd_frame_end(struct hd_packet *p, uint16_t count) {
  HD_ASSERT(p->open != HD_FRAME_NONE);
  struct hadron_frame head;
  memcpy(&head, p->bytes + p->open, HEAD);
  head.count = count;
  head.size = p->size - p->open - HEAD;
  head.crc = 0;
  uint32_t crc = hd_crc32c(0, &head, HEAD);
  head.crc = hd_crc32c(crc, p->bytes + p->open + HEAD, head.size);
  memcpy(p->bytes + p->open, &head, HEAD);
  p->open = HD_FRAME_NONE;
}

void hd_frame_drop(struct hd_packet *p) {
  HD_ASSERT(p->open != HD_FRAME_NONE);
  p->size = p->open;
  p->open = HD_FRAME_NONE;
}

bool hd_frame_put(struct hd_packet *p, const struct hadron_frame *head, const void *payload, uint32_t size) {
  if (p->room - p->size < HEAD + size || !hd_frame_begin(p, head)) return false;
  void *to = hd_frame_more(p, size);
  if (size) memcpy(to, payload, size);
  hd_frame_end(p, head->count);
  return true;
}

// ---- reading ---------------------------------------------------------------------------------------------------------------------------

// What a kind may look like. One row: what its payload is made of.
static const struct rule {
  uint16_t kind;
  bool counted;          // carries messages: count is at least 1
  uint32_t least, most;  // bytes of payload
  uint32_t rows;         // it is made of rows of so many bytes; 0: not said here
} rules[] = {
    {HADRON_FRAME_DATA, true, sizeof(struct hadron_message_header) + 1, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_HEARTBEAT, false, 8, 8, 0},
    {HADRON_FRAME_PACKED, true, sizeof(struct hadron_message_header) + 1, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_HELLO, false, 2, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_NEXT, false, 0, HADRON_MEASURED_MAX * sizeof(struct hadron_measured), sizeof(struct hadron_measured)},
    {HADRON_FRAME_DECIDE, true, sizeof(struct hadron_message_header) + 1, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_REPAIR, false, sizeof(struct hadron_repair), sizeof(struct hadron_repair), 0},
    {HADRON_FRAME_SNAPSHOT, false, sizeof(struct hadron_repair), sizeof(struct hadron_repair), 0},
    {HADRON_FRAME_ANSWER, false, sizeof(struct hadron_answer), HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_ADMIN, false, 2, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_BYE, false, 0, 0, 0},
    {HADRON_FRAME_WELCOME, false, 2, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_REFUSED, false, 2, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_ACK, false, 0, HADRON_PACKET_MAX, 0},
    {HADRON_FRAME_TOO_OLD, false, 0, 0, 0},
    {HADRON_FRAME_BUSY, false, 8, 8, 0},
};

static const struct rule *rule_of(uint16_t kind) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (rules[i].kind == kind) return &rules[i];
  return NULL;
}

bool hd_frame_topic_is(const char topic[8], const char *name) {
  char padded[8] = {0};
  memcpy(padded, name, strlen(name));
  return memcmp(padded, topic, sizeof padded) == 0;
}

static bool topic_known(const char topic[8]) {
  return hd_frame_topic_is(topic, HADRON_TOPIC_SESSION) || hd_frame_topic_is(topic, HADRON_TOPIC_TICKS) || hd_frame_topic_is(topic, HADRON_TOPIC_EVENTS);
}

static int32_t check(const struct hadron_frame *head, size_t at, struct hd_fault *fault) {
  const struct rule *rule = rule_of(head->kind);
  if (!topic_known(head->topic)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame at byte %zu: expected a topic (session, ticks, events), zero-padded to 8 bytes", at);
  if (!rule) return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "frame at byte %zu: there is no kind %u in protocol %d", at, head->kind, HADRON_WIRE_VERSION);
  if (head->size < rule->least || head->size > rule->most)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame at byte %zu, kind %u: expected %u to %u bytes of payload, found %u", at, head->kind, rule->least, rule->most, head->size);
  if (rule->rows && head->size % rule->rows)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame at byte %zu, kind %u: expected rows of %u bytes, found %u bytes", at, head->kind, rule->rows, head->size);
  if (rule->counted && head->count == 0)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame at byte %zu, kind %u: expected at least one message, found 0", at, head->kind);
  if (rule->counted && head->sequence > UINT64_MAX - head->count)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame at byte %zu, kind %u: its numbers run past 2^64", at, head->kind);
  return HADRON_OK;
}

int32_t hd_frame_next(const void *packet, size_t size, size_t *at, struct hd_frame *out, struct hd_fault *fault) {
  if (*at == size && size > 0) return HADRON_ERR_END;
  if (size > HADRON_PACKET_MAX) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "packet: expected at most %d bytes, found %zu", HADRON_PACKET_MAX, size);
  struct hadron_frame head;
  const uint8_t *bytes = (const uint8_t *)packet + *at;
  size_t left = size - *at;
  if (left < HEAD) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "frame at byte %zu: expected %u bytes of header, found %zu", *at, HEAD, left);
  memcpy(&head, bytes, HEAD);
  if (head.size > left - HEAD) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "frame at byte %zu: expected %u bytes of payload, found %zu", *at, head.size, left - HEAD);
  struct hadron_frame bare = head;
  bare.crc = 0;
  uint32_t crc = hd_crc32c(hd_crc32c(0, &bare, HEAD), bytes + HEAD, head.size);
  if (crc != head.crc) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "frame at byte %zu: its CRC-32C says %08x, its bytes give %08x", *at, head.crc, crc);
  int32_t code = check(&head, *at, fault);
  if (code) return code;
  *out = (struct hd_frame){head, bytes + HEAD};
  *at += HEAD + head.size;
  return HADRON_OK;
}

int32_t hd_frame_messages(const struct hd_frame *f, struct hd_frame_messages *out, struct hd_fault *fault) {
  struct hadron_message_header header;
  const uint32_t count = f->head.count;
  if (f->head.size < sizeof header || count == 0 || f->head.kind == HADRON_FRAME_PACKED)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "frame of kind %u: expected messages, found %u bytes", f->head.kind, f->head.size);
  memcpy(&header, f->payload, sizeof header);
  if (header.schema_id != HADRON_SCHEMA_ID || header.version / 256 != HADRON_SCHEMA_MAJOR)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "messages: expected schema %d, version %d.x, found %u, version %u.%u", HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR,
                        header.schema_id, header.version / 256, header.version % 256);
  uint64_t blocks = (uint64_t)header.block_length * count;
  uint32_t there = f->head.size - (uint32_t)sizeof header;
  if (header.template_id == 0 || header.block_length == 0 || blocks > there || (count > 1 && blocks != there))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "messages of template %u: expected %u blocks of %u bytes%s, found %u bytes", header.template_id, count,
                        header.block_length, count > 1 ? "" : " and what follows it", there);
  *out = (struct hd_frame_messages){header.template_id, header.block_length, count, f->payload + sizeof header, f->payload + sizeof header + blocks,
                                    there - (uint32_t)blocks};
  return HADRON_OK;
}
