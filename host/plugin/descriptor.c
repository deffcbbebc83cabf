// A wrong table would be a wild call later, on the tick path. So everything that a table promises is checked here, once.
#include "base/banned.h"
#include "hadron/allocator.h"
#include "hadron/service.h"
#include "hadron/strategy.h"
#include "hadron/venue.h"
#include "plugin/loader.h"
#include "plugin/mismatch.h"
#include "plugin/params.h"

#define STATE_SIZE_MAX (64u << 20)
#define REBUILD "Rebuild it with this host's SDK headers (sdk/include/hadron)."
#define COMPLETE "See the kind's header in sdk/include/hadron for what must be there."

// ---- the descriptor

static void expect_text(struct hd_mismatch *d, const char *field, const char *manifest, const char *found) {
  if (found == NULL) hd_mismatch_add(d, HADRON_ERR_ABI, field, "expected \"%s\" as in the manifest, found NULL", manifest);
  else if (strcmp(manifest, found) != 0) hd_mismatch_add(d, HADRON_ERR_ABI, field, "expected \"%s\" as in the manifest, found \"%.64s\"", manifest, found);
}

static void expect_number(struct hd_mismatch *d, const char *field, uint32_t manifest, uint32_t found) {
  if (manifest != found) hd_mismatch_add(d, HADRON_ERR_ABI, field, "expected %u as in the manifest, found %u", manifest, found);
}

int32_t hd_descriptor_check(const char *path, const struct hadron_manifest *m, const struct hadron_plugin *p, struct hd_fault *fault) {
  struct hd_mismatch d = {0};
  char what[512];
  snprintf(what, sizeof what, "%.400s: the plugin's descriptor is wrong", path);
  if (p == NULL) {
    hd_mismatch_add(&d, HADRON_ERR_ABI, "descriptor", "expected an address from hadron_plugin_v1(), found NULL");
    return hd_mismatch_end(&d, what, REBUILD, fault);
  }
  if (p->magic != HADRON_PLUGIN_MAGIC) hd_mismatch_add(&d, HADRON_ERR_ABI, "magic", "expected 0x%08x, found 0x%08x", HADRON_PLUGIN_MAGIC, p->magic);
  if (p->struct_size < sizeof *p) hd_mismatch_add(&d, HADRON_ERR_ABI, "struct_size", "expected at least %zu, found %u", sizeof *p, p->struct_size);
  if (d.code != HADRON_OK) return hd_mismatch_end(&d, what, REBUILD, fault); // what follows cannot be believed
  expect_number(&d, "ABI major", m->abi_major, p->abi_major);
  expect_number(&d, "ABI minor", m->abi_minor, p->abi_minor);
  expect_number(&d, "ABI minor required", m->minor_required, p->minor_required);
  expect_number(&d, "kind", m->kind, p->kind);
  expect_text(&d, "name", m->name, p->name);
  expect_text(&d, "version", m->version, p->version);
  if (p->api == NULL) hd_mismatch_add(&d, HADRON_ERR_ABI, "api", "expected the address of the %s table, found NULL", hd_kind_name(m->kind));
  return hd_mismatch_end(&d, what, REBUILD, fault);
}

// ---- the kind's table

// A function that must be there if one of `bits` is set in the table's features; bits 0: always.
struct need {
  const char *name;
  size_t offset;
  uint32_t bits;
  const char *because;
};

#define NEED(api, function, bits, because) {#function, offsetof(struct api, function), bits, because}

#define STRATEGY_TICKS (HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BOOK | HADRON_ON_STATUS)
#define STRATEGY_TRIGGERS (STRATEGY_TICKS | HADRON_ON_BAR | HADRON_ON_EXECUTION | HADRON_ON_ORDER)
static const struct need strategy_needs[] = {
    NEED(hadron_strategy_api, create, 0, "always"),
    NEED(hadron_strategy_api, destroy, 0, "always"),
    NEED(hadron_strategy_api, on_tick, STRATEGY_TICKS, "a tick trigger is set"),
    NEED(hadron_strategy_api, on_bar, HADRON_ON_BAR, "trigger ON_BAR is set"),
    NEED(hadron_strategy_api, on_execution, HADRON_ON_EXECUTION, "trigger ON_EXECUTION is set"),
    NEED(hadron_strategy_api, on_order, HADRON_ON_ORDER, "trigger ON_ORDER is set"),
};

