// Promise: whatever happens to the bridge's server (killed in a loop, set back to an older state, its stream purged, deleted, full,
// written into by somebody else, no rights, a wrong password, records larger than it takes, frozen) no record of the journal is lost
// or doubled in the stream, memory stays bounded, what only a person can mend is said once, in four parts, and it goes on by itself once that
// is mended. After each fault the stream is compared with the journal, record for record. A real nats-server on loopback; the duplicate
// window is 100 ms, so that nothing rests on it. Waiting is the bridge's own time-outs, made short.
#include "support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/directory.h"
#include "support/journal_rows.h"
#include "support/machine.h"
#include "support/nats.h"
#include "support/service.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define STREAM "HADRON"

static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE];
static struct test_nats server;
static const struct hd_journal_options segments = {.segment_bytes = 1 << 20};

// One bridge over one journal, and the clock of both.
struct scene {
  struct hd_random random;
  struct hd_journal *journal;
  struct test_service service;
  int64_t now_ns;
};
static struct scene scene;

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  scene.now_ns = JOURNAL_ROWS_START;
  if (!test_nats_make(&server, "")) print_message("skipped: nats-server is not installed (package nats-server)\n");
  return 0;
}

static int drop_root(void **state) {
  (void)state;
  if (server.port) test_nats_remove(&server);
  test_directory_remove(root);
  return 0;
}

static void need_server(void) {
  if (!server.port) skip();
}

static void records(struct scene *s, uint64_t count) { journal_rows_append(s->journal, &s->random, count, &s->now_ns); }
static int64_t metric(struct scene *s, const char *name) { return test_service_metric(&s->service, name); }

static void journal_begin(struct scene *s) {
  struct hd_fault fault = {0};
  int64_t now_ns = s->now_ns; // of a journal that goes on
  *s = (struct scene){.random = test_random(), .now_ns = now_ns};
  if (hd_journal_open(dir, &segments, &s->journal, &fault) != HADRON_OK) fail_msg("%s", fault.text);
}

static void bridge_open(struct scene *s) {
  test_service_open(&s->service, "nats_out", s->journal);
  s->service.now_ns = s->now_ns;
  test_service_text(&s->service, "servers", server.url);
  test_service_number(&s->service, "create", 1);
  test_service_number(&s->service, "duplicate_window", 100 * MS);
  test_service_number(&s->service, "request_timeout", 500 * MS);
  test_service_number(&s->service, "connect_timeout", 500 * MS);
  test_service_number(&s->service, "patience", SECOND);
}

static void bridge_start(struct scene *s) {
  assert_int_equal(s->service.params->changed(s->service.self), HADRON_OK);
  if (s->service.api->start(s->service.self) != HADRON_OK) fail_msg("%s", s->service.said);
}

static void scene_begin(struct scene *s) {
  journal_begin(s);
  records(s, 500);
  bridge_open(s);
  bridge_start(s);
}

// Steps until the stream has everything.
static void catch_up(struct scene *s) {
  for (int i = 0; i < 20000; i++) {
    int64_t again = s->service.api->step(s->service.self, s->service.now_ns);
    if (again == INT64_MAX) break;
    if (again > s->service.now_ns) s->service.now_ns = again;
  }
  if (metric(s, "nats_out_lag_bytes") != 0) fail_msg("it does not catch up: %s", s->service.said);
  assert_int_equal(metric(s, "nats_out_lag_ms"), 0);
  assert_int_equal(metric(s, "nats_out_parked"), 0);
  assert_int_equal(metric(s, "nats_out_connected"), 1);
}

static void same(uint64_t from, uint64_t skipped) {
  struct test_nats_client c;
  test_nats_connect(&server, NULL, NULL, &c);
  test_nats_equal(&c, STREAM, dir, from, skipped);
  test_nats_disconnect(&c);
}

static void scene_close(struct scene *s) {
  test_service_close(&s->service);
  hd_journal_close(s->journal);
}

static void scene_end(struct scene *s) {
  catch_up(s);
  same(1, 0);
  scene_close(s);
}

