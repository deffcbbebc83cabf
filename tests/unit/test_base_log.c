// Promise: every line that the log takes is written once, whole and in its producer's order; a line for which there is no room is
// counted, and the count is written down; a fault keeps the words of the place that knows most; metrics list what was opened.
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"

static char path[64];

static int make_path(void **state) {
  (void)state;
  snprintf(path, sizeof path, "test_base_log.%d", (int)getpid());
  return 0;
}
static int drop_path(void **state) {
  (void)state;
  unlink(path);
  return 0;
}

// ---- log

#define PRODUCERS 4
#define LINES 20000

static void *produce(void *user) {
  int producer = *(int *)user;
  for (int i = 0; i < LINES; i++) hd_log_info("TEST_LINE", "producer %d line %d end", producer, i);
  return NULL;
}

// Reads the file back: how many lines, and that each producer's come in order and whole; the dropped count that was told.
static uint64_t read_back(uint64_t *told) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[2048];
  int last[PRODUCERS] = {-1, -1, -1, -1};
  uint64_t lines = 0;
  *told = 0;
  while (fgets(line, sizeof line, file)) {
    unsigned long long dropped;
    int producer = 0, number = 0;
    const char *words = strstr(line, "LOG_DROPPED");
    if (words != NULL && sscanf(words, "LOG_DROPPED %llu", &dropped) == 1) {
      *told += dropped;
      continue;
    }
    words = strstr(line, " INFO  TEST_LINE ");
    if (words == NULL || sscanf(words, " INFO TEST_LINE producer %d line %d end", &producer, &number) != 2 || strstr(line, " end\n") == NULL)
      fail_msg("not a whole line: %s", line);
    assert_in_range(producer, 0, PRODUCERS - 1);
    assert_true(number > last[producer]);
    last[producer] = number;
    lines++;
  }
  fclose(file);
  return lines;
}

static void written_or_counted(void **state) {
  (void)state;
  uint64_t before = hd_log_dropped(), told;
  assert_int_equal(hd_log_start(path, HADRON_LOG_INFO, NULL), HADRON_OK);
  pthread_t threads[PRODUCERS];
  int numbers[PRODUCERS];
  for (int i = 0; i < PRODUCERS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, produce, &numbers[i]), 0);
  }
  for (int i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
  hd_log_stop();
  uint64_t lines = read_back(&told), dropped = hd_log_dropped() - before;
  assert_int_equal(lines + dropped, PRODUCERS * LINES);
  assert_int_equal(told, dropped);
}

// A pipe that nobody reads holds the writer up, so the queue must fill: the drop is certain, not a matter of speed.
static void full_queue_drops_and_counts(void **state) {
  (void)state;
  int started = 0;
  uint64_t before = hd_log_dropped(), told;
  assert_int_equal(mkfifo(path, 0600), 0);
  int reader = open(path, O_RDONLY | O_NONBLOCK);
  assert_true(reader >= 0);
  assert_int_equal(hd_log_start(path, HADRON_LOG_INFO, NULL), HADRON_OK);
  // 64 KiB of pipe and a line of at least 50 bytes: beyond 4096 + 1400 lines some must be dropped.
  for (; started < 2 * HD_LOG_LINES; started++) hd_log_info("TEST_LINE", "producer 0 line %d end", started);
  uint64_t dropped = hd_log_dropped() - before;
  assert_true(dropped > 0);
  // Now somebody reads, into a file of the same name, and the log ends.
  char *copy = NULL;
  size_t copy_size = 0;
  FILE *memory = open_memstream(&copy, &copy_size);
  assert_non_null(memory);
  pthread_t stopper;
  assert_int_equal(fcntl(reader, F_SETFL, 0), 0);
  assert_int_equal(pthread_create(&stopper, NULL, (void *(*)(void *))(void (*)(void))hd_log_stop, NULL), 0);
  char bytes[4096];
  for (ssize_t n; (n = read(reader, bytes, sizeof bytes)) > 0;) fwrite(bytes, 1, (size_t)n, memory);
  pthread_join(stopper, NULL);
  fclose(memory);
  close(reader);
  unlink(path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(copy, 1, copy_size, file), copy_size);
  fclose(file);
  free(copy);
  uint64_t lines = read_back(&told);
  assert_int_equal(lines + dropped, started);
  assert_int_equal(told, dropped);
}

