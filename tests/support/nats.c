#include "support/nats.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/journal.h"
#include "support/test.h"

static const char *program(void) {
  static const char *const places[] = {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    if (access(places[i], X_OK) == 0) return places[i];
  return NULL;
}

// A port that was free a moment ago: the server has to come back on the same one.
static int port_find(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &size) != 0) fail_msg("no port");
  close(fd);
  return ntohs(a.sin_port);
}

void test_nats_configure(struct test_nats *n, const char *settings) {
  char path[TEST_PATH_SIZE], text[4096];
  test_path(path, n->root, "server.conf");
  int size = snprintf(text, sizeof text, "listen: \"127.0.0.1:%d\"\njetstream { store_dir: \"%s/store\" }\n%s\n", n->port, n->root, settings);
  test_file_write(path, text, (size_t)size);
}

bool test_nats_make(struct test_nats *n, const char *settings) {
  memset(n, 0, sizeof *n);
  if (!program()) return false;
  test_directory_make(n->root);
  n->port = port_find();
  snprintf(n->url, sizeof n->url, "nats://127.0.0.1:%d", n->port);
  test_nats_configure(n, settings);
  return true;
}

static bool answers(const struct test_nats *n) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)n->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char byte;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool good = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && read(fd, &byte, 1) == 1;
  if (fd >= 0) close(fd);
  return good;
}

void test_nats_start(struct test_nats *n) {
  char config[TEST_PATH_SIZE], log[TEST_PATH_SIZE];
  test_path(config, n->root, "server.conf");
  test_path(log, n->root, "log");
  n->pid = fork();
  if (n->pid == 0) {
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execl(program(), "nats-server", "-c", config, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 3000 && !answers(n); i++) {
    if (waitpid(n->pid, NULL, WNOHANG) != 0) fail_msg("nats-server did not start, see %s", log);
    poll(NULL, 0, 20);
  }
  if (!answers(n)) fail_msg("nats-server does not answer, see %s", log);
}

void test_nats_stop(struct test_nats *n, int signal) {
  if (n->pid == 0) return;
  kill(n->pid, signal);
  waitpid(n->pid, NULL, 0);
  n->pid = 0;
}

void test_nats_remove(struct test_nats *n) {
  test_nats_stop(n, SIGKILL);
  if (n->root[0]) test_directory_remove(n->root);
}

static void good(natsStatus s, const char *what) {
  if (s != NATS_OK) fail_msg("%s: %s", what, nats_GetLastError(NULL) ? nats_GetLastError(NULL) : natsStatus_GetText(s));
}

void test_nats_connect(const struct test_nats *n, const char *user, const char *password, struct test_nats_client *c) {
  natsOptions *o = NULL;
  memset(c, 0, sizeof *c);
  good(natsOptions_Create(&o), "options");
  good(natsOptions_SetURL(o, n->url), "url");
  if (user) good(natsOptions_SetUserInfo(o, user, password), "user");
  good(natsConnection_Connect(&c->connection, o), "connecting");
  good(natsConnection_JetStream(&c->js, c->connection, NULL), "JetStream");
  natsOptions_Destroy(o);
}

void test_nats_disconnect(struct test_nats_client *c) {
  jsCtx_Destroy(c->js);
  natsConnection_Destroy(c->connection);
  memset(c, 0, sizeof *c);
}

bool test_nats_state(const struct test_nats_client *c, const char *stream, uint64_t *first, uint64_t *last) {
  jsStreamInfo *info = NULL;
  if (js_GetStreamInfo(&info, c->js, stream, NULL, NULL) != NATS_OK) return false;
  *first = info->State.FirstSeq;
  *last = info->State.LastSeq;
  jsStreamInfo_Destroy(info);
  return true;
}

static void message_equal(natsMsg *m, uint64_t at, const struct hd_journal_cursor *cursor, const struct hadron_record *r) {
  char id[64];
  const char *found = NULL;
  const uint8_t *journal = hd_journal_cursor_id(cursor);
  for (int i = 0; i < 16; i++) snprintf(id + 2 * i, 3, "%02x", journal[i]);
  snprintf(id + 32, sizeof id - 32, "-%" PRIu64, r->position);
  if (natsMsgHeader_Get(m, "Nats-Msg-Id", &found) != NATS_OK || strcmp(found, id) != 0) fail_msg("message %" PRIu64 " is %s, expected %s", at, found ? found : "none", id);
  assert_int_equal(natsMsg_GetDataLength(m), r->size + sizeof *r->message);
  assert_memory_equal(natsMsg_GetData(m), r->message, r->size + sizeof *r->message);
  assert_int_equal(natsMsgHeader_Get(m, "Hadron-Sequence", &found), NATS_OK);
  assert_int_equal(strtoull(found, NULL, 10), r->sequence);
}

void test_nats_equal(const struct test_nats_client *c, const char *stream, const char *dir, uint64_t from, uint64_t skip) {
  struct hd_journal_cursor *cursor;
  struct hadron_record r;
  uint64_t first = 0, last = 0, at = from;
  assert_int_equal(hd_journal_cursor_open(dir, &cursor, NULL), HADRON_OK);
  assert_true(test_nats_state(c, stream, &first, &last));
  for (uint64_t i = 0; hd_journal_cursor_next(cursor, &r, NULL) == HADRON_OK; i++) {
    natsMsg *m = NULL;
    jsErrCode error = 0;
    if (i < skip) continue;
    if (js_GetMsg(&m, c->js, stream, at, NULL, &error) != NATS_OK) fail_msg("record %" PRIu64 " is not in the stream at %" PRIu64 " (error %d)", r.sequence, at, (int)error);
    message_equal(m, at++, cursor, &r);
    natsMsg_Destroy(m);
  }
  if (at != last + 1) fail_msg("the stream ends at %" PRIu64 ", the journal at %" PRIu64, last, at - 1);
  hd_journal_cursor_close(cursor);
}
