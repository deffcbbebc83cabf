// Promise: several writers and readers at once lose, double and reorder nothing, over segment borders, with and without a thread
// that maintains; a reader in another process sees the same; group commit makes durable what it says; a second host is refused;
// a full disk keeps its reserve for the records that must be written, and ends when there is room.
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/capability.h"
#include "journal/journal.h"
#include "support/directory.h"

enum { WRITERS = 8, READERS = 2, EACH_WRITES = 6000 };
static const struct hd_journal_options small = {.segment_bytes = 65536, .reserve_bytes = 4096};
static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE];

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  return 0;
}
// For those that fill many small segments, each of which is flushed: no need to wait for a disk.
static int make_root_in_memory(void **state) {
  const char *set = getenv("TMPDIR");
  bool there = !set && access("/dev/shm", W_OK) == 0;
  if (there) setenv("TMPDIR", "/dev/shm", 0);
  int rc = make_root(state);
  if (there) unsetenv("TMPDIR");
  return rc;
}
static int drop_root(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

static struct hd_journal *open_or_fail(const struct hd_journal_options *options) {
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  if (hd_journal_open(dir, options, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return j;
}

struct worker {
  struct hd_journal *journal;
  uint32_t number, failures;
  bool sync;
  pthread_t thread;
};
static _Atomic uint32_t writers_left;

// Writer w's n-th record: a timer with id n and arm w.
static void *writer(void *argument) {
  struct worker *w = argument;
  for (uint64_t n = 0; n < EACH_WRITES; n++) {
    struct hadron_timer_fired t = {.due_ns = (int64_t)(n * 3), .id = n, .arm = w->number};
    uint64_t position = 0;
    if (hd_journal_append(w->journal, HADRON_MSG_TIMER, &t, sizeof t, &n, (uint32_t)(n % 9), (int64_t)n, &position) != HADRON_OK) w->failures++;
    if (w->sync && n % 500 == 0 && hd_journal_sync(w->journal, position) != HADRON_OK) w->failures++;
  }
  atomic_fetch_sub(&writers_left, 1);
  return NULL;
}

// Reads until all is there; every writer's records in its own order, every sequence once. Returns what was wrong.
static uint32_t read_all(const char *where) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  if (hd_journal_cursor_open(where, &c, &fault) != HADRON_OK) return 1;
  uint64_t expected[WRITERS] = {0}, count = 0;
  uint32_t wrong = 0;
  while (count < WRITERS * EACH_WRITES && !wrong) {
    struct hadron_record r;
    int32_t rc = hd_journal_cursor_next(c, &r, &fault);
    if (rc == HADRON_ERR_AGAIN) {
      sched_yield();
      continue;
    }
    if (rc != HADRON_OK) {
      fprintf(stderr, "%s\n", fault.text);
      wrong++;
      break;
    }
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    wrong += t.arm >= WRITERS || t.id != expected[t.arm]++ || t.due_ns != (int64_t)(t.id * 3) || r.size != sizeof t + t.id % 9;
    count++;
    wrong += hd_journal_cursor_sequence(c) != count + 1;
  }
  hd_journal_cursor_close(c);
  return wrong;
}

static void *reader(void *argument) {
  struct worker *w = argument;
  w->failures = read_all(dir);
  return NULL;
}

static void run_together(bool maintained, bool sync) {
  struct hd_journal_options options = small;
  options.durability = sync ? HD_JOURNAL_FSYNC : HD_JOURNAL_PAGE;
  struct hd_journal *j = open_or_fail(&options);
  struct worker w[WRITERS + READERS];
  atomic_store(&writers_left, WRITERS);
  for (uint32_t i = 0; i < WRITERS + READERS; i++) {
    w[i] = (struct worker){.journal = j, .number = i, .sync = sync};
    assert_int_equal(pthread_create(&w[i].thread, NULL, i < WRITERS ? writer : reader, &w[i]), 0);
  }
  while (maintained && atomic_load(&writers_left)) {
    struct hd_fault fault = {0};
    if (hd_journal_maintain(j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
    sched_yield();
  }
  for (uint32_t i = 0; i < WRITERS + READERS; i++) {
    pthread_join(w[i].thread, NULL);
    assert_int_equal(w[i].failures, 0);
  }
  hd_journal_close(j);
  assert_int_equal(read_all(dir), 0);
  j = open_or_fail(&small);
  assert_int_equal(hd_journal_cut(j), 0);
  hd_journal_close(j);
}

static void writers_and_readers_with_maintenance(void **state) { (void)state, run_together(true, false); }
static void writers_and_readers_alone(void **state) { (void)state, run_together(false, false); }
static void writers_that_wait_for_the_disk(void **state) { (void)state, run_together(true, true); }

static void a_reader_in_another_process(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  fflush(NULL);
  pid_t child = fork(); // one thread so far: the child may do what it likes
  if (child == 0) _exit(read_all(dir) ? 1 : 0);
  struct worker w[WRITERS];
  atomic_store(&writers_left, WRITERS);
  for (uint32_t i = 0; i < WRITERS; i++) {
    w[i] = (struct worker){.journal = j, .number = i};
    assert_int_equal(pthread_create(&w[i].thread, NULL, writer, &w[i]), 0);
  }
  while (atomic_load(&writers_left)) hd_journal_maintain(j, NULL);
  for (uint32_t i = 0; i < WRITERS; i++) pthread_join(w[i].thread, NULL);
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  hd_journal_close(j);
}

static void a_killed_writer_leaves_what_it_committed(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int round = 0; round < 20; round++) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
      struct hd_journal *own = NULL;
      if (hd_journal_open(dir, &small, &own, NULL) != HADRON_OK) _exit(2);
      for (uint64_t n = 0;; n++) {
        struct hadron_timer_fired t = {.id = n};
        if (hd_journal_append(own, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, NULL) != HADRON_OK) _exit(3);
        if (write(pipes[1], &n, sizeof n) != sizeof n) _exit(4); // told outside: must be found again
      }
    }
    close(pipes[1]);
    uint64_t told = 0, n, until = hd_random_below(&random, 3000);
    while (told < until && read(pipes[0], &n, sizeof n) == sizeof n) told++;
    kill(child, SIGKILL);
    while (read(pipes[0], &n, sizeof n) == sizeof n) told++;
    close(pipes[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    struct hd_journal *j = open_or_fail(&small);
    struct hd_journal_cursor *c = NULL;
    assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
    struct hadron_record r;
    uint64_t run = 0; // records since the last one with id 0
    while (hd_journal_cursor_next(c, &r, NULL) == HADRON_OK) {
      struct hadron_timer_fired t;
      memcpy(&t, r.bytes, sizeof t);
      run = t.id == 0 ? 1 : run + 1;
      assert_int_equal(t.id, run - 1);
    }
    assert_in_range(told ? run : 0, told, told + 1);
    hd_journal_cursor_close(c);
    hd_journal_close(j);
  }
}

static void two_hosts_are_refused(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small), *second = NULL;
  struct hd_fault fault = {0};
  assert_int_equal(hd_journal_open(dir, &small, &second, &fault), HADRON_ERR_EXISTS);
  char pid[32];
  snprintf(pid, sizeof pid, "process %ld on ", (long)getpid());
  if (!strstr(fault.text, pid)) fail_msg("the fault does not name the other host: %s", fault.text);
  hd_journal_close(j);
  hd_journal_close(open_or_fail(&small));
}

static uint64_t append_until(struct hd_journal *j, uint32_t flags, int32_t stop) {
  struct hadron_timer_fired t = {.id = 1};
  uint64_t n = 0;
  int32_t rc;
  while ((rc = hd_journal_append(j, HADRON_MSG_TIMER | flags, &t, sizeof t, NULL, 0, 1, NULL)) == HADRON_OK) n++;
  assert_int_equal(rc, stop);
  return n;
}

static void a_full_disk_keeps_its_reserve(void **state) {
  (void)state;
  if (mkdir(dir, 0700) != 0 || mount("hadron-test", dir, "tmpfs", 0, "size=256k") != 0) {
    print_message("skipped: mounting a small tmpfs needs root\n");
    skip();
  }
  struct hd_journal *j = open_or_fail(&small);
  uint64_t ordinary = append_until(j, 0, HADRON_ERR_FULL);
  assert_true(ordinary > 1000);
  assert_int_equal(hd_journal_maintain(j, NULL), HADRON_ERR_FULL);
  uint64_t reserved = append_until(j, HD_JOURNAL_RESERVED, HADRON_ERR_FULL);
  assert_in_range(reserved, 4096 / 64 - 1, 4096 / 64 + 1);
  assert_int_equal(append_until(j, 0, HADRON_ERR_FULL), 0);
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  uint64_t read = 0;
  assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
  while (hd_journal_cursor_next(c, &r, NULL) == HADRON_OK) read++;
  assert_int_equal(read, ordinary + reserved);
  // Old segments go: there is room again, once maintenance has looked.
  uint32_t deleted = 0;
  for (int i = 0; i < 8; i++) hd_journal_maintain(j, NULL);
  assert_int_equal(hd_journal_retain(j, r.next, &deleted, NULL), HADRON_OK);
  assert_true(deleted > 0);
  assert_int_equal(hd_journal_maintain(j, NULL), HADRON_OK);
  struct hadron_timer_fired t = {.id = 2};
  assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, NULL), HADRON_OK);
  assert_int_equal(hd_journal_cursor_next(c, &r, NULL), HADRON_OK);
  hd_journal_cursor_close(c);
  hd_journal_close(j);
  assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void retention_spares_registered_readers(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  struct hadron_timer_fired t = {.id = 1};
  uint64_t middle = 0, position = 0;
  for (int i = 0; i < 8000; i++) {
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, &position), HADRON_OK);
    if (i == 4000) middle = position;
    hd_journal_maintain(j, NULL);
  }
  uint32_t deleted = 0;
  uint64_t kept = 0;
  struct hd_fault fault = {0};
  assert_int_equal(hd_journal_kept(NULL, dir, "recorder", &kept, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_journal_keep(NULL, dir, "recorder", middle, &fault), HADRON_OK);
  assert_int_equal(hd_journal_keep(NULL, dir, "../recorder", middle, &fault), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_journal_retain(j, position, &deleted, &fault), HADRON_OK);
  assert_true(deleted > 0);
  struct hd_journal_cursor *c = NULL;
  assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
  assert_true(hd_journal_cursor_position(c) <= middle);
  assert_int_equal(hd_journal_cursor_seek(c, 4096, &fault), HADRON_ERR_NOT_FOUND); // gone
  assert_int_equal(hd_journal_cursor_seek(c, middle + 8, &fault), HADRON_ERR_NOT_FOUND); // within a record
  assert_int_equal(hd_journal_cursor_seek(c, middle, &fault), HADRON_OK);
  struct hadron_record r;
  assert_int_equal(hd_journal_cursor_next(c, &r, &fault), HADRON_OK);
  assert_int_equal(r.position, middle);
  assert_int_equal(hd_journal_keep(NULL, dir, "recorder", position, &fault), HADRON_OK);
  assert_int_equal(hd_journal_kept(NULL, dir, "recorder", &kept, &fault), HADRON_OK);
  assert_int_equal(kept, position);
  assert_int_equal(hd_journal_retain(j, position, &deleted, &fault), HADRON_OK);
  assert_true(deleted > 0);
  assert_int_equal(hd_journal_cursor_next(c, &r, &fault), HADRON_OK); // what a cursor has open it can read to its end
  assert_int_equal(hd_journal_cursor_seek(c, position, &fault), HADRON_OK);
  hd_journal_cursor_close(c);
  hd_journal_close(j);
  j = open_or_fail(&small); // the oldest segments are missing: that is no damage
  hd_journal_close(j);
}

