// The shadows have a coordinator, a risk room and a gateway of their own, made when the first shadow needs them. Limits, kill switch, books
// and allocator are the house's: an allocator is a pure function, books are kept apart by side, limits and switch are only read.
#include "pipeline/desk.h"

#include "base/assert.h"

struct hd_shadow_room {
  uint16_t venue;
  bool *mirrored;                   // [arm]; owned
  struct hd_gateway *gateway;       // owned
  struct hd_coordinator coordinator;
  struct hd_risk risk;
  struct hadron_decision kept[HD_TICK_DECISIONS_MAX], merged[HD_TICK_DECISIONS_MAX];
};

// Shadows speak to venues through here, and to one venue alone.
static int32_t shadow_send(struct hd_pipeline *p, const struct hadron_order *order, int32_t (*send)(void *self, const struct hadron_order *order)) {
  HD_ASSERT((order->flags & HADRON_ORDER_SHADOW) && order->venue == p->room->venue && order->arm <= p->options.arm_max);
  struct hadron_order out = *order;
  if (p->room->mirrored[order->arm]) out.flags &= (uint8_t)~HADRON_ORDER_REDUCE_ONLY;
  return send(p->port.self, &out);
}

static int32_t shadow_submit(void *self, const struct hadron_order *order) {
  return shadow_send(self, order, ((struct hd_pipeline *)self)->port.submit);
}
static int32_t shadow_cancel(void *self, const struct hadron_order *order) {
  return shadow_send(self, order, ((struct hd_pipeline *)self)->port.cancel);
}
static int32_t shadow_replace(void *self, const struct hadron_order *order) {
  return shadow_send(self, order, ((struct hd_pipeline *)self)->port.replace);
}
static int32_t shadow_query(void *self, const struct hadron_order *order) {
  return shadow_send(self, order, ((struct hd_pipeline *)self)->port.query);
}
static uint32_t shadow_features(void *self, uint16_t venue) {
  const struct hd_pipeline *p = self;
  return p->port.features(p->port.self, venue);
}
static uint32_t shadow_state(void *self, uint16_t venue) {
  const struct hd_pipeline *p = self;
  return p->port.state(p->port.self, venue);
}

static void coordinator_make(struct hd_pipeline *p, uint16_t venue) {
  struct hd_coordinator *c = &p->room->coordinator;
  *c = (struct hd_coordinator){.instruments = &p->instruments, .marks = &p->marks, .portfolio = &p->portfolio, .gateway = p->shadow.gateway,
                               .sink = &p->sink, .arms = p->arms, .arm_max = p->options.arm_max, .shadow = true, .venue = venue,
                               .allocator = p->coordinator.allocator, .allocator_self = p->coordinator.allocator_self,
                               .listener = hd_desk_intent_listener(&p->shadow)};
  hd_coordinator_init(c);
}

// A shadow trades on paper whatever the host's mode is: a dry run denies the arms that trade, and compares them with their shadows.
static int32_t risk_make(struct hd_pipeline *p, struct hd_shadow_room *room) {
  struct hd_risk *r = &room->risk;
  int32_t code = hd_risk_init(r, &p->instruments, &p->marks, &p->portfolio, room->gateway, p->options.arm_max, HADRON_MODE_PAPER);
  if (code) return code;
  r->orders_max = p->options.gateway.orders_max;
  hd_risk_shadow(r, &p->risk);
  return HADRON_OK;
}

void hd_shadow_room_destroy(struct hd_shadow_room *room) {
  if (!room) return;
  hd_risk_fini(&room->risk);
  if (room->gateway) hd_gateway_destroy(room->gateway);
  free(room->mirrored);
  free(room);
}

struct hd_shadow_room *hd_shadow_room_make(struct hd_pipeline *p, uint16_t venue) {
  HD_ASSERT(venue > 0);
  const struct hd_venue_port port = {p, shadow_submit, shadow_cancel, shadow_replace, shadow_query, shadow_features, shadow_state};
  struct hd_gateway_options options = p->options.gateway;
  const struct hd_gateway_listener listener = hd_desk_gateway_listener(&p->shadow);
  struct hd_shadow_room *room = calloc(1, sizeof *room);
  options.shadow = true;
  options.takes_over = false;
  if (!room) return NULL;
  room->venue = venue;
  room->mirrored = calloc(p->options.arm_max + 1, sizeof *room->mirrored);
  if (room->mirrored && !hd_gateway_create(&options, &p->instruments, &p->marks, &p->sink, &port, &listener, &room->gateway) && !risk_make(p, room)) return room;
  hd_shadow_room_destroy(room);
  return NULL;
}

void hd_pipeline_shadow_open(struct hd_pipeline *p, struct hd_shadow_room *room) {
  HD_ASSERT(p->coordinator.allocator && !p->room);
  p->room = room;
  p->shadow.gateway = room->gateway;
  p->shadow.risk = &room->risk;
  p->shadow.coordinator = &room->coordinator;
  coordinator_make(p, room->venue);
}

int32_t hd_pipeline_shadow(struct hd_pipeline *p, uint16_t venue) {
  if (p->room) return p->room->venue == venue ? HADRON_OK : HADRON_ERR_EXISTS;
  struct hd_shadow_room *room = hd_shadow_room_make(p, venue);
  if (!room) return HADRON_ERR_MEMORY;
  hd_pipeline_shadow_open(p, room);
  return HADRON_OK;
}

void hd_desk_close(struct hd_pipeline *p) {
  hd_shadow_room_destroy(p->room);
  p->room = NULL;
  p->shadow.gateway = NULL;
}

uint16_t hd_desk_shadow_venue(const struct hd_pipeline *p) { return p->room->venue; }

void hd_desk_mirrored(struct hd_pipeline *p, uint32_t arm) { p->room->mirrored[arm] = true; }

void hd_desk_keep(struct hd_pipeline *p, const struct hadron_decision *decision, uint32_t at) {
  HD_ASSERT(at < HD_TICK_DECISIONS_MAX);
  p->room->kept[at] = *decision;
}

// Each arm by itself: shadows are not netted with each other, do not cross and share no order.
void hd_desk_merge(struct hd_pipeline *p, uint32_t count, int64_t now_ns) {
  struct hadron_decision *kept = p->room->kept, *merged = p->room->merged;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t arm = kept[i].arm, taken = 0;
    for (uint32_t j = i; arm && j < count; j++) {
      if (kept[j].arm != arm) continue;
      merged[taken++] = kept[j];
      kept[j].arm = 0;
    }
    if (taken) hd_coordinator_merge(&p->room->coordinator, merged, taken, now_ns);
  }
}