static void levels_and_hostile_words(void **state) {
  (void)state;
  assert_int_equal(hd_log_start(path, HADRON_LOG_WARN, NULL), HADRON_OK);
  hd_log_info("UNSEEN", "below the level");
  hd_log_text(HADRON_LOG_WARN, "sma", "ODD\x1bID", "two\nlines %s %n");
  char long_text[2000];
  memset(long_text, 'x', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = 0;
  hd_log_text(HADRON_LOG_ERROR, NULL, "LONG", long_text);
  hd_log_stop();
  hd_log_stop();
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[2048];
  assert_non_null(fgets(line, sizeof line, file));
  assert_non_null(strstr(line, " WARN  ODD?ID sma: two?lines %s %n\n"));
  assert_non_null(fgets(line, sizeof line, file));
  assert_non_null(strstr(line, " ERROR LONG xxx"));
  assert_in_range(strlen(line), 400, 600);
  assert_null(fgets(line, sizeof line, file));
  fclose(file);
}

static void unwritable_path_is_told(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  assert_int_equal(hd_log_start("no/such/folder/log", HADRON_LOG_INFO, &fault), HADRON_ERR_IO);
  assert_non_null(strstr(fault.text, "no/such/folder/log"));
  assert_non_null(strstr(fault.text, "No such file"));
}

// ---- fault

static void faults(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  assert_int_equal(hd_fault_set(NULL, HADRON_ERR_IO, "nobody listens"), HADRON_ERR_IO);
  assert_int_equal(hd_fault_set(&fault, HADRON_ERR_RANGE, "fast: expected 1 to %d, found %d", 500, 501), HADRON_ERR_RANGE);
  assert_int_equal(fault.code, HADRON_ERR_RANGE);
  assert_int_equal(hd_fault_prefix(&fault, "strategy %s: ", "sma"), HADRON_ERR_RANGE);
  assert_string_equal(fault.text, "strategy sma: fast: expected 1 to 500, found 501");
  hd_fault_set(&fault, HADRON_ERR_IO, "again: %s", fault.text); // its own text as an argument
  assert_string_equal(fault.text, "again: strategy sma: fast: expected 1 to 500, found 501");
  char flood[3000];
  memset(flood, 'p', sizeof flood - 1);
  flood[sizeof flood - 1] = 0;
  hd_fault_prefix(&fault, "%s", flood);
  assert_non_null(strstr(fault.text, "expected 1 to 500, found 501")); // a long path in front does not push the cause out
  assert_true(strlen(fault.text) < HD_FAULT_SIZE);
}

// ---- metrics

struct seen {
  int count;
  int64_t sum;
  char last[64];
};

static void see(void *user, const char *owner, const struct hadron_metric *metric, int64_t value) {
  struct seen *seen = user;
  seen->count++;
  seen->sum += value;
  snprintf(seen->last, sizeof seen->last, "%s/%s/%s/%u", owner, metric->name, metric->unit, metric->type);
}

static void metrics_listed(void **state) {
  (void)state;
  static const struct hadron_metric rows[] = {{"ticks", "ticks taken", "ticks", HADRON_METRIC_COUNTER, 0},
                                              {"depth", "ticks waiting", "ticks", HADRON_METRIC_GAUGE, 0}};
  struct hd_metrics *m = hd_metrics_create(6);
  assert_non_null(m);
  int64_t *a[2], *b[2], *again[2];
  struct hd_fault fault = {0};
  assert_int_equal(hd_metrics_open(m, "shard0", rows, 2, a, &fault), HADRON_OK);
  assert_int_equal(hd_metrics_open(m, "shard1", rows, 2, b, &fault), HADRON_OK);
  assert_int_equal(hd_metrics_open(m, "shard0", rows, 2, again, &fault), HADRON_OK);
  assert_ptr_equal(a[0], again[0]);
  assert_true((uintptr_t)a[0] / 64 != (uintptr_t)b[0] / 64); // two writers never share a line
  hd_metric_add(a[0], 5), hd_metric_add(a[0], 2), hd_metric_set(a[1], 3), hd_metric_set(b[1], 100);
  assert_int_equal(hd_metric_read(a[0]), 7);
  struct seen seen = {0};
  hd_metrics_walk(m, see, &seen);
  assert_int_equal(seen.count, 4);
  assert_int_equal(seen.sum, 110);
  assert_string_equal(seen.last, "shard1/depth/ticks/2");
  // Refusals leave nothing behind.
  struct hadron_metric odd[] = {{"fresh", "", "", HADRON_METRIC_GAUGE, 0}, {"depth", "", "ns", HADRON_METRIC_GAUGE, 0}};
  assert_int_equal(hd_metrics_open(m, "shard0", odd, 2, again, &fault), HADRON_ERR_EXISTS);
  odd[1].name = "no-dash";
  assert_int_equal(hd_metrics_open(m, "shard0", odd, 2, again, &fault), HADRON_ERR_ARGUMENT);
  odd[1].name = "typeless", odd[1].type = 7;
  assert_int_equal(hd_metrics_open(m, "shard0", odd, 2, again, &fault), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_metrics_open(m, "", rows, 2, again, &fault), HADRON_ERR_ARGUMENT);
  static const struct hadron_metric three[] = {{"x", "", "", 1, 0}, {"y", "", "", 1, 0}, {"z", "", "", 1, 0}};
  assert_int_equal(hd_metrics_open(m, "shard0", three, 3, again, &fault), HADRON_ERR_FULL);
  assert_non_null(strstr(fault.text, "2 of 6 left"));
  seen = (struct seen){0};
  hd_metrics_walk(m, see, &seen);
  assert_int_equal(seen.count, 4);
  hd_metrics_destroy(m);
}

// ---- clock

static void clocks(void **state) {
  (void)state;
  assert_true(hd_clock_wall_ns() > INT64_C(1700000000) * 1000000000);
  // A stretch of time by both clocks. Whatever stops this thread between two readings spoils one stretch, not all of them.
  bool agree = false;
  for (int i = 0; i < 20 && !agree; i++) {
    int64_t before = hd_clock_monotonic_ns();
    uint64_t first = hd_cycles();
    hd_cycles_calibrate();
    int64_t counted = hd_cycles_to_ns(hd_cycles() - first), passed = hd_clock_monotonic_ns() - before;
    agree = counted > passed / 2 && counted < passed * 2;
  }
  assert_true(agree);
  assert_int_equal(hd_cycles_to_ns(0), 0);
  assert_true(hd_cycles_to_ns(UINT64_MAX) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(written_or_counted, make_path, drop_path),
      cmocka_unit_test_setup_teardown(full_queue_drops_and_counts, make_path, drop_path),
      cmocka_unit_test_setup_teardown(levels_and_hostile_words, make_path, drop_path),
      cmocka_unit_test(unwritable_path_is_told),
      cmocka_unit_test(faults),
      cmocka_unit_test(metrics_listed),
      cmocka_unit_test(clocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