#define VENUE_FEATURES (2 * HADRON_VENUE_FOLLOWS - 1)
static const struct need venue_needs[] = {
    NEED(hadron_venue_api, create, 0, "always"),
    NEED(hadron_venue_api, destroy, 0, "always"),
    NEED(hadron_venue_api, start, 0, "always"),
    NEED(hadron_venue_api, stop, 0, "always"),
    NEED(hadron_venue_api, poll, 0, "always"),
    NEED(hadron_venue_api, submit, HADRON_VENUE_ORDERS, "feature ORDERS is set"),
    NEED(hadron_venue_api, cancel, HADRON_VENUE_ORDERS, "feature ORDERS is set"),
    NEED(hadron_venue_api, replace, HADRON_VENUE_REPLACES, "feature REPLACES is set"),
    NEED(hadron_venue_api, query, HADRON_VENUE_QUERIES, "feature QUERIES is set"),
    NEED(hadron_venue_api, reconcile, HADRON_VENUE_RECONCILES, "feature RECONCILES is set"),
    NEED(hadron_venue_api, on_tick, HADRON_VENUE_FOLLOWS, "feature FOLLOWS is set"),
};

static const struct need allocator_needs[] = {
    NEED(hadron_allocator_api, create, 0, "always"),
    NEED(hadron_allocator_api, destroy, 0, "always"),
    NEED(hadron_allocator_api, merge, 0, "always"),
};

static const struct need service_needs[] = {
    NEED(hadron_service_api, create, 0, "always"), NEED(hadron_service_api, destroy, 0, "always"), NEED(hadron_service_api, start, 0, "always"),
    NEED(hadron_service_api, step, 0, "always"),   NEED(hadron_service_api, stop, 0, "always"),
};

// One row per kind: how its table looks. Every table starts with struct_size and, where there are features, has them next.
static const struct shape {
  size_t size;
  const struct need *needs;
  size_t need_count;
  uint32_t features; // known bits; 0: the kind has none
  const char *features_name;
} shapes[] = {
    [HADRON_KIND_STRATEGY] = {sizeof(struct hadron_strategy_api), strategy_needs, sizeof strategy_needs / sizeof *strategy_needs, STRATEGY_TRIGGERS, "triggers"},
    [HADRON_KIND_VENUE] = {sizeof(struct hadron_venue_api), venue_needs, sizeof venue_needs / sizeof *venue_needs, VENUE_FEATURES, "features"},
    [HADRON_KIND_ALLOCATOR] = {sizeof(struct hadron_allocator_api), allocator_needs, sizeof allocator_needs / sizeof *allocator_needs, 0, ""},
    [HADRON_KIND_SERVICE] = {sizeof(struct hadron_service_api), service_needs, sizeof service_needs / sizeof *service_needs, 0, ""},
};
HADRON_STATIC_ASSERT(offsetof(struct hadron_strategy_api, triggers) == 4, "triggers follow struct_size");
HADRON_STATIC_ASSERT(offsetof(struct hadron_venue_api, features) == 4, "features follow struct_size");

static void check_needs(struct hd_mismatch *d, const struct shape *shape, const void *api, uint32_t features) {
  for (size_t i = 0; i < shape->need_count; i++) {
    const struct need *need = &shape->needs[i];
    void *function;
    memcpy(&function, (const char *)api + need->offset, sizeof function);
    if (function == NULL && (need->bits == 0 || (features & need->bits) != 0))
      hd_mismatch_add(d, HADRON_ERR_PLUGIN, need->name, "expected a function (%s), found NULL", need->because);
  }
}

