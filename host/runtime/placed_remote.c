// Placement `remote`: whoever registers over the bus under the name of a section with `external = true`. Its seat is there from the start, with a
// stand-in and nobody behind it; the bus remembers the market and the positions for who comes. One that falls silent is treated as its section's
// on_silent says, and decides again once it is back.
#include <jansson.h>

#include "base/banned.h"
#include "runtime/placed.h"
#include "runtime/session_bus.h"

struct placed_remote {
  struct hd_bus *bus;          // borrowed
  struct hd_bus_seat *seat;
  _Atomic bool fell_silent;    // [bus] -> [io]
};

// [bus]
static void on_changed(void *self, uint32_t change, const char *words) {
  struct hd_placed *p = self;
  struct placed_remote *r = p->self;
  bool was_silent = atomic_load(&p->state) == HADRON_PLACED_SILENT;
  hd_placed_tell(p, change, 0, words);
  if (change == HADRON_PLACED_SILENT || (change == HADRON_PLACED_LEFT && !was_silent)) atomic_store(&r->fell_silent, true);
}

static const struct hd_config_strategy *section_of(const struct hd_placed *p) {
  const struct hd_config *c = p->s->config;
  for (uint32_t i = 0; i < c->strategy_count; i++)
    if (strcmp(c->strategies[i].base.name, p->name) == 0) return &c->strategies[i];
  return NULL;
}

static struct hadron_instrument_definition *definitions(const struct hd_placed *p) {
  const struct hd_instruments *t = &p->s->pipeline.instruments;
  struct hadron_instrument_definition *rows = calloc(p->universe_count + 1, sizeof *rows);
  for (uint32_t i = 0; rows && i < p->universe_count; i++) {
    uint32_t listing = 1;
    while (listing < t->listing_count && t->listings[listing].instrument != p->universe[i]) listing++;
    hd_instruments_definition(t, p->universe[i], listing, &rows[i]);
  }
  return rows;
}

static char *params_of(const struct hd_config_strategy *c) {
  json_t *o = json_object();
  for (uint32_t i = 0; o && i < c->base.param_count; i++) json_object_set_new(o, c->base.params[i].name, json_string(c->base.params[i].text));
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return text;
}

static char *bars_of(const struct hd_config_strategy *c) {
  json_t *list = json_array();
  for (uint32_t i = 0; list && i < c->bar_count; i++) json_array_append_new(list, json_string(c->bars[i]));
  char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
  json_decref(list);
  return text;
}

static int32_t attach(struct hd_placed *p, struct placed_remote *r, struct hd_fault *fault) {
  static const char *const roles[] = {"", "live", "canary", "shadow"};
  const struct hd_config_strategy *c = section_of(p);
  if (!c || !c->external)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: placement remote: expected a section with external = true; a plugin of this host runs inline, in a thread or in a process of its own", p->name);
  struct hd_channel **channels = calloc(p->channel_count, sizeof(struct hd_channel *));
  struct hadron_instrument_definition *universe = definitions(p);
  char *params = params_of(c), *bars = bars_of(c);
  int32_t code = channels && universe ? hd_session_bus(p->s, &r->bus, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", p->name);
  for (uint32_t i = 0; channels && i < p->channel_count; i++) channels[i] = &p->channels[i];
  const struct hd_bus_expected who = {.name = c->registers_as[0] ? c->registers_as : p->name, .version = c->version[0] ? c->version : NULL, .channels = channels,
                                      .channel_count = p->channel_count, .arm = atomic_load(&p->arm), .universe = universe, .universe_count = p->universe_count,
                                      .lock_step = p->lock_step, .changed = on_changed, .self = p, .params = params, .bars = bars, .role = roles[c->role < 4 ? c->role : 0]};
  if (!code) code = hd_bus_attach(r->bus, &who, &r->seat, fault);
  free(channels);
  free(universe);
  free(params);
  free(bars);
  return code;
}

static int32_t remote_open(struct hd_placed *p, struct hd_fault *fault) {
  struct placed_remote *r = calloc(1, sizeof *r);
  if (!r) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", p->name);
  p->self = r;
  return attach(p, r, fault);
}

static bool remote_close(struct hd_placed *p) {
  struct placed_remote *r = p->self;
  if (!r) return true;
  if (r->seat) hd_bus_detach(r->bus, r->seat);
  free(r);
  p->self = NULL;
  return true;
}

static void remote_look(struct hd_placed *p, int64_t now_ns) {
  struct placed_remote *r = p->self;
  (void)now_ns;
  if (atomic_exchange(&r->fell_silent, false)) hd_placed_silent(p);
}

static void remote_words(struct hd_placed *p, char *to, size_t size) {
  struct placed_remote *r = p->self;
  struct hd_bus_figures f;
  hd_bus_figures(r->bus, r->seat, &f);
  snprintf(to, size, "%s", f.peer);
}

const struct hd_placement_api hd_placement_remote = {.placement = HD_PLACEMENT_REMOTE, .open = remote_open, .close = remote_close, .look = remote_look, .words = remote_words};
