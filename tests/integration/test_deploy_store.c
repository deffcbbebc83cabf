// Promise: revisions of deployments are kept for ever, by the same statements in SQLite and in PostgreSQL: numbers count up by name, one
// revision is active at a time, what is settled stays settled, a rollback finds what ran before, several programs at once lose nothing,
// and no statement changes or deletes a row. How: a database in a directory of its own, and a private PostgreSQL cluster where one can be
// made; all cases run on each.
#include "support/test.h"

#include <pthread.h>

#include "base/text.h"
#include "registry/deployment_store.h"
#include "support/directory.h"
#include "support/postgres.h"

static char dir[TEST_PATH_SIZE];
static struct test_postgres postgres;
static const char *urls[2];
static char sqlite_url[TEST_PATH_SIZE + 32];

static struct hd_deployment made(const char *name, const char *version) {
  struct hd_deployment d;
  hd_deployment_init(&d, name, "sma");
  d.arm_count = 1;
  d.arms[0] = (struct hd_deployment_arm){.role = HD_DEPLOYMENT_LIVE, .weight = 1};
  hd_text_copy(d.arms[0].version, sizeof d.arms[0].version, version);
  return d;
}

static struct hd_database *opened(int i) {
  struct hd_database *d;
  struct hd_fault fault;
  if (hd_database_open(urls[i], &d, &fault)) fail_msg("%s", fault.text);
  return d;
}

static uint32_t add(struct hd_database *d, const char *name, const char *version, uint32_t state, uint32_t equals, int64_t now_ns) {
  struct hd_deployment what = made(name, version);
  struct hd_revision r = {.state = state, .equals = equals, .time_ns = now_ns, .who = "alice (uid 7)", .host = "here", .command = "promote", .why = "it's \"better\""};
  struct hd_fault fault;
  if (hd_revision_add(d, &what, &r, &fault)) fail_msg("%s", fault.text);
  assert_string_equal(r.name, name);
  return r.revision;
}

static uint32_t active(struct hd_database *d, const char *name, char version[HADRON_VERSION_SIZE]) {
  static struct hd_deployment what;
  struct hd_revision r;
  struct hd_fault fault;
  int32_t code = hd_revision_get(d, name, 0, &r, &what, &fault);
  if (code == HADRON_ERR_NOT_FOUND) return 0;
  if (code) fail_msg("%s", fault.text);
  hd_text_copy(version, HADRON_VERSION_SIZE, what.arms[0].version);
  assert_int_equal(what.revision, r.revision);
  return r.revision;
}

