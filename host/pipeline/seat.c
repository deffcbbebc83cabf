// Arms while it runs: opening, other roles, weights and splits, leaving, and what a shadow takes over. A quiet point: no decision, report
// or tick is being handled.
#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/desk.h"

#define SHARES_MAX UINT32_C(1000000)
#define TRANSFER 2 // flag of an allocation

uint32_t hd_instrument_share(const char *name) {
  uint8_t digest[32];
  uint64_t number = 0;
  hd_sha256(name, strlen(name), digest);
  for (int i = 7; i >= 0; i--) number = number << 8 | digest[i];
  return (uint32_t)(number % SHARES_MAX);
}

static bool split_takes(uint32_t low, uint32_t high, uint32_t share) { return high == 0 || (share >= low && share < high); }

static uint32_t share_of(struct hd_pipeline *p, uint32_t instrument) {
  uint32_t *known = &p->instrument_shares[instrument];
  if (*known == 0) *known = hd_instrument_share(p->instruments.rows[instrument].name) + 1;
  return *known - 1;
}

bool hd_desk_trades(struct hd_pipeline *p, const struct hd_arm *arm, uint32_t instrument) {
  if (instrument == 0 || instrument > hd_instruments_count(&p->instruments)) return true; // the coordinator says what is wrong with it
  return split_takes(arm->split_low, arm->split_high, share_of(p, instrument));
}

static bool split_valid(uint32_t low, uint32_t high) { return (low == 0 && high == 0) || (low < high && high <= SHARES_MAX); }

static int32_t arm_record(struct hd_pipeline *p, uint32_t arm, int64_t now_ns) {
  const struct hd_arm *a = &p->arms[arm];
  struct hadron_arm_definition *d = &p->definitions[arm];
  d->arm = arm;
  d->revision = a->revision ? a->revision : 1;
  d->role = (uint8_t)a->role;
  d->waits = 0;
  d->placement = a->placement ? (uint8_t)a->placement : 1;
  d->weight = a->weight;
  d->split_low = a->split_low;
  d->split_high = a->split_high;
  return hd_desk_record(p, HADRON_MSG_ARM, d, sizeof *d, now_ns);
}

int32_t hd_pipeline_arm(struct hd_pipeline *p, const struct hd_arm *arm, struct hadron_money cash, const uint32_t *instruments,
                        uint32_t count, uint8_t const digest[32], const char *version) {
  if (arm->id > p->options.arm_max) return HADRON_ERR_FULL;
  HD_ASSERT(arm->id > 0 && arm->id <= p->arm_count + 1);
  if (!split_valid(arm->split_low, arm->split_high)) return HADRON_ERR_ARGUMENT;
  int32_t code = hd_portfolio_open(&p->portfolio, arm->id, arm->role, cash, instruments, count);
  if (code) return code;
  if (arm->id > p->arm_count) p->arm_count = arm->id;
  p->arms[arm->id] = *arm;
  atomic_store_explicit(&p->shadows[arm->id], arm->role == HD_ROLE_SHADOW, memory_order_relaxed);
  snprintf(p->labels[arm->id], sizeof p->labels[arm->id], "shadow/%u/%s", arm->id, arm->name);
  struct hadron_arm_definition *d = &p->definitions[arm->id];
  *d = (struct hadron_arm_definition){0};
  memcpy(d->digest, digest, sizeof d->digest);
  hd_text_copy(d->name, sizeof d->name, arm->name);
  hd_text_copy(d->version, sizeof d->version, version);
  return arm_record(p, arm->id, p->now_ns);
}

// ---- from one book to another -----------------------------------------------------------------------------------------------------

static int32_t transfer_side(struct hd_pipeline *p, uint32_t arm, uint32_t instrument, int64_t quantity, struct hadron_price price, uint8_t flags, int64_t now_ns) {
  struct hadron_allocation a = {.time_ns = now_ns, .price = price, .quantity = {quantity < 0 ? -quantity : quantity}, .instrument = instrument,
                                .arm = arm, .side = quantity < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY, .flags = flags};
  int32_t code = hd_portfolio_allocate(&p->portfolio, &a);
  if (!code) (void)hd_desk_record(p, HADRON_MSG_ALLOCATION, &a, sizeof a, now_ns); // it has happened; the sink counts what it could not write
  return code;
}

