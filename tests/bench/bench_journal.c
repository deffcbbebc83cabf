// journal: append of a 128-byte message in page mode, against a memcpy of the same record (head and message) into mapped memory
// with its CRC-32C. Both write preallocated files that were mapped ahead of them, in turns of 4,096 records. Then fsync mode: 256 records
// and one group commit, against the same copies and one bare fdatasync. At last many writers, each of which waits for its own order: what
// group commit makes of them, against one bare fdatasync per batch of the size that the groups had.
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "support/directory.h"
#include "support/machine.h"

#define MESSAGE 128
#define RECORD (sizeof(struct hd_record_head) + MESSAGE)
#define TURN 4096
#define TURNS 512
#define SYNC_RECORDS 256
#define SYNC_TURNS 400
#define WRITERS 32
#define WRITER_ORDERS 150
#define BARE_BYTES (UINT64_C(64) << 20)

struct bare {
  unsigned char *base;
  uint64_t at;
  int fd;
};

static void die(const char *what) {
  fprintf(stderr, "bench_journal: %s\n", what);
  exit(2);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  return values[count / 2];
}

static void bare_open(struct bare *b, const char *dir) {
  char path[TEST_PATH_SIZE];
  static const unsigned char zeros[65536];
  test_path(path, dir, "bare");
  b->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  for (uint64_t at = 0; at < BARE_BYTES; at += sizeof zeros)
    if (b->fd < 0 || write(b->fd, zeros, sizeof zeros) != (ssize_t)sizeof zeros) die("cannot write the bare file");
  b->base = mmap(NULL, BARE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
  if (b->base == MAP_FAILED || fdatasync(b->fd) != 0) die("cannot map the bare file");
}

// Room for `bytes`, already mapped for writing.
static void bare_room(struct bare *b, uint64_t bytes) {
  if (b->at + bytes > BARE_BYTES) b->at = 0;
  for (uint64_t p = b->at & ~UINT64_C(4095); p < b->at + bytes; p += 4096) __atomic_fetch_or(b->base + p, 0, __ATOMIC_RELAXED);
}

static void bare_put(struct bare *b, const unsigned char *record) {
  unsigned char *to = b->base + b->at;
  memcpy(to, record, RECORD);
  uint32_t crc = hd_crc32c(0, to + 8, RECORD - 8);
  memcpy(to + 4, &crc, sizeof crc);
  b->at += RECORD;
}

static void journal_put(struct hd_journal *j, const unsigned char *message, uint64_t *position) {
  if (hd_journal_append(j, HADRON_MSG_DECISION, message, MESSAGE, NULL, 0, 1, position) != HADRON_OK) die("append failed");
}

struct page_result {
  double journal_ns, bare_ns;
  struct hd_histogram *each;
};

static void page_turns(struct hd_journal *j, struct bare *b, const unsigned char *record, struct page_result *r) {
  static double journal[TURNS], bare[TURNS];
  uint64_t position;
  for (int t = -8; t < TURNS; t++) { // the first few warm up
    if (hd_journal_maintain(j, NULL) != HADRON_OK) die("maintain failed");
    int64_t begin = hd_clock_monotonic_ns();
    for (int i = 0; i < TURN; i++) journal_put(j, record + sizeof(struct hd_record_head), &position);
    int64_t middle = hd_clock_monotonic_ns();
    if (t >= 0) journal[t] = (double)(middle - begin) / TURN;
    bare_room(b, TURN * RECORD);
    begin = hd_clock_monotonic_ns();
    for (int i = 0; i < TURN; i++) bare_put(b, record);
    if (t >= 0) bare[t] = (double)(hd_clock_monotonic_ns() - begin) / TURN;
  }
  r->journal_ns = median(journal, TURNS);
  r->bare_ns = median(bare, TURNS);
  for (int t = 0; t < TURNS / 4; t++) { // one by one, for the tail
    if (hd_journal_maintain(j, NULL) != HADRON_OK) die("maintain failed");
    for (int i = 0; i < TURN; i++) {
      uint64_t begin = hd_cycles();
      journal_put(j, record + sizeof(struct hd_record_head), &position);
      hd_histogram_record(r->each, (uint64_t)hd_cycles_to_ns(hd_cycles() - begin));
    }
  }
}

static void sync_turns(struct hd_journal *j, struct bare *b, const unsigned char *record, double *journal_us, double *bare_us) {
  static double journal[SYNC_TURNS], bare[SYNC_TURNS];
  uint64_t position = 0;
  for (int t = -8; t < SYNC_TURNS; t++) {
    if (hd_journal_maintain(j, NULL) != HADRON_OK) die("maintain failed");
    int64_t begin = hd_clock_monotonic_ns();
    for (int i = 0; i < SYNC_RECORDS; i++) journal_put(j, record + sizeof(struct hd_record_head), &position);
    if (hd_journal_sync(j, position) != HADRON_OK) die("sync failed");
    if (t >= 0) journal[t] = (double)(hd_clock_monotonic_ns() - begin) / 1000;
    if (b->at + SYNC_RECORDS * RECORD > BARE_BYTES) b->at = 0;
    begin = hd_clock_monotonic_ns();
    for (int i = 0; i < SYNC_RECORDS; i++) bare_put(b, record);
    if (fdatasync(b->fd) != 0) die("fdatasync failed");
    if (t >= 0) bare[t] = (double)(hd_clock_monotonic_ns() - begin) / 1000;
  }
  *journal_us = median(journal, SYNC_TURNS);
  *bare_us = median(bare, SYNC_TURNS);
}

struct writer {
  pthread_t thread;
  struct hd_journal *journal;
  const unsigned char *message;
  struct hd_histogram wait;
};

static void *writer_main(void *argument) {
  struct writer *w = argument;
  for (int i = 0; i < WRITER_ORDERS; i++) {
    uint64_t position;
    int64_t begin = hd_clock_monotonic_ns();
    journal_put(w->journal, w->message, &position);
    if (hd_journal_sync(w->journal, position) != HADRON_OK) die("sync failed");
    hd_histogram_record(&w->wait, (uint64_t)(hd_clock_monotonic_ns() - begin));
  }
  return NULL;
}

struct group_result {
  double per_s, bare_per_s, size;
  struct hd_histogram wait;
};

static void group_run(struct hd_journal *j, struct bare *b, const unsigned char *record, struct group_result *r) {
  static struct writer writers[WRITERS];
  struct hd_journal_health before, after;
  hd_journal_health(j, &before);
  int64_t begin = hd_clock_monotonic_ns();
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (struct writer){.journal = j, .message = record + sizeof(struct hd_record_head)};
    if (pthread_create(&writers[i].thread, NULL, writer_main, &writers[i])) die("no thread");
  }
  for (int i = 0; i < WRITERS; i++) {
    pthread_join(writers[i].thread, NULL);
    hd_histogram_merge(&r->wait, &writers[i].wait);
  }
  double seconds = (double)(hd_clock_monotonic_ns() - begin) / 1e9;
  hd_journal_health(j, &after);
  uint64_t flushes = after.flushes - before.flushes;
  r->per_s = WRITERS * WRITER_ORDERS / seconds;
  r->size = flushes ? (double)(WRITERS * WRITER_ORDERS) / (double)flushes : 0;
  int batch = r->size < 1 ? 1 : (int)r->size, done = 0;
  begin = hd_clock_monotonic_ns();
  for (; done < WRITERS * WRITER_ORDERS; done += batch) {
    if (b->at + (uint64_t)batch * RECORD > BARE_BYTES) b->at = 0;
    for (int i = 0; i < batch; i++) bare_put(b, record);
    if (fdatasync(b->fd) != 0) die("fdatasync failed");
  }
  r->bare_per_s = done / ((double)(hd_clock_monotonic_ns() - begin) / 1e9);
}

