// The digest of a session: SHA-256 over all decisions, intents, order events and executions, in the order of appending. Two runs
// that decided and traded the same have the same digest; nothing else goes in. [one thread]
#ifndef HD_JOURNAL_DIGEST_H
#define HD_JOURNAL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "hadron/message.h"

#define HD_DIGEST_TEXT 65

struct hd_digest {
  struct hd_sha256 hash;
  uint64_t records; // that went in
};

static inline bool hd_digest_wants(uint16_t template_id) {
  return template_id == HADRON_MSG_DECISION || template_id == HADRON_MSG_INTENT || template_id == HADRON_MSG_ORDER_EVENT ||
         template_id == HADRON_MSG_EXECUTION;
}

void hd_digest_init(struct hd_digest *d);

// Takes a record in, if it is of those kinds: the template id (u16), the bytes of root block and variable part (u32), then these.
void hd_digest_add(struct hd_digest *d, uint16_t template_id, const void *block, size_t block_length, const void *tail,
                   size_t tail_size);

// The digest so far, in lower-case hex; more may be added afterwards.
void hd_digest_text(const struct hd_digest *d, char text[HD_DIGEST_TEXT]);

#endif
