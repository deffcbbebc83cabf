#include "packet.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "link.h"

// What a template is to the user, and how long its block must be for the user's struct to fit it.
static const struct { uint16_t template_id, size; uint8_t kind; } kinds[] = {
    {HADRON_MSG_TICK, sizeof(struct hadron_tick), HADRON_EVENT_TICKS},
    {HADRON_MSG_BAR, sizeof(struct hadron_bar), HADRON_EVENT_BARS},
    {HADRON_MSG_POSITION, sizeof(struct hadron_position), HADRON_EVENT_POSITIONS},
    {HADRON_MSG_ALLOCATION, sizeof(struct hadron_allocation), HADRON_EVENT_ALLOCATIONS},
    {HADRON_MSG_ORDER_EVENT, sizeof(struct hadron_order_event), HADRON_EVENT_ORDERS},
    {HADRON_MSG_INSTRUMENT, sizeof(struct hadron_instrument_definition), HADRON_EVENT_INSTRUMENTS},
    {HADRON_MSG_MARK, sizeof(struct hadron_mark), HADRON_EVENT_MARKS},
    {HADRON_MSG_LOST, sizeof(struct hadron_lost), HADRON_EVENT_LOST},
    {HADRON_MSG_ASK, sizeof(struct hadron_ask), HADRON_EVENT_ASK},
};

static uint32_t kind_of(const struct hc_messages *m) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].template_id == m->header.template_id && m->header.block_length >= kinds[i].size) return kinds[i].kind;
  return HADRON_EVENT_MESSAGE;
}

static bool has_messages(const struct hadron_frame *f) { return f->kind == HADRON_FRAME_DATA || f->kind == HADRON_FRAME_PACKED; }

// One frame of the packet that is being opened. False: the packet is not what it should be.
static bool add_frame(struct hc_packet *p, const struct hadron_frame *f, const uint8_t *payload) {
  struct hc_messages m;
  if (has_messages(f)) {
    if (!hc_messages_read(f, payload, &m) || !hc_messages_valid(&m) || f->sequence > UINT64_MAX - f->count) return false;
    if (m.packed && !p->packed) return false; // nobody has asked for such
    p->rows += f->count;
    if (f->sequence == 0) return true; // of a snapshot: not numbered
    if (p->from == p->to) p->from = p->to = f->sequence;
    if (f->sequence != p->to) return false; // numbers of a packet have no hole
    p->to += f->count;
  } else if (f->kind == HADRON_FRAME_HEARTBEAT) {
    if (f->size < sizeof p->host_ns) return false;
    p->heartbeat = true;
    p->more = f->count == 1;
    p->next = f->sequence;
    memcpy(&p->host_ns, payload, sizeof p->host_ns);
  }
  return true;
}

struct hc_packet *hc_packet_open(nng_msg *msg, bool packed) {
  struct hc_packet *p = calloc(1, sizeof *p);
  if (!p) {
    nng_msg_free(msg);
    return NULL;
  }
  p->msg = msg;
  p->packed = packed;
  p->bytes = hc_msg_bytes(msg, &p->size);
  for (size_t at = 0; at < p->size;) {
    struct hadron_frame f;
    bool good = hc_frame_read(p->bytes + at, p->size - at, &f) && (at == 0 || (f.epoch == p->head.epoch && f.stream == p->head.stream));
    if (!good || !add_frame(p, &f, p->bytes + at + sizeof f)) {
      hc_packet_free(p);
      return NULL;
    }
    if (at == 0) p->head = f;
    at += sizeof f + f.size;
  }
  p->kind = p->head.kind;
  if (p->size > 0) return p;
  hc_packet_free(p);
  return NULL;
}

void hc_packet_free(void *packet) {
  struct hc_packet *p = packet;
  if (!p) return;
  nng_msg_free(p->msg);
  free(p->scratch);
  free(p);
}

const void *hc_packet_payload(const struct hc_packet *p) { return p->bytes + sizeof(struct hadron_frame); }

// Messages have fields of eight bytes: behind a text of odd length the next frame may not lie on its boundary.
static const uint8_t *aligned(struct hc_packet *p, const uint8_t *bytes, size_t size) {
  if (((uintptr_t)bytes & 7) == 0) return bytes;
  free(p->scratch);
  p->scratch = malloc(size);
  return p->scratch ? memcpy(p->scratch, bytes, size) : NULL;
}

// The messages of a frame from the skip-th on.
static const uint8_t *messages(struct hc_packet *p, const struct hc_messages *m, uint32_t skip, void *room) {
  const size_t stride = m->header.block_length, before = skip * stride;
  if (!m->packed) return aligned(p, m->first + before, (m->count - skip) * stride);
  return room && hc_messages_unpack(m, room) ? (const uint8_t *)room + before : NULL;
}

bool hc_packet_event(struct hc_packet *p, uint64_t from, void *room, struct hadron_event *out) {
  while (p->at < p->size) {
    struct hadron_frame f;
    struct hc_messages m;
    memcpy(&f, p->bytes + p->at, sizeof f); // it was checked when the packet was opened
    const uint8_t *payload = p->bytes + p->at + sizeof f;
    p->at += sizeof f + f.size;
    if (!has_messages(&f) || f.sequence + f.count <= from || !hc_messages_read(&f, payload, &m)) continue;
    uint32_t skip = from > f.sequence ? (uint32_t)(from - f.sequence) : 0;
    const uint8_t *first = messages(p, &m, skip, room);
    if (!first) continue; // out of memory: the ones that do not lie right are few and small
    *out = (struct hadron_event){.kind = kind_of(&m), .flags = p->flags, .template_id = m.header.template_id, .count = m.count - skip, .stride = m.header.block_length,
                                 .epoch = f.epoch, .sequence = f.sequence + skip, .stream = f.stream, .data = first,
                                 .text = (const char *)m.text, .text_size = m.text_size};
    return true;
  }
  return false;
}