int32_t hd_api_check(const char *path, uint32_t kind, const void *api, struct hd_fault *fault) {
  const struct shape *shape = &shapes[kind];
  struct hd_mismatch d = {0};
  char what[512];
  uint32_t head[2];
  memcpy(head, api, sizeof head);
  snprintf(what, sizeof what, "%.400s: the %s table is incomplete", path, hd_kind_name(kind));
  if (head[0] < shape->size) {
    hd_mismatch_add(&d, HADRON_ERR_ABI, "struct_size", "expected at least %zu, found %u", shape->size, head[0]);
    return hd_mismatch_end(&d, what, REBUILD, fault);
  }
  uint32_t features = shape->features ? head[1] : 0;
  if ((features & ~shape->features) != 0)
    hd_mismatch_add(&d, HADRON_ERR_UNSUPPORTED, shape->features_name, "expected bits of 0x%x, found 0x%x", shape->features, features);
  check_needs(&d, shape, api, features);
  if (kind == HADRON_KIND_STRATEGY) {
    uint32_t scope = ((const struct hadron_strategy_api *)api)->scope;
    if (scope != HADRON_SCOPE_INSTRUMENT && scope != HADRON_SCOPE_UNIVERSE)
      hd_mismatch_add(&d, HADRON_ERR_PLUGIN, "scope", "expected 1 INSTRUMENT or 2 UNIVERSE, found %u", scope);
  }
  if (kind == HADRON_KIND_VENUE && (features & (HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS)) == 0)
    hd_mismatch_add(&d, HADRON_ERR_PLUGIN, "features", "expected TICKS (1), ORDERS (2) or both, found 0x%x", features);
  return hd_mismatch_end(&d, what, COMPLETE, fault);
}

// ---- the capabilities it offers

static bool sized(struct hd_mismatch *d, const char *name, const void *table, size_t expected) {
  uint32_t size;
  if (table == NULL) return false;
  memcpy(&size, table, sizeof size);
  if (size >= expected) return true;
  hd_mismatch_add(d, HADRON_ERR_ABI, name, "struct_size: expected at least %zu, found %u", expected, size);
  return false;
}

static void check_state(struct hd_mismatch *d, const struct hadron_state *s) {
  if (!sized(d, HADRON_CAP_STATE, s, sizeof *s)) return;
  if (s->save == NULL || s->load == NULL) hd_mismatch_add(d, HADRON_ERR_PLUGIN, HADRON_CAP_STATE, "expected functions save and load, found NULL");
  if (s->schema == 0 || s->schema_min == 0 || s->schema_min > s->schema)
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, HADRON_CAP_STATE, "expected 1 <= schema_min <= schema, found schema_min %u, schema %u", s->schema_min, s->schema);
  if (s->size_max > STATE_SIZE_MAX) hd_mismatch_add(d, HADRON_ERR_PLUGIN, HADRON_CAP_STATE, "size_max: expected at most %u bytes, found %u", STATE_SIZE_MAX, s->size_max);
}

int32_t hd_offers_check(const char *path, const struct hd_plugin *p, struct hd_fault *fault) {
  struct hd_mismatch d = {0};
  char what[512];
  snprintf(what, sizeof what, "%.400s: a capability that the plugin offers is wrong", path);
  check_state(&d, p->state);
  if (sized(&d, HADRON_CAP_TIMER, p->timer, sizeof *p->timer) && p->timer->on_timer == NULL)
    hd_mismatch_add(&d, HADRON_ERR_PLUGIN, HADRON_CAP_TIMER, "expected a function on_timer, found NULL");
  if (sized(&d, HADRON_CAP_INSPECT, p->inspect, sizeof *p->inspect) && p->inspect->inspect == NULL)
    hd_mismatch_add(&d, HADRON_ERR_PLUGIN, HADRON_CAP_INSPECT, "expected a function inspect, found NULL");
  if (sized(&d, HADRON_CAP_PARAMS, p->params, sizeof *p->params)) hd_params_table_check(p->params, &d);
  return hd_mismatch_end(&d, what, COMPLETE, fault);
}
