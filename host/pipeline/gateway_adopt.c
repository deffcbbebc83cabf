// Orders and executions that a venue lists under client order ids of ours and that no record here knows of: what the journal has lost with the
// power, or what another host of the account has left. With `takes_over` they become the house's (arm 0): an order gets its records and is one
// like any other from there on; an execution without one is booked as it was told, and counted by its order if that is found later.
#include "base/banned.h"
#include "pipeline/gateway_internal.h"

static uint32_t instrument_of(const struct hd_gateway *g, const struct hadron_venue_report *r) {
  return r->listing >= 1 && r->listing <= g->instruments->listing_count ? g->instruments->listings[r->listing].instrument : 0;
}

// The first digits of a hash, as ours are.
static bool id_of_ours(const struct hadron_client_order_id *id) {
  size_t length = strnlen(id->hex, sizeof id->hex);
  return length == sizeof id->hex && strspn(id->hex, "0123456789abcdef") >= length;
}

bool hd_gateway_stray(const struct hd_gateway *g, const struct hadron_venue_report *r) {
  return r->change == HADRON_CHANGE_ACCEPT && (r->flags & 1) && !(r->flags & HADRON_ORDER_SHADOW) && id_of_ours(&r->client_order_id) && instrument_of(g, r) != 0;
}

// Whoever decides the same once more after what it knew was lost means this order: there is no second one.
void hd_gateway_note_stray(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns) {
  if (!id_of_ours(&r->client_order_id) || g->id_count >= g->options.ids_max) return;
  hd_ids_day(g, now_ns);
  hd_ids_add(g, &r->client_order_id);
}

static void stray_alert(struct hd_gateway *g, const struct hadron_venue_report *r, const char *then) {
  hd_gateway_alert(g, 3, HADRON_ERR_NOT_FOUND, instrument_of(g, r), r->venue, "the venue has order \"%.24s\" (its \"%.39s\") open, and the journal does not know it: %s", r->client_order_id.hex,
                   r->venue_order_id, then);
}

// Its records say that it was sent, as it must have been; nothing is sent now.
static int32_t records(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  int32_t err = hd_order_queue(g, o, now_ns);
  if (err) return err;
  struct hd_cause cause = hd_cause_text("found at the venue");
  hd_order_was_sent(g, o, now_ns);
  g->counts.orders++;
  return hd_order_change(g, o, HADRON_CHANGE_SEND, &cause, true, now_ns);
}

struct hd_order *hd_gateway_take_over(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns) {
  HD_ASSERT(hd_gateway_stray(g, r));
  bool told = r->quantity.e8 > 0 && (r->side == HADRON_SIDE_BUY || r->side == HADRON_SIDE_SELL);
  if (!g->options.takes_over || !told) {
    stray_alert(g, r, g->options.takes_over ? "it does not say how much of what; cancel it there" : "cancel it there, or set recovery.on_difference");
    return NULL;
  }
  struct hadron_order request = {.time_ns = now_ns, .limit = r->price, .quantity = r->quantity, .client_order_id = r->client_order_id, .instrument = instrument_of(g, r),
                                 .listing = r->listing, .venue = r->venue, .side = r->side, .time_in_force = HADRON_TIF_GTC};
  request.order_type = r->price.nanos > 0 ? HADRON_ORDER_LIMIT : HADRON_ORDER_MARKET;
  struct hd_order *o = hd_table_room(g) ? hd_table_take(g, &request) : NULL;
  if (o == NULL) {
    stray_alert(g, r, "there is no room for it; raise gateway.orders_max");
    return NULL;
  }
  hd_ids_day(g, now_ns);
  o->expire_at_ns = INT64_MAX;
  o->share_count = 1;
  o->shares[0] = (struct hd_share){.ordered = r->quantity};
  memcpy(o->venue_order_id, r->venue_order_id, sizeof o->venue_order_id);
  hd_table_due(g, o);
  if (records(g, o, now_ns)) {
    if (o->state == HADRON_STATE_INITIALIZED) hd_table_drop(g, o);
    stray_alert(g, r, "it could not be recorded");
    return NULL;
  }
  g->counts.taken_over++;
  stray_alert(g, r, "it is the house's now");
  return o;
}

void hd_gateway_book_stray(struct hd_gateway *g, const struct hadron_venue_report *r, const struct hd_execution_memory *m, int64_t now_ns) {
  bool bust = r->change == HADRON_CHANGE_BUST; // of one that was booked so
  if (!g->options.takes_over || !id_of_ours(&r->client_order_id) || r->side == 0 || instrument_of(g, r) == 0) return;
  struct hadron_allocation a = {.execution = g->execution_id, .time_ns = now_ns, .price = m->price, .quantity = m->quantity, .fee = m->fee, .instrument = instrument_of(g, r), .side = r->side,
                                .flags = bust};
  if (g->listener.allocate(g->listener.self, &a)) return; // refused and told; the venue's position says it too
  if (hd_record(&g->sink, HADRON_MSG_ALLOCATION, &a, sizeof a, now_ns, HD_RECORD_RESERVED))
    hd_gateway_alert(g, 3, HADRON_ERR_IO, a.instrument, r->venue, "an allocation to the house was not recorded");
}
