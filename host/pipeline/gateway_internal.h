// What the gateway's files share; nobody else includes it. gateway.c makes it and takes intents; gateway_table.c keeps orders, lists,
// due times and used ids; gateway_id.c hashes ids; gateway_send.c records and speaks to venues; gateway_report.c hears them;
// gateway_hold.c lets orders leave together; gateway_fill.c books executions; gateway_share.c shares them out; gateway_timer.c does what is due; gateway_fold.c makes it all anew from
// what was recorded.
#ifndef HD_PIPELINE_GATEWAY_INTERNAL_H
#define HD_PIPELINE_GATEWAY_INTERNAL_H

#include "base/assert.h"
#include "base/index.h"
#include "hadron/decimal.h"
#include "pipeline/gateway.h"

#define HD_DAY_NS (INT64_C(86400) * 1000000000)

#define HD_EXECUTION_KEY_SIZE (2 + HADRON_VENUE_ID_SIZE)

enum hd_order_list { HD_LIST_FREE = 0, HD_LIST_OPEN, HD_LIST_GAP, HD_LIST_CLOSED, HD_LIST_COUNT };

// One remembered execution: against duplicates, and to take it back exactly as it was shared out.
struct hd_execution_memory {
  unsigned char key[HD_EXECUTION_KEY_SIZE]; // venue and the venue's id
  uint16_t busted;                  // 1: taken back, or taken back before it was told
  uint32_t order;                   // slot; 0: not ours
  struct hadron_client_order_id id; // of that order, because the slot may have been given away
  struct hadron_price price;
  struct hadron_quantity quantity;
  struct hadron_money fee;
  uint64_t part_first;              // running number of the first part
  uint32_t part_count;
  uint32_t hash;                    // of the key
};
struct hd_part {
  uint32_t arm;
  struct hadron_quantity quantity;
  struct hadron_money fee;
};

struct hd_held { // an order that waits for the flush of its round
  uint32_t slot;  // pinned
  struct hd_stamps at;
};

struct hd_due_cell { // an order in the heap, with its time: comparing touches no order
  int64_t due_ns;
  uint32_t slot;
};

struct hd_id_cell { // one used id; free unless `day` is the set's
  uint64_t high;
  uint32_t low, day;
};

#define HD_IDS_FIRST 65536u // cells of the set of used ids at the start of a day, if it may hold more
struct hd_id_key { // what an id is made of, beside the strategy's name; no padding
  uint32_t instrument, side;
  int64_t quantity, limit, day;
  uint64_t key;
};
struct hd_id_cache { // the last id: risk and gateway ask for the same one, one after the other
  struct hd_id_key key;
  char strategy[HADRON_NAME_SIZE];
  struct hadron_client_order_id id;
  struct hd_id_cell cell; // of that id
  bool unused;            // it was looked for and not found, and none was taken since
  int64_t day;
  char date[10];
};

struct hd_gateway {
  struct hd_gateway_options options;
  const struct hd_instruments *instruments;
  const struct hd_marks *marks;
  struct hd_record_sink sink;
  struct hd_venue_port port;
  struct hd_gateway_listener listener;
  void *room;                                     // where the tables lie (hd_pages_alloc)
  size_t room_bytes;
  struct hd_order *orders;                        // [1 .. orders_max]
  uint32_t head[HD_LIST_COUNT], tail[HD_LIST_COUNT];
  struct hd_index by_id;                          // client order ids of the slots
  uint32_t *instrument_head, *instrument_tail;    // [instrument]: open orders
  uint32_t *instrument_unknown, *instrument_held; // [instrument]: how many
  uint32_t instrument_max;
  struct hd_due_cell *heap;                       // [1 .. heap_count]: the earliest due first
  uint32_t heap_count;
  struct hd_id_cell *ids;                         // open addressing; gateway_table.c says how it lies
  uint32_t id_mask, id_mask_first, id_mask_last, id_count, id_day, id_day_told;
  struct hd_id_cache *id_cache;
  struct hd_execution_memory *executions;         // ring
  uint64_t execution_first, execution_next;       // running numbers
  struct hd_part *parts;                          // ring, executions_max * 2 + HD_SHARES_MAX
  uint64_t part_next, part_size;
  struct hd_index by_execution;                   // keys of `executions`: place in the ring + 1
  uint64_t event_id, execution_id;
  struct hd_held *held;                           // ring, orders_max; NULL: orders leave at once
  uint64_t held_first, held_next;                 // running numbers
  bool promised;                                  // an order, or the trigger of one, was recorded since the last flush
  const struct hd_stamps *stamps;                 // of the event in hand; borrowed; NULL: nobody measures
  uint8_t mark;                                   // flag that executions and allocations carry: 0, or SHADOW
  struct hd_gateway_counts counts;
};

