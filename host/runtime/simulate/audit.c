#include "runtime/simulate/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "journal/journal.h"
#include "pipeline/gateway.h"
#include "runtime/simulate/profit.h"

struct order_row {
  uint8_t state;
  bool recorded;
  bool guessed;
  uint64_t arms;     // bits: whose shares it has
  uint32_t session;  // that made it: the next one numbers its arms anew
};

struct audit {
  struct hd_world *w;
  uint64_t external; // the last execution, if it has no order here
  uint64_t sequence, last_event, last_execution, last_allocation;
  struct order_row orders[HD_WORLD_ORDERS];
  uint8_t filled[HD_WORLD_EXECUTIONS], busted[HD_WORLD_EXECUTIONS];
  uint32_t numbered[HD_WORLD_VENUES][HD_WORLD_EXECUTIONS + 1]; // by a venue's own number: the index and one more
  int64_t missing_e8; // of the last execution: what its allocations have not shared out yet
  char execution[HADRON_VENUE_ID_SIZE];
  uint64_t arms;      // of its order; 0: not known
  uint32_t session;   // from 1
  struct hd_profit profit;
};

static uint64_t hash_of(const struct hadron_record *r) {
  uint64_t hash = r->template_id, word;
  const unsigned char *at = r->bytes;
  for (uint32_t i = 0; i + 8 <= r->size; i += 8) {
    memcpy(&word, at + i, 8);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

// What has been read once must be read so again; behind a power cut only up to where it took something.
static void compare(struct audit *a, const struct hadron_record *r) {
  struct hd_world *w = a->w;
  uint64_t at = a->sequence++, hash = hash_of(r);
  if (at >= HD_WORLD_RECORDS) return;
  if (at < w->record_count && w->records[at] != hash) {
    if (!w->power_was_cut) hd_world_finding(w, "journal: record %llu is another one than after the life before", (unsigned long long)at + 1);
    w->record_count = at;
  }
  w->records[at] = hash;
}

static void ascends(struct hd_world *w, const char *what, uint64_t *last, uint64_t id) {
  if (id >= HADRON_SHADOW_ID) return;
  if (id == *last && w->struck[HD_FAULT_SYNC_FAILED] > 0) return; // written, not flushed, and so taken for not written: the host is about to stop
  if (id <= *last) hd_world_finding(w, "journal: %s %llu comes behind %llu", what, (unsigned long long)id, (unsigned long long)*last);
  *last = id;
}

static struct order_row *row_of(struct audit *a, const struct hadron_client_order_id *id, struct hd_truth_order **truth) {
  *truth = hd_world_order(a->w, id);
  return *truth ? &a->orders[*truth - a->w->orders] : NULL;
}

static void see_order(struct audit *a, const struct hadron_order *o) {
  struct hd_truth_order *t;
  struct order_row *row = row_of(a, &o->client_order_id, &t);
  if (!row) return;
  row->recorded = true;
  row->arms |= UINT64_C(1) << (o->arm & 63);
  row->session = a->session;
}

// An order of several arms says their shares.
static void see_share(struct audit *a, const struct hadron_order_share *s) {
  struct hd_truth_order *t;
  struct order_row *row = s->kind == HADRON_SHARE_MOVED ? NULL : row_of(a, &s->client_order_id, &t);
  uint64_t arm = UINT64_C(1) << (s->arm & 63);
  if (row) row->arms |= arm;
  for (uint32_t i = 0; s->kind == HADRON_SHARE_MOVED && i < a->w->order_count; i++)
    if (a->orders[i].arms >> (s->from & 63) & 1) a->orders[i].arms |= arm;
}

// An unknown outcome ends by the venue's word alone.
static void see_event(struct audit *a, const struct hadron_order_event *e) {
  struct hd_truth_order *t;
  struct order_row *row = row_of(a, &e->client_order_id, &t);
  ascends(a->w, "order event", &a->last_event, e->id);
  if (!row) return;
  bool ends = e->to == HADRON_STATE_REJECTED || e->to == HADRON_STATE_CANCELED || e->to == HADRON_STATE_EXPIRED;
  if (e->from == HADRON_STATE_UNKNOWN && ends && !t->denied && t->state != HD_TRUTH_REPLACED && !row->guessed) {
    hd_world_finding(a->w, "guessed: order %.24s went from Unknown to %s, and the venue has said no such thing", e->client_order_id.hex, hd_order_state_name(e->to));
    row->guessed = true;
  }
  row->state = e->to;
}

// With the reserve used up what has happened is told without a record.
static bool was_full(const struct hd_world *w) { return w->struck[HD_FAULT_DISK_FULL] + w->struck[HD_FAULT_DISK_WRITE] > 0; }

static void shared_out(struct audit *a) {
  if (a->missing_e8 != 0 && !was_full(a->w))
    hd_world_finding(a->w, "journal: of execution %.39s %lld e-8 were not shared out", a->execution, (long long)a->missing_e8);
  a->missing_e8 = 0;
}

static void see_execution(struct audit *a, const struct hadron_execution *e) {
  uint64_t number = e->execution_id[0] == 'X' ? strtoull(e->execution_id + 1, NULL, 10) : 0;
  ascends(a->w, "execution", &a->last_execution, e->id);
  shared_out(a);
  a->external = e->flags & 2 ? e->id : 0;
  if (a->external) hd_profit_execution(&a->profit, e, NULL);
  if (a->external) return; // not ours, or found at the venue
  uint32_t index = number <= HD_WORLD_EXECUTIONS && e->venue >= 1 && e->venue <= a->w->setting.venues ? a->numbered[e->venue - 1][number] : 0;
  if (index == 0) {
    hd_world_finding(a->w, "journal: execution %.39s of venue %u was never made", e->execution_id, e->venue);
    return;
  }
  hd_profit_execution(&a->profit, e, &a->w->executions[index - 1]);
  struct hd_truth_order *t;
  const struct order_row *row = row_of(a, &e->client_order_id, &t);
  a->arms = row && row->session == a->session ? row->arms : 0;
  a->missing_e8 = e->quantity.e8;
  memcpy(a->execution, e->execution_id, sizeof a->execution);
  uint8_t *count = e->flags & 1 ? &a->busted[index - 1] : &a->filled[index - 1];
  if (++*count > 1) hd_world_finding(a->w, "journal: execution %.39s was %s %u times", e->execution_id, e->flags & 1 ? "taken back" : "booked", *count);
}

static void see_allocation(struct audit *a, const struct hadron_allocation *x) {
  if (x->id == a->last_allocation) a->profit.lost = true;
  ascends(a->w, "allocation", &a->last_allocation, x->id);
  hd_profit_allocation(&a->profit, x);
  if (x->execution == 0 || x->execution == a->external) return; // crossed inside the house; the house's altogether
  if (x->execution != a->last_execution) hd_world_finding(a->w, "journal: allocation %llu is not of the execution before it", (unsigned long long)x->id);
  if (a->arms && !(a->arms >> (x->arm & 63) & 1)) hd_world_finding(a->w, "journal: of execution %.39s arm %u has a share, and none of its order", a->execution, x->arm);
  a->missing_e8 -= x->quantity.e8;
}

static void see(struct audit *a, const struct hadron_record *r) {
  switch (r->template_id) {
  case HADRON_MSG_SESSION: a->session++, hd_profit_session(&a->profit); break;
  case HADRON_MSG_ORDER: see_order(a, r->bytes); break;
  case HADRON_MSG_SHARE: see_share(a, r->bytes); break;
  case HADRON_MSG_ORDER_EVENT: see_event(a, r->bytes); break;
  case HADRON_MSG_EXECUTION: see_execution(a, r->bytes); break;
  case HADRON_MSG_ALLOCATION: see_allocation(a, r->bytes); break;
  default: break;
  }
}

static void judge(struct audit *a, bool over) {
  struct hd_world *w = a->w;
  for (uint32_t i = 0; i < w->order_count; i++) {
    struct hd_truth_order *t = &w->orders[i];
    if (a->orders[i].recorded || t->sent == 0 || t->reported_lost || t->memory != w->memory) continue;
    t->reported_lost = 1;
    w->lost++;
    hd_world_finding(w, "lost: order %.24s was sent%s, and the journal does not have it", t->request.client_order_id.hex, t->acknowledged ? " and acknowledged" : "");
  }
  if (!over) return;
  shared_out(a);
  if (was_full(w)) return;
  hd_profit_judge(&a->profit);
  for (uint32_t i = 0; i < w->execution_count; i++) {
    // Of a memory that was lost: by order, by list or by position, the books have the sum.
    if (w->executions[i].time_ns <= w->lost_ns || w->orders[w->executions[i].order].memory != w->memory) continue;
    bool never = w->executions[i].busted && !a->filled[i] && !a->busted[i]; // taken back before it was told
    if (!never && (a->filled[i] != 1 || a->busted[i] != w->executions[i].busted))
      hd_world_finding(w, "journal: execution X%u was booked %u times and taken back %u times, by the venue it was taken back %u times", w->executions[i].number, a->filled[i], a->busted[i],
                       w->executions[i].busted);
  }
}

bool hd_audit_swap(struct hd_world *w, struct hd_sim_disk *disk, const char *dir, const char *name, uint32_t revision) {
  const struct hd_disk on = {disk, &hd_sim_disk_api};
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  struct hd_fault fault;
  bool found = false;
  w->outside = true;
  if (hd_journal_cursor_open_on(&on, dir, &cursor, &fault) == HADRON_OK) {
    while (!found && hd_journal_cursor_next(cursor, &record, &fault) == HADRON_OK) {
      const struct hadron_swap *swap = record.bytes;
      found = record.template_id == HADRON_MSG_SWAP && swap->stage == HADRON_SWAP_COMMIT && swap->revision == revision && strncmp(swap->name, name, sizeof swap->name) == 0;
    }
    hd_journal_cursor_close(cursor);
  }
  w->outside = false;
  return found;
}

void hd_audit(struct hd_world *w, struct hd_sim_disk *disk, const char *dir, bool over) {
  static struct audit a; // of this process; too large for a stack
  const struct hd_disk on = {disk, &hd_sim_disk_api};
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  struct hd_fault fault;
  memset(&a, 0, sizeof a);
  a.w = a.profit.w = w;
  a.profit.lost = was_full(w);
  for (uint32_t i = 0; i < w->execution_count; i++) a.numbered[w->instruments[w->executions[i].instrument].venue][w->executions[i].number] = i + 1;
  w->outside = true;
  int32_t code = hd_journal_cursor_open_on(&on, dir, &cursor, &fault);
  if (!code) {
    while ((code = hd_journal_cursor_next(cursor, &record, &fault)) == HADRON_OK) {
      compare(&a, &record);
      see(&a, &record);
    }
    hd_journal_cursor_close(cursor);
  }
  w->outside = false;
  if (code != HADRON_ERR_AGAIN && code != HADRON_ERR_NOT_FOUND && over) hd_world_finding(w, "journal: %.300s", fault.text);
  if (a.sequence < w->record_count && !w->power_was_cut)
    hd_world_finding(w, "journal: %llu records, after the life before there were %llu", (unsigned long long)a.sequence, (unsigned long long)w->record_count);
  w->record_count = a.sequence;
  w->power_was_cut = false;
  judge(&a, over);
}
