#include "support/worker_rig.h"

#include <sched.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "lua/runtime.h"
#include "plugin/child.h"

#define ASK_NS INT64_C(60000000000) // a busy machine, a sanitizer
#define WAIT_NS INT64_C(120000000000)

static void on_changed(void *self, uint32_t change, const char *words) {
  struct worker_rig *rig = self;
  (void)words;
  pthread_mutex_lock(&rig->lock);
  rig->joined += change == HADRON_PLACED_JOINED;
  pthread_mutex_unlock(&rig->lock);
}

static int32_t admit(void *self, const uint8_t token[HD_WORKER_TOKEN_SIZE], const char **url, struct hd_fault *fault) {
  struct worker_rig *rig = self;
  struct hd_channel *channels[] = {&rig->channel};
  const struct hd_bus_expected who = {.name = "test", .token = token, .channels = channels, .channel_count = 1, .arm = INLINE_ARM, .universe = rig->universe,
                                      .universe_count = rig->in.universe_count, .lock_step = true, .shares = true, .changed = on_changed, .self = rig};
  hd_bus_detach(rig->bus, rig->seat);
  rig->seat = NULL;
  int32_t code = hd_bus_attach(rig->bus, &who, &rig->seat, fault);
  if (!code) *url = hd_bus_seat_url(rig->seat);
  return code;
}

static void farewell(void *self) {
  struct worker_rig *rig = self;
  hd_bus_detach(rig->bus, rig->seat);
  rig->seat = NULL;
}

static int64_t heard(void *self) {
  struct worker_rig *rig = self;
  struct hd_bus_figures figures = {0};
  if (rig->seat) hd_bus_figures(rig->bus, rig->seat, &figures);
  return figures.heard_ns;
}

static void ended(void *self, uint32_t state, uint64_t restarts, const char *words) {
  struct worker_rig *rig = self;
  (void)restarts;
  farewell(rig); // what was asked of it is answered
  pthread_mutex_lock(&rig->lock);
  rig->ended++;
  rig->state = state;
  snprintf(rig->words, sizeof rig->words, "%s", words);
  pthread_mutex_unlock(&rig->lock);
}

// Time comes by ticks: the market of these tests is not of today.
static char *describe(const struct inline_rig *in) {
  static const char wall[] = "\"virtual\":false";
  char *text = inline_rig_describe(in), *at = strstr(text, wall);
  assert_non_null(at);
  memcpy(at, "\"virtual\":true ", sizeof wall - 1);
  return text;
}