static inline int64_t hd_time_after(int64_t now_ns, int64_t delay_ns) {
  int64_t sum;
  return __builtin_add_overflow(now_ns, delay_ns, &sum) ? INT64_MAX : sum;
}

// Why an order changes; zero fields are not said.
struct hd_cause {
  int64_t venue_ns;
  int64_t actual, bound;
  uint16_t reason;
  char text[64]; // NUL-padded
};
struct hd_cause hd_cause_text(const char *text);

// ---- gateway_table.c
uint32_t hd_table_index(const struct hd_gateway *g, const struct hd_order *o);
struct hd_order *hd_table_find(const struct hd_gateway *g, const struct hadron_client_order_id *id);
struct hd_order *hd_table_take(struct hd_gateway *g, const struct hadron_order *request); // NULL: full; in the open list
void hd_table_drop(struct hd_gateway *g, struct hd_order *o);       // gives a slot back that never counted
void hd_table_state(struct hd_gateway *g, struct hd_order *o, uint8_t state, int64_t now_ns); // lists, counts, doubt; not hd_table_due
void hd_table_hold(struct hd_gateway *g, struct hd_order *o, uint8_t held);
void hd_table_gap(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);
void hd_table_due(struct hd_gateway *g, struct hd_order *o);        // after ask_ns or expire_at_ns changed
bool hd_table_room(struct hd_gateway *g);                           // for one more order and its id
size_t hd_ids_cells(const struct hd_gateway *g);                    // that sets of all sizes take together
void hd_ids_add(struct hd_gateway *g, const struct hadron_client_order_id *id);
bool hd_ids_has(const struct hd_gateway *g, const struct hadron_client_order_id *id);
// Makes it the last id, of these 96 bits: it will be asked for soon.
void hd_ids_ask(const struct hd_gateway *g, const struct hadron_client_order_id *id, uint64_t high, uint32_t low);
void hd_ids_day(struct hd_gateway *g, int64_t now_ns);
struct hd_image;
void hd_ids_save(const struct hd_gateway *g, struct hd_image *m);
void hd_ids_load(struct hd_gateway *g, struct hd_image *m);
void hd_executions_load(struct hd_gateway *g, struct hd_image *m, const uint16_t *venues, uint32_t venue_max);
static inline void hd_order_pin(struct hd_order *o) { o->pins++; }
static inline void hd_order_unpin(struct hd_order *o) {
  HD_ASSERT(o->pins > 0);
  o->pins--;
}
static inline bool hd_id_zero(const struct hadron_client_order_id *id) { return id->hex[0] == 0; }
static inline bool hd_id_same(const struct hadron_client_order_id *a, const struct hadron_client_order_id *b) {
  return memcmp(a, b, sizeof *a) == 0;
}
static inline bool hd_order_works(const struct hd_order *o) { return o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED; }
// A stop that the host still holds: no venue can know of it, so none can end it.
static inline bool hd_order_unsent(const struct hd_order *o) { return o->held == HD_HOLD_WAITING || o->held == HD_HOLD_TRIGGERED; }

// ---- gateway_send.c
// Records a change and makes it. Fails if it could not be recorded and `must` is false: then nothing has changed.
int32_t hd_order_change(struct hd_gateway *g, struct hd_order *o, enum hadron_order_change change, const struct hd_cause *cause, bool must,
                        int64_t now_ns);
