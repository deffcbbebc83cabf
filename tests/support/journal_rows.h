// A journal full of random records of all kinds, and the rows that a database must then hold, worked out from the journal alone.
#ifndef TEST_SUPPORT_JOURNAL_ROWS_H
#define TEST_SUPPORT_JOURNAL_ROWS_H

#include "base/random.h"
#include "journal/journal.h"

#define JOURNAL_ROWS_START INT64_C(1704153600000000000) // 2024-01-02

// Each record is up to two minutes after the one before; journal_rows_flow: up to step_ns.
void journal_rows_append(struct hd_journal *j, struct hd_random *r, uint64_t count, int64_t *now_ns);
void journal_rows_flow(struct hd_journal *j, struct hd_random *r, uint64_t count, int64_t step_ns, int64_t *now_ns);

// Fails the test unless the database at `url` holds the journal's records, each once, and what follows from them.
void journal_rows_equal(const char *dir, const char *url);

#endif