static void run(struct scene *s, uint64_t steps) { test_service_run(&s->service, steps); }

// Steps until it is parked; the words said then have `words` in them, and are said once.
static void parks(struct scene *s, const char *words) {
  for (int i = 0; i < 400 && !metric(s, "nats_out_parked"); i++) run(s, 1);
  assert_int_equal(metric(s, "nats_out_parked"), 1);
  if (s->service.said_level != 4 || !strstr(s->service.said, "NATS_PARKED") || !strstr(s->service.said, words) || !strstr(s->service.said, "expected") ||
      !strstr(s->service.said, "found"))
    fail_msg("expected words with \"%s\", found: %s", words, s->service.said);
  uint64_t errors = s->service.errors;
  run(s, 10); // it tries again and again, and says nothing more
  assert_int_equal(metric(s, "nats_out_parked"), 1);
  assert_int_equal(s->service.errors, errors);
}

// ---- Away.

static void killed_in_a_loop(void **state) {
  (void)state;
  need_server();
  test_nats_start(&server);
  scene_begin(&scene);
  for (int i = 0; i < 12; i++) {
    test_service_number(&scene.service, "window", (int64_t)(1 + hd_random_below(&scene.random, 600)));
    records(&scene, 300);
    run(&scene, hd_random_below(&scene.random, 6));
    test_nats_stop(&server, SIGKILL);
    run(&scene, 1 + hd_random_below(&scene.random, 3));
    records(&scene, 200);
    test_nats_start(&server);
    if (i % 4 == 3) { // and the host
      scene_close(&scene);
      journal_begin(&scene);
      bridge_open(&scene);
      bridge_start(&scene);
    }
  }
  scene_end(&scene);
}

// Never there before: the journal keeps what no server has ever seen, and the bridge keeps nothing in memory.
static void absent_for_long(void **state) {
  (void)state;
  need_server();
  uint64_t before = 0;
  uint32_t deleted = 0;
  scene_begin(&scene);
  for (int i = 0; i < 150; i++) {
    records(&scene, 400);
    scene.service.now_ns = scene.now_ns;
    scene.service.api->step(scene.service.self, scene.service.now_ns);
    if (i == 20) before = test_anonymous_bytes();
    hd_journal_maintain(scene.journal, NULL);
    hd_journal_retain(scene.journal, UINT64_MAX, &deleted, NULL); // the host would let everything go
    assert_int_equal(deleted, 0);
  }
  const char *sanitizer = getenv("HADRON_SANITIZE"); // keeps what is freed
  if (!sanitizer || !sanitizer[0]) assert_true(test_anonymous_bytes() < before + (4u << 20));
  assert_true(metric(&scene, "nats_out_lag_bytes") > 1 << 20);
  assert_true(scene.service.errors >= 1); // a person has been told
  test_nats_start(&server);
  scene.service.now_ns += 20 * SECOND;
  catch_up(&scene);
  if (!sanitizer || !sanitizer[0]) assert_true(test_anonymous_bytes() < before + (48u << 20)); // the window, and the library's buffers
  print_message("%lld records/s\n", (long long)metric(&scene, "nats_out_catch_up_records_per_second"));
  scene_end(&scene);
}

// SIGSTOP: steps come back, a stop of the host too.
static void frozen(void **state) {
  (void)state;
  need_server();
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  kill(server.pid, SIGSTOP);
  records(&scene, 3000);
  run(&scene, 4);
  assert_int_equal(metric(&scene, "nats_out_connected"), 0);
  assert_true(metric(&scene, "nats_out_lag_bytes") > 0);
  scene.service.api->stop(scene.service.self);
  assert_non_null(strstr(scene.service.said, "NATS_BEHIND"));
  scene_close(&scene);
  kill(server.pid, SIGCONT); // what the dead connection still held comes now, or never
  journal_begin(&scene);
  bridge_open(&scene);
  bridge_start(&scene);
  scene_end(&scene);
}

// ---- A stream that is not what it was.

