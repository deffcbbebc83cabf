// The capability "hadron.journal/1" over cursors: what the plugin room hands to services. It keeps one hd_journal_reader per
// instance and says how to find it.
#ifndef HD_JOURNAL_CAPABILITY_H
#define HD_JOURNAL_CAPABILITY_H

#include "hadron/ext/journal.h"
#include "journal/journal.h"

// One instance's reader. [plugin]
struct hd_journal_reader {
  struct hd_journal *journal; // borrowed(until fini)
  struct hd_journal_cursor *cursor;
  char name[HADRON_NAME_SIZE]; // the instance's name: its durable place is the file cursor-NAME
  uint64_t kept;               // position last registered
  bool damaged;                // damage was logged
  uint64_t durable;            // where what a power cut leaves ended when it was last asked
  int64_t now_ns;              // the host's, where its clock is virtual; 0: by the machine's
  struct hadron_record held;   // read, and not flushed yet; `bytes` NULL: none
  int64_t flush_ns;            // not before this the reader has the rest flushed
};

// name: of the instance, [a-z0-9_-]{1,63}.
int32_t hd_journal_reader_init(struct hd_journal_reader *r, struct hd_journal *journal, const char *name, struct hd_fault *fault);
void hd_journal_reader_fini(struct hd_journal_reader *r); // accepts a half-built one

// Says how an instance leads to its reader, and gives the table. reader_of may return NULL for an instance that has none: its
// calls say HADRON_ERR_STATE. Call once. [control]
const struct hadron_journal *hd_journal_capability(struct hd_journal_reader *(*reader_of)(struct hadron_instance *instance));

#endif
