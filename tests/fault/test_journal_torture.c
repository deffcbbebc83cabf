// Promise: whatever a crash leaves of a journal, opening it gives a prefix of what was appended, with all that was durable, and the journal goes
// on behind it; or it refuses by name, where bytes are gone that no crash can take. Tried on images in memory: every byte cut of a small
// journal with zeros, noise and reordered sectors behind it; power cuts at any step of random runs, at grains of 1 B, 512 B and 4 KiB, with
// any part of the unsynced changes of names come through. The clock goes forward by hours now and then: what is durable is no matter of time.
// HADRON_TEST_IMAGES: how many images (script/fault runs a million). The seed is printed; HADRON_TEST_SEED repeats a run.
#include "support/test.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/log.h"
#include "hadron/message.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/verify.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384, RECORDS = 4096, STEPS = 60 };
#define DIR "journal"
#define IMAGES_DEFAULT 20000

static uint64_t images_wanted, images_made;
static struct memory_disk world, image; // too large for a stack

// What was appended, and where.
static struct {
  struct hd_journal *journal;
  struct hd_journal_options options;
  uint64_t count, durable;               // records appended; of them surely on the disk
  int64_t now_ns;
  uint64_t position[RECORDS], next[RECORDS];
} run;

static uint32_t tail_of(uint64_t n) { return (uint32_t)(n * 7 % 57); }

static void setup_run(struct memory_disk *d, bool fsync) {
  memory_disk_fini(d);
  memory_disk_init(d, SEGMENT);
  memset(&run, 0, sizeof run);
  run.now_ns = 1000000000;
  run.options = (struct hd_journal_options){
      .segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = fsync ? HD_JOURNAL_FSYNC : HD_JOURNAL_PAGE, .disk = &d->disk, .seed = 7, .now_ns = 1000000000};
}

static int32_t run_open(struct hd_fault *fault) { return hd_journal_open(DIR, &run.options, &run.journal, fault); }

static int32_t record_append(struct hd_journal *j, uint64_t n, int64_t now_ns, uint64_t *position) {
  struct hadron_timer_fired t = {.id = n, .due_ns = (int64_t)(n * 3)};
  unsigned char tail[64];
  memset(tail, (int)(n & 255), sizeof tail);
  return hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, tail, tail_of(n), now_ns, position);
}

// Returns what the journal said; a full or failed one is no fault of the run.
static int32_t run_append(void) {
  if (run.count == RECORDS) return HADRON_OK;
  uint64_t position = 0;
  int32_t rc = record_append(run.journal, run.count, ++run.now_ns, &position);
  if (rc != HADRON_OK) return rc;
  run.position[run.count++] = position;
  return HADRON_OK;
}

// A segment's hash of the one before it says that all before the segment is on the disk, with fsync or without.
static void marks_read(void) {
  uint64_t *list = NULL, count = 0, position = 0;
  char name[HD_SEGMENT_NAME_SIZE];
  int dir = hd_disk_dir_open(run.options.disk, DIR, false);
  assert_int_equal(hd_segment_list(run.options.disk, dir, &list, &count, NULL), HADRON_OK);
  for (uint64_t i = 0; i < count; i++) {
    struct hd_segment_header h;
    hd_segment_name(name, list[i]);
    memcpy(&h, memory_disk_file(&world, name, NULL), sizeof h);
    if (h.chained == 1) position = h.position;
  }
  free(list);
  while (run.durable < run.count && run.position[run.durable] < position) run.durable++;
}

static void run_step(struct hd_random *random) {
  uint64_t dice = hd_random_below(random, 100);
  if (dice < 60) {
    for (uint64_t k = hd_random_below(random, dice < 50 ? 12 : 150); k > 0; k--) run_append();
  } else if (dice < 75) {
    if (run.count && hd_journal_sync(run.journal, run.position[run.count - 1]) == HADRON_OK && run.options.durability == HD_JOURNAL_FSYNC) run.durable = run.count;
  } else if (dice < 92) {
    for (uint64_t k = 1 + hd_random_below(random, 3); k > 0; k--) hd_journal_maintain(run.journal, NULL);
    marks_read();
  } else if (dice < 94) {
    hd_journal_retain(run.journal, hd_journal_end(run.journal), NULL, NULL);
  } else if (dice < 96) {
    hd_journal_keep(run.options.disk, DIR, "reader", run.count ? run.position[run.count / 2] : 4096, NULL);
  } else if (dice < 98) {
    run.now_ns += (int64_t)hd_random_below(random, 4) * 3600 * INT64_C(1000000000);
  }
}

