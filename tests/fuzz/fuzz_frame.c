// Promise: no bytes from the network make the host crash, hang, overrun or leak: frames, messages, the words of a HELLO and answers to asks are taken
// or refused. Every second input is mended first (lengths, CRC), so that the fuzzer gets behind them.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "bus/hello.h"
#include "bus/session.h"
#include "bus/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hd_stream stream;

static uint32_t port_fill(void *self, struct hd_packet *packet, uint64_t number) {
  (void)self;
  return hd_stream_fill(&stream, packet, 1, 1, number);
}
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

static void mend(uint8_t *bytes, size_t size) {
  struct hadron_frame head;
  if (size < sizeof head) return;
  memcpy(&head, bytes, sizeof head);
  memcpy(head.topic, "session", 8);
  head.kind = (uint16_t)(head.kind % 40);
  head.size = (uint32_t)(size - sizeof head);
  head.crc = 0;
  head.crc = hd_crc32c(hd_crc32c(0, &head, sizeof head), bytes + sizeof head, head.size);
  memcpy(bytes, &head, sizeof head);
}

static void handle(struct hd_bus_session *session, const struct hd_frame *f) {
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
    hd_stream_answer(&stream, &head, f->payload + sizeof head, f->head.size - (uint32_t)sizeof head);
    break;
  default: break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 4096) return 0;
  static struct hd_channel channel;
  if (!stream.rows) {
    struct hd_channel *channels[] = {&channel};
    if (hd_channel_init(&channel, 1, 0)) abort();
    const struct hd_stream_options options = {.channels = channels, .channel_count = 1, .worker = true};
    if (hd_stream_init(&stream, &options)) abort();
  }
  uint8_t *bytes = malloc(size > 1 ? size - 1 : 1); // no byte behind the packet may be read
  if (!bytes) return 0;
  memcpy(bytes, data + 1, size - 1);
  if (data[0] & 1) mend(bytes, size - 1);
  struct hd_bus_session session;
  const struct hd_session_port port = {NULL, port_fill, port_decide, port_settled, port_answer};
  hd_bus_session_init(&session, &port, 1, 1, 2, 1);
  struct hd_frame f;
  struct hd_fault fault;
  for (size_t at = 0; hd_frame_next(bytes, size - 1, &at, &f, &fault) == HADRON_OK;) handle(&session, &f);
  hd_bus_session_drop(&session, drop);
  hd_bus_session_fini(&session);
  free(bytes);
  return 0;
}