// All that an arm holds of an instrument goes to the heir (0: the house), at the reference price. Both sides or none.
static int32_t transfer(struct hd_pipeline *p, uint32_t arm, uint32_t heir, uint32_t instrument, int64_t now_ns, struct hd_fault *fault) {
  int64_t held = hd_portfolio_position(&p->portfolio, arm, instrument)->quantity.e8;
  struct hadron_price price = hd_portfolio_reference(&p->portfolio, instrument);
  const char *name = p->instruments.rows[instrument].name;
  if (held == 0) return HADRON_OK;
  int32_t code = transfer_side(p, arm, instrument, -held, price, TRANSFER, now_ns);
  if (!code && (code = transfer_side(p, heir, instrument, held, price, TRANSFER, now_ns)))
    transfer_side(p, arm, instrument, -held, price, TRANSFER | 1, now_ns);
  if (code) return hd_fault_set(fault, code, "arm %u: its position in %s could not be transferred to arm %u: %s; it is where it was", arm, name, heir, hadron_error_text(code));
  hd_desk_view(p, arm, instrument);
  if (heir) {
    hd_desk_view(p, heir, instrument);
    return HADRON_OK;
  }
  char text[320], quantity[32];
  hd_decimal_format(quantity, sizeof quantity, held, HADRON_QUANTITY_SCALE, 0);
  snprintf(text, sizeof text, "%s %s of arm %u (%s) are nobody's now: the account holds them; close them at the venue, or name an heir the next time", quantity, name,
           arm, p->arms[arm].name);
  hd_desk_alert(p, 3, 0, arm, instrument, text);
  return HADRON_OK;
}

// Which arm takes an instrument over.
static uint32_t heir_of(struct hd_pipeline *p, uint32_t arm, uint32_t heir, uint32_t instrument) {
  if (heir != HD_HEIR_SPLIT) return heir;
  for (uint32_t i = 1; i <= p->arm_count; i++) {
    const struct hd_arm *other = &p->arms[i];
    const struct hd_book *book = &p->portfolio.books[i];
    bool trades = i != arm && book->role && other->role && other->role != HD_ROLE_SHADOW && strcmp(other->name, p->arms[arm].name) == 0;
    if (trades && book->index[instrument] && split_takes(other->split_low, other->split_high, share_of(p, instrument))) return i;
  }
  return 0;
}

// Can the heir take what the arm holds where `low` and `high` leave it out (all: everywhere)?
static int32_t heir_check(struct hd_pipeline *p, uint32_t arm, uint32_t heir, bool all, uint32_t low, uint32_t high, struct hd_fault *fault) {
  const struct hd_book *book = &p->portfolio.books[arm];
  if (heir == 0 || heir == HD_HEIR_SPLIT) return HADRON_OK;
  if (heir > p->arm_count || heir == arm || !p->portfolio.books[heir].role || p->arms[heir].role == HD_ROLE_SHADOW)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "arm %u: heir %u: expected another arm that trades, or 0", arm, heir);
  for (uint32_t i = 0; i < book->position_count; i++) {
    uint32_t instrument = book->positions[i].instrument;
    if (!all && split_takes(low, high, share_of(p, instrument))) continue;
    if (!p->portfolio.books[heir].index[instrument])
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "arm %u: heir %u: %s is not in its universe", arm, heir, p->instruments.rows[instrument].name);
  }
  return HADRON_OK;
}

// What is still filled of an arm's orders goes elsewhere; a record says so, for who recovers.
static void reassign(struct hd_pipeline *p, struct hd_gateway *g, uint32_t from, uint32_t to, uint32_t instrument, uint8_t flags, int64_t now_ns) {
  const struct hadron_order_share moved = {.time_ns = now_ns, .instrument = instrument, .arm = to, .from = from, .kind = HADRON_SHARE_MOVED, .flags = flags};
  if (hd_gateway_reassign(g, from, to, instrument)) (void)hd_desk_record(p, HADRON_MSG_SHARE, &moved, sizeof moved, now_ns);
}

