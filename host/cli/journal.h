// What the journal's commands share: their options, what they select, how they find the journal.
#ifndef HD_CLI_JOURNAL_H
#define HD_CLI_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/fields.h"
#include "journal/journal.h"

#define HD_JOURNAL_CALL_PATH 4096

// A place in a journal, as a person names it: a sequence, "@" and a position, or a time.
struct hd_journal_place {
  enum { HD_PLACE_NONE = 0, HD_PLACE_SEQUENCE, HD_PLACE_POSITION, HD_PLACE_TIME } kind;
  uint64_t number;
  int64_t time_ns;
};

struct hd_journal_call {
  const char *command; // "journal dump"
  const char *from_text, *to_text, *kinds, *trace, *order, *format, *lines, *head;
  bool json, all, follow;
  char **words;
  int word_count;
  struct hd_journal_place from, to;
  bool wanted[256];    // by template id; all: every one
  bool some;           // --kind was given
  char dir[HD_JOURNAL_CALL_PATH];
};

enum hd_journal_option { // which options of its own a command takes
  HD_JOURNAL_TAKES_PLACES = 1, HD_JOURNAL_TAKES_KINDS = 2, HD_JOURNAL_TAKES_FORMAT = 4, HD_JOURNAL_TAKES_LINES = 8, HD_JOURNAL_TAKES_HEAD = 16,
  HD_JOURNAL_TAKES_ALL = 32,
};

// Reads the command line and finds the journal: the first word, or data/journal; a data directory is as good. An exit code.
int hd_journal_call_begin(struct hd_journal_call *c, const char *command, int argc, char **argv, uint32_t options, int words_min, int words_max, const char *words);
// Prints the failure; with --json also as an object. Returns the exit code.
int hd_journal_call_fail(const struct hd_journal_call *c, const struct hd_fault *fault);

// A cursor at --from.
int32_t hd_journal_call_cursor(const struct hd_journal_call *c, struct hd_journal_cursor **cursor, struct hd_fault *fault);
// Is the record asked for? over: it, and all behind it, lie behind --to.
bool hd_journal_call_wants(const struct hd_journal_call *c, const struct hadron_record *r, uint64_t sequence, bool *over);

#endif