static int64_t oldest_time(void) {
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
  assert_int_equal(hd_journal_cursor_next(c, &r, NULL), HADRON_OK);
  hd_journal_cursor_close(c);
  return r.time_ns;
}

static void snapshot_made(uint64_t position) {
  char name[64], path[TEST_PATH_SIZE];
  snprintf(name, sizeof name, "snapshot-%016llx.hds", (unsigned long long)position);
  test_path(path, dir, name);
  test_file_write(path, "", 0);
}

static void trimming_leaves_what_a_start_needs(void **state) {
  (void)state;
  struct hd_journal_options options = small;
  options.now_ns = 1;
  struct hd_journal *j = open_or_fail(&options);
  struct hadron_timer_fired t = {.id = 1};
  struct hd_fault fault = {0};
  uint64_t position = 0, places[8] = {0};
  uint32_t deleted = 9;
  for (int i = 0; i < 8000; i++) { // record i at second i
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, i * INT64_C(1000000000), &position), HADRON_OK);
    if (i % 1000 == 0) places[i / 1000] = position;
    hd_journal_maintain(j, NULL);
  }
  const struct hd_journal_policy none = {0}, size = {.bytes = 65536, .for_recovery = true}, alone = {.bytes = 65536};
  const struct hd_journal_policy age = {.age_ns = INT64_C(3000000000000), .now_ns = INT64_C(8000000000000), .for_recovery = true};
  assert_int_equal(hd_journal_trim(j, &none, &deleted, &fault), HADRON_OK);
  assert_int_equal(deleted, 0);
  assert_int_equal(hd_journal_trim(j, &size, &deleted, &fault), HADRON_OK);
  assert_int_equal(deleted, 0); // no snapshot: a start needs all of it
  snapshot_made(places[3]);
  assert_int_equal(hd_journal_trim(j, &size, &deleted, &fault), HADRON_OK);
  assert_int_equal(deleted, 0); // one alone may turn out to be bad
  snapshot_made(places[2]);
  assert_int_equal(hd_journal_trim(j, &size, &deleted, &fault), HADRON_OK);
  assert_true(deleted > 0 && oldest_time() <= INT64_C(2000000000000));
  snapshot_made(places[6]);
  snapshot_made(places[7]);
  assert_int_equal(hd_journal_trim(j, &age, &deleted, &fault), HADRON_OK);
  assert_true(deleted > 0 && oldest_time() <= INT64_C(5000000000000) && oldest_time() > INT64_C(3000000000000));
  assert_int_equal(hd_journal_keep(NULL, dir, "recorder", places[6], &fault), HADRON_OK);
  assert_int_equal(hd_journal_trim(j, &alone, &deleted, &fault), HADRON_OK);
  assert_true(oldest_time() <= INT64_C(6000000000000));
  assert_int_equal(hd_journal_keep(NULL, dir, "recorder", position, &fault), HADRON_OK);
  assert_int_equal(hd_journal_trim(j, &alone, &deleted, &fault), HADRON_OK);
  assert_true(oldest_time() > INT64_C(6000000000000)); // 128 KiB at most
  hd_journal_close(j);
}