static void copy(const char *from, const char *to) {
  pid_t child = fork();
  int status = -1;
  if (child == 0) {
    execlp("cp", "cp", "-a", from, to, (char *)NULL);
    _exit(127);
  }
  if (waitpid(child, &status, 0) != child || status != 0) fail_msg("cp %s %s failed", from, to);
}

// The server comes back without what it had acknowledged last: it is published again, at its old place in the order.
static void server_set_back(void **state) {
  (void)state;
  need_server();
  char store[TEST_PATH_SIZE], old[TEST_PATH_SIZE];
  test_path(store, server.root, "store");
  test_path(old, server.root, "old");
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  test_nats_stop(&server, SIGTERM);
  copy(store, old);
  test_nats_start(&server);
  records(&scene, 700);
  catch_up(&scene);
  test_nats_stop(&server, SIGKILL);
  test_directory_remove(store);
  copy(old, store);
  records(&scene, 100);
  test_nats_start(&server);
  scene_end(&scene);
}

// All messages are gone, and nothing in the stream says what was in it: the note beside the cursor does. Also where it is older than the last
// message, and for a bridge that begins anew.
static void purged(void **state) {
  (void)state;
  need_server();
  struct test_nats_client c;
  uint64_t first = 0, last = 0;
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  test_nats_connect(&server, NULL, NULL, &c);
  for (int i = 0; i < 3; i++) {
    assert_true(test_nats_state(&c, STREAM, &first, &last));
    uint64_t before = last;
    assert_int_equal(js_PurgeStream(c.js, STREAM, NULL, NULL), NATS_OK);
    scene_close(&scene);
    journal_begin(&scene);
    records(&scene, 300);
    bridge_open(&scene);
    bridge_start(&scene);
    catch_up(&scene);
    test_nats_equal(&c, STREAM, dir, before + 1, before); // one message per record, from the first on: so many were before
  }
  test_nats_disconnect(&c);
  scene_close(&scene);
}

// Where the note beside the cursor stands in the journal.
static uint64_t kept(struct scene *s) {
  const struct hadron_journal *j = s->service.host.capability(s->service.host.instance, HADRON_CAP_JOURNAL);
  char note[HADRON_JOURNAL_NOTE_SIZE];
  uint64_t position = 0;
  assert_int_equal(j->kept(s->service.host.instance, &position, note), HADRON_OK);
  return position;
}

// What was published and never acknowledged is nowhere: the server was killed before it read it, the host before it heard so; and the stream is empty. The
// note beside the cursor is of what was acknowledged alone, so that all of it is published again, and nothing else.
static void purged_while_records_were_under_way(void **state) {
  (void)state;
  need_server();
  struct test_nats_client c;
  uint64_t first = 0, before = 0;
  test_nats_start(&server);
  journal_begin(&scene);
  records(&scene, 500);
  bridge_open(&scene);
  test_service_number(&scene.service, "hold", 0); // a second
  bridge_start(&scene);
  catch_up(&scene);
  for (uint64_t noted = kept(&scene); kept(&scene) == noted; catch_up(&scene)) records(&scene, 20);
  kill(server.pid, SIGSTOP);
  records(&scene, 300);
  scene.service.api->step(scene.service.self, scene.service.now_ns); // they are sent: it waits for the first acknowledgement
  test_nats_stop(&server, SIGKILL);
  scene_close(&scene); // no stop: it is gone
  test_nats_start(&server);
  test_nats_connect(&server, NULL, NULL, &c);
  assert_true(test_nats_state(&c, STREAM, &first, &before));
  assert_int_equal(js_PurgeStream(c.js, STREAM, NULL, NULL), NATS_OK);
  journal_begin(&scene);
  records(&scene, 50);
  bridge_open(&scene);
  bridge_start(&scene);
  catch_up(&scene);
  test_nats_equal(&c, STREAM, dir, before + 1, before);
  test_nats_disconnect(&c);
  scene_close(&scene);
}