void worker_rig_open(struct worker_rig *rig, const char *plugin, uint32_t instruments, const char *const *params, const struct hd_worker_options *with) {
  struct hd_fault fault = {0};
  char program[1024], directory[TEST_PATH_SIZE];
  memset(rig, 0, sizeof *rig);
  snprintf(program, sizeof program, "%s/hadron", getenv("HADRON_BUILD_DIR") ? getenv("HADRON_BUILD_DIR") : ".");
  hd_child_program(program);
  pthread_mutex_init(&rig->lock, NULL);
  rig->open = true;
  inline_rig_open(&rig->in, plugin, instruments, params);
  rig->json = describe(&rig->in);
  for (uint32_t i = 0; i < rig->in.universe_count; i++) {
    const struct hd_instrument *row = &rig->in.market.rows[rig->in.universe[i]];
    rig->universe[i] = (struct hadron_instrument_definition){.instrument = row->id, .increment = row->increment, .lot = row->lot};
  }
  test_directory_make(rig->directory);
  test_path(directory, rig->directory, "bus");
  const struct hd_bus_options options = {.directory = directory, .host = "test", .is_virtual = true, .decisions_per_second = 1000000};
  if (hd_bus_create(&options, &rig->bus, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_channel_memory_open(&rig->memory, 1), HADRON_OK);
  assert_int_equal(hd_channel_init_in(&rig->channel, INLINE_ARM, 0, &rig->memory), HADRON_OK);
  if (hd_workers_create(&rig->workers, &fault)) fail_msg("%s", fault.text);
  struct hd_worker_options o = with ? *with : (struct hd_worker_options){.name = NULL};
  o.name = "test";
  if (!o.restarts_max) o.restarts_max = 5;
  o.plugin = rig->in.plugin;
  o.rings = rig->memory.fd;
  o.care = (struct hd_worker_care){.self = rig, .admit = admit, .heard = heard, .ended = ended, .farewell = farewell};
  if (hd_worker_start(rig->workers, &o, &rig->worker, &fault)) fail_msg("%s", fault.text);
}

void worker_rig_close(struct worker_rig *rig) {
  if (!rig->open) return;
  rig->open = false;
  atomic_store(&rig->channel.closed, true);
  hd_worker_stop(rig->worker);
  if (rig->seat) hd_bus_detach(rig->bus, rig->seat);
  hd_workers_destroy(rig->workers);
  hd_bus_destroy(rig->bus);
  hd_channel_fini(&rig->channel);
  hd_channel_memory_close(&rig->memory);
  decision_list_fini(&rig->decisions);
  inline_rig_close(&rig->in);
  free(rig->json);
  if (rig->directory[0]) test_directory_remove(rig->directory);
  pthread_mutex_destroy(&rig->lock);
}

int32_t worker_rig_ask(struct worker_rig *rig, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, char *words, size_t words_size) {
  struct hd_channel_ask *ask = hd_channel_ask(&rig->channel, verb, instance, bytes, size, 0, ASK_NS);
  if (!ask) {
    struct hd_bus_figures f = {0};
    hd_bus_figures(rig->bus, rig->seat, &f);
    fail_msg("an ask of kind %u: no answer; %u ticks and %u notes wait, %llu messages sent, %llu acknowledged, %llu decisions, state %u", verb, (unsigned)hd_channel_waiting(&rig->channel),
             (unsigned)hd_ring_size(&rig->channel.notes), (unsigned long long)f.sent, (unsigned long long)f.acknowledged, (unsigned long long)f.decisions, f.state);
  }
  int32_t code = ask->code;
  if (code && words) snprintf(words, words_size, "%.*s", (int)ask->answer_size, ask->answer ? (const char *)ask->answer : "");
  hd_channel_let_go(ask);
  return code;
}

int32_t worker_rig_make(struct worker_rig *rig, char *words, size_t size) {
  int32_t code = worker_rig_ask(rig, HADRON_ASK_CREATE, 0, rig->json, (uint32_t)strlen(rig->json), words, size);
  for (uint32_t i = 0; !code && i < rig->in.count; i++) code = worker_rig_ask(rig, HADRON_ASK_START, i, NULL, 0, words, size);
  return code;
}

void worker_rig_take(struct worker_rig *rig) {
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint64_t number;
  for (uint32_t n; (n = hd_channel_take(&rig->channel, batch, &number));) {
    assert_true(number == rig->number + n); // each once, in order
    rig->number = number;
    decision_list_add(&rig->decisions, batch, n);
    hd_channel_took(&rig->channel, number);
  }
}

void worker_rig_wait_handled(struct worker_rig *rig) {
  char words[300];
  int64_t until = hd_clock_monotonic_ns() + WAIT_NS;
  while (hd_channel_waiting(&rig->channel) > 0) {
    assert_true(hd_clock_monotonic_ns() < until);
    worker_rig_take(rig);
    sched_yield();
  }
  // What was decided before an answer has come before it.
  if (worker_rig_ask(rig, HADRON_ASK_STEP, 0, NULL, 0, words, sizeof words)) fail_msg("%s", words);
  worker_rig_take(rig);
}

uint32_t worker_rig_wait_ended(struct worker_rig *rig, uint64_t times) {
  int64_t until = hd_clock_monotonic_ns() + WAIT_NS;
  for (;;) {
    pthread_mutex_lock(&rig->lock);
    bool enough = rig->ended >= times;
    uint32_t state = rig->state;
    pthread_mutex_unlock(&rig->lock);
    if (enough) return state;
    if (hd_clock_monotonic_ns() > until) fail_msg("a worker that should have ended %llu times", (unsigned long long)times);
    sched_yield();
  }
}
