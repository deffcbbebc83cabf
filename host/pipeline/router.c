#include "pipeline/router.h"

#include "base/assert.h"
#include "base/limits.h"

struct hd_route {
  _Atomic uint32_t facts;   // enum hd_lane_fact bits
  uint32_t facts_seen;      // those that `lane` was worked out from
  uint32_t rules_seen;
  uint8_t lane[HADRON_TICK_STATUS + 1]; // by tick kind: what the rules say
  uint8_t current;          // lane that holds, or last held, ticks of this instrument; 0: none yet
  uint8_t held;             // 1: a quote waits in `held`
  uint64_t last;            // position after the last tick in `current`
};

const struct hd_lane_rules hd_lane_rules_default = {
    .rules = {{0, HD_FACT_POSITION, 0, HADRON_LANE_FAST},
              {0, HD_FACT_UNSUBSCRIBED, 0, HADRON_LANE_DROP},
              {0, HD_FACT_VOLATILE, 0, HADRON_LANE_FAST},
              {0, HD_FACT_PEER_FAST, 0, HADRON_LANE_WARM},
              {(1u << HADRON_TICK_TRADE) | (1u << HADRON_TICK_STATUS), HD_FACT_ALWAYS, 0, HADRON_LANE_WARM}},
    .count = 5,
    .volatile_above = 0.001};

int32_t hd_router_init(struct hd_router *r, const struct hd_instruments *instruments, uint32_t shard_count,
                       uint32_t lane_ticks) {
  HD_ASSERT(shard_count > 0 && shard_count <= HD_SHARDS_MAX);
  *r = (struct hd_router){.instruments = instruments, .shard_count = shard_count, .conflate_at = lane_ticks / 4 * 3};
  size_t rows = (size_t)instruments->max + 1;
  r->lanes = aligned_alloc(64, shard_count * sizeof *r->lanes);
  r->routes = calloc(rows, sizeof *r->routes);
  r->held = calloc(rows, sizeof *r->held);
  r->held_list = calloc(rows, sizeof *r->held_list);
  r->peers = calloc(rows, sizeof *r->peers);
  if (r->lanes) memset(r->lanes, 0, shard_count * sizeof *r->lanes);
  if (!r->lanes || !r->routes || !r->held || !r->held_list || !r->peers) return HADRON_ERR_MEMORY;
  for (uint32_t s = 0; s < shard_count; s++)
    for (int lane = 0; lane < HD_LANE_COUNT; lane++) {
      int32_t code = hd_ring_init(&r->lanes[s].rings[lane], sizeof(struct hadron_tick), lane_ticks);
      if (code) return code;
    }
  return hd_router_rules(r, &hd_lane_rules_default);
}

void hd_router_fini(struct hd_router *r) {
  for (uint32_t s = 0; r->lanes && s < r->shard_count; s++)
    for (int lane = 0; lane < HD_LANE_COUNT; lane++) hd_ring_fini(&r->lanes[s].rings[lane]);
  free(r->lanes);
  free(r->routes);
  free(r->held);
  free(r->held_list);
  free(r->peers);
  *r = (struct hd_router){0};
}

int32_t hd_router_rules(struct hd_router *r, const struct hd_lane_rules *rules) {
  if (rules->count > HD_LANE_RULES_MAX) return HADRON_ERR_ARGUMENT;
  for (uint32_t i = 0; i < rules->count; i++) {
    const struct hd_lane_rule *rule = &rules->rules[i];
    if (rule->lane < HADRON_LANE_FAST || rule->lane > HADRON_LANE_DROP) return HADRON_ERR_ARGUMENT;
    if (rule->fact > HD_FACT_UNSUBSCRIBED || (rule->fact & (rule->fact - 1))) return HADRON_ERR_ARGUMENT;
  }
  r->rules = *rules;
  r->rules_version++;
  return HADRON_OK;
}

