// Placement `remote`: whoever registers over the bus under the name and version of an external strategy (card.h). Its seat is there from the start,
// with a stand-in and nobody behind it; the bus remembers the market and the positions for who comes. One that falls silent is treated as its
// section's on_silent says, and decides again once it is back.
#include "base/banned.h"
#include "registry/deployment.h"
#include "runtime/card.h"
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

static int32_t attach(struct hd_placed *p, struct placed_remote *r, struct hd_fault *fault) {
  const struct hadron_manifest *is = &p->plugin->manifest;
  if (!p->external)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: placement remote: expected a version that is registered as external, found %s %s, a plugin of this host; it runs inline, in a thread or in a process of its own",
                        p->name, is->name, is->version);
  if (!p->lock_step && p->s->config->bus.session_count == 0)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: %s %s is external: expected an address in bus.sessions where it can register, found none", p->name, is->name, is->version);
  struct hd_channel **channels = calloc(p->channel_count, sizeof(struct hd_channel *));
  struct hadron_instrument_definition *universe = definitions(p);
  int32_t code = channels && universe ? hd_session_bus(p->s, &r->bus, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", p->name);
  for (uint32_t i = 0; channels && i < p->channel_count; i++) channels[i] = &p->channels[i];
  bool any = hd_card_is_any(p->plugin);
  const struct hd_bus_expected who = {.name = p->name, .version = any ? NULL : is->version, .channels = channels, .channel_count = p->channel_count,
                                      .universe = universe, .universe_count = p->universe_count, .lock_step = p->lock_step, .changed = on_changed, .self = p,
                                      .params = p->params, .declared = !any, .bars = p->bars, .bar_count = p->bar_count, .latency = p->latency};
  if (!code) code = hd_bus_attach(r->bus, &who, &r->seat, fault);
  free(channels);
  free(universe);
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

static void remote_sits(struct hd_placed *p) {
  const struct placed_remote *r = p->self;
  hd_bus_sits(r->seat, atomic_load(&p->arm), hd_role_name(atomic_load(&p->role)));
}

static void remote_told(struct hd_placed *p) {
  const struct placed_remote *r = p->self;
  hd_bus_params(r->bus, r->seat, p->params);
}

static void remote_words(struct hd_placed *p, char *to, size_t size) {
  struct placed_remote *r = p->self;
  struct hd_bus_figures f;
  hd_bus_figures(r->bus, r->seat, &f);
  snprintf(to, size, "%s", f.peer);
}

const struct hd_placement_api hd_placement_remote = {.placement = HD_PLACEMENT_REMOTE, .open = remote_open, .close = remote_close, .look = remote_look, .sits = remote_sits, .told = remote_told,
                                                           .words = remote_words};
