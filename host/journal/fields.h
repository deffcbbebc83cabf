// The messages field by field, as sdk/schema/hadron.xml has them (the table is made from it when the program is built), and records as
// text: for dumps, exports, explanations and the first difference of two records. No allocation. [any]
#ifndef HD_JOURNAL_FIELDS_H
#define HD_JOURNAL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hadron/ext/journal.h"

enum hd_field_kind {
  HD_FIELD_UNSIGNED = 0,
  HD_FIELD_SIGNED,
  HD_FIELD_REAL,     // float or double, by size
  HD_FIELD_TIME,     // int64 ns: since the epoch, or a duration
  HD_FIELD_PRICE,
  HD_FIELD_QUANTITY,
  HD_FIELD_MONEY,
  HD_FIELD_ENUM,     // one of `words`
  HD_FIELD_SET,      // bits of `words`
  HD_FIELD_TEXT,     // NUL-padded
  HD_FIELD_HEX,      // bytes
};

struct hd_field_word {
  const char *name;
  uint32_t value;
};

struct hd_field {
  const char *name;
  uint8_t kind;      // enum hd_field_kind
  uint8_t when;      // only in ticks of this kind (enum hadron_tick_kind); 0: always
  uint16_t size, offset;
  uint16_t when_offset; // of the byte that says the kind
  const struct hd_field_word *words;
  uint32_t word_count;
};

struct hd_message_fields {
  const char *name;
  uint16_t id, block_length;
  const struct hd_field *fields; // padding is left out
  uint32_t field_count;
  const char *group;             // name of the repeating group; NULL: none
  const struct hd_field *group_fields;
  uint32_t group_count;
  uint16_t group_length;         // bytes of an entry
  const char *text;              // name of the variable text; NULL: none
};
extern const struct hd_message_fields hd_messages[];
extern const uint32_t hd_message_count;

const struct hd_message_fields *hd_message_find(uint16_t id);               // NULL: no such message here
const struct hd_message_fields *hd_message_named(const char *name);         // "order_event"
const struct hd_field *hd_field_find(const struct hd_message_fields *m, const char *name, const void *block, uint32_t length);

// Is the field in this root block? A shorter block is an older writer's; of a tick only the fields of its kind.
bool hd_field_present(const struct hd_field *f, const void *block, uint32_t length);
// All zero: absent, for most kinds.
bool hd_field_zero(const struct hd_field *f, const void *block);

#define HD_FIELD_TEXT_SIZE 160

// For people: "101.25", "BUY", "2024-08-08T23:54:14.123Z". Control characters are replaced. Returns the length.
size_t hd_field_format(const struct hd_field *f, const void *block, char to[HD_FIELD_TEXT_SIZE]);

// The variable text, or false. borrowed(until the record goes).
bool hd_fields_text(const struct hd_message_fields *m, const struct hadron_record *r, const char **text, uint32_t *size);
// Entries of the repeating group; entry_length: bytes of each as it was written.
uint32_t hd_message_group(const struct hd_message_fields *m, const struct hadron_record *r, const unsigned char **entries, uint32_t *entry_length);

// ---- whole records ----

// One line: kind, then name=value of every field that is not zero (all: of every field).
void hd_record_print(FILE *to, const struct hadron_record *r, uint64_t sequence, bool all);
// One line, one JSON object: record (its sequence), record_at (its position), record_ns, template, message, then the fields. Prices, quantities and money are decimal strings, times
// integers, names words. Every field that is present.
void hd_record_print_json(FILE *to, const struct hadron_record *r, uint64_t sequence);
// A kind's columns, and a record in them. Fields of the same name of different kinds of ticks share a column.
void hd_record_csv_head(FILE *to, const struct hd_message_fields *m);
void hd_record_csv_row(FILE *to, const struct hd_message_fields *m, const struct hadron_record *r, uint64_t sequence);

// "\"", backslashes and control characters escaped, with the quotes. Bytes that are no UTF-8 become '?'.
void hd_json_text(FILE *to, const char *text, size_t size);

#endif