// Deleted and made again: a new stream, which gets all that the journal has.
static void deleted(void **state) {
  (void)state;
  need_server();
  struct test_nats_client c;
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  test_nats_connect(&server, NULL, NULL, &c);
  assert_int_equal(js_DeleteStream(c.js, STREAM, NULL, NULL), NATS_OK);
  test_nats_disconnect(&c);
  records(&scene, 300);
  scene_end(&scene);
}

static void somebody_else_writes(void **state) {
  (void)state;
  need_server();
  struct test_nats_client c;
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  test_nats_connect(&server, NULL, NULL, &c);
  assert_int_equal(js_Publish(NULL, c.js, "hadron.tick.X", "x", 1, NULL, NULL), NATS_OK);
  records(&scene, 300);
  parks(&scene, "give each host a stream of its own");
  uint64_t first = 0, last = 0, end = 0;
  assert_true(test_nats_state(&c, STREAM, &first, &last));
  assert_int_equal(js_DeleteMsg(c.js, STREAM, last, NULL, NULL), NATS_OK);
  run(&scene, 30); // the stranger's message still counts as one of its sequences: nothing is published that would hide it
  assert_true(test_nats_state(&c, STREAM, &first, &end));
  test_nats_disconnect(&c);
  scene_close(&scene);
}

// The journal is an older copy of the one that was published: not the records that the stream has.
static void journal_set_back(void **state) {
  (void)state;
  need_server();
  char old[TEST_PATH_SIZE];
  test_path(old, root, "old");
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  scene_close(&scene);
  copy(dir, old);
  journal_begin(&scene);
  records(&scene, 200);
  bridge_open(&scene);
  bridge_start(&scene);
  catch_up(&scene);
  scene_close(&scene);
  test_directory_remove(dir);
  copy(old, dir);
  journal_begin(&scene);
  scene.now_ns += 77 * SECOND;
  records(&scene, 400);
  bridge_open(&scene);
  bridge_start(&scene);
  parks(&scene, "publish into a new stream");
  scene_close(&scene);
}

// An alert whose text, with its length, takes so many bytes. Returns where it is.
static uint64_t alert(struct scene *s, uint32_t size) {
  char tail[512] = {0};
  const struct hadron_alert a = {.time_ns = s->now_ns += SECOND, .severity = 1};
  uint64_t position = 0;
  assert_in_range(size, 4, sizeof tail);
  memcpy(tail, &(uint32_t){size - 4}, 4);
  memset(tail + 4, 'x', size - 4);
  assert_int_equal(hd_journal_append(s->journal, HADRON_MSG_ALERT, &a, sizeof a, tail, size, s->now_ns, &position), HADRON_OK);
  return position;
}

// The same, and by chance the other journal has a record that begins where the stream's last one ended, and none where it began; or to_the_byte: one that
// begins and ends where that one did, and was appended at another time.
static void set_back_alike(bool to_the_byte) {
  need_server();
  char old[TEST_PATH_SIZE];
  test_path(old, root, "alike");
  test_nats_start(&server);
  scene_begin(&scene);
  catch_up(&scene);
  scene_close(&scene);
  copy(dir, old);
  journal_begin(&scene);
  uint64_t first = alert(&scene, 64), second = alert(&scene, 64), end = hd_journal_end(scene.journal);
  bridge_open(&scene);
  bridge_start(&scene);
  catch_up(&scene);
  scene_close(&scene);
  test_directory_remove(dir);
  copy(old, dir);
  journal_begin(&scene);
  uint32_t head = (uint32_t)(second - first) - 64;
  assert_int_equal(alert(&scene, to_the_byte ? 64 : 2 * 64 + head), first);
  if (to_the_byte) assert_int_equal(alert(&scene, 64), second);
  assert_int_equal(alert(&scene, 64), end);
  bridge_open(&scene);
  bridge_start(&scene);
  parks(&scene, "publish into a new stream");
  scene_close(&scene);
}

static void journal_set_back_alike(void **state) { (void)state, set_back_alike(false); }
static void journal_set_back_to_the_byte(void **state) { (void)state, set_back_alike(true); }

