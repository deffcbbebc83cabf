// The `net` allocator: what the arms want is netted, and only the difference goes to the market.
//
// Wants. SIDE: weight x quantity. TARGET: weight x target - position - working. Both in whole lots, toward zero, the weight as parts
//   per million: no float decides a size. WORK: a leg of its own, weight x quantity, never crossed and never merged.
// Crossing. Buyers meet sellers inside the house at the reference price. Only those cross who would accept that price now: market
//   orders, and limits no worse than it; no stops, no post-only (they mean to rest), no fill-or-kill (a part would break it). The
//   larger side is crossed pro rata in lots, what is left over by largest remainder, ties to the lower index.
// Legs. What remains goes out: wants of the same side and the same terms (type, limit, stop, time in force, expiry, flags) are one
//   order with a share per decision, in order of their first; different terms stay apart. The first leads.
// Blend. Each view counts by p = weight x confidence / sigma^2 (a view that names no sigma has the largest one named; if none is
//   named, p = weight x confidence). mean = sum(p x mean) / sum(p); sigma = sqrt(sum((p x sigma)^2)) / sum(p), the deviation of that
//   mean if the views err independently; confidence = mean by weight. Views that count nothing leave zeros.
// Conflicts. How many wanted the side that, in sum, wanted less; at a tie the sellers.
#include <math.h>
#include <stdbool.h>

#include "hadron/allocator.h"

#define MAX HADRON_MERGE_DECISIONS_MAX

// A merge on its way. Quantities in 1e-8 units, whole lots.
struct net {
  const struct hadron_merge_input *in;
  struct hadron_merge_output *out;
  struct hadron_price reference;
  int64_t lot;
  int64_t want[MAX];    // signed; 0 for WORK
  int64_t crossed[MAX]; // signed part of it
};

// A pure function needs no state; the host wants an instance that is not NULL.
static int32_t net_create(const struct hadron_host *host, void **self) {
  static char instance;
  (void)host;
  *self = &instance;
  return HADRON_OK;
}

static void net_destroy(void *self) { (void)self; }

static int64_t clamp(hadron_int128 x) { return x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x; }
static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }
static bool works(const struct hadron_decision *d) { return d->kind == HADRON_DECISION_WORK; }

static int64_t net_want(const struct net *n, uint32_t i) {
  const struct hadron_decision *d = &n->in->decisions[i];
  const struct hadron_standing *s = &n->in->standings[i];
  int64_t weighed = hadron_weigh(d->quantity.e8, s->weight, n->lot);
  if (d->kind == HADRON_DECISION_SIDE) return d->side == HADRON_SIDE_BUY ? weighed : d->side == HADRON_SIDE_SELL ? -weighed : 0;
  if (d->kind != HADRON_DECISION_TARGET) return 0;
  int64_t difference = clamp((hadron_int128)weighed - s->position.e8 - s->working.e8);
  return difference - difference % n->lot;
}

static bool net_crosses(const struct net *n, uint32_t i) {
  const struct hadron_decision *d = &n->in->decisions[i];
  if (n->want[i] == 0 || n->reference.nanos <= 0 || (d->flags & HADRON_ORDER_POST_ONLY) || d->time_in_force == HADRON_TIF_FOK)
    return false;
  if (d->order_type == HADRON_ORDER_MARKET) return true;
  if (d->order_type != HADRON_ORDER_LIMIT) return false;
  return n->want[i] > 0 ? d->limit.nanos >= n->reference.nanos : d->limit.nanos <= n->reference.nanos;
}

// Shares `total` lots out over the crossing wants of a side, which have `sum` lots: whole parts first, then largest remainders.
static void net_share_out(struct net *n, const bool *member, hadron_int128 total, hadron_int128 sum) {
  hadron_int128 remainder[MAX], left = total;
  for (uint32_t i = 0; i < n->in->count; i++) {
    remainder[i] = -1;
    if (!member[i]) continue;
    hadron_int128 lots = magnitude(n->want[i]) / n->lot, given = lots * total / sum;
    remainder[i] = lots * total % sum;
    n->crossed[i] = (n->want[i] < 0 ? -1 : 1) * (int64_t)given * n->lot;
    left -= given;
  }
  for (; left > 0; left--) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n->in->count; i++)
      if (remainder[i] > remainder[best]) best = i;
    n->crossed[best] += n->want[best] < 0 ? -n->lot : n->lot;
    remainder[best] = -1;
  }
}

static void net_cross(struct net *n) {
  bool buys[MAX], sells[MAX];
  hadron_int128 bought = 0, sold = 0;
  for (uint32_t i = 0; i < n->in->count; i++) {
    bool crosses = net_crosses(n, i);
    buys[i] = crosses && n->want[i] > 0;
    sells[i] = crosses && n->want[i] < 0;
    if (buys[i]) bought += n->want[i] / n->lot;
    if (sells[i]) sold -= n->want[i] / n->lot;
  }
  hadron_int128 total = bought < sold ? bought : sold;
  if (total > INT64_MAX / n->lot) total = INT64_MAX / n->lot; // a leg's quantity is one int64
  if (total <= 0) return;
  net_share_out(n, buys, total, bought);
  net_share_out(n, sells, total, sold);
}

static bool like(const struct hadron_decision *a, const struct hadron_decision *b) {
  return a->order_type == b->order_type && a->limit.nanos == b->limit.nanos && a->stop.nanos == b->stop.nanos &&
         a->time_in_force == b->time_in_force && a->expire_ns == b->expire_ns && a->flags == b->flags;
}

