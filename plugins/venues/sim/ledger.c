// What the venue remembers: orders by client order id, fills, requests on their way in, reports on their way out.
#include <stdlib.h>

#include "sim.h"

static uint64_t power_of_two(uint64_t n) {
  uint64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

int32_t sim_ledger_open(struct sim *s) {
  uint64_t orders = (uint64_t)s->params.orders_max;
  uint64_t ids = power_of_two(orders * 2), requests = power_of_two(orders), reports = power_of_two(orders * 4);
  s->orders = calloc(orders, sizeof *s->orders);
  s->expiries = calloc(orders, sizeof *s->expiries);
  s->ids = malloc(ids * sizeof *s->ids);
  s->requests = calloc(requests, sizeof *s->requests);
  s->reports = calloc(reports, sizeof *s->reports);
  s->fills = calloc(reports, sizeof *s->fills);
  if (!s->orders || !s->expiries || !s->ids || !s->requests || !s->reports || !s->fills) return HADRON_ERR_MEMORY;
  memset(s->ids, 0xff, ids * sizeof *s->ids);
  s->id_mask = (uint32_t)(ids - 1), s->request_mask = requests - 1, s->report_mask = s->fill_mask = reports - 1;
  s->order_count = 0, s->order_free = s->closed_first = s->closed_last = SIM_NONE;
  return HADRON_OK;
}

void sim_ledger_close(struct sim *s) {
  free(s->orders), free(s->expiries), free(s->ids), free(s->requests), free(s->reports), free(s->fills);
  s->orders = NULL, s->expiries = NULL, s->ids = NULL, s->requests = NULL, s->reports = s->fills = NULL;
}

// --- ids: open addressing, linear probing, deletion by shifting back

static uint32_t id_hash(const struct hadron_client_order_id *id) {
  uint64_t words[3];
  memcpy(words, id->hex, sizeof words);
  uint64_t h = (words[0] ^ (words[1] * UINT64_C(0x9e3779b97f4a7c15)) ^ (words[2] * UINT64_C(0xbf58476d1ce4e5b9)));
  h *= UINT64_C(0x94d049bb133111eb); // ids are hex digits: spread them
  return (uint32_t)(h >> 32);
}

static uint32_t id_place(const struct sim *s, const struct hadron_client_order_id *id, uint32_t hash) {
  uint32_t i = hash & s->id_mask;
  while (s->ids[i].slot != SIM_NONE && (s->ids[i].hash != hash || memcmp(&s->orders[s->ids[i].slot].id, id, sizeof *id) != 0)) i = (i + 1) & s->id_mask;
  return i;
}

static void id_remove(struct sim *s, const struct hadron_client_order_id *id) {
  uint32_t hole = id_place(s, id, id_hash(id));
  if (s->ids[hole].slot == SIM_NONE) return;
  for (uint32_t i = (hole + 1) & s->id_mask; s->ids[i].slot != SIM_NONE; i = (i + 1) & s->id_mask) {
    if (((i - s->ids[i].hash) & s->id_mask) < ((i - hole) & s->id_mask)) continue; // reachable without the hole
    s->ids[hole] = s->ids[i];
    hole = i;
  }
  s->ids[hole].slot = SIM_NONE;
}

struct sim_order *sim_ledger_find(const struct sim *s, const struct hadron_client_order_id *id) {
  uint32_t slot = s->ids[id_place(s, id, id_hash(id))].slot;
  return slot == SIM_NONE ? NULL : &s->orders[slot];
}

void sim_ledger_expect(const struct sim *s, const struct hadron_client_order_id *id) { __builtin_prefetch(&s->ids[id_hash(id) & s->id_mask], 1); }

// What the order after the next will write; by then it has long left the cache. The next one's slot, asked for when the last was taken,
// is here: its old id leaves the table then.
static void prefetch_next(const struct sim *s, uint32_t slot) {
  sim_ledger_expect(s, &s->orders[slot].id);
  if (s->orders[slot].next == SIM_NONE) return;
  const char *order = (const char *)&s->orders[s->orders[slot].next], *fill = (const char *)&s->fills[(s->fill_count + 1) & s->fill_mask];
  for (size_t i = 0; i < sizeof *s->orders; i += 64) __builtin_prefetch(order + i, 1);
  for (size_t i = 0; i < sizeof *s->fills; i += 64) __builtin_prefetch(fill + i, 1);
}

static uint32_t take_slot(struct sim *s) {
  if (s->order_count < (uint64_t)s->params.orders_max) return s->order_count++;
  uint32_t slot = s->closed_first;
  if (slot == SIM_NONE) return SIM_NONE;
  struct sim_order *o = &s->orders[slot];
  s->closed_first = o->next;
  if (s->closed_first == SIM_NONE) s->closed_last = SIM_NONE;
  else prefetch_next(s, s->closed_first);
  id_remove(s, &o->id);
  return slot;
}

struct sim_order *sim_ledger_add(struct sim *s, const struct hadron_client_order_id *id) {
  uint32_t slot = take_slot(s);
  if (slot == SIM_NONE) return NULL;
  struct sim_order *o = &s->orders[slot];
  memset(o, 0, sizeof *o);
  o->id = *id;
  o->number = ++s->number_last;
  o->expire_ns = SIM_FOREVER;
  o->first_fill = s->fill_count;
  o->next = o->prev = o->entry = o->heap = SIM_NONE;
  uint32_t hash = id_hash(id);
  s->ids[id_place(s, id, hash)] = (struct sim_id){hash, slot};
  return o;
}

void sim_ledger_swap(struct sim *s, struct sim_order *a, struct sim_order *b) {
  uint32_t place_a = id_place(s, &a->id, id_hash(&a->id)), place_b = id_place(s, &b->id, id_hash(&b->id)), slot = s->ids[place_a].slot;
  s->ids[place_a].slot = s->ids[place_b].slot, s->ids[place_b].slot = slot;
  struct hadron_client_order_id id = a->id;
  a->id = b->id, b->id = id;
}

void sim_ledger_retire(struct sim *s, struct sim_order *o) {
  uint32_t slot = (uint32_t)(o - s->orders);
  o->next = SIM_NONE;
  if (s->closed_last != SIM_NONE) s->orders[s->closed_last].next = slot;
  else s->closed_first = slot;
  s->closed_last = slot;
}

// --- expiries: a heap of slots by (expire_ns, number)

static bool expires_before(const struct sim *s, uint32_t a, uint32_t b) {
  const struct sim_order *x = &s->orders[a], *y = &s->orders[b];
  return x->expire_ns != y->expire_ns ? x->expire_ns < y->expire_ns : x->number < y->number;
}

static void heap_put(struct sim *s, uint32_t place, uint32_t slot) {
  s->expiries[place] = slot;
  s->orders[slot].heap = place;
}

static void heap_settle(struct sim *s, uint32_t place, uint32_t slot) {
  while (place > 0 && expires_before(s, slot, s->expiries[(place - 1) / 2])) {
    heap_put(s, place, s->expiries[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  for (uint32_t child; (child = place * 2 + 1) < s->expiry_count; place = child) {
    if (child + 1 < s->expiry_count && expires_before(s, s->expiries[child + 1], s->expiries[child])) child++;
    if (!expires_before(s, s->expiries[child], slot)) break;
    heap_put(s, place, s->expiries[child]);
  }
  heap_put(s, place, slot);
}

void sim_ledger_expire_never(struct sim *s, struct sim_order *o) {
  if (o->heap == SIM_NONE) return;
  uint32_t place = o->heap, last = s->expiries[--s->expiry_count];
  o->heap = SIM_NONE;
  if (place < s->expiry_count) heap_settle(s, place, last);
}

void sim_ledger_expire_at(struct sim *s, struct sim_order *o, int64_t expire_ns) {
  sim_ledger_expire_never(s, o);
  o->expire_ns = expire_ns;
  if (expire_ns == SIM_FOREVER) return;
  heap_settle(s, s->expiry_count++, (uint32_t)(o - s->orders));
}

// --- both ways

int64_t sim_latency(struct sim_random *random, int64_t base, int64_t jitter) {
  return base + (jitter > 0 ? (int64_t)sim_random_below(random, (uint64_t)jitter + 1) : 0);
}

struct sim_request *sim_request_push(struct sim *s, int64_t now_ns) {
  if (s->request_tail - s->request_head > s->request_mask) return NULL;
  if (s->request_head == s->request_tail) s->request_head = s->request_tail = 0; // the few slots in use stay in the cache
  struct sim_request *r = &s->requests[s->request_tail++ & s->request_mask];
  int64_t due = now_ns + sim_latency(&s->entry_random, s->params.entry_latency, s->params.entry_jitter);
  r->due_ns = s->entry_last_ns = sim_max(due, s->entry_last_ns);
  s->work_ns = sim_min(s->work_ns, r->due_ns);
  s->next_ns = sim_min(s->next_ns, r->due_ns);
  return r;
}

void sim_report_push(struct sim *s, const struct sim_report *report) {
  // Never dropped: if the ring is full, the oldest is handed over before its time.
  if (s->report_tail - s->report_head > s->report_mask) sim_report_emit(s);
  if (s->report_head == s->report_tail) s->report_head = s->report_tail = 0;
  int64_t due = s->at_ns + sim_latency(&s->response_random, s->params.response_latency, s->params.response_jitter);
  struct sim_report *waiting = &s->reports[s->report_tail++ & s->report_mask];
  *waiting = *report;
  waiting->venue_ns = s->at_ns;
  waiting->due_ns = s->report_last_ns = sim_max(due, s->report_last_ns);
  s->next_ns = sim_min(s->next_ns, waiting->due_ns);
}

static struct sim_report order_report(const struct sim_order *o, uint32_t change, uint32_t reason, uint32_t flags) {
  return (struct sim_report){.id = o->id,
                             .order = o->number,
                             .price = change == HADRON_CHANGE_REPLACED ? o->limit : 0,
                             .quantity = change == HADRON_CHANGE_REPLACED ? o->quantity : 0,
                             .cumulative = o->filled,
                             .listing = o->listing,
                             .change = (uint8_t)change,
                             .side = o->side,
                             .flags = (uint8_t)flags,
                             .reason = (uint8_t)reason};
}

void sim_report_order(struct sim *s, const struct sim_order *o, uint32_t change, uint32_t reason, uint32_t flags) {
  const struct sim_report r = order_report(o, change, reason, flags);
  sim_report_push(s, &r);
}

void sim_report_refuse(struct sim *s, const struct hadron_order *order, uint32_t change, uint32_t reason, uint32_t flags) {
  sim_report_push(s, &(struct sim_report){.id = order->client_order_id,
                                          .listing = order->listing,
                                          .change = (uint8_t)change,
                                          .side = order->side,
                                          .flags = (uint8_t)flags,
                                          .reason = (uint8_t)reason});
}

// --- the wire form

// "S42": no formatting functions on this path.
static void number_text(char *out, char letter, uint64_t number) {
  char digits[20];
  int n = 0;
  if (number == 0) return;
  for (; number > 0; number /= 10) digits[n++] = (char)('0' + number % 10);
  *out++ = letter;
  while (n > 0) *out++ = digits[--n];
}

static const char *const reason_texts[] = {
    "",
#define SIM_REASON_TEXT(name, number, text) [number] = text,
    SIM_REASON_MAP(SIM_REASON_TEXT)
#undef SIM_REASON_TEXT
};

// Sets every field: clearing the whole report first would cost more than the rest. `r` is done with before the host is called.
static void report_send(struct sim *s, const struct sim_report *r) {
  struct hadron_venue_report out;
  memset(out.venue_order_id, 0, sizeof out.venue_order_id);
  memset(out.execution_id, 0, sizeof out.execution_id);
  memset(out.text, 0, sizeof out.text);
  memset(out.pad, 0, sizeof out.pad);
  out.pad2 = 0;
  out.venue_ns = r->venue_ns;
  out.client_order_id = r->id;
  number_text(out.venue_order_id, 'S', r->order);
  number_text(out.execution_id, 'E', r->execution);
  out.price.nanos = r->price, out.quantity.e8 = r->quantity, out.cumulative.e8 = r->cumulative, out.fee.micros = r->fee;
  out.listing = r->listing, out.venue = s->venue_number;
  out.change = r->change, out.side = r->side, out.liquidity = r->liquidity, out.flags = r->flags;
  out.reason = r->reason;
  if (r->reason) memcpy(out.text, reason_texts[r->reason], strlen(reason_texts[r->reason]));
  s->venue->report(s->host->instance, &out);
}

void sim_report_emit(struct sim *s) {
  const struct sim_report *r = &s->reports[s->report_head++ & s->report_mask];
  if (r->reconcile) sim_reconcile(s, r->since_ns);
  else report_send(s, r);
}

// Open orders, fills since then, positions, ready: as things stand when the answer leaves. A fill whose own report is still on its
// way is told twice; its execution id is the same.
void sim_reconcile(struct sim *s, int64_t since_ns) {
  for (uint32_t i = 0; i < s->order_count; i++) {
    struct sim_order *o = &s->orders[i];
    if (o->state != SIM_WORKING && o->state != SIM_STOPPED) continue;
    struct sim_report r = order_report(o, HADRON_CHANGE_ACCEPT, 0, 1);
    r.venue_ns = s->at_ns, r.price = o->limit, r.quantity = o->quantity;
    report_send(s, &r);
  }
  uint64_t kept = s->fill_mask + 1;
  for (uint64_t n = s->fill_count > kept ? s->fill_count - kept : 0; n < s->fill_count; n++) {
    struct sim_report r = s->fills[n & s->fill_mask];
    r.flags = 1;
    if (r.venue_ns >= since_ns) report_send(s, &r);
  }
  for (uint32_t i = 0; i < s->market_count; i++) {
    const struct sim_market *m = &s->markets[i];
    if (m->position == 0) continue;
    struct sim_report r = {.change = HADRON_CHANGE_POSITION,
                           .quantity = m->position,
                           .cumulative = -1,
                           .venue_ns = s->at_ns,
                           .side = m->position > 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL,
                           .listing = m->listing,
                           .flags = 1};
    report_send(s, &r);
  }
  s->venue->status(s->host->instance, HADRON_VENUE_READY, "reconciled");
}