static void from_pending_to_active(struct hd_database *d) {
  char version[HADRON_VERSION_SIZE];
  struct hd_revision r;
  struct hd_fault fault;
  assert_int_equal(active(d, "one", version), 0);
  assert_int_equal(add(d, "one", "1.0.0", HD_REVISION_PENDING, 0, 10), 1);
  assert_int_equal(active(d, "one", version), 0);
  assert_int_equal(hd_revision_settle(d, "one", 1, HD_REVISION_ACTIVE, NULL, "here", 11, &fault), HADRON_OK);
  assert_int_equal(active(d, "one", version), 1);
  assert_int_equal(hd_revision_settle(d, "one", 1, HD_REVISION_FAILED, "late", "here", 12, &fault), HADRON_ERR_STATE); // it is settled
  assert_int_equal(hd_revision_settle(d, "one", 9, HD_REVISION_ACTIVE, NULL, "here", 12, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(add(d, "one", "1.1.0", HD_REVISION_PENDING, 0, 20), 2);
  assert_int_equal(hd_revision_settle(d, "one", 2, HD_REVISION_FAILED, "load state: 3 > 2", "here", 21, &fault), HADRON_OK);
  assert_int_equal(active(d, "one", version), 1); // the old one is still what runs
  assert_int_equal(add(d, "one", "1.2.0", HD_REVISION_ACTIVE, 0, 30), 3);
  assert_int_equal(active(d, "one", version), 3);
  assert_string_equal(version, "1.2.0");
  assert_int_equal(add(d, "two", "1.0.0", HD_REVISION_ACTIVE, 0, 40), 1); // its own numbers
  assert_int_equal(hd_revision_get(d, "one", 1, &r, NULL, &fault), HADRON_OK);
  assert_int_equal(r.state, HD_REVISION_SUPERSEDED);
  assert_int_equal(r.time_ns, 10);
  assert_int_equal(r.state_ns, 30);
  assert_int_equal(hd_revision_get(d, "one", 2, &r, NULL, &fault), HADRON_OK);
  assert_int_equal(r.state, HD_REVISION_FAILED);
  assert_string_equal(r.error, "load state: 3 > 2");
  assert_string_equal(r.who, "alice (uid 7)");
  assert_string_equal(r.why, "it's \"better\"");
  assert_string_equal(r.command, "promote");
  assert_int_equal(hd_revision_get(d, "one", 4, &r, NULL, &fault), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(fault.text, "has no revision 4"));
}

static int32_t count_one(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  (void)fault;
  assert_true(r->revision > 0 && strstr(what, "\"plugin\":\"sma\""));
  ++*(uint32_t *)user;
  return HADRON_OK;
}
static int32_t stop_at_once(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  (void)user, (void)what;
  return hd_fault_set(fault, HADRON_ERR_END, "enough at %u", r->revision);
}

static void listing(struct hd_database *d) {
  struct hd_fault fault;
  uint32_t count = 0;
  assert_int_equal(hd_revision_list(d, "one", 0, count_one, &count, &fault), HADRON_OK);
  assert_int_equal(count, 3);
  count = 0;
  assert_int_equal(hd_revision_list(d, NULL, HD_REVISION_ACTIVE, count_one, &count, &fault), HADRON_OK);
  assert_int_equal(count, 2);
  assert_int_equal(hd_revision_list(d, NULL, 0, stop_at_once, NULL, &fault), HADRON_ERR_END);
  assert_string_equal(fault.text, "enough at 1");
}

static void back(struct hd_database *d) {
  static struct hd_deployment what;
  struct hd_revision r;
  struct hd_fault fault;
  assert_int_equal(hd_revision_before(d, "none", &r, &what, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_revision_before(d, "two", &r, &what, &fault), HADRON_ERR_STATE); // nothing before
  assert_int_equal(hd_revision_before(d, "one", &r, &what, &fault), HADRON_OK);
  assert_int_equal(r.revision, 1); // 2 never ran
  assert_string_equal(what.arms[0].version, "1.0.0");
  add(d, "back", "1.0.0", HD_REVISION_ACTIVE, 0, 1); // 1
  add(d, "back", "2.0.0", HD_REVISION_ACTIVE, 0, 2); // 2
  add(d, "back", "2.0.0", HD_REVISION_ACTIVE, 0, 3); // 3: the same again
  add(d, "back", "3.0.0", HD_REVISION_ACTIVE, 0, 4); // 4
  assert_int_equal(hd_revision_before(d, "back", &r, &what, &fault), HADRON_OK);
  assert_int_equal(r.revision, 3);
  add(d, "back", "2.0.0", HD_REVISION_ACTIVE, 3, 5); // 5 goes back to 3
  assert_int_equal(hd_revision_before(d, "back", &r, &what, &fault), HADRON_OK);
  assert_int_equal(r.revision, 1); // further back, not forward to the bad one
  add(d, "back", "1.0.0", HD_REVISION_ACTIVE, 1, 6); // 6
  assert_int_equal(hd_revision_before(d, "back", &r, &what, &fault), HADRON_ERR_STATE);
  assert_non_null(strstr(fault.text, "--to"));
  add(d, "back", "4.0.0", HD_REVISION_ACTIVE, 0, 7); // 7, and before it stands what 6 went back to
  assert_int_equal(hd_revision_before(d, "back", &r, &what, &fault), HADRON_OK);
  assert_int_equal(r.revision, 1);
}

static void nothing_is_overwritten(struct hd_database *d) {
  static const char *const statements[] = {"UPDATE deployment_revisions SET who = 'me'", "DELETE FROM deployment_revisions", "UPDATE deployment_states SET state = 2",
                                           "DELETE FROM deployment_states"};
  struct hd_fault fault;
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    assert_int_equal(hd_database_run(d, statements[i], NULL, 0, &fault), HADRON_ERR_DATABASE);
    assert_non_null(strstr(fault.text, "never"));
  }
}

#define WRITERS 4
#define EACH 20
struct writer {
  pthread_t thread;
  int url;
  uint32_t failed;
  uint32_t numbers[EACH];
};

static void *write_many(void *argument) {
  struct writer *w = argument;
  struct hd_database *d = NULL;
  struct hd_fault fault;
  if (hd_database_open(urls[w->url], &d, &fault)) {
    w->failed = EACH;
    return NULL;
  }
  for (uint32_t i = 0; i < EACH; i++) {
    struct hd_deployment *what = malloc(sizeof *what);
    *what = made("many", "1.0.0");
    struct hd_revision r = {.state = HD_REVISION_ACTIVE, .time_ns = 1};
    if (hd_revision_add(d, what, &r, &fault)) w->failed++, fprintf(stderr, "%s\n", fault.text);
    else w->numbers[i] = r.revision;
    free(what);
  }
  hd_database_close(d);
  return NULL;
}

static void many_at_once(int url) {
  static struct writer writers[WRITERS];
  bool seen[WRITERS * EACH + 1] = {false};
  memset(writers, 0, sizeof writers);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].url = url;
    assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i].thread, NULL);
  for (int i = 0; i < WRITERS; i++) {
    assert_int_equal(writers[i].failed, 0);
    for (int k = 0; k < EACH; k++) {
      assert_in_range(writers[i].numbers[k], 1, WRITERS * EACH);
      assert_false(seen[writers[i].numbers[k]]); // no number twice
      seen[writers[i].numbers[k]] = true;
    }
  }
  struct hd_database *d = opened(url);
  struct hd_fault fault;
  uint32_t count = 0;
  assert_int_equal(hd_revision_list(d, "many", HD_REVISION_ACTIVE, count_one, &count, &fault), HADRON_OK);
  assert_int_equal(count, 1);
  hd_database_close(d);
}

static void all(int url) {
  struct hd_database *d = opened(url);
  from_pending_to_active(d);
  listing(d);
  back(d);
  nothing_is_overwritten(d);
  hd_database_close(d);
  many_at_once(url);
}

static void in_sqlite(void **state) {
  (void)state;
  all(0);
}
static void in_postgresql(void **state) {
  (void)state;
  if (!urls[1]) skip();
  all(1);
}

static int setup(void **state) {
  (void)state;
  char why[256];
  test_directory_make(dir);
  snprintf(sqlite_url, sizeof sqlite_url, "sqlite:%s/registry.db", dir);
  urls[0] = sqlite_url;
  if (test_postgres_make(&postgres, NULL, why, sizeof why)) urls[1] = postgres.url;
  else fprintf(stderr, "PostgreSQL was not tried: %s\n", why);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  if (urls[1]) test_postgres_remove(&postgres);
  test_directory_remove(dir);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(in_sqlite), cmocka_unit_test(in_postgresql)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
