// Promise: no message of a NATS server makes the bridge crash, overrun or leak: message ids, subjects, headers, acknowledgements. A name goes into a
// token and comes back the same; an acknowledgement counts only if it is the next one's, of this stream.
// The bridge's sources are looked at from inside.
#include "../../plugins/nats/link.c"
#include "../../plugins/nats/subject.c"
#include "../../plugins/services/nats_out/stream.c"
#include "plugins/nats_out_subject_kinds.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes) {
  if (!yes) abort();
}

static void names(const char *text, size_t size) {
  char token[TOKEN_SIZE], name[HADRON_SYMBOL_SIZE] = {0}, subject[SUBJECT_SIZE];
  uint8_t id[16];
  uint64_t position;
  bool has;
  if (subject_name(name, text)) {
    subject_token(token, name, sizeof name);
    char back[HADRON_SYMBOL_SIZE] = {0};
    check(subject_name(back, token) && memcmp(back, name, sizeof name) == 0);
  }
  subject_token(token, text, size);
  check(strpbrk(token, ".*> ") == NULL && token[0]);
  if (message_id_read(text, id, &position)) {
    char again[MESSAGE_ID_SIZE];
    uint64_t same;
    uint8_t id_again[16];
    message_id_write(again, id, position);
    check(message_id_read(again, id_again, &same) && same == position && memcmp(id, id_again, sizeof id) == 0);
  }
  (void)subject_prefix_valid(text);
  (void)subject_covers(text, "hadron");
  (void)subject_instrument((uint16_t)size, text, (uint32_t)size, &has);
  subject_write(subject, "hadron", (uint16_t)size, token);
}

static void message(const char *text, size_t size, uint32_t number) {
  static const struct stream_options options = {.name = "HADRON", .prefix = "hadron"};
  static struct link_options parameters;
  struct link link = {.options = &parameters};
  struct stream s = {.link = &link, .options = &options, .base = 41, .done = 3, .sent = 9};
  struct stream_last last = {0};
  char subject[64];
  natsMsg *m = NULL;
  snprintf(subject, sizeof subject, "_INBOX.x.%u", number);
  if (natsMsg_Create(&m, subject, NULL, text, (int)size) != NATS_OK) return;
  uint64_t before = s.done;
  int32_t rc = ack_read(&s, m);
  check(rc == HADRON_OK ? s.done == before + 1 && number == before : s.done == before && link.error[0]);
  natsMsgHeader_Set(m, "Nats-Msg-Id", text);
  natsMsgHeader_Set(m, HEADER_NEXT, text);
  natsMsgHeader_Set(m, HEADER_SESSION, text);
  last_read(m, &last);
  check(memchr(last.session, 0, sizeof last.session) != NULL);
  natsMsg_Destroy(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool begun;
  if (!begun) check(nats_Open(-1) == NATS_OK);
  begun = true;
  if (size < 1 || size > 4096) return 0;
  char *text = malloc(size);
  if (!text) return 0;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = 0;
  names(text, size - 1);
  message(text, size - 1, data[0] % 8);
  free(text);
  return 0;
}