static void seek_reaches_every_record(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  struct hd_journal_cursor *c = NULL, *reading = NULL;
  struct hadron_record r, again;
  for (int rounds = 0; rounds < 4; rounds++) { // nobody maintains: the newest segment has no name of its own
    struct hadron_timer_fired t = {.id = 1};
    for (int i = 0; i < 700; i++) assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, NULL), HADRON_OK);
    assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
    assert_int_equal(hd_journal_cursor_open(dir, &reading, NULL), HADRON_OK);
    while (hd_journal_cursor_next(reading, &r, NULL) == HADRON_OK) {
      assert_int_equal(hd_journal_cursor_seek(c, r.position, NULL), HADRON_OK);
      assert_int_equal(hd_journal_cursor_next(c, &again, NULL), HADRON_OK);
      assert_int_equal(again.position, r.position);
      assert_int_equal(hd_journal_cursor_seek(c, r.next, NULL), HADRON_OK);
      assert_int_equal(hd_journal_cursor_sequence(c), hd_journal_cursor_sequence(reading));
      assert_int_equal(hd_journal_cursor_seek(c, r.position + 8, NULL), HADRON_ERR_NOT_FOUND);
    }
    assert_int_equal(hd_journal_cursor_seek(c, hd_journal_end(j) + 64, NULL), HADRON_ERR_NOT_FOUND);
    hd_journal_cursor_close(c), hd_journal_cursor_close(reading);
  }
  hd_journal_close(j);
}

