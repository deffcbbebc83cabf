#include "runtime/simulate/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"

#define FAULT_NAME(name, text, low, high, what) [HD_FAULT_##name] = text,
#define FAULT_WORDS(name, text, low, high, what) [HD_FAULT_##name] = what,
#define FAULT_RANGE(name, text, low, high, what) [HD_FAULT_##name] = {low, high},
const char *const hd_world_fault_names[HD_FAULT_COUNT] = {HD_WORLD_FAULTS(FAULT_NAME)};
const char *const hd_world_fault_words[HD_FAULT_COUNT] = {HD_WORLD_FAULTS(FAULT_WORDS)};
static const uint32_t ranges[HD_FAULT_COUNT][2] = {HD_WORLD_FAULTS(FAULT_RANGE)};

// ---- making ----------------------------------------------------------------------------------------------------------------------

#define INSTRUMENTS_EACH (HD_WORLD_INSTRUMENTS / HD_WORLD_VENUES)

static bool one_in(struct hd_random *r, uint64_t n) { return hd_random_below(r, n) == 0; }

// A third of the faults are on, each somewhere between rare and often, evenly by its logarithm.
static void draw_faults(uint32_t *chance, struct hd_random *r, uint32_t from, uint32_t to) {
  uint64_t part = 1 + hd_random_below(r, 6); // some worlds have few kinds, some have most
  for (uint32_t f = from; f < to; f++) {
    uint64_t low = ranges[f][0], high = low;
    bool on = hd_random_below(r, 8) < part;
    for (uint64_t steps = hd_random_below(r, 9); steps > 0 && high < ranges[f][1]; steps--) high = high * 5 / 3;
    chance[f] = on ? (uint32_t)(high < ranges[f][1] ? high : ranges[f][1]) : 0;
  }
}

static void draw_features(struct hd_world_venue *v, struct hd_random *r) {
  v->features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS | HADRON_VENUE_QUERIES | HADRON_VENUE_RECONCILES;
  if (one_in(r, 2)) v->features |= HADRON_VENUE_REPLACES;
  if (one_in(r, 2)) v->features |= HADRON_VENUE_STOPS;
  if (one_in(r, 2)) v->features |= HADRON_VENUE_POST_ONLY;
}

static void draw_setting(struct hd_world *w, struct hd_random *r) {
  struct hd_world_setting *s = &w->setting;
  s->venues = 1;
  s->instruments = 2 + (uint32_t)hd_random_below(r, INSTRUMENTS_EACH - 1);
  s->strategies = 1 + (uint32_t)hd_random_below(r, 2);
  s->horizon_ns = hd_world_between(r, 5, 30) * HD_SECOND;
  s->unknown_after_ns = hd_world_between(r, 100, 3000) * HD_MS;
  s->query_every_ns = hd_world_between(r, 100, 1500) * HD_MS;
  s->order_rate_max = one_in(r, 3) ? hd_world_between(r, 5, 30) : 0;
  s->quantity_max_e8 = hd_world_between(r, 5, 20) * HADRON_QUANTITY_SCALE;
  s->position_max_e8 = hd_world_between(r, 20, 100) * HADRON_QUANTITY_SCALE;
  draw_features(&w->venues[0], r);
  s->lives_max = 1 + (uint32_t)hd_random_below(r, 5);
  s->segment_bytes = UINT64_C(65536) << hd_random_below(r, 4);
  s->disk_bytes = UINT64_C(24) << 20;
  s->resend = one_in(r, 2);
  s->fsync = one_in(r, 2);
  w->venues[0].counts = !one_in(r, 3);
  s->naive = !s->resend && one_in(r, 2);
  s->ends_killed = one_in(r, 2);
  w->venues[0].lists_ends = one_in(r, 2);
}

// Without fsync a database has rows of records that the power has taken, and of which nothing was promised: not asked here.
static void draw_database(struct hd_world *w, struct hd_random *r) {
  w->setting.database = one_in(r, 8); // they cost the most
  if (w->setting.database) w->chance[HD_FAULT_POWER_CUT_LOOSE] = 0;
}

