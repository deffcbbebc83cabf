// Trace ids: 128 bits, W3C-compatible, a function of the session and of the sequence of the tick that began the chain. The same
// session replayed gives the same ids, whatever the number of shards. [any]
#ifndef HD_PIPELINE_TRACE_H
#define HD_PIPELINE_TRACE_H

#include <string.h>

#include "base/random.h"
#include "hadron/types.h"

static inline struct hadron_trace hd_trace_of(uint64_t session, uint64_t sequence) {
  uint64_t words[2] = {hd_random_mix(session), hd_random_mix(session ^ (sequence + 1)) | 1};
  struct hadron_trace trace;
  memcpy(trace.bytes, words, sizeof trace.bytes);
  return trace;
}

#endif
