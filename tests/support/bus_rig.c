#include "support/bus_rig.h"

#include "base/clock.h"
#include "support/test.h"

static void on_changed(void *self, uint32_t change, const char *words) {
  struct bus_rig *g = self;
  assert_true(words[0]);
  pthread_mutex_lock(&g->lock);
  if (g->change_count == BUS_RIG_CHANGES) memmove(g->changes, g->changes + 1, --g->change_count * sizeof *g->changes);
  g->changes[g->change_count++] = change;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

static void open_bus(struct bus_rig *g, const struct hd_bus_options *options) {
  struct hd_fault fault = {0};
  char directory[TEST_PATH_SIZE];
  const struct hd_bus_listen listen = {.url = g->url, .rights = HD_BUS_TRADE};
  struct hd_bus_options o = options ? *options : (struct hd_bus_options){0};
  test_path(directory, g->directory, "bus");
  if (!o.listener_count) o.listeners = &listen, o.listener_count = 1;
  if (!o.stale_after_ns) o.stale_after_ns = BUS_RIG_PATIENCE_NS;
  o.directory = directory;
  o.host = "test";
  o.mode = HADRON_MODE_PAPER;
  if (hd_bus_create(&o, &g->bus, &fault)) fail_msg("%s", fault.text);
}

static void attach(struct bus_rig *g, const struct hd_bus_expected *who) {
  struct hd_fault fault = {0};
  struct hd_bus_expected w = who ? *who : (struct hd_bus_expected){.version = "1.0.0", .params = "{\"fast\":\"5\"}"};
  if (!w.name) w.name = "trend";
  if (!w.role) w.role = "live";
  w.channels = &g->channel;
  w.channel_count = 1;
  w.arm = BUS_RIG_ARM;
  w.universe = g->universe;
  w.universe_count = BUS_RIG_INSTRUMENTS;
  w.changed = on_changed;
  w.self = g;
  if (hd_bus_attach(g->bus, &w, &g->seat, &fault)) fail_msg("%s", fault.text);
}

void bus_rig_open(struct bus_rig *g, const struct hd_bus_options *options, const struct hd_bus_expected *who) {
  memset(g, 0, sizeof *g);
  pthread_mutex_init(&g->lock, NULL);
  pthread_cond_init(&g->changed, NULL);
  test_directory_make(g->directory);
  snprintf(g->url, sizeof g->url, "ipc://%s/out.ipc", g->directory);
  g->channel = aligned_alloc(64, sizeof *g->channel);
  assert_int_equal(hd_channel_init(g->channel, BUS_RIG_ARM, 0), HADRON_OK);
  for (uint32_t i = 0; i < BUS_RIG_INSTRUMENTS; i++) {
    g->universe[i] = (struct hadron_instrument_definition){.instrument = i + 1, .listing = i + 1};
    snprintf(g->universe[i].name, sizeof g->universe[i].name, "SYM%u", i);
  }
  open_bus(g, options);
  attach(g, who);
}

void bus_rig_close(struct bus_rig *g) {
  hd_bus_detach(g->bus, g->seat);
  hd_bus_destroy(g->bus);
  hd_channel_fini(g->channel);
  free(g->channel);
  test_directory_remove(g->directory);
}

void bus_rig_seat(struct bus_rig *g, const struct hd_bus_expected *who) {
  hd_bus_detach(g->bus, g->seat);
  attach(g, who);
}

void bus_rig_renew(struct bus_rig *g, const struct hd_bus_options *options, const struct hd_bus_expected *who) {
  hd_bus_detach(g->bus, g->seat);
  hd_bus_destroy(g->bus);
  open_bus(g, options);
  attach(g, who);
}

void bus_rig_say(struct bus_rig *g, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const struct hadron_tick t = {.sequence = ++g->ticks, .instrument = 1 + (uint32_t)(g->ticks % BUS_RIG_INSTRUMENTS), .kind = HADRON_TICK_TRADE, .recv_ns = hd_clock_wall_ns(),
                                  .value.trade.price = {(int64_t)g->ticks}};
    assert_true(hd_channel_tick(g->channel, &t));
  }
  hd_channel_ring(g->channel);
}

uint32_t bus_rig_take(struct bus_rig *g, struct hadron_decision out[HD_TICK_DECISIONS_MAX], uint64_t *number) {
  for (int64_t start = hd_clock_monotonic_ns();;) {
    uint32_t count = hd_channel_take(g->channel, out, number);
    if (count) return count;
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("no decision came");
  }
}

void bus_rig_wait(struct bus_rig *g, uint32_t change) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += BUS_RIG_PATIENCE_NS / 1000000000;
  pthread_mutex_lock(&g->lock);
  for (;;) {
    for (uint32_t i = 0; i < g->change_count; i++) {
      if (g->changes[i] != change) continue;
      g->change_count -= i + 1;
      memmove(g->changes, g->changes + i + 1, g->change_count * sizeof *g->changes);
      pthread_mutex_unlock(&g->lock);
      return;
    }
    if (pthread_cond_timedwait(&g->changed, &g->lock, &until)) fail_msg("no change %u", change);
  }
}

struct hd_bus_refusals bus_rig_refusals(struct bus_rig *g) {
  struct hd_bus_refusals r;
  hd_bus_refusals(g->bus, &r);
  return r;
}

struct hadron_decision bus_rig_decision(uint64_t key) {
  return (struct hadron_decision){.kind = HADRON_DECISION_TARGET, .instrument = 2, .confidence = 1, .quantity = {100000000}, .key = key};
}
