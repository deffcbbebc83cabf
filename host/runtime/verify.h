// A journal run again: the session is built from its first records (configuration, versions by digest), fed with what came in from outside,
// each thread's events in the order in which that thread had them, and what comes out is held against the journal byte by byte.
//
//   in   TICK, TIMER, HEARD, MARK, VENUE_STATUS, VENUE_REPORT, ADJUSTMENT, OPERATOR, DEPLOYMENT; for shards DECISION says whose turn it was
//   out  DECISION, OPPORTUNITY, INTENT, ORDER, ORDER_EVENT, EXECUTION, ALLOCATION, EQUITY, ARM, SWAP
//
// Nothing is sent anywhere and nothing is written. The first difference ends it: what comes after it follows from it.
//
// takes  a journal's directory     gives  counts and the first difference
// bound  what one event gives; feedback that a shard has not heard yet
// thread [control]; one at a time in a process
#ifndef HD_RUNTIME_VERIFY_H
#define HD_RUNTIME_VERIFY_H

#include "runtime/session.h"

#define HD_VERIFY_RECORD_MAX 8192 // bytes of a record that are kept of a difference

struct hd_verify_progress {
  uint64_t done, total; // bytes of the journal
  uint64_t ticks;
  int64_t now_ns, elapsed_ns;
};

enum hd_verify_kind {
  HD_VERIFY_SAME = 0,
  HD_VERIFY_DIFFERS, // both have a record here, and they are not the same
  HD_VERIFY_MISSING, // the journal has it, the run does not
  HD_VERIFY_EXTRA,   // the run has it, the journal does not
};

struct hd_verify_side {
  uint16_t template_id;
  uint16_t block_length;
  uint32_t size;         // of block and variable part; may be more than is kept
  int64_t time_ns;       // when it was appended
  unsigned char bytes[HD_VERIFY_RECORD_MAX];
};

struct hd_verify_difference {
  uint32_t kind;          // enum hd_verify_kind
  uint64_t sequence, position; // of the journal's record; EXTRA: of the one that comes instead, 0 at the end
  char file[64];          // that it is in
  uint64_t offset;
  struct hd_verify_side expected, found; // of the journal, of the run
  struct hadron_tick cause; // sequence 0: not known
};

// Somebody who took the session down, or was given up in it, and is not run again.
#define HD_VERIFY_FELL_MAX 16
struct hd_verify_fell {
  uint32_t session;           // from 1
  uint64_t sequence;          // of the record
  char words[420];
};

struct hd_verify_result {
  uint64_t records, ticks, sessions; // read; fed; run again
  uint64_t compared[HD_TEMPLATE_COUNT];
  uint64_t behind;            // records that the run made and the journal, cut off, has not
  uint64_t unknown;           // ticks of instruments that it does not define
  uint32_t skipped;           // sessions that could not be run again
  char why[512];              // the first of them
  int64_t elapsed_ns;
  uint32_t fell_count;        // the first are kept
  struct hd_verify_fell fell[HD_VERIFY_FELL_MAX];
  struct hd_verify_difference first;
};

struct hd_verify_options {
  const char *journal;            // its directory, or the data directory
  struct hd_registry *registry;   // borrowed; NULL: none
  const char *plugin_path;        // NULL: as configured
  // Another version in a section's place: the first decision in which it differs is the first difference. NULL: those that ran.
  const char *instead_of;
  const struct hd_plugin *instead;
  uint32_t session;               // of the journal, from 1; 0: all
  uint64_t until;                 // position at which to stop; 0: at the end
  // Carries out a `set` of an operator; NULL: those are skipped, and said so.
  int32_t (*set)(struct hd_session *s, const char *assignment, struct hd_fault *fault);
  void (*progress)(void *user, const struct hd_verify_progress *progress); // about ten times a second; NULL: none
  // What the run makes and what it is fed, while it goes on; NULL: nobody looks. session: open, for who asks.
  void (*observe)(void *user, struct hd_session *s, uint16_t template_id, const void *block, uint32_t block_length, const void *tail, uint32_t tail_size, int64_t now_ns);
  // Every intent before it is checked; NULL: nobody looks.
  void (*risk)(void *user, struct hd_session *s, struct hd_risk *risk, const struct hd_risk_request *request);
  void *user;
};

// HADRON_OK: it was run; result->first.kind says whether it is the same. Errors, with words: HADRON_ERR_NOT_FOUND (no journal, a digest that is
// not to be had), HADRON_ERR_CORRUPT (damage), HADRON_ERR_UNSUPPORTED (nothing in it that can be run), HADRON_ERR_MEMORY.
int32_t hd_verify_run(const struct hd_verify_options *options, struct hd_verify_result *result, struct hd_fault *fault);

#endif
