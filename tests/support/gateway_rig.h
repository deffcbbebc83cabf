// A gateway with everything around it under the test's control: a sink that keeps a digest and the last records and can fail at any
// write, a venue port that keeps the commands, a listener that keeps events, allocations and alerts. Allocates at open only.
#ifndef TEST_SUPPORT_GATEWAY_RIG_H
#define TEST_SUPPORT_GATEWAY_RIG_H

#include "pipeline/gateway.h"
#include "support/test.h"

#define RIG_T0 INT64_C(1723075200000000000) // 2024-08-08T00:00:00Z
#define RIG_MS INT64_C(1000000)
#define RIG_S INT64_C(1000000000)
#define RIG_KEPT 4096
#define RIG_ALL_FEATURES                                                                                                             \
  (HADRON_VENUE_ORDERS | HADRON_VENUE_REPLACES | HADRON_VENUE_STOPS | HADRON_VENUE_POST_ONLY | HADRON_VENUE_REDUCE_ONLY | HADRON_VENUE_QUERIES)

enum rig_command { RIG_SUBMIT = 1, RIG_CANCEL, RIG_REPLACE, RIG_QUERY };
struct rig_sent {
  uint32_t command;
  uint64_t writes; // records written before it
  struct hadron_order order;
};
struct rig_record {
  uint16_t template_id;
  uint32_t flags;
  union {
    struct hadron_order order;
    struct hadron_order_event event;
    struct hadron_execution execution;
    struct hadron_allocation allocation;
  } m;
};

struct rig {
  struct hd_instruments instruments;
  struct hd_marks marks;
  struct hd_gateway *g;
  int64_t now;
  uint32_t features, venue_state;
  int32_t port_error[5];        // by command; 0: succeeds
  uint64_t writes, fail_at;     // fail the fail_at-th write from 1; 0: none
  bool fail_on;                 // and all after it
  uint64_t digest;              // over every record
  uint32_t record_count, sent_count, event_count, alert_count; // kept modulo RIG_KEPT
  struct rig_record *records;
  struct rig_sent *sent;
  uint64_t allocation_ids, allocated_e8, intents, executions;
  uint32_t critical;            // alerts of severity 3
  char alert[256];              // the last one
  int32_t answer;               // enum hadron_order_change to report inside submit; 0: none
  void (*on_event)(struct rig *rig, const struct hadron_order_event *event);
  int64_t (*position)[8];       // [arm][instrument] by allocations, e8
};

void rig_open(struct rig *rig, const struct hd_gateway_options *options); // NULL: the usual ones
void rig_close(struct rig *rig);
struct hd_gateway_options rig_options(void);

struct hadron_intent rig_intent(struct rig *rig, uint8_t side, uint8_t type, double quantity, double limit); // of arm 1, with a key of its own
int32_t rig_new(struct rig *rig, const struct hadron_intent *intent, struct hadron_client_order_id *id);     // one share
int32_t rig_cancel(struct rig *rig, const struct hadron_client_order_id *id);
int32_t rig_replace(struct rig *rig, const struct hadron_client_order_id *id, double quantity, double limit, struct hadron_client_order_id *successor);
// A working limit order to buy: sent and, if asked, accepted.
struct hadron_client_order_id rig_order(struct rig *rig, double quantity, double limit, bool accept);

struct hadron_venue_report rig_report(struct rig *rig, const struct hadron_client_order_id *id, uint8_t change);
int32_t rig_say(struct rig *rig, const struct hadron_client_order_id *id, uint8_t change);
int32_t rig_fill(struct rig *rig, const struct hadron_client_order_id *id, const char *execution, double quantity, double price);
void rig_mark(struct rig *rig, uint32_t instrument, double last);
int64_t rig_later(struct rig *rig, int64_t ns); // moves time on and calls the timer

const struct hd_order *rig_find(struct rig *rig, const struct hadron_client_order_id *id);
uint32_t rig_state(struct rig *rig, const struct hadron_client_order_id *id);
const struct rig_record *rig_last(struct rig *rig, uint16_t template_id); // NULL: none
const struct rig_sent *rig_command(struct rig *rig, uint32_t back);       // 0: the last
static inline int64_t rig_e8(double quantity) { return (int64_t)(quantity * 1e8 + (quantity < 0 ? -0.5 : 0.5)); }
static inline int64_t rig_nanos(double price) { return (int64_t)(price * 1e9 + 0.5); }

#define assert_state(rig, id, expected) assert_string_equal(hd_order_state_name(rig_state(rig, id)), hd_order_state_name(expected))

#endif
