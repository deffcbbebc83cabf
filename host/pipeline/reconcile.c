#include "pipeline/reconcile.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"
#include "base/text.h"
#include "pipeline/desk.h"

int32_t hd_reconcile_init(struct hd_reconcile *r, uint32_t listing_max, uint32_t on_difference) {
  *r = (struct hd_reconcile){.on_difference = on_difference ? on_difference : HD_DIFFERENCE_ALARM};
  r->claims = calloc((size_t)listing_max + 1, sizeof *r->claims);
  r->reading = calloc(3 * (HD_VENUES_MAX + 2), sizeof *r->reading);
  r->blind = calloc(HD_VENUES_MAX + 2, sizeof *r->blind);
  if (!r->claims || !r->reading || !r->blind) return HADRON_ERR_MEMORY;
  r->whole = r->reading + HD_VENUES_MAX + 2;
  r->hold = r->whole + HD_VENUES_MAX + 2;
  return HADRON_OK;
}

void hd_reconcile_fini(struct hd_reconcile *r) {
  free(r->claims);
  free(r->reading);
  free(r->blind);
  *r = (struct hd_reconcile){0};
}

// ---- positions ---------------------------------------------------------------------------------------------------------------------

// What all venues together say of an instrument. False: one of them has not said, or cannot know.
static bool claimed(struct hd_pipeline *p, uint32_t instrument, struct hd_stated *out) {
  const struct hd_instruments *t = &p->instruments;
  struct hd_stated sum = {0};
  bool any = false;
  for (uint32_t handle = t->rows[instrument].listing; handle; handle = t->listings[handle].next) {
    uint16_t venue = t->listings[handle].venue;
    uint32_t features = p->port.features(p->port.self, venue);
    if (!(features & HADRON_VENUE_ORDERS) || (p->room && venue == hd_desk_shadow_venue(p))) continue;
    if (p->reconcile.blind[venue] || !p->reconcile.whole[venue] || p->reconcile.reading[venue]) return false; // what is being read compares when it has ended
    const struct hd_stated *c = &p->reconcile.claims[handle];
    if (__builtin_add_overflow(sum.held_e8, c->held_e8, &sum.held_e8)) return false;
    if (c->price_nanos) sum.price_nanos = c->price_nanos;
    any = true;
  }
  *out = sum;
  return any;
}

// The account holds it, whatever the books say: it is nobody's here, and so the house's. An execution without an order tells it.
static void adopt(struct hd_pipeline *p, uint16_t venue, uint32_t instrument, int64_t difference, int64_t price_nanos, int64_t now_ns) {
  struct hadron_venue_report r = {.venue_ns = now_ns, .price = {price_nanos}, .quantity = {difference < 0 ? -difference : difference}, .cumulative = {-1}, .venue = venue,
                                  .change = HADRON_CHANGE_FILL, .side = difference < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY, .flags = 1};
  if (price_nanos == 0) r.price = hd_portfolio_reference(&p->portfolio, instrument);
  r.listing = hd_instruments_at(&p->instruments, instrument, venue);
  snprintf(r.execution_id, sizeof r.execution_id, "adopted.%llx.%u", (unsigned long long)now_ns, instrument);
  struct hadron_allocation a = {.time_ns = now_ns, .price = r.price, .quantity = r.quantity, .instrument = instrument, .side = r.side};
  a.execution = hd_gateway_adopt(p->gateway, &r, now_ns);
  p->reconcile.execution = 0; // the statement has it
  const struct hd_intent_listener listener = hd_desk_intent_listener(&p->desk);
  if (a.execution && listener.allocate(listener.self, &a) == HADRON_OK) (void)hd_desk_record(p, HADRON_MSG_ALLOCATION, &a, sizeof a, now_ns);
  p->reconcile.adopted++;
}

static void differs(struct hd_pipeline *p, uint16_t venue, uint32_t instrument, const struct hd_stated *theirs, int64_t ours, int64_t now_ns) {
  static const char *const then[] = {"", "the difference is the house's now", "find out why before trading on", "trading stops until `hadron release`"};
  char text[256], held[32], books[32];
  bool unknown = hd_gateway_unknown(p->gateway, instrument) > 0;
  uint32_t what = p->reconcile.on_difference;
  hd_decimal_format(held, sizeof held, theirs->held_e8, HADRON_QUANTITY_SCALE, 0);
  hd_decimal_format(books, sizeof books, ours, HADRON_QUANTITY_SCALE, 0);
  if (unknown) snprintf(text, sizeof text, "the venue holds %s, the books say %s, and an order of it has an unknown outcome, which may be why", held, books);
  else snprintf(text, sizeof text, "the venue holds %s, the books say %s: %s", held, books, then[what]);
  hd_pipeline_alert(p, unknown ? 2 : 3, HADRON_ERR_CORRUPT, 0, instrument, venue, text);
  p->reconcile.differences++;
  if (unknown) return;
  if (what == HD_DIFFERENCE_ADOPT) adopt(p, venue, instrument, theirs->held_e8 - ours, theirs->price_nanos, now_ns);
  if (what == HD_DIFFERENCE_STOP && !p->risk.killed) hd_pipeline_kill(p, "reconciliation: a position differs", 0, now_ns);
}