static bool run_reopen(void) {
  hd_journal_close(run.journal);
  if (run.options.durability == HD_JOURNAL_FSYNC) run.durable = run.count;
  struct hd_fault fault = {0};
  run.journal = NULL;
  return run_open(&fault) == HADRON_OK;
}

// ---- judging ---------------------------------------------------------------------------------------------------------------------------

struct judged {
  uint64_t first, end; // ids [first, end) are there
};

static struct judged judge(const struct hd_disk *disk, const char *what) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  struct hadron_record r;
  struct judged found = {0, 0};
  if (hd_journal_cursor_open_on(disk, DIR, &c, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
  int32_t rc;
  bool any = false;
  while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) {
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    if (!any) found.first = found.end = t.id, any = true;
    if (t.id != found.end || r.size != sizeof t + tail_of(t.id)) fail_msg("%s: record %" PRIu64 " where %" PRIu64 " belongs", what, t.id, found.end);
    found.end++;
  }
  if (rc != HADRON_ERR_AGAIN) fail_msg("%s: %s", what, fault.text);
  hd_journal_cursor_close(c);
  return found;
}

// Opens the image, judges it, lets it go on, and now and then opens it once more.
static void image_check(struct memory_disk *d, uint64_t at_least, uint64_t at_most, const char *what) {
  struct hd_journal_options options = run.options;
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  options.disk = &d->disk;
  images_made++;
  if (hd_journal_open(DIR, &options, &j, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
  struct judged found = judge(&d->disk, what);
  if (found.end < at_least || found.end > at_most)
    fail_msg("%s: ends with record %" PRIu64 ", expected between %" PRIu64 " and %" PRIu64, what, found.end, at_least, at_most);
  uint64_t position;
  for (uint64_t n = 0; n < 3; n++)
    if (record_append(j, found.end + n, run.now_ns, &position) != HADRON_OK) fail_msg("%s: it does not go on", what);
  hd_journal_close(j);
  if (images_made % 16) return;
  struct judged again = judge(&d->disk, what);
  if (again.end != found.end + 3) fail_msg("%s: what was appended behind it is not there: %" PRIu64 " of %" PRIu64, what, again.end, found.end + 3);
  struct hd_journal_verdict verdict;
  if (hd_journal_verify(&d->disk, DIR, NULL, &verdict, &fault) != HADRON_OK) fail_msg("%s: verify: %s", what, fault.text);
}

// ---- every byte cut --------------------------------------------------------------------------------------------------------------------

enum filling { FILL_ZERO, FILL_NOISE, FILL_REORDER, FILLINGS };
static const char *const fillings[] = {"zeros", "noise", "reordered sectors"};

static unsigned char *newest_file(struct memory_disk *d, uint64_t *position) {
  uint64_t *list = NULL, count = 0;
  struct hd_fault fault = {0};
  int dir = hd_disk_dir_open(&d->disk, DIR, false);
  char name[HD_SEGMENT_NAME_SIZE];
  if (hd_segment_list(&d->disk, dir, &list, &count, &fault) != HADRON_OK || !count) fail_msg("%s", fault.text);
  hd_segment_name(name, list[count - 1]);
  free(list);
  unsigned char *bytes = memory_disk_file(d, name, NULL);
  struct hd_segment_header h;
  memcpy(&h, bytes, sizeof h);
  *position = h.position;
  return bytes;
}

static void tail_fill(unsigned char *bytes, uint64_t cut, uint64_t end, enum filling filling, struct hd_random *random) {
  if (filling == FILL_ZERO) memset(bytes + cut, 0, SEGMENT - cut);
  if (filling == FILL_NOISE)
    for (uint64_t i = cut; i < end; i++) bytes[i] = (unsigned char)hd_random_next(random);
  if (filling != FILL_REORDER) return;
  uint64_t first = (cut + 511) / 512 * 512, sectors = end > first ? (end - first) / 512 : 0;
  memset(bytes + cut, 0, (first < SEGMENT ? first : SEGMENT) - cut); // this sector is torn
  if (sectors < 2) return;
  uint64_t a = hd_random_below(random, sectors), b = hd_random_below(random, sectors);
  unsigned char swap[512];
  memcpy(swap, bytes + first + a * 512, 512);
  memcpy(bytes + first + a * 512, bytes + first + b * 512, 512);
  memcpy(bytes + first + b * 512, swap, 512);
}

// A journal of one segment and a piece of the next, killed.
static void make_small(uint64_t seed, bool fsync) {
  struct hd_fault fault = {0};
  setup_run(&world, fsync);
  if (run_open(&fault) != HADRON_OK) fail_msg("%s", fault.text);
  uint64_t records = 130 + seed % 40;
  for (uint64_t n = 0; n < records; n++) {
    assert_int_equal(run_append(), HADRON_OK);
    if (n % 50 == 49) hd_journal_maintain(run.journal, NULL);
  }
  hd_journal_maintain(run.journal, NULL); // the newest has its name
}

static void every_byte_cut(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint64_t until = images_made + images_wanted / 2, seed = hd_random_next(&random);
  memory_disk_init(&image, SEGMENT);
  while (images_made < until) {
    make_small(seed++, false);
    uint64_t position, end = hd_journal_end(run.journal);
    newest_file(&world, &position);
    for (uint64_t cut = HD_JOURNAL_HEADER_BYTES; cut < end - position && images_made < until; cut++)
      for (enum filling f = 0; f < FILLINGS; f++) {
        char what[96];
        memory_disk_copy(&image, &world);
        memory_disk_kill(&image);
        uint64_t ignored, kept = 0;
        tail_fill(newest_file(&image, &ignored), cut, end - position, f, &random);
        image.boot += f == FILL_REORDER; // what a kill alone cannot do
        while (kept < run.count && (kept + 1 < run.count ? run.position[kept + 1] : end) <= position + cut) kept++;
        snprintf(what, sizeof what, "cut at %" PRIu64 ", %s behind it", cut, fillings[f]);
        image_check(&image, kept, f == FILL_REORDER ? run.count : kept + 1, what); // a cut within padding costs nothing
      }
    hd_journal_close(run.journal);
  }
  memory_disk_fini(&image);
}

// ---- power cuts ------------------------------------------------------------------------------------------------------------------------

static const uint64_t grains[] = {1, 512, 4096};

static void power_cuts(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint64_t until = images_made + images_wanted / 2;
  memory_disk_init(&image, SEGMENT);
  while (images_made < until) {
    struct hd_fault fault = {0};
    bool fsync = hd_random_below(&random, 4) > 0;
    setup_run(&world, fsync);
    if (run_open(&fault) != HADRON_OK) fail_msg("%s", fault.text);
    uint64_t steps = hd_random_below(&random, STEPS);
    for (uint64_t i = 0; i < steps; i++) {
      run_step(&random);
      if (hd_random_below(&random, 40) == 0) assert_true(run_reopen());
    }
    for (int i = 0; i < 40 && images_made < until; i++) {
      char what[96];
      uint64_t grain = grains[hd_random_below(&random, 3)];
      uint32_t luck = (uint32_t)hd_random_below(&random, 257);
      memory_disk_copy(&image, &world);
      memory_disk_cut(&image, &random, grain, luck);
      snprintf(what, sizeof what, "%s, power cut after %" PRIu64 " steps, grain %" PRIu64 ", names %" PRIu32, fsync ? "fsync" : "page", steps, grain, luck);
      image_check(&image, run.durable, run.count, what);
    }
    hd_journal_close(run.journal);
  }
  memory_disk_fini(&image);
}

// ---- main --------------------------------------------------------------------------------------------------------------------------------

// Of the processor: what else the machine does is no matter.
static int64_t cpu_ns(void) {
  struct timespec t;
  assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static void timed(void (*test)(void **), void **state, const char *what) {
  uint64_t before = images_made;
  int64_t start_ns = cpu_ns();
  test(state);
  double seconds = (double)(cpu_ns() - start_ns) / 1e9;
  print_message("%s: %" PRIu64 " images, %.0f a second and core\n", what, images_made - before, (double)(images_made - before) / (seconds > 0 ? seconds : 1));
}
static void cuts_of_every_byte(void **state) { timed(every_byte_cut, state, "byte cuts"); }
static void cuts_of_the_power(void **state) { timed(power_cuts, state, "power cuts"); }

int main(void) {
  const char *asked = getenv("HADRON_TEST_IMAGES");
  images_wanted = asked ? strtoull(asked, NULL, 10) : IMAGES_DEFAULT;
  hd_log_level(HADRON_LOG_ERROR + 1); // thousands of torn tails are no news
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cuts_of_every_byte),
      cmocka_unit_test(cuts_of_the_power),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  memory_disk_fini(&world);
  return failed;
}
