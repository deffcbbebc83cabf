// The tables, column by column: one description makes the COPY rows, the SQLite statements and the SQL that follows them.
#ifndef RECORDER_TABLE_H
#define RECORDER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hadron/message.h"

enum column_type {
  COLUMN_JOURNAL,  // number of the journal in hadron_journals
  COLUMN_POSITION, // of the record
  COLUMN_TIME,     // when the record was appended
  COLUMN_I64,      // 8 bytes of the block; unsigned ones keep their bits
  COLUMN_U32,      // as INTEGER, bits kept
  COLUMN_U16,      // as INTEGER
  COLUMN_U8,       // as SMALLINT
  COLUMN_F64,
  COLUMN_UUID,     // 16 bytes
  COLUMN_TEXT,     // NUL-padded field of `size` bytes; not UTF-8: '?'
  COLUMN_HEX,      // `size` bytes as lower-case hex text
};

struct column {
  const char *name;
  uint16_t type, offset, size;
};

struct table {
  const char *name;
  const struct column *columns;
  uint16_t count;
  uint16_t keys;          // the first so many columns are the key; 0: plain rows, never written twice
  uint16_t block_size;    // of the root block that the offsets mean
  uint16_t template_id;   // 0: not a record of its own
  const char *follow;     // SQL run once per batch that wrote here: $1 journal, $2 first position, $3 behind the last; or NULL
};

enum table_number {
  TABLE_TICKS,
  TABLE_DECISIONS,
  TABLE_INTENTS,
  TABLE_ORDER_EVENTS,
  TABLE_EXECUTIONS,
  TABLE_ALLOCATIONS,
  TABLE_ADJUSTMENTS, // behind the allocations: a split scales what they left
  TABLE_EQUITY,
  TABLE_INSTRUMENTS,
  TABLE_DEPLOYMENTS,
  TABLE_SWAPS,
  TABLE_SESSIONS,
  TABLE_SNAPSHOTS,
  TABLE_COUNT
};
extern const struct table tables[TABLE_COUNT];

// TABLE_COUNT: records of this kind are not stored.
enum table_number table_of(uint16_t template_id);

// A row of market_snapshots.
struct snapshot {
  uint32_t instrument, pad;
  int64_t time_ns; // start of the interval
  int64_t last_price, last_size, bid, ask, bid_size, ask_size;
};

// One row to be written: the block has at least table->block_size bytes.
struct row {
  int32_t journal;
  uint64_t position;
  int64_t time_ns;
  const unsigned char *block;
};

// Text of a column into `to` (at least 2 * size + 1 bytes): cut at the first NUL, made valid UTF-8. Returns its length.
size_t column_text(const struct column *c, const struct row *row, char *to);
#define COLUMN_TEXT_SIZE 160

#endif