static struct hd_journal *journal_open(const char *root, const char *name, uint32_t durability) {
  char dir[TEST_PATH_SIZE];
  struct hd_journal_options options = {.durability = durability};
  struct hd_journal *j = NULL;
  struct hd_fault fault;
  test_path(dir, root, name);
  if (hd_journal_open(dir, &options, &j, &fault) != HADRON_OK) die(fault.text);
  return j;
}

int main(int argc, char **argv) {
  bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
  char root[TEST_PATH_SIZE], machine[TEST_MACHINE_SIZE];
  unsigned char record[RECORD];
  static struct hd_histogram each;
  struct page_result page = {.each = &each};
  struct bare bare = {0};
  static struct group_result group;
  double journal_us, bare_us;
  for (size_t i = 0; i < RECORD; i++) record[i] = (unsigned char)(i * 37 + 1);
  hd_cycles_calibrate();
  test_directory_make(root);
  bare_open(&bare, root);
  struct hd_journal *j = journal_open(root, "page", HD_JOURNAL_PAGE);
  page_turns(j, &bare, record, &page);
  hd_journal_close(j);
  j = journal_open(root, "fsync", HD_JOURNAL_FSYNC);
  sync_turns(j, &bare, record, &journal_us, &bare_us);
  group_run(j, &bare, record, &group);
  hd_journal_close(j);
  test_directory_remove(root);
  double ratio = page.journal_ns / page.bare_ns, sync_ratio = journal_us / bare_us;
  bool ok = ratio <= 2.0 && sync_ratio <= 1.2;
  test_machine(machine);
  if (json)
    printf("{\"name\": \"journal\", \"value\": %.1f, \"unit\": \"ns\", \"baseline\": %.1f, \"ratio\": %.3f, \"goal\": 2.0, \"ok\": %s, "
           "\"fsync_value_us\": %.1f, \"fsync_baseline_us\": %.1f, \"fsync_ratio\": %.3f, \"fsync_goal\": 1.2, \"p50_ns\": %llu, \"p99_ns\": %llu, "
           "\"p99_9_ns\": %llu, \"max_ns\": %llu, \"message_bytes\": %d, \"record_bytes\": %zu, \"records\": %d, \"records_per_fsync\": %d, "
           "\"segment_bytes\": %d, \"group_writers\": %d, \"group_orders_per_s\": %.0f, \"group_baseline_per_s\": %.0f, \"group_ratio\": %.3f, \"group_size\": %.1f, "
           "\"group_p50_us\": %.1f, \"group_p99_us\": %.1f, \"group_p99_9_us\": %.1f, \"on\": \"one writer, maintenance between turns, percentiles include the clock's own 10-20 ns\", \"machine\": \"%s\"}\n",
           page.journal_ns, page.bare_ns, ratio, ok ? "true" : "false", journal_us, bare_us, sync_ratio,
           (unsigned long long)hd_histogram_quantile(&each, 0.5), (unsigned long long)hd_histogram_quantile(&each, 0.99),
           (unsigned long long)hd_histogram_quantile(&each, 0.999), (unsigned long long)each.max, MESSAGE, RECORD, TURN * TURNS, SYNC_RECORDS, 64 << 20, WRITERS, group.per_s,
           group.bare_per_s, group.bare_per_s > 0 ? group.per_s / group.bare_per_s : 0, group.size, (double)hd_histogram_quantile(&group.wait, 0.5) / 1000,
           (double)hd_histogram_quantile(&group.wait, 0.99) / 1000, (double)hd_histogram_quantile(&group.wait, 0.999) / 1000, machine);
  else
    printf("append %.1f ns, bare copy with CRC %.1f ns: %.2f times (goal 2); group commit of %d: %.1f us, bare %.1f us: %.2f times (goal 1.2)\n"
           "%d writers that each wait: %.0f orders/s in groups of %.1f, bare batches of that size %.0f/s; an order waits %.0f us, p99 %.0f us\n",
           page.journal_ns, page.bare_ns, ratio, SYNC_RECORDS, journal_us, bare_us, sync_ratio, WRITERS, group.per_s, group.size, group.bare_per_s,
           (double)hd_histogram_quantile(&group.wait, 0.5) / 1000, (double)hd_histogram_quantile(&group.wait, 0.99) / 1000);
  return 0;
}
