// What the versions of a deployment did, collected from records: of a journal, or of a session while it runs. By version, not by
// seat: a seat's occupant may change (SWAP), and what is decided and earned counts for who sat there.
//
//   init(names, baseline) -> add(record) ... -> finish -> versions, pairs -> fini
//
// A period ends with each sample of the books. A version's return of a period is the change of its seat's equity over the capital of that
// seat's book; a period in which the seat changed hands counts for nobody. Books begin anew with each session.
//
// Without a baseline only the versions are found (and who is live at the end); with one, each other version is compared with it: the
// decisions made while both had seats, and the periods that both have.
//
// bound  HD_COMPARE_VERSIONS_MAX versions; 16 bytes per period and version; HD_COMPARE_WINDOW decisions per pair
#ifndef HD_RUNTIME_COMPARE_ARMS_H
#define HD_RUNTIME_COMPARE_ARMS_H

#include "runtime/compare.h"

#define HD_COMPARE_VERSIONS_MAX 16
#define HD_COMPARE_NONE UINT32_MAX

struct hd_compare_period {
  double result;           // P&L over capital; NaN: the version has no such period
  int64_t pnl;             // micros
};

struct hd_compare_version {
  char name[HADRON_NAME_SIZE];       // of the deployment
  char version[HADRON_VERSION_SIZE];
  char label[HADRON_NAME_SIZE];      // unique in a report: "1.2.0", "1.2.0/arm3" (same artifact twice), "name@1.2.0" (several names)
  uint8_t digest[32];
  uint32_t role, seat, revision;     // last; role 0: it has no seat any more
  double weight;
  int64_t capital;                   // micros, of the last seat's book
  uint64_t decisions, allocations, wins, losses;
  int64_t pnl, fees, traded;         // micros
  struct hd_compare_period *periods; // [periods of the whole]; owned
  size_t period_count;               // that it has
  // finish:
  bool idle;               // it has done nothing and has no seat: no part of a report (a seat that was opened for who came by a swap)
  double sharpe, drawdown, hit_rate, turnover; // drawdown <= 0, of the capital; turnover: traded over capital
};

struct hd_compare_pair {
  struct hd_compare decisions; // arm 0 the baseline, arm 1 the challenger
  bool open;
  size_t count;                // periods that both have
  double *differences;         // challenger - baseline; owned
  int64_t pnl;                 // micros: the same in money, each by its own capital
  struct hd_paired paired;
  struct hd_sequential sequential;
  struct hd_compare_advice advice;
};

struct hd_compare_seat {
  uint32_t version, before;    // occupant, and the one until `boundary`; HD_COMPARE_NONE: none
  uint64_t boundary;           // last sequence that `before` saw
  bool sampled, mixed;         // there was a sample; the occupant has changed since
  size_t period;               // of the last sample
  size_t left_out;             // 1 + the last period that counts for nobody; 0: none
  int64_t equity, previous, capital; // micros: at the last sample, at the one before
};

struct hd_compare_arms {
  const char *const *names;    // deployments to look at; borrowed
  uint32_t name_count;
  char wanted[HADRON_NAME_SIZE]; // label of the baseline; "": not compared
  uint32_t baseline;           // HD_COMPARE_NONE: not met yet
  uint32_t keep;               // differences per pair
  struct hd_compare_version versions[HD_COMPARE_VERSIONS_MAX];
  struct hd_compare_pair pairs[HD_COMPARE_VERSIONS_MAX]; // by challenger
  uint32_t version_count;
  struct hd_compare_seat *seats;   // [arm]; owned
  uint32_t seat_count;
  int64_t *times;              // [period]: when it ended; owned
  size_t period_count, period_room;
  struct hadron_quantity *multipliers; // [instrument]; owned
  uint32_t instrument_count;
  char (*instruments)[HADRON_SYMBOL_SIZE]; // [instrument]: names; owned
  uint32_t sessions, swaps;
  uint64_t mixed;              // periods of seats left out because they changed hands
  int64_t from_ns, to_ns;      // what lies outside of [from, to) is not counted; to 0: no end
  int64_t first_ns, last_ns;   // of the records of these arms
  double periods_per_year;     // finish: by the usual distance of two samples; NaN: not known
};

// keep: differences that each pair keeps.
int32_t hd_compare_arms_init(struct hd_compare_arms *c, const char *const *names, uint32_t name_count, uint32_t keep);
void hd_compare_arms_fini(struct hd_compare_arms *c);
// Compares from now on with the version of this label, as soon as it is met. Before the first record.
void hd_compare_arms_baseline(struct hd_compare_arms *c, const char *label);

// Takes a record in the order of the journal. HADRON_ERR_MEMORY; HADRON_ERR_FULL: more versions than there is room for.
int32_t hd_compare_arms_add(struct hd_compare_arms *c, uint16_t template_id, const void *block, uint32_t block_length);

struct hd_compare_arms_options {
  double alpha;          // over all challengers together: each gets its part
  uint32_t resamples;
  uint64_t seed;
  double periods_per_year; // 0: by the samples
  const char *const *guards; // [version]: what a broken guard says; NULL: none is known
};
// Works everything out. HADRON_ERR_MEMORY.
int32_t hd_compare_arms_finish(struct hd_compare_arms *c, const struct hd_compare_arms_options *options);

// After finish: is there a comparison with the baseline?
static inline bool hd_compare_arms_paired(const struct hd_compare_arms *c, uint32_t i) { return c->pairs[i].open && !c->versions[i].idle; }

// Who sits in a live seat: the lowest seat's; HD_COMPARE_NONE: nobody.
uint32_t hd_compare_arms_live(const struct hd_compare_arms *c);
// By its label, else by its version; HD_COMPARE_NONE: there is none.
uint32_t hd_compare_arms_find(const struct hd_compare_arms *c, const char *label);

#endif
