#include "runtime/simulate/profit.h"

#include <string.h>

#include "base/banned.h"
#include "hadron/decimal.h"

void hd_profit_session(struct hd_profit *p) {
  if (!p->w->setting.changes) return; // the same sections in the same order have the same numbers
  for (uint32_t arm = 1; arm < HD_PROFIT_ARMS; arm++) memset(p->holdings[arm], 0, sizeof p->holdings[arm]);
}

static void whole(struct hd_profit *p) {
  if (p->of && p->fees && !p->lost) hd_world_finding(p->w, "profit: of execution %.39s %lld micros of its fee were not shared out", p->execution, (long long)p->fees);
  p->of = NULL;
  p->fees = 0;
}

void hd_profit_execution(struct hd_profit *p, const struct hadron_execution *e, const struct hd_truth_execution *truth) {
  whole(p);
  p->of = truth;
  memcpy(p->execution, e->execution_id, sizeof p->execution);
  if (!truth) return;
  p->fees = truth->fee.micros;
  if (e->price.nanos == truth->price.nanos && e->quantity.e8 == truth->quantity.e8 && e->fee.micros == truth->fee.micros && e->side == truth->side) return;
  hd_world_finding(p->w, "profit: execution %.39s is side %u, %lld e-8 at %lld, fee %lld micros in the journal; the venue has side %u, %lld e-8 at %lld, fee %lld micros", e->execution_id, e->side,
                   (long long)e->quantity.e8, (long long)e->price.nanos, (long long)e->fee.micros, truth->side, (long long)truth->quantity.e8, (long long)truth->price.nanos,
                   (long long)truth->fee.micros);
}

// 1e-9 of a price times 1e-8 of a quantity, in micros. On the grids of a world nothing is left over.
static int64_t value_of(int64_t price, int64_t quantity_e8) { return (int64_t)((hadron_int128)price * quantity_e8 / INT64_C(100000000000)); }

static int64_t size_of(int64_t x) { return x < 0 ? -x : x; }

// That part of the cost, half away from zero.
static int64_t part_of(int64_t cost, int64_t part, int64_t of) {
  hadron_int128 doubled = (hadron_int128)size_of(cost) * part * 2 + of;
  int64_t size = (int64_t)(doubled / ((hadron_int128)of * 2));
  return cost < 0 ? -size : size;
}

// Trades so much, signed; gives what that has closed with.
static int64_t trade(struct hd_profit_holding *h, int64_t price, int64_t quantity_e8) {
  int64_t held = h->quantity_e8, closes = 0, realized = 0;
  if ((held > 0 && quantity_e8 < 0) || (held < 0 && quantity_e8 > 0)) closes = size_of(held) < size_of(quantity_e8) ? size_of(held) : size_of(quantity_e8);
  if (closes) {
    int64_t part = part_of(h->cost, closes, size_of(held)), paid = value_of(price, closes);
    realized = (held > 0 ? paid : -paid) - part;
    h->cost -= part;
  }
  h->cost += value_of(price, quantity_e8 < 0 ? quantity_e8 + closes : quantity_e8 - closes);
  h->quantity_e8 += quantity_e8;
  return realized;
}

// Crosses, transfers and what the venue alone knows have a price of their own; the shares of an execution have the venue's.
static void compare_truth(struct hd_profit *p, const struct hadron_allocation *a) {
  if (!p->of || a->execution == 0) return;
  p->fees -= a->fee.micros;
  if (a->price.nanos != p->of->price.nanos || a->side != p->of->side)
    hd_world_finding(p->w, "profit: a share of execution %.39s is side %u at %lld, the venue traded side %u at %lld", p->execution, a->side, (long long)a->price.nanos, p->of->side,
                     (long long)p->of->price.nanos);
}

void hd_profit_allocation(struct hd_profit *p, const struct hadron_allocation *a) {
  if (a->id >= HADRON_SHADOW_ID || a->arm >= HD_PROFIT_ARMS || a->instrument > HD_WORLD_INSTRUMENTS || p->lost) return;
  struct hd_profit_holding *h = &p->holdings[a->arm][a->instrument];
  bool buys = (a->side == HADRON_SIDE_BUY) != ((a->flags & 1) != 0);
  compare_truth(p, a);
  if (p->w->setting.changes && a->arm && !h->known) { // the first of it in this session is believed
    *h = (struct hd_profit_holding){a->position.e8, a->cost.micros, true};
    p->realized[a->instrument] += a->realized.micros;
    return;
  }
  int64_t realized = trade(h, a->price.nanos, buys ? a->quantity.e8 : -a->quantity.e8);
  p->realized[a->instrument] += realized;
  if (a->realized.micros == realized && a->position.e8 == h->quantity_e8 && a->cost.micros == h->cost) return;
  hd_world_finding(p->w, "profit: allocation %llu (arm %u, instrument %u): expected %lld micros earned, %lld e-8 held for %lld micros; found %lld, %lld, %lld", (unsigned long long)a->id, a->arm,
                   a->instrument, (long long)realized, (long long)h->quantity_e8, (long long)h->cost, (long long)a->realized.micros, (long long)a->position.e8, (long long)a->cost.micros);
  *h = (struct hd_profit_holding){a->position.e8, a->cost.micros, true};
}

void hd_profit_judge(struct hd_profit *p) {
  struct hd_world *w = p->w;
  int64_t sum = 0;
  whole(p);
  for (uint32_t i = 0; i <= HD_WORLD_INSTRUMENTS; i++) sum += p->realized[i];
  if (p->lost || !w->judged || w->memory > 0) return;
  if (sum != w->realized_sum) hd_world_finding(w, "profit: the venue's fills have earned %lld micros before fees, the host says %lld", (long long)sum, (long long)w->realized_sum);
  for (uint32_t i = 1; i <= HD_WORLD_INSTRUMENTS; i++)
    if (p->realized[i] != w->realized[i])
      hd_world_finding(w, "profit: instrument %u has earned %lld micros before fees by the venue's fills, %lld in the host", i, (long long)p->realized[i], (long long)w->realized[i]);
}
