// Normalize: resolves the venue's listing to an instrument, checks the tick and stamps it with the host's sequence. A bad tick is
// counted with its reason, given to the record sink as it came, and never reaches a strategy.
//
// takes  a venue's tick (listing handle, venue sequence)     gives  an accepted tick (instrument, host sequence), or a reason
// bound  state per listing, sized at start                   full   not possible: listings are bounded by the instrument table
// thread [io]: no allocation, no lock, no system call
#ifndef HD_PIPELINE_NORMALIZE_H
#define HD_PIPELINE_NORMALIZE_H

#include "pipeline/instrument.h"

struct hd_normalize_options {
  int64_t skew_ns;        // event time may be ahead of the clock, or behind the last one, by this much; 0: not checked
  int64_t stale_ns;       // older ticks are refused; 0: not checked
  int64_t stale_flag_ns;  // older ticks carry HADRON_TICK_STALE; 0: never
  int64_t outlier_bps;    // farther from the last good price: refused; 0: not checked
  uint32_t outlier_patience; // after this many refusals in a row the market has moved: accepted
  bool grid;              // prices must be on the instrument's increment
  bool crossed;           // crossed quotes are accepted (a consolidated feed crosses now and then)
  bool contiguous;        // venue sequences have no natural holes: a jump is a gap
};

struct hd_listing_check; // what was last seen of a listing

struct hd_normalize {
  struct hd_normalize_options options;
  int64_t skew_ns, stale_ns, stale_flag_ns; // the options', INT64_MAX where they are not checked
  const struct hd_instruments *instruments; // borrowed
  struct hd_listing_check *checks;          // [handle]; owned
  uint32_t check_count;
  uint64_t sequence;                        // of the last accepted tick
  uint64_t accepted, gaps, stale;
  uint64_t refused[HADRON_TICK_REASON_COUNT];
};

int32_t hd_normalize_init(struct hd_normalize *n, const struct hd_normalize_options *options,
                          const struct hd_instruments *instruments);
void hd_normalize_fini(struct hd_normalize *n);
// Other options from now on. [io]
void hd_normalize_set(struct hd_normalize *n, const struct hd_normalize_options *options);

// Returns HADRON_TICK_ACCEPTED and fills `out`, or the reason and leaves `out` untouched.
uint32_t hd_normalize_tick(struct hd_normalize *n, const struct hadron_tick *restrict in, int64_t now_ns, struct hadron_tick *restrict out);

uint64_t hd_normalize_refused(const struct hd_normalize *n);
const char *hd_tick_reason_name(uint32_t reason); // "CROSSED"; static
const char *hd_tick_reason_text(uint32_t reason);

#endif
