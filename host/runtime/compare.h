// Do two versions decide the same? Decisions of two arms on the same ticks, matched by what caused them, and what becomes of the
// comparison: a recommendation. Plain data, no clock, no thread.
//
//   init -> add (in any order within a window of causes) -> flush (end of a session) -> counts and first differences -> fini
//
// A decision is matched by (cause, instrument, slot) and, where an arm decides several times for one of these, by its turn. Pairs are the
// same or differ in the first of: side, size, price, terms, view.
//
// bound  HD_COMPARE_WINDOW decisions wait for their counterpart; when it is full the older half of the causes is settled. A decision
//        that comes after its causes were settled is compared with what comes as late as it does, and counted in `late`.
#ifndef HD_RUNTIME_COMPARE_H
#define HD_RUNTIME_COMPARE_H

#include "base/paired.h"
#include "hadron/message.h"
#include "registry/deployment.h"

#define HD_COMPARE_WINDOW (1u << 16)
#define HD_COMPARE_KEEP_MAX 1024

// X(NAME, key, text)
#define HD_COMPARE_MAP(X)                                                           \
  X(SAME, "same", "the same")                                                       \
  X(SIDE, "side", "another side or kind")                                           \
  X(SIZE, "size", "another quantity")                                               \
  X(PRICE, "price", "another limit or stop")                                        \
  X(TERMS, "terms", "another order type, time in force, expiry, flags or key")      \
  X(VIEW, "view", "another return, uncertainty, confidence, horizon or regime")     \
  X(ONLY_A, "only_a", "decided by the first alone")                                 \
  X(ONLY_B, "only_b", "decided by the second alone")
enum hd_compare_kind {
#define HD_COMPARE_ENUM(name, key, text) HD_COMPARE_##name,
  HD_COMPARE_MAP(HD_COMPARE_ENUM)
#undef HD_COMPARE_ENUM
  HD_COMPARE_KINDS
};
extern const char *const hd_compare_keys[HD_COMPARE_KINDS];  // "side"
extern const char *const hd_compare_texts[HD_COMPARE_KINDS]; // "another side or kind"

// In what do they differ first; HD_COMPARE_SAME: in nothing that a strategy says.
enum hd_compare_kind hd_compare_decisions(const struct hadron_decision *a, const struct hadron_decision *b);

struct hd_compare_difference {
  uint32_t kind;             // enum hd_compare_kind
  uint32_t session;          // flushes before it
  struct hadron_decision a, b; // ONLY_A, ONLY_B: the other one is zero
};

struct hd_compare_entry {
  struct hadron_decision decision;
  uint64_t order;            // in which it was added
  uint32_t arm;              // 0 or 1
};

struct hd_compare {
  uint64_t decisions[2];
  uint64_t kinds[HD_COMPARE_KINDS]; // pairs, and decisions without a counterpart
  uint64_t late;
  struct hd_compare_difference *differences; // the first ones; owned
  uint32_t kept, keep;
  // Waiting for their counterparts; owned.
  struct hd_compare_entry *entries;
  size_t count, room;
  uint64_t order, settled;   // causes up to here are settled
  uint32_t session;
};

// keep: how many differences are kept, at most HD_COMPARE_KEEP_MAX. HADRON_ERR_MEMORY.
int32_t hd_compare_init(struct hd_compare *c, uint32_t keep);
void hd_compare_fini(struct hd_compare *c);
// arm: 0 or 1. HADRON_ERR_MEMORY.
int32_t hd_compare_add(struct hd_compare *c, uint32_t arm, const struct hadron_decision *d);
// Settles all that waits: the causes that follow begin anew (another session, or the end).
void hd_compare_flush(struct hd_compare *c);

static inline uint64_t hd_compare_pairs(const struct hd_compare *c) { // pairs and single ones: what the shares are of
  uint64_t sum = 0;
  for (int i = 0; i < HD_COMPARE_KINDS; i++) sum += c->kinds[i];
  return sum;
}
static inline uint64_t hd_compare_differing(const struct hd_compare *c) { return hd_compare_pairs(c) - c->kinds[HD_COMPARE_SAME]; }
// Of all pairs and single decisions; 1 where nobody decided anything.
double hd_compare_agreement(const struct hd_compare *c);

// ---- what to do ------------------------------------------------------------------------------------------------------------------

enum hd_recommendation {
  HD_RECOMMEND_CONTINUE = 1, // not decided yet: let it run
  HD_RECOMMEND_KEEP,         // the live version stays; nothing more is to be learned, or the other one is worse
  HD_RECOMMEND_PROMOTE,      // the other one is better: make it live
  HD_RECOMMEND_DEMOTE,       // the other one trades and is worse, or has broken a guard: make it a shadow
};
extern const char *const hd_recommendation_names[5]; // "promote"

// What is known of a challenger against the live version.
struct hd_compare_facts {
  char live[HADRON_NAME_SIZE], challenger[HADRON_NAME_SIZE]; // for the sentence
  uint32_t role;                  // of the challenger: enum hd_role
  double alpha;                   // error rate of this comparison
  uint64_t decisions, differing;  // pairs and single ones; of them
  struct hd_paired paired;        // challenger - live, per period
  struct hd_sequential sequential;
  const char *guard;              // what a broken guard says; NULL: none is broken
};

struct hd_compare_advice {
  uint32_t what;    // enum hd_recommendation
  char why[256];    // one sentence
};

// The order of the rules: a broken guard, proof that it is worse, proof that it is better (sequential test and interval), the same
// decisions, too little to tell.
void hd_compare_advise(const struct hd_compare_facts *f, struct hd_compare_advice *out);

#endif