int32_t hd_router_correlate(struct hd_router *r, uint32_t a, uint32_t b) {
  if (a == 0 || b == 0 || a == b || a > r->instruments->max || b > r->instruments->max) return HADRON_ERR_ARGUMENT;
  if (r->peer_count > r->instruments->max) return HADRON_ERR_FULL;
  r->peers[r->peer_count][0] = a;
  r->peers[r->peer_count++][1] = b;
  return HADRON_OK;
}

void hd_router_fact(struct hd_router *r, uint32_t instrument, uint32_t fact, bool on) {
  HD_ASSERT(instrument > 0 && instrument <= r->instruments->max);
  _Atomic uint32_t *facts = &r->routes[instrument].facts;
  uint32_t now = atomic_load_explicit(facts, memory_order_relaxed);
  if (((now & fact) != 0) == on) return; // the usual case: no write, no cache line taken
  if (on) atomic_fetch_or_explicit(facts, fact, memory_order_relaxed);
  else atomic_fetch_and_explicit(facts, ~fact, memory_order_relaxed);
}

static uint8_t lane_by_rules(const struct hd_lane_rules *rules, uint32_t instrument, uint32_t kind, uint32_t facts) {
  for (uint32_t i = 0; i < rules->count; i++) {
    const struct hd_lane_rule *rule = &rules->rules[i];
    if (rule->kinds && !(rule->kinds & (1u << kind))) continue;
    if (rule->instrument && rule->instrument != instrument) continue;
    if (rule->fact && !(facts & rule->fact)) continue;
    return (uint8_t)rule->lane;
  }
  return HADRON_LANE_COLD;
}

static bool any_peer_fast(const struct hd_router *r, uint32_t instrument) {
  for (uint32_t i = 0; i < r->peer_count; i++)
    for (int side = 0; side < 2; side++)
      if (r->peers[i][side] == instrument && r->routes[r->peers[i][1 - side]].lane[HADRON_TICK_TRADE] == HADRON_LANE_FAST) return true;
  return false;
}

// An instrument whose trades turned FAST, or no longer are, tells its peers. One that slows down may not be a peer's only reason.
static void tell_peers(struct hd_router *r, uint32_t instrument) {
  for (uint32_t i = 0; i < r->peer_count; i++)
    for (int side = 0; side < 2; side++)
      if (r->peers[i][side] == instrument)
        hd_router_fact(r, r->peers[i][1 - side], HD_FACT_PEER_FAST, any_peer_fast(r, r->peers[i][1 - side]));
}

__attribute__((noinline)) static void refresh(struct hd_router *r, uint32_t instrument, uint32_t facts) {
  struct hd_route *route = &r->routes[instrument];
  uint8_t before = route->lane[HADRON_TICK_TRADE];
  for (uint32_t kind = HADRON_TICK_TRADE; kind <= HADRON_TICK_STATUS; kind++)
    route->lane[kind] = lane_by_rules(&r->rules, instrument, kind, facts);
  route->facts_seen = facts;
  route->rules_seen = r->rules_version;
  if (before != route->lane[HADRON_TICK_TRADE]) tell_peers(r, instrument);
}

static struct hd_ring *ring_of(struct hd_router *r, uint32_t instrument, uint8_t lane) {
  return &r->lanes[r->instruments->rows[instrument].shard].rings[lane - HADRON_LANE_FAST];
}

// The lane for a tick: what the rules say, once older ticks have left the lane that they are in.
static uint8_t lane_now(struct hd_router *r, const struct hd_route *route, uint32_t instrument, uint8_t wanted) {
  if (route->current == wanted || route->current == 0) return wanted;
  return hd_ring_tail(ring_of(r, instrument, route->current)) < route->last ? route->current : wanted;
}

static bool push(struct hd_router *r, struct hd_route *route, uint8_t lane, const struct hadron_tick *tick) {
  struct hd_ring *ring = ring_of(r, tick->instrument, lane);
  struct hadron_tick *slot = hd_ring_reserve(ring);
  if (!slot) return false;
  *slot = *tick;
  hd_ring_publish(ring);
  r->lane_changes += route->current != lane && route->current != 0;
  route->current = lane;
  route->last = atomic_load_explicit(&ring->head, memory_order_relaxed);
  r->routed[lane]++;
  return true;
}

