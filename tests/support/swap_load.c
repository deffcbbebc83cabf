#include "support/swap_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/change.h"
#include "runtime/live.h"

#define TALLY_SEQUENCES (UINT64_C(1) << 24) // as in bench/plugins/counter.h
#define RUN_MAX_NS INT64_C(600000000000)

static const char config[] = "mode = \"paper\", engine = { threads = %s, measure_every = 0 }, universe = { max = 16 },\n"
                             "journal = { segment = %u, keep = %u },\n"
                             "venues = { flood = { params = { instruments = 1, period = \"200us\" } }, sim = {} },\n"
                             "strategies = { counter = { plugin = \"counter_%s\" } },\n";

struct run {
  struct swap_load *load;
  struct bench_session b;
  struct hd_live live;
  uv_loop_t loop;
  uv_work_t work;
  uv_timer_t next;
  const struct hd_plugin *plugins[2];
  struct hd_change *change;
  struct hd_fault fault;
  unsigned char *rows, *handled;
  _Atomic uint64_t counted; // up to here the tally is read and clear
  uint64_t first_change; // sequence of the last tick before the first change
  int64_t stage_ns;
  uint32_t begun;
  int32_t code;
};

// Every tick that a shard handled, as the journal has it.
static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct run *r = observer;
  (void)tail, (void)tail_size;
  if (template_id != HADRON_MSG_TICK) return;
  const struct hadron_tick *tick = block;
  if (tick->sequence - r->counted >= TALLY_SEQUENCES) bench_die("more ticks between two changes than the tally has room for: %llu since %llu, change %u", (unsigned long long)tick->sequence, (unsigned long long)r->counted, r->load->done);
  r->handled[tick->sequence & (TALLY_SEQUENCES - 1)]++;
}

static void deployment(const struct run *r, struct hd_deployment *d) {
  const struct hd_plugin *plugin = r->plugins[(r->load->done + 1) & 1];
  memset(d, 0, sizeof *d);
  snprintf(d->name, sizeof d->name, "counter");
  snprintf(d->plugin, sizeof d->plugin, "counter");
  d->kind = HADRON_KIND_STRATEGY;
  d->enabled = true;
  d->split = HD_SPLIT_CAPITAL;
  d->revision = r->load->done + 2;
  d->warm_ns = r->load->warm ? INT64_C(3600000000000) : 0;
  d->arm_count = 1;
  d->arms[0].role = HD_ROLE_LIVE;
  d->arms[0].weight = 1;
  memcpy(d->arms[0].digest, plugin->digest, sizeof plugin->digest);
  snprintf(d->arms[0].version, sizeof d->arms[0].version, "%s", plugin->manifest.version);
}

// Each tick that was handled was seen once by one of the two; with a warm seat, from the first change on, once by each.
static void count(struct run *r, uint64_t last) {
  for (uint64_t i = r->counted + 1; i <= last; i++) {
    uint64_t at = i & (TALLY_SEQUENCES - 1);
    uint32_t a = r->rows[at], b = r->rows[TALLY_SEQUENCES + at], expected = r->load->warm && r->load->done > 0 && i > r->first_change ? 2 : 1;
    if (r->handled[at]) {
      r->load->ticks++;
      r->load->lost += a + b < expected;
      r->load->doubled += a + b > expected || a > 1 || b > 1;
    }
    r->handled[at] = r->rows[at] = r->rows[TALLY_SEQUENCES + at] = 0;
  }
  r->counted = last;
}

static void stage(uv_work_t *work) {
  struct run *r = work->data;
  struct bench_time start = bench_now();
  r->code = hd_change_stage(r->change, &r->fault);
  r->stage_ns = (int64_t)bench_since(start).wall_ns;
}

static void staged(uv_work_t *work, int status) {
  struct run *r = work->data;
  struct hd_changed changed;
  if (status || r->code) bench_die("stage: %s", r->fault.text);
  if (hd_change_commit(r->change, &changed, &r->fault)) bench_die("commit: %s", r->fault.text);
  hd_change_destroy(r->change);
  if (r->load->done == 0) r->first_change = changed.last_sequence;
  count(r, changed.last_sequence); // all of these were handled before the meeting
  bool measured = !r->load->warm || r->load->done > 0; // the first warm one makes the seat
  if (measured) hd_histogram_record(&r->load->pause, (uint64_t)changed.pause_ns);
  if (measured) hd_histogram_record(&r->load->stage, (uint64_t)r->stage_ns);
  if (++r->load->done == r->load->changes) hd_live_stop(&r->live);
}

static void begin(uv_timer_t *timer) {
  struct run *r = timer->data;
  static struct hd_deployment d;
  const struct hd_plugin *plugin = r->plugins[(r->load->done + 1) & 1];
  if (r->load->done == r->load->changes || r->begun > r->load->done) return; // all done, or one is under way
  r->begun++;
  deployment(r, &d);
  if (hd_change_create(&r->b.session, &d, &plugin, &r->change, &r->fault)) bench_die("create: %s", r->fault.text);
  r->work.data = r;
  uv_queue_work(&r->loop, &r->work, stage, staged);
}

static void tally_open(struct run *r, char path[TEST_PATH_SIZE]) {
  snprintf(path, TEST_PATH_SIZE, "/dev/shm/hadron-tally-%d", (int)getpid());
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)(TALLY_SEQUENCES * 2))) bench_die("%s: cannot be made", path);
  r->rows = mmap(NULL, TALLY_SEQUENCES * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  r->handled = mmap(NULL, TALLY_SEQUENCES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  close(fd);
  if (r->rows == MAP_FAILED || r->handled == MAP_FAILED) bench_die("no memory for the tally");
  setenv("HADRON_TALLY", path, 1);
}

static void work(struct run *r) {
  hd_live_run(&r->live);
  while (r->load->done < r->load->changes) bench_die("only %u of %u changes in time", r->load->done, r->load->changes);
}

void swap_load_run(struct swap_load *load) {
  static struct run r;
  char text[1024], path[TEST_PATH_SIZE];
  memset(&r, 0, sizeof r);
  r.load = load;
  tally_open(&r, path);
  for (int i = 0; i < 2; i++) {
    char file[64];
    snprintf(file, sizeof file, "%s.so", load->plugins[i]);
    r.plugins[i] = bench_plugin(file);
  }
  snprintf(text, sizeof text, config, load->threads ? "true" : "false", 64u << 20, 256u << 20, load->plugins[0] + strlen("counter_"));
  const struct hd_session_options options = {.journal = true, .versions = true, .observer = &r, .observe = observe};
  bench_session_open(&r.b, text, &options);
  uv_loop_init(&r.loop);
  if (hd_live_open(&r.live, &r.b.session, &r.loop, RUN_MAX_NS, &r.fault)) bench_die("%s", r.fault.text);
  uv_timer_init(&r.loop, &r.next);
  r.next.data = &r;
  uv_timer_start(&r.next, begin, 1, 1);
  struct bench_time start = bench_now();
  work(&r);
  double cpu_ns = bench_since(start).cpu_ns;
  uv_close((uv_handle_t *)&r.next, NULL);
  uint64_t last = r.b.session.pipeline.normalize.accepted;
  hd_live_close(&r.live);
  uv_run(&r.loop, UV_RUN_DEFAULT);
  uv_loop_close(&r.loop);
  count(&r, last);
  load->tick_ns = load->ticks ? cpu_ns / (double)load->ticks : 0;
  bench_session_close(&r.b);
  munmap(r.rows, TALLY_SEQUENCES * 2);
  munmap(r.handled, TALLY_SEQUENCES);
  unlink(path);
}
