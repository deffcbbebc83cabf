// Commands of class admin: passed on to whoever carries them out, on another thread; the answer goes out from here. A command that is sent again with its
// number is the same command.
#include <inttypes.h>
#include <string.h>

#include "base/banned.h"
#include "base/log.h"
#include "bus/server_internal.h"

static void answer(struct hd_bus *bus, struct hd_request *r, const struct hd_bus_peer *p, uint64_t sequence, const char *json) {
  static const char too_long[] = "{\"ok\":false,\"error\":{\"code\":\"FULL\",\"text\":\"the answer is longer than a packet; ask on the control socket of its machine\"}}";
  struct hd_packet packet;
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, p->session.number, bus->epoch, HADRON_FRAME_ADMIN, 0, sequence);
  hd_packet_init(&packet, bus->packet, HADRON_PACKET_MAX);
  if (!hd_frame_put(&packet, &head, json, (uint32_t)strlen(json))) hd_frame_put(&packet, &head, too_long, sizeof too_long - 1);
  hd_request_answer(r, packet.bytes, packet.size);
}

static void busy(struct hd_bus *bus, struct hd_request *r, const struct hd_bus_peer *p) {
  uint8_t bytes[sizeof(struct hadron_frame) + 8];
  const int64_t wait_ns = 100000000;
  struct hd_packet packet;
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, p->session.number, bus->epoch, HADRON_FRAME_BUSY, 0, p->admin_number);
  hd_packet_init(&packet, bytes, sizeof bytes);
  hd_frame_put(&packet, &head, &wait_ns, sizeof wait_ns);
  hd_request_answer(r, packet.bytes, packet.size);
}

// Number 0: its sender does not tell one command from the next; only what is still being carried out is known again.
static bool is_again(const struct hd_bus_peer *p, const struct hd_frame *frame) {
  uint64_t number = frame->head.sequence;
  return (p->admin_request || number) && number == p->admin_number && (number || p->admin_request);
}

void hd_admin_ask(struct hd_bus_peer *p, struct hd_request *r, const struct hd_frame *frame) {
  struct hd_bus *bus = p->bus;
  struct hd_fault fault;
  int32_t code = HADRON_OK;
  if (p->rights < HD_BUS_ADMIN) code = hd_fault_set(&fault, HADRON_ERR_PERMISSION, "ADMIN: commands are for class admin, this session is of class %s", hd_bus_class_name(p->rights));
  else if (!bus->commands.command) code = hd_fault_set(&fault, HADRON_ERR_STATE, "ADMIN: this host takes no commands now");
  else if (frame->head.sequence && frame->head.sequence < p->admin_number)
    code = hd_fault_set(&fault, HADRON_ERR_DUPLICATE, "ADMIN: command %" PRIu64 " was carried out, and %" PRIu64 " after it", frame->head.sequence, p->admin_number);
  if (code) {
    hd_bus_refuse(bus, r, &fault);
    return;
  }
  if (is_again(p, frame)) {
    if (!p->admin_request) answer(bus, r, p, p->admin_number, p->admin_answer ? p->admin_answer : "{}");
    else {
      hd_request_drop(p->admin_request); // its sender asks on by this one
      p->admin_request = r;
    }
    return;
  }
  if (p->admin_request) {
    busy(bus, r, p);
    return;
  }
  free(p->admin_answer);
  p->admin_answer = NULL;
  p->admin_number = frame->head.sequence;
  p->admin_request = r;
  p->admin_command = ++bus->command_number;
  char who[160];
  snprintf(who, sizeof who, "%s (%s)", p->name, p->peer);
  bus->commands.command(bus->commands.self, p->admin_command, who, frame->payload, frame->head.size);
}

void hd_admin_drop(struct hd_bus_peer *p) {
  if (p->admin_request) hd_request_drop(p->admin_request);
  p->admin_request = NULL; // the answer is kept for who comes back
}

struct command_errand {
  struct hd_bus *bus;
  uint64_t number;
  const char *json;
  struct hd_bus_commands commands;
};

static void answered_now(void *argument) {
  const struct command_errand *e = argument;
  for (uint32_t i = 0; i < e->bus->peer_count; i++) {
    struct hd_bus_peer *p = e->bus->peers[i];
    if (p->admin_command != e->number) continue;
    if (p->admin_request) answer(e->bus, p->admin_request, p, p->admin_number, e->json);
    p->admin_request = NULL;
    p->admin_command = 0;
    free(p->admin_answer);
    p->admin_answer = strdup(e->json);
  }
}

void hd_bus_command_answer(struct hd_bus *bus, uint64_t number, const char *json) {
  struct command_errand e = {.bus = bus, .number = number, .json = json};
  hd_bus_ask(bus, answered_now, &e);
}

static void commands_now(void *argument) {
  const struct command_errand *e = argument;
  e->bus->commands = e->commands;
}

void hd_bus_take_commands(struct hd_bus *bus, const struct hd_bus_commands *commands) {
  struct command_errand e = {.bus = bus};
  if (commands) e.commands = *commands;
  hd_bus_ask(bus, commands_now, &e);
}