// With orders that work the two may differ for a moment and for good reason.
static void compare(struct hd_pipeline *p, uint16_t venue, uint32_t instrument, const struct hd_stated *theirs, int64_t now_ns) {
  struct hadron_quantity buy, sell;
  hd_gateway_working(p->gateway, 0, instrument, true, &buy, &sell);
  int64_t ours = hd_portfolio_position(&p->portfolio, 0, instrument)->quantity.e8;
  if (ours == theirs->held_e8 || buy.e8 != 0 || sell.e8 != 0) return;
  differs(p, venue, instrument, theirs, ours, now_ns);
}

void hd_reconcile_executed(struct hd_pipeline *p, const struct hadron_execution *e) {
  p->reconcile.execution = e->id;
  p->reconcile.listing = hd_instruments_at(&p->instruments, e->instrument, e->venue);
}

// While a list is read what it tells of fills comes before what it tells of positions.
void hd_reconcile_booked(struct hd_pipeline *p, const struct hadron_allocation *a) {
  struct hd_reconcile *r = &p->reconcile;
  if (a->execution == 0 || a->execution != r->execution || r->listing == 0 || r->reading[p->instruments.listings[r->listing].venue]) return;
  bool more = (a->side == HADRON_SIDE_BUY) != ((a->flags & 1) != 0);
  int64_t *held = &r->claims[r->listing].held_e8;
  if (more ? __builtin_add_overflow(*held, a->quantity.e8, held) : __builtin_sub_overflow(*held, a->quantity.e8, held)) r->whole[p->instruments.listings[r->listing].venue] = false;
}

static void compare_all(struct hd_pipeline *p, uint16_t venue, int64_t now_ns) {
  for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++) {
    struct hd_stated theirs;
    if (hd_instruments_at(&p->instruments, id, venue) && claimed(p, id, &theirs)) compare(p, venue, id, &theirs, now_ns);
  }
}

void hd_reconcile_position(struct hd_pipeline *p, const struct hadron_venue_report *report, int64_t now_ns) {
  uint16_t venue = report->venue;
  if (report->listing == 0 || report->listing > p->instruments.listing_count || venue > HD_VENUES_MAX || p->reconcile.blind[venue]) return;
  p->reconcile.claims[report->listing] = (struct hd_stated){report->quantity.e8, report->price.nanos};
  if (p->reconcile.reading[venue]) return; // once the list is whole
  uint32_t instrument = p->instruments.listings[report->listing].instrument;
  const struct hd_stated alone = p->reconcile.claims[report->listing];
  struct hd_stated theirs;
  if (p->reconcile.whole[venue] && claimed(p, instrument, &theirs)) compare(p, venue, instrument, &theirs, now_ns);
  else if (!p->reconcile.whole[venue]) compare(p, venue, instrument, &alone, now_ns);
}

// ---- lists -------------------------------------------------------------------------------------------------------------------------

void hd_reconcile_mark(struct hd_pipeline *p, uint16_t venue, bool end, int64_t now_ns) {
  struct hd_reconcile *r = &p->reconcile;
  HD_ASSERT(venue > 0 && venue <= HD_VENUES_MAX);
  p->now_ns = now_ns;
  if (!end) {
    for (uint32_t handle = 1; handle <= p->instruments.listing_count; handle++)
      if (p->instruments.listings[handle].venue == venue) r->claims[handle] = (struct hd_stated){0};
    r->taken_over = hd_gateway_count(p->gateway)->taken_over;
    hd_gateway_list_begin(p->gateway, venue);
    r->reading[venue] = r->hold[venue] = true;
    return;
  }
  if (r->reading[venue]) {
    r->reading[venue] = false;
    r->whole[venue] = true;
    r->lists++;
    hd_gateway_list_end(p->gateway, venue, now_ns);
    compare_all(p, venue, now_ns);
    uint64_t taken = hd_gateway_count(p->gateway)->taken_over;
    if (taken > r->taken_over && r->on_difference == HD_DIFFERENCE_STOP && !p->risk.killed) hd_pipeline_kill(p, "reconciliation: an order that nobody knew", 0, now_ns);
    r->taken_over = taken;
  }
  if (p->listener.reconciled) p->listener.reconciled(p->listener.self, venue);
  r->hold[venue] = false;
  hd_coordinator_wake(&p->coordinator, now_ns);
}
