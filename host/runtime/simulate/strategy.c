// A strategy that never rests: it places, moves and withdraws orders of every kind, repeats itself now and then, and keeps its stream of
// numbers in its state, so that a host that loses the state makes itself known by what it decides.
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/random.h"
#include "hadron/ext/state.h"
#include "hadron/strategy.h"
#include "plugin/loader.h"
#include "runtime/simulate/world.h"

#define SLOTS 3

struct kept { // the state, as saved
  struct hd_random random;
  uint64_t ticks, decided;
  struct hadron_decision last; // of the kind SIDE
};
struct restless {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  uint32_t instrument;
  struct kept kept;
};

static int32_t restless_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct restless *r = calloc(1, sizeof *r);
  if (!r) return HADRON_ERR_MEMORY;
  r->host = host;
  r->engine = host->capability(host->instance, "hadron.strategy/1");
  r->instrument = context->instruments[0];
  hd_random_init(&r->kept.random, host->random(host->instance) ^ context->arm);
  *self = r;
  return HADRON_OK;
}

static void restless_destroy(void *self) { free(self); }

static int32_t decide(struct restless *r, const struct hadron_decision *d) {
  r->kept.decided++;
  int32_t code = r->engine->decide(r->host->instance, d);
  return code == HADRON_ERR_FULL ? HADRON_OK : code;
}

static struct hadron_decision plain(struct restless *r, uint8_t kind) {
  return (struct hadron_decision){.instrument = r->instrument, .kind = kind, .side = (uint8_t)(1 + hd_random_below(&r->kept.random, 2)), .confidence = 0.5,
                                  .mean_return = 0.001, .uncertainty = 0.01};
}

static int32_t work(struct restless *r, const struct hadron_market *m, int64_t mid) {
  struct hd_random *n = &r->kept.random;
  struct hadron_decision d = plain(r, HADRON_DECISION_WORK);
  d.slot = (uint16_t)(1 + hd_random_below(n, SLOTS));
  d.order_type = HADRON_ORDER_LIMIT;
  d.time_in_force = hd_random_below(n, 4) ? HADRON_TIF_GTC : HADRON_TIF_DAY;
  if (hd_random_below(n, 4) == 0) return decide(r, &d); // withdraws
  d.limit.nanos = (mid + hd_world_between(n, -8, 8)) * m->increment.nanos;
  d.quantity.e8 = hd_world_between(n, 1, 8) * HADRON_QUANTITY_SCALE;
  d.key = hd_random_next(n) >> 1;
  if (hd_random_below(n, 8) == 0) d.flags = HADRON_ORDER_POST_ONLY;
  return decide(r, &d);
}

static int32_t side(struct restless *r, const struct hadron_market *m, int64_t mid) {
  struct hd_random *n = &r->kept.random;
  if (r->kept.last.kind && hd_random_below(n, 6) == 0) return decide(r, &r->kept.last); // the same intent once more: never a second order
  struct hadron_decision d = plain(r, HADRON_DECISION_SIDE);
  int64_t away = d.side == HADRON_SIDE_BUY ? 1 : -1;
  d.quantity.e8 = hd_world_between(n, 1, 24) * HADRON_QUANTITY_SCALE;
  d.key = hd_random_next(n) >> 1;
  switch (hd_random_below(n, 5)) {
  case 0: d.order_type = HADRON_ORDER_MARKET; break;
  case 1: d.order_type = HADRON_ORDER_STOP; d.stop.nanos = (mid + away * hd_world_between(n, 1, 15)) * m->increment.nanos; d.time_in_force = HADRON_TIF_GTC; break;
  case 2:
    d.order_type = HADRON_ORDER_STOP_LIMIT;
    d.stop.nanos = (mid + away * hd_world_between(n, 1, 15)) * m->increment.nanos;
    d.limit.nanos = d.stop.nanos + away * 5 * m->increment.nanos;
    d.time_in_force = HADRON_TIF_GTC;
    break;
  default:
    d.order_type = HADRON_ORDER_LIMIT;
    d.limit.nanos = (mid + hd_world_between(n, -6, 6)) * m->increment.nanos;
    d.time_in_force = (uint8_t)(hd_random_below(n, 3) ? HADRON_TIF_GTC : hd_random_below(n, 2) ? HADRON_TIF_IOC : HADRON_TIF_FOK);
    break;
  }
  r->kept.last = d;
  return decide(r, &d);
}

static int32_t target(struct restless *r) {
  struct hadron_decision d = plain(r, HADRON_DECISION_TARGET);
  d.quantity.e8 = hd_world_between(&r->kept.random, -6, 6) * HADRON_QUANTITY_SCALE;
  d.order_type = HADRON_ORDER_MARKET;
  d.key = hd_random_next(&r->kept.random) >> 1;
  return decide(r, &d);
}

static int32_t restless_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *m) {
  struct restless *r = self;
  (void)tick;
  r->kept.ticks++;
  if (m->bid.nanos <= 0 || m->ask.nanos <= 0 || m->increment.nanos <= 0) return HADRON_OK;
  int64_t mid = (m->bid.nanos + m->ask.nanos) / 2 / m->increment.nanos;
  switch (hd_random_below(&r->kept.random, 8)) {
  case 0: case 1: return work(r, m, mid);
  case 2: return side(r, m, mid);
  case 3: return hd_random_below(&r->kept.random, 4) ? HADRON_OK : target(r);
  default: return HADRON_OK;
  }
}

static int32_t restless_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct restless *r = self;
  if (capacity < sizeof r->kept) return HADRON_ERR_FULL;
  memcpy(buffer, &r->kept, sizeof r->kept);
  *size = sizeof r->kept;
  return HADRON_OK;
}

static int32_t restless_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct restless *r = self;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != sizeof r->kept) return HADRON_ERR_CORRUPT;
  memcpy(&r->kept, buffer, size);
  return HADRON_OK;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE | HADRON_ON_QUOTE, .scope = HADRON_SCOPE_INSTRUMENT,
                                               .create = restless_create, .destroy = restless_destroy, .on_tick = restless_tick};
static const struct hadron_state state = {sizeof state, 1, 1, sizeof(struct kept), restless_save, restless_load};

#define VERSION(number, words)                                                                                                                              \
  {.manifest = {.magic = HADRON_PLUGIN_MAGIC, .struct_size = sizeof(struct hadron_manifest), .abi_major = HADRON_ABI_MAJOR, .abi_minor = HADRON_ABI_MINOR,   \
                .kind = HADRON_KIND_STRATEGY, .name = "restless", .version = words, .description = "Orders of every kind, all the time",                     \
                .requires_ = "hadron.strategy/1"},                                                                                                          \
   .api = &api, .state = &state, .path = "restless", .fd = -1, .digest_text = "restless " words, .digest = {2, number}}
struct hd_plugin hd_restless_plugins[HD_WORLD_VERSIONS] = {VERSION(0, "1.0.0"), VERSION(1, "1.1.0"), VERSION(2, "2.0.0")};