int32_t hd_desk_give_up(struct hd_pipeline *p, uint32_t arm, uint32_t heir, uint32_t instrument, int64_t now_ns, struct hd_fault *fault) {
  hd_coordinator_forget(&p->coordinator, arm, instrument);
  hd_gateway_cancel_all(p->gateway, arm, instrument, now_ns);
  int32_t code = transfer(p, arm, heir, instrument, now_ns, fault);
  if (!code) reassign(p, p->gateway, arm, heir, instrument, 0, now_ns);
  return code;
}

// The arm trades no longer where `low` and `high` leave it out (all: everywhere): orders end, positions go.
static int32_t give_up(struct hd_pipeline *p, uint32_t arm, uint32_t heir, bool all, uint32_t low, uint32_t high, int64_t now_ns, struct hd_fault *fault) {
  const struct hd_book *book = &p->portfolio.books[arm];
  for (uint32_t i = 0; i < book->position_count; i++) {
    uint32_t instrument = book->positions[i].instrument;
    if (!all && split_takes(low, high, share_of(p, instrument))) continue;
    uint32_t to = heir_of(p, arm, heir, instrument);
    hd_coordinator_forget(&p->coordinator, arm, instrument);
    hd_gateway_cancel_all(p->gateway, arm, instrument, now_ns);
    int32_t code = transfer(p, arm, to, instrument, now_ns, fault);
    if (code) return code;
    // What is still filled on the way to the cancel. Most instruments of most arms have nothing of the kind.
    if (!all || heir == HD_HEIR_SPLIT) reassign(p, p->gateway, arm, to, instrument, 0, now_ns);
  }
  if (all && heir != HD_HEIR_SPLIT) reassign(p, p->gateway, arm, heir, 0, 0, now_ns);
  return HADRON_OK;
}

// A shadow's orders end; what its market still fills of them is nobody's.
static void shadow_stop(struct hd_pipeline *p, uint32_t arm, int64_t now_ns) {
  if (!p->room) return;
  hd_coordinator_forget(p->shadow.coordinator, arm, 0);
  hd_gateway_cancel_all(p->shadow.gateway, arm, 0, now_ns);
  reassign(p, p->shadow.gateway, arm, 0, 0, HADRON_ORDER_SHADOW, now_ns);
}

static void views(struct hd_pipeline *p, uint32_t arm) {
  const struct hd_book *book = &p->portfolio.books[arm];
  for (uint32_t i = 0; i < book->position_count; i++) hd_desk_view(p, arm, book->positions[i].instrument);
}

// ---- roles ------------------------------------------------------------------------------------------------------------------------

static int32_t change_check(struct hd_pipeline *p, uint32_t arm, const struct hd_arm_change *c, struct hd_fault *fault) {
  if (arm == 0 || arm > p->arm_count || !p->portfolio.books[arm].role) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "arm %u is not open", arm);
  if (c->role < HD_ROLE_LIVE || c->role > HD_ROLE_SHADOW)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "arm %u: role: expected 1 (live), 2 (canary) or 3 (shadow), found %u", arm, c->role);
  if (!split_valid(c->split_low, c->split_high) || !(c->weight >= 0))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "arm %u: expected a weight of 0 or more and a split within 0 to %u, found %g and %u to %u", arm, SHARES_MAX,
                        c->weight, c->split_low, c->split_high);
  if (c->role == HD_ROLE_SHADOW && !p->room) return hd_fault_set(fault, HADRON_ERR_STATE, "arm %u: it cannot become a shadow before shadows have a market", arm);
  return HADRON_OK;
}

