// Start is recovery: a session with a journal goes on where the last one ended, however that was.
//
//   scan         before anything is built: which instruments and arms the journal knows
//   instruments  they keep their ids; the configuration then says which of them are still traded
//   recover      once seats are made and before the first event: the books, orders and ids are folded from what was recorded, the strategies are
//                fed again what they were fed (pipeline/fold.h), the seats of this session take over, and a record RECOVERED says so. Then what was
//                under way goes on: orders whose fate is not known are Unknown and are asked for
//
// A fresh directory is the case with nothing to read. What could not be had is an alert, never a guess.
//
// thread [control]
#ifndef HD_RUNTIME_RECOVER_H
#define HD_RUNTIME_RECOVER_H

#include "runtime/session.h"

struct hd_recovered {
  uint64_t records, ticks;   // read; behind the snapshot
  uint64_t position;         // of the journal, up to which it was read
  uint64_t snapshot;         // position of the snapshot; 0: none was used
  int64_t took_ns;           // on the wall clock
  uint32_t orders_open, orders_unknown, orders_ended;
  uint32_t arms_lost;        // that trade, without a successor: theirs is the house's
  uint32_t snapshots_bad;    // that were passed over
  uint32_t stateless;        // arms that began anew although there was a state
  uint64_t differences;      // records that do not agree with what came before them
  bool first;                // the journal is new
};

int32_t hd_recover_scan(struct hd_session *s, struct hd_fault *fault);
int32_t hd_recover_instruments(struct hd_session *s, struct hd_fault *fault);
uint32_t hd_recover_arms(const struct hd_session *s, uint32_t arms); // how many numbers are needed
// out may be NULL.
int32_t hd_session_recover(struct hd_session *s, struct hd_recovered *out, struct hd_fault *fault);
const struct hd_recovered *hd_session_recovered(const struct hd_session *s); // NULL: this session does not recover
void hd_recover_free(struct hd_recover *r); // NULL is fine

#endif
