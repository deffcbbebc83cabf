#include "support/bus_peer.h"

#include <nng/protocol/reqrep0/req.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/hangup.h"
#include "support/test.h"

static void on_came(void *argument) { atomic_store((_Atomic bool *)argument, true); }

void bus_peer_open(struct bus_peer *p, const char *url) {
  memset(p, 0, sizeof *p);
  assert_int_equal(nng_req0_open(&p->socket), 0);
  nng_socket_set_size(p->socket, NNG_OPT_RECVMAXSZ, HADRON_PACKET_MAX + 65536);
  nng_socket_set_ms(p->socket, NNG_OPT_RECONNMINT, 20);
  nng_socket_set_ms(p->socket, NNG_OPT_RECONNMAXT, 100);
  nng_socket_set_ms(p->socket, NNG_OPT_REQ_RESENDTIME, 200);
  assert_int_equal(nng_dial(p->socket, url, NULL, 0), 0);
  for (uint32_t i = 0; i < BUS_PEER_ASKS; i++) {
    assert_int_equal(nng_ctx_open(&p->contexts[i], p->socket), 0);
    assert_int_equal(nng_aio_alloc(&p->waits[i], on_came, &p->came[i]), 0);
    nng_aio_set_timeout(p->waits[i], 10000);
  }
}

void bus_peer_close(struct bus_peer *p) {
  nng_msg_free(p->answer);
  for (uint32_t i = 0; i < BUS_PEER_ASKS; i++) {
    nng_ctx_close(p->contexts[i]);
    nng_aio_stop(p->waits[i]);
    if (nng_aio_result(p->waits[i]) == 0 && nng_aio_get_msg(p->waits[i])) nng_msg_free(nng_aio_get_msg(p->waits[i]));
    nng_aio_free(p->waits[i]);
  }
  hd_nng_close(p->socket);
}

void bus_peer_send(struct bus_peer *p, uint32_t which, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  static uint8_t bytes[HADRON_PACKET_MAX];
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, kind == HADRON_FRAME_HELLO ? 0 : p->session, kind == HADRON_FRAME_HELLO ? 0 : p->epoch, kind, count, sequence);
  assert_true(hd_frame_put(&packet, &head, payload, size));
  nng_msg *m;
  assert_int_equal(nng_msg_alloc(&m, packet.size), 0);
  memcpy(nng_msg_body(m), packet.bytes, packet.size);
  nng_aio_set_msg(p->waits[which], m);
  nng_ctx_send(p->contexts[which], p->waits[which]);
  nng_aio_wait(p->waits[which]);
  assert_int_equal(nng_aio_result(p->waits[which]), 0);
  nng_aio_set_msg(p->waits[which], NULL);
  atomic_store(&p->came[which], false);
  nng_ctx_recv(p->contexts[which], p->waits[which]);
}

struct hd_frame bus_peer_take(struct bus_peer *p, uint32_t which) {
  struct hd_frame f;
  nng_aio_wait(p->waits[which]);
  int result = nng_aio_result(p->waits[which]);
  if (result) print_message("no answer: %s\n", nng_strerror(result));
  assert_int_equal(result, 0);
  nng_msg_free(p->answer);
  p->answer = nng_aio_get_msg(p->waits[which]);
  nng_aio_set_msg(p->waits[which], NULL);
  p->at = 0;
  assert_true(bus_peer_more(p, &f));
  return f;
}

bool bus_peer_more(struct bus_peer *p, struct hd_frame *frame) {
  struct hd_fault fault;
  int32_t code = hd_frame_next(nng_msg_body(p->answer), nng_msg_len(p->answer), &p->at, frame, &fault);
  if (code == HADRON_ERR_END) return false;
  if (code) print_message("%s\n", fault.text);
  assert_int_equal(code, HADRON_OK);
  return true;
}

struct hd_frame bus_peer_ask(struct bus_peer *p, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  bus_peer_send(p, 0, kind, count, sequence, payload, size);
  return bus_peer_take(p, 0);
}

static uint64_t field(const struct hd_frame *f, const char *name) {
  char text[4096], key[64];
  snprintf(text, sizeof text, "%.*s", (int)f->head.size, (const char *)f->payload);
  snprintf(key, sizeof key, "\"%s\":", name);
  const char *at = strstr(text, key);
  assert_non_null(at);
  at += strlen(key);
  return strtoull(at + (*at == '"'), NULL, 10);
}

struct hd_frame bus_peer_hello(struct bus_peer *p, const char *json) {
  struct hd_frame f = bus_peer_ask(p, HADRON_FRAME_HELLO, 0, 0, json, (uint32_t)strlen(json));
  if (f.head.kind != HADRON_FRAME_WELCOME) return f;
  p->session = (uint32_t)field(&f, "session");
  p->epoch = field(&f, "epoch");
  p->next = field(&f, "next");
  return f;
}

struct hd_frame bus_peer_until(struct bus_peer *p, uint16_t template_id, void *block, uint32_t size) {
  for (int i = 0; i < 1000; i++) {
    struct hd_frame f = bus_peer_ask(p, HADRON_FRAME_NEXT, 0, p->next, NULL, 0);
    do {
      struct hd_frame_messages m;
      if (f.head.kind != HADRON_FRAME_DATA) continue;
      assert_int_equal(f.head.sequence, p->next);
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      p->next += m.count;
      if (template_id && m.template_id != template_id) continue;
      if (block) memcpy(block, m.blocks, size < m.block_length ? size : m.block_length);
      struct hd_frame found = f, rest;
      while (bus_peer_more(p, &rest)) p->next += rest.head.count; // what stands behind it in the packet is passed over
      return found;
    } while (bus_peer_more(p, &f));
  }
  fail_msg("no message of template %u came", template_id);
  return (struct hd_frame){0};
}

void bus_peer_send_decisions(struct bus_peer *p, uint32_t which, uint64_t number, const struct hadron_decision *d, uint32_t count) {
  uint8_t payload[8 + 64 * sizeof *d];
  const struct hadron_message_header header = hd_frame_header(HADRON_MSG_DECISION, sizeof *d);
  memcpy(payload, &header, sizeof header);
  memcpy(payload + sizeof header, d, count * sizeof *d);
  bus_peer_send(p, which, HADRON_FRAME_DECIDE, (uint16_t)count, number, payload, (uint32_t)(sizeof header + count * sizeof *d));
}

struct hd_frame bus_peer_decide(struct bus_peer *p, uint64_t number, const struct hadron_decision *d, uint32_t count) {
  bus_peer_send_decisions(p, 0, number, d, count);
  return bus_peer_take(p, 0);
}

void bus_peer_break_off(const char *url, uint8_t protocol) {
  const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  const char *path = url + strlen("ipc://");
  assert_true(strlen(path) < sizeof at.sun_path);
  memcpy(at.sun_path, path, strlen(path));
  for (size_t size = 0; size < 40; size++) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    if (size % 8) assert_int_equal(send(fd, greeting, size % 8, MSG_NOSIGNAL), (ssize_t)(size % 8));
    close(fd);
  }
}