// Grids on which every product of price and quantity is a whole number of micros.
static void draw_instrument(struct hd_world *w, struct hd_world_instrument *in, const char *name, struct hd_random *r) {
  snprintf(in->name, sizeof in->name, "%s", name);
  bool fine = one_in(r, 3);
  in->increment = fine ? 100000 : 10000000;
  in->lot = fine ? HADRON_QUANTITY_SCALE / 100 : HADRON_QUANTITY_SCALE;
  in->mid = in->last = hd_world_between(r, 20, 200) * HADRON_PRICE_SCALE / in->increment;
  in->half = hd_world_between(r, 1, 3);
  in->next_ns = w->now_ns + hd_world_between(r, 1, 50) * HD_MS;
}

// Another venue with faults and habits of its own. It lists other names, or the same ones: then the second strategy's orders go there.
static void draw_second(struct hd_world *w, struct hd_random *r) {
  static const char *const names[INSTRUMENTS_EACH] = {"GUM", "HAY", "IVY", "OAK"};
  struct hd_world_setting *s = &w->setting;
  struct hd_world_venue *v = &w->venues[1];
  uint32_t first = s->instruments;
  s->venues = 2;
  s->apart = s->strategies > 1 && one_in(r, 2);
  draw_faults(v->chance, r, 0, HD_FAULT_MANIFOLD);
  for (uint32_t i = 0; i < 2; i++) draw_faults(w->venues[i].chance, r, HD_FAULT_VENUE_AWAY, HD_FAULT_VENUE_AWAY + 1);
  draw_features(v, r);
  v->counts = !one_in(r, 3);
  v->lists_ends = one_in(r, 2);
  uint32_t count = s->apart ? first : 1 + (uint32_t)hd_random_below(r, INSTRUMENTS_EACH);
  for (uint32_t i = 0; i < count; i++) {
    struct hd_world_instrument *in = &w->instruments[s->instruments++];
    const struct hd_world_instrument *like = &w->instruments[i];
    draw_instrument(w, in, s->apart ? like->name : names[i], r);
    in->venue = 1;
    if (s->apart) in->increment = like->increment, in->lot = like->lot, in->mid = in->last = like->mid; // one instrument has one grid
  }
}

static void draw_changes(struct hd_world *w, struct hd_random *r) {
  w->setting.changes = true;
  draw_faults(w->chance, r, HD_FAULT_CHANGING, HD_FAULT_COUNT);
  for (uint32_t f = HD_FAULT_SWAP; f <= HD_FAULT_ENABLE; f++)
    if (!w->chance[f] && (f == HD_FAULT_SWAP || f == HD_FAULT_ENABLE)) w->chance[f] = ranges[f][0]; // what is off comes on again
}

// Without what is not wanted.
static void mask(uint32_t *chance, uint64_t faults) {
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++)
    if (!(faults >> f & 1)) chance[f] = 0;
}

// This fault is in the world, and as often as it ever is.
static void be_often(struct hd_world *w, enum hd_world_fault fault) {
  w->chance[fault] = ranges[fault][1];
  for (uint32_t i = 0; i < w->setting.venues; i++) w->venues[i].chance[fault] = ranges[fault][1];
  if (fault == HD_FAULT_POWER_CUT_LOOSE) w->setting.database = false;
  if (fault < HD_FAULT_DATABASE_AWAY || fault > HD_FAULT_COMMIT_LOST) return;
  w->setting.database = true;
  w->chance[HD_FAULT_POWER_CUT_LOOSE] = 0;
}

