// Promise: no bytes from a host make a client crash, hang, overrun or leak: packets, their messages, the words of WELCOME and REFUSED; and a stream gives out
// no number twice, whatever numbers, epochs and answers it is told. Every second packet is mended first (lengths, CRC), so that the fuzzer gets behind them.
#include <stdlib.h>
#include <string.h>

#include "sdk/client/frame.h"
#include "sdk/client/hello.h"
#include "sdk/client/packet.h"
#include "sdk/client/stream.h"

#define MS INT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes) {
  if (!yes) abort();
}

// ---- packets

// Frames as long as their second byte says, one behind the other.
static size_t mend(uint8_t *bytes, size_t size) {
  size_t at = 0;
  while (size - at >= sizeof(struct hadron_frame)) {
    struct hadron_frame f;
    memcpy(&f, bytes + at, sizeof f);
    size_t left = size - at - sizeof f;
    f.kind = (uint16_t)(f.kind % 40);
    if (f.size > left) f.size = (uint32_t)(left ? f.size % (left + 1) : 0);
    f.crc = 0;
    f.crc = hc_crc32c(hc_crc32c(0, &f, sizeof f), bytes + at + sizeof f, f.size);
    memcpy(bytes + at, &f, sizeof f);
    if ((f.kind == HADRON_FRAME_DATA || f.kind == HADRON_FRAME_PACKED) && f.size >= sizeof(struct hadron_message_header)) {
      struct hadron_message_header h = {.schema_id = HADRON_SCHEMA_ID, .version = HADRON_SCHEMA_MAJOR * 256};
      memcpy(&h.block_length, bytes + at + sizeof f, 2);
      memcpy(&h.template_id, bytes + at + sizeof f + 2, 2);
      memcpy(bytes + at + sizeof f, &h, sizeof h);
      f.crc = 0;
      f.crc = hc_crc32c(hc_crc32c(0, &f, sizeof f), bytes + at + sizeof f, f.size);
      memcpy(bytes + at, &f, sizeof f);
    }
    at += sizeof f + f.size;
  }
  return at;
}

_Alignas(8) static uint8_t room[HADRON_PACKET_MAX];
static uint64_t sum; // what is read must be there

static void look_at(struct hc_packet *p) {
  struct hadron_event e;
  struct hc_welcome w;
  struct hc_refused r;
  const char *payload = hc_packet_payload(p);
  check(p->to >= p->from);
  for (uint64_t from = p->from;;) {
    if (!hc_packet_event(p, from, room, &e)) break;
    for (size_t i = 0; i < (size_t)e.count * e.stride; i++) sum += ((const uint8_t *)e.data)[i];
    for (uint32_t i = 0; i < e.text_size; i++) sum += ((const uint8_t *)e.text)[i];
  }
  if (hc_welcome_read(payload, p->head.size, &w) == HADRON_OK) check(w.info.heartbeat_ns > 0 && w.info.stale_ns > 0 && w.info.session && w.info.epoch && w.next);
  hc_refused_read(payload, p->head.size, &r);
  check(memchr(r.text, 0, sizeof r.text) && memchr(r.nonce, 0, sizeof r.nonce));
}

static void packet(const uint8_t *data, size_t size, bool mended) {
  nng_msg *msg;
  if (nng_msg_alloc(&msg, size)) return;
  memcpy(nng_msg_body(msg), data, size);
  if (mended) nng_msg_chop(msg, size - mend(nng_msg_body(msg), size));
  struct hc_packet *p = hc_packet_open(msg, true); // moved
  if (!p) return;
  look_at(p);
  hc_packet_free(p);
}

// ---- a stream

static void let_go(void *self, void *of) {
  (void)of;
  --*(int *)self;
}

struct out {
  uint64_t epoch, next;
};

static void given(struct out *o, const struct hc_stream *s, const struct hc_piece *piece, uint64_t skip) {
  check(skip < piece->to - piece->from);
  if (o->epoch == s->epoch) check(piece->from + skip >= o->next);
  *o = (struct out){s->epoch, piece->to};
}

static void stream(const uint8_t *data, size_t size) {
  int pieces = 0;
  const struct hc_stream_limits limits = {.hold_max = 8, .repairs = size && data[0] & 1, .snapshots = size && data[0] & 2, .settle_ns = MS, .repair_ns = MS, .answer_ns = 10 * MS, .stale_ns = 50 * MS};
  struct hc_stream s;
  struct hc_piece piece;
  struct out out = {0};
  uint64_t from, to, skip;
  if (hc_stream_init(&s, &limits, 1, let_go, &pieces)) return;
  int64_t now = 1000 * MS;
  for (size_t i = 1; i + 3 < size; i += 4, now += MS) {
    uint64_t epoch = 1 + data[i + 1] % 3, a = data[i + 2], b = a + data[i + 3] % 16;
    switch (data[i] % 6) {
    case 0:
      piece = (struct hc_piece){a + 1, b + 2, &s};
      pieces++;
      enum hc_verdict v = hc_stream_offer(&s, epoch, &piece, now, &skip);
      if (hc_stream_was_reset(&s)) out = (struct out){0}; // said before anything of the new life is given out
      if (v == HC_DELIVER) given(&out, &s, &piece, skip);
      if (v != HC_HELD) pieces--;
      break;
    case 1: hc_stream_heartbeat(&s, epoch, a + 1, now); break;
    case 2: if (hc_stream_ask(&s, now, &from, &to) != HC_NOTHING) hc_stream_asked(&s, now); break;
    case 3: hc_stream_failed(&s, now, (int64_t)b * MS); break;
    case 4: if (s.epoch) hc_stream_too_old(&s, now); break;
    default: if (limits.snapshots) hc_stream_snapshot(&s, epoch, a + 1, now);
    }
    if (hc_stream_was_reset(&s)) out = (struct out){0};
    if (hc_stream_lost(&s, &from, &to)) check(to > from);
    while (hc_stream_take(&s, now, &piece, &skip)) {
      given(&out, &s, &piece, skip);
      pieces--;
    }
    hc_stream_stale_changed(&s, now);
    check(hc_stream_due(&s, now) >= now);
  }
  hc_stream_fini(&s);
  check(pieces == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 8192) return 0;
  if (data[0] % 4 == 3) stream(data + 1, size - 1);
  else packet(data + 1, size - 1, data[0] & 1);
  return 0;
}