int32_t hd_pipeline_role(struct hd_pipeline *p, uint32_t arm, const struct hd_arm_change *c, int64_t now_ns, struct hd_fault *fault) {
  int32_t code = change_check(p, arm, c, fault);
  if (code) return code;
  struct hd_arm *a = &p->arms[arm];
  enum hd_side before = hd_role_side(a->role), after = hd_role_side(c->role);
  bool leaves = before == HD_SIDE_TRADING && after == HD_SIDE_SHADOW, narrower = before == HD_SIDE_TRADING && after == before;
  if ((leaves || narrower) && (code = heir_check(p, arm, c->heir, leaves, c->split_low, c->split_high, fault))) return code;
  p->now_ns = now_ns;
  if (leaves || narrower) code = give_up(p, arm, c->heir, leaves, c->split_low, c->split_high, now_ns, fault);
  if (!code && before == HD_SIDE_SHADOW && after == HD_SIDE_TRADING) shadow_stop(p, arm, now_ns);
  if (!code && (code = hd_portfolio_role(&p->portfolio, arm, c->role)))
    hd_fault_set(fault, code, "arm %u: its book cannot change its role: %s", arm, hadron_error_text(code));
  if (code) return code;
  a->role = c->role;
  atomic_store_explicit(&p->shadows[arm], c->role == HD_ROLE_SHADOW, memory_order_relaxed);
  a->weight = c->weight;
  a->split_low = c->split_low;
  a->split_high = c->split_high;
  a->revision = c->revision;
  if (before != after) {
    hd_risk_restart(after == HD_SIDE_SHADOW ? p->shadow.risk : &p->risk, arm);
    views(p, arm);
  }
  return arm_record(p, arm, now_ns);
}

int32_t hd_pipeline_close(struct hd_pipeline *p, uint32_t arm, uint32_t heir, int64_t now_ns, struct hd_fault *fault) {
  if (arm == 0 || arm > p->arm_count || !p->portfolio.books[arm].role) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "arm %u is not open", arm);
  bool trades = p->arms[arm].role != HD_ROLE_SHADOW;
  int32_t code = trades ? heir_check(p, arm, heir, true, 0, 0, fault) : HADRON_OK;
  if (code) return code;
  p->now_ns = now_ns;
  if (!trades) shadow_stop(p, arm, now_ns);
  else if ((code = give_up(p, arm, heir, true, 0, 0, now_ns, fault))) return code;
  if ((code = hd_portfolio_close(&p->portfolio, arm))) return hd_fault_set(fault, code, "arm %u: its book cannot be closed: %s", arm, hadron_error_text(code));
  hd_risk_restart(&p->risk, arm);
  if (p->room) hd_risk_restart(p->shadow.risk, arm);
  p->arms[arm].role = 0;
  return arm_record(p, arm, now_ns);
}

int32_t hd_pipeline_mirror(struct hd_pipeline *p, uint32_t from, uint32_t to, int64_t now_ns, struct hd_fault *fault) {
  const struct hd_book *books = p->portfolio.books;
  if (from == to || from == 0 || to == 0 || from > p->arm_count || to > p->arm_count || !books[from].role || books[to].role != HD_ROLE_SHADOW || !p->room)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "arm %u cannot take over what arm %u holds: expected a shadow and another open arm", to, from);
  p->now_ns = now_ns;
  shadow_stop(p, to, now_ns);
  hd_desk_mirrored(p, to);
  for (uint32_t i = 0; i < books[to].position_count; i++) {
    const struct hd_position *is = &books[to].positions[i], *like = hd_portfolio_position(&p->portfolio, from, is->instrument);
    if (is->quantity.e8 == like->quantity.e8 && is->cost.micros == like->cost.micros) continue;
    struct hadron_allocation a = {.time_ns = now_ns, .instrument = is->instrument, .arm = to, .flags = TRANSFER | HADRON_ORDER_SHADOW};
    int32_t code = hd_portfolio_mirror(&p->portfolio, like, &a);
    if (!code) code = hd_desk_record(p, HADRON_MSG_ALLOCATION, &a, sizeof a, now_ns);
    if (code) return hd_fault_set(fault, code, "arm %u: taking over %s from arm %u: %s", to, p->instruments.rows[is->instrument].name, from, hadron_error_text(code));
    hd_desk_view(p, to, is->instrument);
  }
  return HADRON_OK;
}
