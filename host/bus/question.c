// What sessions ask the feed: repair of a stream's gap, a snapshot. The feed's thread reads; the answer goes out from here.
#include <inttypes.h>
#include <string.h>

#include "base/banned.h"
#include "bus/server_internal.h"

#define BUSY_NS INT64_C(20000000)

static void busy(struct hd_bus *bus, struct hd_request *r, const struct hadron_repair *what) {
  uint8_t bytes[sizeof(struct hadron_frame) + 8];
  struct hd_packet packet;
  const int64_t wait_ns = BUSY_NS;
  const struct hadron_frame head = hd_frame_head(hd_frame_topic_is(what->topic, HADRON_TOPIC_EVENTS) ? HADRON_TOPIC_EVENTS : HADRON_TOPIC_TICKS, what->stream, bus->epoch, HADRON_FRAME_BUSY, 0, 0);
  hd_packet_init(&packet, bytes, sizeof bytes);
  hd_frame_put(&packet, &head, &wait_ns, sizeof wait_ns);
  hd_request_answer(r, packet.bytes, packet.size);
}

static bool is_at_it(const struct hd_bus *bus, const struct hd_bus_peer *p, const struct hadron_repair *what) {
  for (uint32_t i = 0; i < bus->question_count; i++) {
    const struct hd_bus_question *q = &bus->questions[i];
    if (q->peer == p && q->what.stream == what->stream && memcmp(q->what.topic, what->topic, sizeof what->topic) == 0) return true;
  }
  return false;
}

void hd_question_ask(struct hd_bus_peer *p, struct hd_request *r, const struct hd_frame *frame) {
  struct hd_bus *bus = p->bus;
  struct hadron_repair what;
  struct hd_fault fault;
  memcpy(&what, frame->payload, sizeof what);
  bool events = hd_frame_topic_is(what.topic, HADRON_TOPIC_EVENTS);
  int32_t code = HADRON_OK;
  if (!bus->feed) code = hd_fault_set(&fault, HADRON_ERR_NOT_FOUND, "REPAIR: this host publishes nothing; bus.feeds is empty");
  else if (p->rights < (events ? HD_BUS_ADMIN : HD_BUS_READ))
    code = hd_fault_set(&fault, HADRON_ERR_PERMISSION, "REPAIR: events are for class admin, this session is of class %s", hd_bus_class_name(p->rights));
  if (code) {
    hd_bus_refuse(bus, r, &fault);
    return;
  }
  // One at a time of a session and stream: whoever is behind must not keep others from their repair.
  if (bus->question_count == HD_FEED_JOBS || is_at_it(bus, p, &what)) {
    busy(bus, r, &what);
    return;
  }
  code = hd_feed_ask(bus->feed, &what, frame->head.kind == HADRON_FRAME_SNAPSHOT, ++bus->question_number);
  if (code == HADRON_ERR_FULL) busy(bus, r, &what);
  else if (code) {
    hd_fault_set(&fault, code, "REPAIR: stream %u: expected this epoch (%" PRIu64 "), a stream that is published, and from < to; found epoch %" PRIu64 ", %" PRIu64 " to %" PRIu64, what.stream,
                 bus->epoch, what.epoch, what.from, what.to);
    hd_bus_refuse(bus, r, &fault);
  } else bus->questions[bus->question_count++] = (struct hd_bus_question){bus->question_number, r, p, what};
}

void hd_questions_work(struct hd_bus *bus) {
  uint64_t number;
  uint32_t size;
  while (hd_feed_take(bus->feed, &number, bus->packet, &size))
    for (uint32_t i = 0; i < bus->question_count; i++) {
      if (bus->questions[i].number != number) continue;
      hd_request_answer(bus->questions[i].request, bus->packet, size);
      bus->questions[i] = bus->questions[--bus->question_count];
      break;
    }
}

void hd_questions_drop(struct hd_bus_peer *p) {
  struct hd_bus *bus = p->bus;
  for (uint32_t i = 0; i < bus->question_count; i++) {
    if (bus->questions[i].peer != p) continue;
    hd_request_drop(bus->questions[i].request);
    bus->questions[i--] = bus->questions[--bus->question_count];
  }
}
