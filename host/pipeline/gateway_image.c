// The gateway as an image: orders in the order of their lists, the ids of the day, executions with their parts.
#include "base/banned.h"
#include "pipeline/gateway_internal.h"
#include "pipeline/image.h"

#define MARK 0x57415447u // "GTAW"

static void save_orders(const struct hd_gateway *g, struct hd_image *m) {
  uint32_t count = 0;
  for (uint32_t list = HD_LIST_OPEN; list < HD_LIST_COUNT; list++)
    for (uint32_t at = g->head[list]; at; at = g->orders[at].next) count++;
  HD_IMAGE_PUT(m, count);
  for (uint32_t list = HD_LIST_OPEN; list < HD_LIST_COUNT; list++)
    for (uint32_t at = g->head[list]; at; at = g->orders[at].next) HD_IMAGE_PUT(m, g->orders[at]);
}

static void save_executions(const struct hd_gateway *g, struct hd_image *m) {
  uint64_t count = g->execution_next - g->execution_first;
  HD_IMAGE_PUT(m, count);
  for (uint64_t n = g->execution_first; n < g->execution_next; n++) {
    const struct hd_execution_memory *e = &g->executions[n % g->options.executions_max];
    HD_IMAGE_PUT(m, *e);
    for (uint32_t i = 0; i < e->part_count; i++) HD_IMAGE_PUT(m, g->parts[(e->part_first + i) % g->part_size]);
  }
}

void hd_gateway_save(const struct hd_gateway *g, struct hd_image *m) {
  hd_image_mark(m, MARK);
  HD_IMAGE_PUT(m, g->event_id);
  HD_IMAGE_PUT(m, g->execution_id);
  HD_IMAGE_PUT(m, g->counts);
  hd_ids_save(g, m);
  save_orders(g, m);
  save_executions(g, m);
  hd_image_mark(m, MARK);
}

// ---- back --------------------------------------------------------------------------------------------------------------------------

static bool sane(const struct hd_gateway *g, const struct hd_order *o) {
  return o->request.instrument >= 1 && o->request.instrument <= hd_instruments_count(g->instruments) && o->state > 0 && o->state <= HADRON_STATE_UNKNOWN &&
         o->share_count <= HD_SHARES_MAX && o->held <= HD_HOLD_SENT && !hd_id_zero(&o->request.client_order_id) && !hd_table_find(g, &o->request.client_order_id);
}

// Fields first, then lists and counts by the rules that lead to them.
static void place(struct hd_gateway *g, struct hd_order *o, const struct hd_order *saved) {
  struct hd_order links = *o;
  *o = *saved;
  o->list = links.list, o->heap_at = 0, o->pins = 0, o->waits = 0;
  o->next = links.next, o->previous = links.previous;
  o->next_of_instrument = links.next_of_instrument, o->previous_of_instrument = links.previous_of_instrument;
  o->state = HADRON_STATE_INITIALIZED, o->gap = 0, o->held = HD_HOLD_NONE;
  hd_table_hold(g, o, saved->held);
  hd_table_state(g, o, saved->state, saved->doubt_ns);
  if (saved->gap) hd_table_gap(g, o, saved->doubt_ns);
  o->held = saved->held, o->doubt_ns = saved->doubt_ns, o->alarmed = saved->alarmed;
  o->ask_ns = saved->ask_ns, o->expire_at_ns = saved->expire_at_ns;
  hd_table_due(g, o);
}

static int32_t load_orders(struct hd_gateway *g, struct hd_image *m, const uint16_t *venues, uint32_t venue_max) {
  uint32_t count;
  HD_IMAGE_GET(m, count);
  for (uint32_t i = 0; i < count && !m->bad; i++) {
    struct hd_order saved;
    HD_IMAGE_GET(m, saved);
    m->bad |= !sane(g, &saved);
    if (m->bad) break;
    saved.request.venue = saved.request.venue <= venue_max ? venues[saved.request.venue] : 0;
    struct hd_order *o = hd_table_take(g, &saved.request);
    if (o == NULL) return HADRON_ERR_FULL;
    place(g, o, &saved);
  }
  return HADRON_OK;
}

int32_t hd_gateway_load(struct hd_gateway *g, struct hd_image *m, const uint16_t *venues, uint32_t venue_max) {
  struct hd_gateway_counts counts;
  HD_ASSERT(g->counts.open == 0 && g->execution_next == 0);
  hd_image_expect(m, MARK);
  HD_IMAGE_GET(m, g->event_id);
  HD_IMAGE_GET(m, g->execution_id);
  HD_IMAGE_GET(m, counts);
  hd_ids_load(g, m);
  int32_t code = load_orders(g, m, venues, venue_max);
  if (!code) hd_executions_load(g, m, venues, venue_max);
  counts.open = g->counts.open;
  g->counts = counts;
  hd_image_expect(m, MARK);
  return code;
}
