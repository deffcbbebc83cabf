// What closing has earned, worked out once more: from the venue's own prices and fees, in whole numbers, by the average cost of what each arm held.
// The books are right if every ALLOCATION says the same, and if their sums are those that the host had in the end. [parent]
//
//   takes  the journal's records, and the venue's truth of each execution   gives  findings
//
// A share costs what it was bought (sold) for; who sells a part of it gives up that part of the cost, rounded half away from zero; what comes in
// above (below) that is earned. Fees are no part of it. A share that is taken back is the opposite trade at the same price.
#ifndef HD_RUNTIME_SIMULATE_PROFIT_H
#define HD_RUNTIME_SIMULATE_PROFIT_H

#include "runtime/simulate/world.h"

#define HD_PROFIT_ARMS 64

struct hd_profit_holding {
  int64_t quantity_e8, cost; // signed; micros
  bool known;                // arms are numbered anew by each session: with changes of version nobody says here which is which
};

struct hd_profit {
  struct hd_world *w;
  struct hd_profit_holding holdings[HD_PROFIT_ARMS][HD_WORLD_INSTRUMENTS + 1];
  int64_t realized[HD_WORLD_INSTRUMENTS + 1]; // of all arms, by instrument of the host
  const struct hd_truth_execution *of;        // the execution whose shares come; NULL: none, or not ours
  int64_t fees;                               // of it, less what was shared out
  char execution[HADRON_VENUE_ID_SIZE];
  bool lost;                                  // records are missing, or double: nothing can be said of the sums
};

void hd_profit_session(struct hd_profit *p);
void hd_profit_execution(struct hd_profit *p, const struct hadron_execution *e, const struct hd_truth_execution *truth); // NULL: not the venue's, or no order's
void hd_profit_allocation(struct hd_profit *p, const struct hadron_allocation *a);
void hd_profit_judge(struct hd_profit *p); // against what the host had at the end

#endif