static void hold(struct hd_router *r, struct hd_route *route, const struct hadron_tick *tick) {
  struct hadron_tick *held = &r->held[tick->instrument];
  uint8_t flags = route->held ? (uint8_t)(held->flags | HADRON_TICK_CONFLATED) & (HADRON_TICK_CONFLATED | HADRON_TICK_GAP) : 0;
  if (route->held) r->conflated++;
  else r->held_list[r->held_count++] = tick->instrument;
  route->held = 1;
  *held = *tick;
  held->flags |= flags;
}

// Gives a held quote to its lane, so that what comes after it stays after it.
static bool release_held(struct hd_router *r, uint32_t instrument) {
  struct hd_route *route = &r->routes[instrument];
  if (!push(r, route, route->current ? route->current : HADRON_LANE_COLD, &r->held[instrument])) return false;
  route->held = 0;
  for (uint32_t i = 0; i < r->held_count; i++)
    if (r->held_list[i] == instrument) {
      r->held_list[i] = r->held_list[--r->held_count];
      break;
    }
  return true;
}

enum hd_routed hd_router_route(struct hd_router *r, const struct hadron_tick *tick) {
  HD_DASSERT(tick->instrument > 0 && tick->instrument <= hd_instruments_count(r->instruments));
  struct hd_route *route = &r->routes[tick->instrument];
  uint32_t facts = atomic_load_explicit(&route->facts, memory_order_relaxed);
  if (facts != route->facts_seen || route->rules_seen != r->rules_version) refresh(r, tick->instrument, facts);
  uint8_t wanted = route->lane[tick->kind];
  if (wanted == HADRON_LANE_DROP) {
    r->routed[HADRON_LANE_DROP]++;
    return HD_ROUTED_DROPPED;
  }
  uint8_t lane = lane_now(r, route, tick->instrument, wanted);
  if (lane == HADRON_LANE_COLD && tick->kind == HADRON_TICK_QUOTE &&
      (route->held || hd_ring_size(ring_of(r, tick->instrument, lane)) >= r->conflate_at)) {
    hold(r, route, tick);
    return HD_ROUTED_CONFLATED;
  }
  if (route->held) {
    if (!release_held(r, tick->instrument)) return HD_ROUTED_FULL;
    lane = lane_now(r, route, tick->instrument, wanted); // it may have to wait behind that one
  }
  if (!push(r, route, lane, tick)) return HD_ROUTED_FULL;
  r->lane_waits += lane != wanted;
  return HD_ROUTED;
}

uint32_t hd_router_pass(struct hd_router *r, const struct hadron_tick *tick) {
  struct hd_route *route = &r->routes[tick->instrument];
  uint32_t facts = atomic_load_explicit(&route->facts, memory_order_relaxed);
  if (__builtin_expect(facts != route->facts_seen || route->rules_seen != r->rules_version, 0)) refresh(r, tick->instrument, facts);
  uint8_t lane = route->lane[tick->kind];
  r->routed[lane]++;
  if (lane == HADRON_LANE_DROP) return lane;
  route->last = 0; // nothing of it waits anywhere
  if (__builtin_expect(route->current == lane, 1)) return lane;
  r->lane_changes += route->current != 0;
  route->current = lane;
  return lane;
}

uint32_t hd_router_flush(struct hd_router *r) {
  for (uint32_t i = r->held_count; i > 0; i--) {
    uint32_t instrument = r->held_list[i - 1];
    if (hd_ring_size(ring_of(r, instrument, HADRON_LANE_COLD)) < r->conflate_at) release_held(r, instrument);
  }
  return r->held_count;
}

const char *hd_lane_name(uint32_t lane) {
  static const char *const names[] = {"invalid", "fast", "warm", "cold", "drop"};
  return lane <= HADRON_LANE_DROP ? names[lane] : "invalid";
}
