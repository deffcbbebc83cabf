// Reconciliation: what a venue says of orders, fills and positions against what is known here, before anything new is sent there.
//
//   begin   a list is about to be read: nothing of the venue has been told yet
//   report  orders and fills go the gateway's way; positions are kept
//   end     orders that were not on the list are asked for; positions are compared, and a difference is explained (an outcome is unknown),
//           adopted, alarmed, or stops trading, as recovery.on_difference says
//
// A venue that died with the host and was made anew knows nothing of what is held: it is blind, and its silence says nothing.
//
// takes  reports, begin and end of a list     gives  alerts, external executions, a kill
// bound  one position per listing
// thread [trade]
#ifndef HD_PIPELINE_RECONCILE_H
#define HD_PIPELINE_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "hadron/message.h"

struct hd_pipeline;

enum hd_difference { HD_DIFFERENCE_ADOPT = 1, HD_DIFFERENCE_ALARM = 2, HD_DIFFERENCE_STOP = 3 }; // 0: alarm

struct hd_stated {
  int64_t held_e8;
  int64_t price_nanos;
};

struct hd_reconcile {
  struct hd_stated *claims;   // [listing]: what the venue has said, and what was booked there since; owned
  uint64_t execution;        // the last one, and its listing: whose allocations are booked now; 0: of none that counts
  uint32_t listing;
  bool *reading, *whole;     // [venue]: a list is being read; one was read to its end; owned, one piece with `hold`
  bool *hold;                // [venue]: what waited for an order there goes on once its list was read
  _Atomic bool *blind;       // [venue]: see above; [io] says so; owned
  uint32_t on_difference;    // enum hd_difference
  uint64_t differences, adopted, lists, taken_over; // taken_over: orders, when the last list had ended
};

int32_t hd_reconcile_init(struct hd_reconcile *r, uint32_t listing_max, uint32_t on_difference);
void hd_reconcile_fini(struct hd_reconcile *r);
// One of the two marks; and a position that the venue holds.
void hd_reconcile_mark(struct hd_pipeline *p, uint16_t venue, bool end, int64_t now_ns);
void hd_reconcile_position(struct hd_pipeline *p, const struct hadron_venue_report *report, int64_t now_ns);
// What is booked after a venue has stated its position is in the books and will be in what it states next: of an instrument of several venues
// one states its position now, and the others' statements may be hours old.
void hd_reconcile_executed(struct hd_pipeline *p, const struct hadron_execution *execution);
void hd_reconcile_booked(struct hd_pipeline *p, const struct hadron_allocation *allocation);

#endif