// ---- What a person must mend.

static void stream_is_full(void **state) {
  (void)state;
  need_server();
  uint64_t first = 0, last = 0;
  struct test_nats_client c;
  jsStreamInfo *info = NULL;
  test_nats_start(&server);
  journal_begin(&scene);
  records(&scene, 500);
  bridge_open(&scene);
  test_service_number(&scene.service, "max_bytes", 60000);
  bridge_start(&scene);
  parks(&scene, "raise the stream's limits");
  test_nats_connect(&server, NULL, NULL, &c);
  assert_int_equal(js_GetStreamInfo(&info, c.js, STREAM, NULL, NULL), NATS_OK);
  info->Config->MaxBytes = -1;
  assert_int_equal(js_UpdateStream(NULL, c.js, info->Config, NULL, NULL), NATS_OK);
  jsStreamInfo_Destroy(info);
  catch_up(&scene);
  assert_true(test_nats_state(&c, STREAM, &first, &last));
  assert_in_range(first, 1, 40); // nats-server 2.9 counts less when it refuses than when it deletes: at the brink its oldest go
  test_nats_equal(&c, STREAM, dir, first, first - 1);
  test_nats_disconnect(&c);
  scene_close(&scene);
}

static void no_stream(void **state) {
  (void)state;
  need_server();
  struct test_nats_client c;
  const char *subjects[] = {"other.>"};
  jsStreamConfig config;
  test_nats_start(&server);
  journal_begin(&scene);
  records(&scene, 500);
  bridge_open(&scene);
  test_service_number(&scene.service, "create", 0);
  bridge_start(&scene);
  parks(&scene, "set create = true");
  jsStreamConfig_Init(&config);
  config.Name = STREAM;
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  test_nats_connect(&server, NULL, NULL, &c);
  assert_int_equal(js_AddStream(NULL, c.js, &config, NULL, NULL), NATS_OK);
  run(&scene, 4);
  assert_int_equal(metric(&scene, "nats_out_parked"), 1); // it has the name, and not the subjects
  subjects[0] = "hadron.>";
  assert_int_equal(js_UpdateStream(NULL, c.js, &config, NULL, NULL), NATS_OK);
  test_nats_disconnect(&c);
  scene_end(&scene);
}

static void secret_write(const char *path, const char *text, mode_t mode) {
  test_file_write(path, text, strlen(text));
  if (chmod(path, mode) != 0) fail_msg("chmod %s", path);
}

static void password(void **state) {
  (void)state;
  need_server();
  char file[TEST_PATH_SIZE];
  test_path(file, root, "password");
  test_nats_configure(&server, "authorization { users = [ {user: bridge, password: right}, {user: reader, password: reader} ] }");
  test_nats_start(&server);
  journal_begin(&scene);
  records(&scene, 500);
  bridge_open(&scene);
  secret_write(file, "wrong\n", 0600);
  test_service_text(&scene.service, "user", "bridge");
  test_service_text(&scene.service, "password_file", file);
  bridge_start(&scene);
  parks(&scene, "correct user and password_file");
  assert_null(strstr(scene.service.said, "wrong"));
  secret_write(file, "right\n", 0644);
  run(&scene, 4);
  assert_int_equal(metric(&scene, "nats_out_parked"), 1); // right, and for everybody to read
  secret_write(file, "right\n", 0600);
  catch_up(&scene);
  struct test_nats_client c;
  test_nats_connect(&server, "reader", "reader", &c);
  test_nats_equal(&c, STREAM, dir, 1, 0);
  test_nats_disconnect(&c);
  scene_close(&scene);
}