void hd_world_make(struct hd_world *w, uint64_t seed, uint64_t faults, uint64_t often) {
  static const char *const names[INSTRUMENTS_EACH] = {"ASH", "BAY", "ELM", "FIR"};
  struct hd_random draw, wide, manifold, changing;
  memset(w, 0, sizeof *w);
  if (!faults) faults = ~UINT64_C(0);
  w->seed = seed;
  hd_random_init(&draw, hd_random_mix(seed));
  hd_random_init(&wide, hd_random_mix(seed ^ UINT64_C(0x65646977)));
  hd_random_init(&manifold, hd_random_mix(seed ^ UINT64_C(0x646c6f6669)));
  hd_random_init(&changing, hd_random_mix(seed ^ UINT64_C(0x6368616e6765)));
  hd_random_init(&w->market, seed * 4 + 1);
  hd_random_init(&w->luck, seed * 4 + 2);
  hd_random_init(&w->life, seed * 4 + 3);
  w->now_ns = HD_WORLD_EPOCH;
  draw_setting(w, &draw);
  draw_faults(w->chance, &draw, 0, HD_FAULT_WIDE);
  if (faults >> HD_FAULT_WIDE) {
    draw_faults(w->chance, &wide, HD_FAULT_WIDE, HD_FAULT_MANIFOLD);
    draw_database(w, &wide);
  }
  memcpy(w->venues[0].chance, w->chance, sizeof w->chance);
  for (uint32_t i = 0; i < w->setting.instruments; i++) draw_instrument(w, &w->instruments[i], names[i], &draw);
  bool two = one_in(&manifold, 4) || often >> HD_FAULT_VENUE_AWAY & 1;
  if (two && faults >> HD_FAULT_VENUE_AWAY & 1) draw_second(w, &manifold);
  bool changes = one_in(&changing, 8) || often >> HD_FAULT_SWAP & 1;
  if (changes && faults >> HD_FAULT_SWAP & 1) draw_changes(w, &changing);
  for (uint32_t i = 0; i < HD_WORLD_STRATEGIES; i++) w->deployments[i].active = (struct hd_world_arms){.live = 1, .enabled = true};
  mask(w->chance, faults);
  for (uint32_t i = 0; i < w->setting.venues; i++) mask(w->venues[i].chance, faults);
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++)
    if (often >> f & 1) be_often(w, f);
  w->ends_ns = w->now_ns + w->setting.horizon_ns;
  for (uint32_t i = 0; i < HD_WORLD_VENUES; i++) {
    w->venues[i].state = HADRON_VENUE_DOWN;
    w->venues[i].state_ns = INT64_MAX;
  }
}

static bool strikes(struct hd_world *w, const uint32_t *chance, enum hd_world_fault fault) {
  if (w->calm || w->outside || chance[fault] == 0 || hd_random_below(&w->luck, 1000000) >= chance[fault]) return false;
  w->struck[fault]++;
  return true;
}

bool hd_world_strikes(struct hd_world *w, enum hd_world_fault fault) { return strikes(w, w->chance, fault); }
bool hd_venue_strikes(struct hd_world *w, const struct hd_world_venue *v, enum hd_world_fault fault) { return strikes(w, v->chance, fault); }

struct hd_world_venue *hd_world_venue_of(struct hd_world *w, uint32_t instrument) { return &w->venues[w->instruments[instrument].venue]; }

// ---- what is told of it ------------------------------------------------------------------------------------------------------------

void hd_world_digest(struct hd_world *w, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  uint64_t digest = w->digest, word;
  for (; size >= 8; size -= 8, at += 8) {
    memcpy(&word, at, 8);
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    digest ^= digest >> 29;
  }
  for (; size > 0; size--) digest = (digest ^ *at++) * UINT64_C(0x100000001b3);
  w->digest = digest;
}

void hd_world_trace(struct hd_world *w, const char *format, ...) {
  char *line = w->trace[w->trace_count++ % HD_WORLD_TRACE_LINES];
  int64_t since = w->now_ns - HD_WORLD_EPOCH;
  int n = snprintf(line, HD_WORLD_TRACE_SIZE, "%3u %9.6f  ", w->lives, (double)since / 1e9);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + n, HD_WORLD_TRACE_SIZE - (size_t)n, format, arguments);
  va_end(arguments);
  if (w->verbose) fprintf(stderr, "%s\n", line);
}

void hd_world_finding(struct hd_world *w, const char *format, ...) {
  char text[HD_WORLD_FINDING_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  hd_world_trace(w, "FINDING %s", text);
  if (w->finding_count < HD_WORLD_FINDINGS) memcpy(w->findings[w->finding_count], text, sizeof text);
  w->finding_count++;
}

// ---- where a life ends -------------------------------------------------------------------------------------------------------------

_Noreturn void hd_world_die(struct hd_world *w, const char *where) {
  hd_world_trace(w, "the host dies: %s", where);
  _exit(HD_LIFE_CRASHED);
}

void hd_world_call(struct hd_world *w) {
  if (w->outside) return;
  w->calls++;
  if (++w->life_calls == w->crash_call) hd_world_die(w, "in a call");
}

void hd_world_event(struct hd_world *w) {
  w->events++;
  if (++w->life_events == w->crash_event) hd_world_die(w, "between two events");
}

struct hd_truth_order *hd_world_order(struct hd_world *w, const struct hadron_client_order_id *id) {
  for (uint32_t i = w->order_count; i-- > 0;)
    if (memcmp(&w->orders[i].request.client_order_id, id, sizeof *id) == 0) return &w->orders[i];
  return NULL;
}
