// Promise: no bytes from the network make the host crash, hang, overrun or leak: frames, messages, the words of a HELLO and answers to asks are taken
// or refused; and what the host answers with, it could read itself. A session behind which ticks wait, in a ring that its peer maps or not. Every second input
// is mended first (lengths, CRC), so that the fuzzer gets behind them, and the numbers of every fourth are small ones.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "bus/hello.h"
#include "bus/session.h"
#include "bus/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INSTRUMENTS 2

static struct side {
  struct hd_channel channel;
  struct hd_stream stream;
  uint64_t ticks;
} sides[2]; // what is sent; what a worker maps

static uint32_t port_fill(void *self, struct hd_packet *packet, uint64_t number) { return hd_stream_fill(&((struct side *)self)->stream, packet, 1, 1, number); }
static void port_handled(void *self, uint64_t before) { hd_stream_handled(&((struct side *)self)->stream, before); }
static int32_t port_decide(void *self, const struct hadron_decision *d, uint32_t count, uint64_t number, int32_t *codes) {
  (void)self, (void)number;
  for (uint32_t i = 0; i < count; i++) codes[i] = d[i].instrument ? HADRON_OK : HADRON_ERR_ARGUMENT;
  return HADRON_OK;
}
static uint64_t port_settled(void *self, uint64_t handled) {
  (void)self;
  return handled;
}
static void port_answer(void *self, uint64_t ticket, const void *packet, uint32_t size) {
  (void)self, (void)ticket;
  struct hd_frame f;
  size_t at = 0;
  if (hd_frame_next(packet, size, &at, &f, NULL)) abort(); // what the host says, it can read
}
static void drop(void *self, uint64_t ticket) { (void)self, (void)ticket; }

// Frames as long as they say, one behind the other.
static void mend(uint8_t *bytes, size_t size, bool small) {
  struct hadron_frame head;
  for (size_t at = 0; size - at >= sizeof head; at += sizeof head + head.size) {
    size_t left = size - at - sizeof head;
    memcpy(&head, bytes + at, sizeof head);
    memcpy(head.topic, "session", 8);
    head.kind = (uint16_t)(head.kind % 40);
    if (small) head.sequence &= 0xff;
    head.size = (uint32_t)(head.size % (left + 1));
    head.crc = 0;
    head.crc = hd_crc32c(hd_crc32c(0, &head, sizeof head), bytes + at + sizeof head, head.size);
    memcpy(bytes + at, &head, sizeof head);
  }
}

static void handle(struct side *side, struct hd_bus_session *session, const struct hd_frame *f) {
  static struct hd_hello hello;
  struct hd_fault fault;
  struct hd_frame_messages m;
  struct hadron_answer head;
  hd_frame_messages(f, &m, &fault);
  switch (f->head.kind) {
  case HADRON_FRAME_HELLO:
    if (hd_hello_read(f->payload, f->head.size, &hello, &fault)) free(hd_refused_write(&fault, NULL));
    else (void)hd_hello_fits(&hello, "{\"speed\":\"3\"}", true, NULL, 0, &fault);
    hd_hello_fini(&hello);
    break;
  case HADRON_FRAME_NEXT:
  case HADRON_FRAME_DECIDE: hd_bus_session_request(session, 1, f, 0, 0); break;
  case HADRON_FRAME_ANSWER:
    memcpy(&head, f->payload, sizeof head);
    hd_stream_answer(&side->stream, &head, f->payload + sizeof head, f->head.size - (uint32_t)sizeof head);
    break;
  default: break;
  }
}

static void open_side(struct side *side, bool shares) {
  struct hd_channel *channels[] = {&side->channel};
  const struct hadron_instrument_definition universe[INSTRUMENTS] = {{.instrument = 1, .listing = 1}, {.instrument = 2, .listing = 2}};
  const struct hd_stream_options options = {.channels = channels, .channel_count = 1, .universe = universe, .universe_count = INSTRUMENTS, .worker = true, .shares = shares};
  if (hd_channel_init(&side->channel, 1, 0) || hd_stream_init(&side->stream, &options)) abort();
}

// The stream begins anew, and so much waits for it.
static void begin(struct side *side, uint32_t count) {
  hd_stream_begin(&side->stream);
  for (uint32_t i = 0; i < count; i++) {
    const struct hadron_tick t = {.sequence = ++side->ticks, .instrument = 1 + i % (INSTRUMENTS + 1), .kind = HADRON_TICK_TRADE, .value.trade.price = {1}};
    (void)hd_channel_tick(&side->channel, &t);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 4096) return 0;
  if (!sides[0].stream.rows) open_side(&sides[0], false), open_side(&sides[1], true);
  struct side *side = &sides[data[0] >> 2 & 1];
  uint8_t *bytes = malloc(size > 1 ? size - 1 : 1); // no byte behind the packet may be read
  if (!bytes) return 0;
  memcpy(bytes, data + 1, size - 1);
  if (data[0] & 1) mend(bytes, size - 1, data[0] & 2);
  struct hd_bus_session session;
  const struct hd_session_port port = {side, port_fill, port_decide, port_settled, port_answer, port_handled};
  begin(side, data[0] >> 3);
  hd_bus_session_init(&session, &port, 1, 1, 2, 1);
  struct hd_frame f;
  struct hd_fault fault;
  for (size_t at = 0; hd_frame_next(bytes, size - 1, &at, &f, &fault) == HADRON_OK;) handle(side, &session, &f);
  hd_bus_session_drop(&session, drop);
  hd_bus_session_fini(&session);
  free(bytes);
  return 0;
}