static void rights(void **state) {
  (void)state;
  need_server();
  char file[TEST_PATH_SIZE];
  test_path(file, root, "password");
  test_nats_configure(&server, "authorization { users = [ {user: bridge, password: right, permissions: {publish: [\"$JS.>\"], subscribe: [\"_INBOX.>\"]}} ] }");
  test_nats_start(&server);
  journal_begin(&scene);
  records(&scene, 500);
  bridge_open(&scene);
  secret_write(file, "right", 0600);
  test_service_text(&scene.service, "user", "bridge");
  test_service_text(&scene.service, "password_file", file);
  bridge_start(&scene);
  parks(&scene, "give the user these rights");
  // What docs/bridge.md asks for is enough.
  test_nats_configure(&server, "authorization { users = [ {user: bridge, password: right, permissions: {publish: [\"hadron.>\", \"$JS.API.STREAM.INFO.HADRON\","
                               " \"$JS.API.STREAM.MSG.GET.HADRON\"], subscribe: [\"_INBOX.>\"]}}, {user: reader, password: reader} ] }");
  test_nats_stop(&server, SIGTERM);
  test_nats_start(&server);
  catch_up(&scene);
  struct test_nats_client c;
  test_nats_connect(&server, "reader", "reader", &c);
  test_nats_equal(&c, STREAM, dir, 1, 0);
  test_nats_disconnect(&c);
  scene_close(&scene);
}

static void record_too_large(void **state) {
  (void)state;
  need_server();
  struct hadron_session session = {.time_ns = 1, .seed = 1, .mode = HADRON_MODE_PAPER};
  static struct { uint32_t size; char text[20000]; } tail = {.size = 20000};
  test_nats_configure(&server, "max_payload: 16384");
  test_nats_start(&server);
  scene_begin(&scene);
  assert_int_equal(hd_journal_append(scene.journal, HADRON_MSG_SESSION, &session, sizeof session, &tail, sizeof tail, scene.now_ns, NULL), HADRON_OK);
  records(&scene, 100);
  parks(&scene, "raise max_payload");
  test_nats_configure(&server, "max_payload: 1048576");
  test_nats_stop(&server, SIGTERM);
  test_nats_start(&server);
  scene_end(&scene);
}

// ---- Parameters that are refused before anything is tried.

static void refused(const char *param, const char *value, const char *words) {
  journal_begin(&scene);
  bridge_open(&scene);
  test_service_text(&scene.service, param, value);
  assert_int_equal(scene.service.params->changed(scene.service.self), HADRON_ERR_CONFIG);
  if (!strstr(scene.service.said, words) || strstr(scene.service.said, "s3cret")) fail_msg("expected words with \"%s\", found: %s", words, scene.service.said);
  scene_close(&scene);
}

static void parameters(void **state) {
  (void)state;
  refused("servers", "nats://10.0.0.1:4222", "insecure = true");
  refused("servers", "nats://nats.example.com:4222", "insecure = true");
  refused("servers", "nats://127.0.0.1:4222\nnats://[2001:db8::1]:4222", "insecure = true");
  refused("servers", "nats://me:s3cret@127.0.0.1:4222", "password_file");
  refused("servers", "http://127.0.0.1", "nats://HOST:PORT");
  refused("servers", "nats://", "nats://HOST:PORT");
  refused("servers", "", "at least one address");
  refused("user", "me", "both or none");
  refused("tls_key_file", "key", "both or none");
  refused("stream", "a.b", "stream");
  refused("prefix", "a.*", "prefix");
  static const char *const good[] = {"nats://localhost", "nats://127.1.2.3:1", "nats://[::1]:4222", "tls://10.0.0.1:4222", "tls://nats.example.com"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    journal_begin(&scene);
    bridge_open(&scene);
    test_service_text(&scene.service, "servers", good[i]);
    assert_int_equal(scene.service.params->changed(scene.service.self), HADRON_OK);
    scene_close(&scene);
  }
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const struct CMUnitTest tests[] = {
      EACH(killed_in_a_loop), EACH(absent_for_long), EACH(frozen),   EACH(server_set_back), EACH(purged),           EACH(purged_while_records_were_under_way), EACH(deleted),    EACH(somebody_else_writes),
      EACH(journal_set_back), EACH(journal_set_back_alike), EACH(journal_set_back_to_the_byte), EACH(stream_is_full),  EACH(no_stream), EACH(password),       EACH(rights),           EACH(record_too_large), EACH(parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
