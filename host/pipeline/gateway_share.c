// Shares fills and fees out, to the last unit.
#include "base/banned.h"
#include "pipeline/gateway_internal.h"

void hd_share_out(int64_t quantity, const int64_t *weights, uint32_t count, int64_t *out) {
  HD_ASSERT(count >= 1 && count <= HD_SHARES_MAX);
  hadron_int128 total = 0;
  for (uint32_t i = 0; i < count; i++) {
    HD_ASSERT(weights[i] >= 0);
    total += weights[i];
  }
  HD_ASSERT(total > 0);
  if (count == 1) { // of most orders
    out[0] = quantity;
    return;
  }
  hadron_int128 amount = quantity < 0 ? -(hadron_int128)quantity : quantity, rest = amount;
  hadron_int128 remainders[HD_SHARES_MAX];
  for (uint32_t i = 0; i < count; i++) {
    hadron_int128 product = amount * weights[i];
    out[i] = (int64_t)(product / total);
    remainders[i] = product % total;
    rest -= out[i];
  }
  HD_ASSERT(rest >= 0 && rest < count);
  for (; rest > 0; rest--) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
      if (remainders[i] > remainders[best]) best = i;
    HD_ASSERT(remainders[best] > 0); // so a share never gets more than its exact part rounded up
    out[best]++;
    remainders[best] = 0;
  }
  if (quantity < 0)
    for (uint32_t i = 0; i < count; i++) out[i] = -out[i];
}

void hd_share_lots(int64_t quantity, const int64_t *weights, uint32_t count, int64_t lot, int64_t *out) {
  int64_t lots[HD_SHARES_MAX] = {0};
  bool whole = lot > 1 && quantity % lot == 0;
  for (uint32_t i = 0; i < count; i++) {
    whole &= lot > 0 && weights[i] % lot == 0;
    lots[i] = lot > 0 ? weights[i] / lot : 0;
  }
  if (!whole || count == 1) {
    hd_share_out(quantity, weights, count, out);
    return;
  }
  hd_share_out(quantity / lot, lots, count, out);
  for (uint32_t i = 0; i < count; i++) out[i] *= lot;
}

// One share per arm, ascending: an arm that had one already has both.
static bool reassign_shares(struct hd_order *o, uint32_t from, uint32_t to) {
  uint32_t at = 0, other = 0;
  while (at < o->share_count && o->shares[at].arm != from) at++;
  if (at == o->share_count) return false;
  struct hd_share moved = o->shares[at];
  moved.arm = to;
  o->share_count--;
  memmove(&o->shares[at], &o->shares[at + 1], (o->share_count - at) * sizeof *o->shares);
  while (other < o->share_count && o->shares[other].arm < to) other++;
  if (other < o->share_count && o->shares[other].arm == to) {
    o->shares[other].ordered.e8 += moved.ordered.e8; // within the order's quantity
    o->shares[other].filled.e8 += moved.filled.e8;
    return true;
  }
  memmove(&o->shares[other + 1], &o->shares[other], (o->share_count - other) * sizeof *o->shares);
  o->shares[other] = moved;
  o->share_count++;
  return true;
}

uint32_t hd_gateway_reassign(struct hd_gateway *g, uint32_t from, uint32_t to, uint32_t instrument) {
  HD_ASSERT(from != to);
  uint32_t count = 0;
  for (uint32_t i = 1; i <= g->options.orders_max; i++) {
    struct hd_order *o = &g->orders[i];
    if (o->list != HD_LIST_FREE && (instrument == 0 || o->request.instrument == instrument)) count += reassign_shares(o, from, to);
  }
  for (uint64_t n = g->execution_first; n < g->execution_next; n++) {
    const struct hd_execution_memory *m = &g->executions[n % g->options.executions_max];
    const struct hd_order *o = m->order ? &g->orders[m->order] : NULL;
    if (instrument && (!o || o->request.instrument != instrument || !hd_id_same(&o->request.client_order_id, &m->id))) continue;
    for (uint32_t i = 0; i < m->part_count; i++) {
      struct hd_part *part = &g->parts[(m->part_first + i) % g->part_size];
      count += part->arm == from;
      if (part->arm == from) part->arm = to;
    }
  }
  return count;
}

static uint32_t largest(const struct hd_order *o) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < o->share_count; i++)
    if (o->shares[i].ordered.e8 > o->shares[best].ordered.e8) best = i;
  HD_ASSERT(best < o->share_count);
  return best;
}

void hd_share_fill(const struct hd_order *o, int64_t quantity, int64_t lot, int64_t out[HD_SHARES_MAX]) {
  HD_ASSERT(quantity > 0 && o->share_count > 0);
  int64_t left[HD_SHARES_MAX], all = 0;
  for (uint32_t i = 0; i < o->share_count; i++) {
    const struct hd_share *s = &o->shares[i];
    left[i] = s->filled.e8 < s->ordered.e8 ? s->ordered.e8 - s->filled.e8 : 0;
    all += left[i]; // at most the order's quantity
  }
  int64_t within = quantity < all ? quantity : all;
  memset(out, 0, sizeof *out * HD_SHARES_MAX);
  if (within > 0) hd_share_lots(within, left, o->share_count, lot, out);
  out[largest(o)] += quantity - within;
}