static struct hd_journal_reader the_reader;
static struct hd_journal_reader *reader_of(struct hadron_instance *instance) { return instance ? &the_reader : NULL; }

static void services_read_by_capability(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  assert_int_equal(hd_journal_reader_init(&the_reader, j, "recorder", NULL), HADRON_OK);
  const struct hadron_journal *cap = hd_journal_capability(reader_of);
  assert_int_equal(cap->struct_size, sizeof *cap);
  struct hadron_instance *me = (struct hadron_instance *)&the_reader;
  struct hadron_record r;
  uint8_t id[16];
  cap->id(me, id);
  assert_memory_equal(id, hd_journal_id(j), 16);
  assert_int_equal(cap->next(me, &r), HADRON_ERR_AGAIN);
  assert_int_equal(cap->next(NULL, &r), HADRON_ERR_STATE);
  uint64_t first, second;
  assert_int_equal(hd_journal_append(j, HADRON_MSG_OPERATOR, &(struct hadron_operator){.uid = 7}, 16, "a", 1, 1, &first), 0);
  assert_int_equal(hd_journal_append(j, HADRON_MSG_OPERATOR, &(struct hadron_operator){.uid = 8}, 16, "b", 1, 2, &second), 0);
  assert_int_equal(cap->next(me, &r), HADRON_OK);
  assert_int_equal(r.position, first);
  assert_int_equal(r.next, second);
  assert_int_equal(cap->next(me, &r), HADRON_OK);
  assert_int_equal(cap->end(me), r.next);
  assert_int_equal(cap->seek(me, first), HADRON_OK);
  assert_int_equal(cap->next(me, &r), HADRON_OK);
  assert_int_equal(r.position, first);
  assert_int_equal(cap->seek(me, second + 1), HADRON_ERR_NOT_FOUND);
  assert_int_equal(cap->keep(me, second), HADRON_OK);
  uint64_t kept = 0;
  assert_int_equal(hd_journal_kept(NULL, dir, "recorder", &kept, NULL), HADRON_OK);
  assert_int_equal(kept, second);
  hd_journal_reader_fini(&the_reader);
  hd_journal_close(j);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
#define IN_MEMORY(f) cmocka_unit_test_setup_teardown(f, make_root_in_memory, drop_root)
int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(a_reader_in_another_process), // first: it forks while this is the only thread
      EACH(a_killed_writer_leaves_what_it_committed),
      IN_MEMORY(writers_and_readers_with_maintenance),
      IN_MEMORY(writers_and_readers_alone),
      EACH(writers_that_wait_for_the_disk),
      EACH(two_hosts_are_refused),
      EACH(a_full_disk_keeps_its_reserve),
      IN_MEMORY(retention_spares_registered_readers),
      IN_MEMORY(trimming_leaves_what_a_start_needs),
      IN_MEMORY(seek_reaches_every_record),
      EACH(services_read_by_capability),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