static struct hadron_leg *leg_open(struct net *n, uint32_t lead, uint8_t side) {
  const struct hadron_decision *d = &n->in->decisions[lead];
  struct hadron_leg *leg = &n->out->legs[n->out->leg_count++];
  *leg = (struct hadron_leg){.limit = d->limit, .stop = d->stop, .expire_ns = d->expire_ns, .key = d->key, .lead = lead,
                             .share_first = n->out->share_count, .side = side, .order_type = d->order_type,
                             .time_in_force = d->time_in_force, .flags = d->flags};
  return leg;
}

// Adds a share; false if the leg's quantity would pass what an int64 holds.
static bool leg_add(struct net *n, struct hadron_leg *leg, uint32_t decision, int64_t quantity) {
  if (__builtin_add_overflow(leg->quantity.e8, quantity, &leg->quantity.e8)) return false;
  n->out->shares[n->out->share_count++] = (struct hadron_share){.decision = decision, .quantity = {quantity}};
  leg->share_count++;
  return true;
}

// The two sides of what is crossed, buyers first.
static void net_crossed_legs(struct net *n) {
  for (uint8_t side = HADRON_SIDE_BUY; side <= HADRON_SIDE_SELL; side++) {
    struct hadron_leg *leg = NULL;
    for (uint32_t i = 0; i < n->in->count; i++) {
      if (side == HADRON_SIDE_BUY ? n->crossed[i] <= 0 : n->crossed[i] >= 0) continue;
      if (!leg) leg = leg_open(n, i, side);
      leg->crossed = 1;
      (void)leg_add(n, leg, i, magnitude(n->crossed[i])); // their sum was bounded in net_cross
    }
  }
}

// One order per side and terms, and one per WORK.
static int32_t net_market_legs(struct net *n) {
  bool done[MAX] = {false};
  for (uint32_t i = 0; i < n->in->count; i++) {
    const struct hadron_decision *d = &n->in->decisions[i];
    int64_t rest = works(d) ? hadron_weigh(d->quantity.e8, n->in->standings[i].weight, n->lot) : n->want[i] - n->crossed[i];
    if (done[i] || rest == 0) continue;
    if (n->out->leg_count == HADRON_MERGE_LEGS_MAX) return HADRON_ERR_FULL;
    uint8_t side = works(d) ? d->side : rest > 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
    struct hadron_leg *leg = leg_open(n, i, side);
    leg->slot = works(d) ? (uint8_t)d->slot : 0;
    if (!leg_add(n, leg, i, magnitude(rest))) return HADRON_ERR_OVERFLOW;
    for (uint32_t j = i + 1; !works(d) && j < n->in->count; j++) {
      int64_t more = n->want[j] - n->crossed[j];
      if (done[j] || more == 0 || (more > 0) != (rest > 0) || !like(d, &n->in->decisions[j])) continue;
      if (!leg_add(n, leg, j, magnitude(more))) return HADRON_ERR_OVERFLOW;
      done[j] = true;
    }
  }
  return HADRON_OK;
}

static void net_conflicts(struct net *n) {
  hadron_int128 sum = 0;
  uint32_t buyers = 0, sellers = 0;
  for (uint32_t i = 0; i < n->in->count; i++) {
    sum += n->want[i];
    buyers += n->want[i] > 0;
    sellers += n->want[i] < 0;
  }
  n->out->conflicts = sum >= 0 ? sellers : buyers;
}

static void net_blend(struct net *n) {
  const struct hadron_merge_input *in = n->in;
  double widest = 0, sum = 0, mean = 0, variance = 0, weights = 0, confidence = 0;
  for (uint32_t i = 0; i < in->count; i++)
    if (isfinite(in->decisions[i].uncertainty)) widest = fmax(widest, in->decisions[i].uncertainty);
  for (uint32_t i = 0; i < in->count; i++) {
    const struct hadron_decision *d = &in->decisions[i];
    double weight = in->standings[i].weight, sigma = d->uncertainty > 0 && isfinite(d->uncertainty) ? d->uncertainty : widest;
    if (!(weight > 0) || !isfinite(weight) || !(d->confidence >= 0) || !isfinite(d->mean_return)) continue;
    double p = weight * d->confidence / (sigma > 0 ? sigma * sigma : 1);
    if (!isfinite(p)) continue;
    sum += p;
    mean += p * d->mean_return;
    variance += p * sigma * (p * sigma);
    weights += weight;
    confidence += weight * d->confidence;
  }
  if (weights > 0) n->out->confidence = confidence / weights;
  if (!(sum > 0)) return;
  n->out->mean_return = mean / sum;
  n->out->uncertainty = sqrt(variance) / sum;
}

static int32_t net_merge(void *self, const struct hadron_merge_input *input, struct hadron_merge_output *output) {
  (void)self;
  if (input->count == 0 || input->count > MAX) return HADRON_ERR_ARGUMENT;
  struct net n; // field by field: clearing a kilobyte for the one decision that most merges have would be most of the merge
  n.in = input, n.out = output, n.reference = hadron_market_reference(input->market);
  n.lot = input->market->lot.e8 > 0 ? input->market->lot.e8 : 1;
  for (uint32_t i = 0; i < input->count; i++) n.want[i] = net_want(&n, i), n.crossed[i] = 0;
  net_conflicts(&n);
  net_blend(&n);
  net_cross(&n);
  net_crossed_legs(&n);
  return net_market_legs(&n);
}

static const struct hadron_allocator_api api = {
    .struct_size = sizeof api, .create = net_create, .destroy = net_destroy, .merge = net_merge};

HADRON_PLUGIN(ALLOCATOR, "net", "1.0.0", "Nets what the arms want and crosses opposite wants inside the house", "", &api, NULL);