enum hadron_order_state hd_order_where(const struct hd_order *o, enum hadron_order_change change);
int32_t hd_order_submit(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);  // of a queued one: now, or with the others of its round
int32_t hd_order_depart(struct hd_gateway *g, struct hd_order *o, const struct hd_stamps *at, int32_t flushed, int64_t now_ns);
int32_t hd_order_queue(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);   // records ORDER and QUEUE
int32_t hd_order_cancel(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);  // whatever state it is in
int32_t hd_order_cancel_for(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);   // to make room for `replaced_by`
int32_t hd_order_cancel_again(struct hd_gateway *g, struct hd_order *o, int64_t now_ns); // of one that was sent and not answered
void hd_order_query(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);
void hd_order_moved(struct hd_gateway *g, struct hd_order *o, uint8_t to, int64_t now_ns); // what follows in memory from a change that is recorded
void hd_order_was_sent(struct hd_gateway *g, struct hd_order *o, int64_t now_ns);          // a command leaves now: its answer is outstanding
void hd_order_sent_as(const struct hd_order *o, struct hadron_order *out);
static inline void hd_order_denied(struct hd_gateway *g, uint16_t reason) {
  g->counts.denied++;
  g->counts.denied_by[reason < HADRON_RISK_REASON_COUNT ? reason : 0]++;
}
void hd_order_deny(struct hd_gateway *g, const struct hadron_intent *intent, const struct hadron_client_order_id *id,
                   const struct hd_verdict *verdict, const char *text, int64_t now_ns);
__attribute__((cold, format(printf, 6, 7))) void hd_gateway_alert(struct hd_gateway *g, uint32_t severity, int32_t code, uint32_t instrument,
                                                                  uint16_t venue, const char *format, ...);

// ---- gateway_report.c
void hd_order_after(struct hd_gateway *g, struct hd_order *o, int64_t now_ns); // what a change of this order means for others
void hd_order_take_place(struct hd_gateway *g, struct hd_order *successor, const struct hd_cause *cause, int64_t now_ns);

// The venue's terms hold: quantity 0 says nothing of it.
void hd_order_terms(const struct hd_gateway *g, struct hd_order *o, struct hadron_price limit, struct hadron_quantity quantity);

// ---- gateway_timer.c
void hd_order_expiry(const struct hd_gateway *g, struct hd_order *o, int64_t now_ns); // sets expire_at_ns

// ---- gateway_hold.c
void hd_order_hold(struct hd_gateway *g, struct hd_order *o);

// ---- gateway_fill.c
int32_t hd_gateway_fill(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns);
int32_t hd_gateway_bust(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns);
// Is the execution remembered? Then whose it is; NULL: not ours, or no longer known.
bool hd_gateway_executed(const struct hd_gateway *g, const struct hadron_venue_report *r, struct hd_order **o);
int32_t hd_gateway_external(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns);

// ---- gateway_adopt.c
bool hd_gateway_stray(const struct hd_gateway *g, const struct hadron_venue_report *r); // an open order of ours that nobody here knows
struct hd_order *hd_gateway_take_over(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns); // NULL: alerted, and left alone
void hd_gateway_note_stray(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns); // an order that nobody knows: its id is used
void hd_gateway_book_stray(struct hd_gateway *g, const struct hadron_venue_report *r, const struct hd_execution_memory *m, int64_t now_ns); // recorded last

void hd_gateway_fold_told(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns);

// ---- gateway_share.c
// Shares `quantity` out in proportion to `weights`, exactly: largest remainder, ties to the lower index. Sum of weights > 0.
void hd_share_out(int64_t quantity, const int64_t *weights, uint32_t count, int64_t *out);
// What each share gets of a fill: by what it has left; more than all have left goes to the largest share.
// The same in whole lots, where all that goes in is in whole lots: on a grid on which a lot costs whole micros the shares cost what the whole does.
void hd_share_lots(int64_t quantity, const int64_t *weights, uint32_t count, int64_t lot, int64_t *out);
void hd_share_fill(const struct hd_order *o, int64_t quantity, int64_t lot, int64_t out[HD_SHARES_MAX]);
static inline int64_t hd_order_lot(const struct hd_gateway *g, const struct hd_order *o) { return g->instruments->rows[o->request.instrument].lot.e8; }

#endif
