#include "journal/fields.h"

#include <inttypes.h>
#include <math.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

#define TIME_MIN INT64_C(300000000000000000) // 1979: an int64 of ns below it is a duration

const struct hd_message_fields *hd_message_find(uint16_t id) {
  for (uint32_t i = 0; i < hd_message_count; i++)
    if (hd_messages[i].id == id) return &hd_messages[i];
  return NULL;
}

const struct hd_message_fields *hd_message_named(const char *name) {
  for (uint32_t i = 0; i < hd_message_count; i++)
    if (strcmp(hd_messages[i].name, name) == 0) return &hd_messages[i];
  return NULL;
}

bool hd_field_present(const struct hd_field *f, const void *block, uint32_t length) {
  if ((uint32_t)f->offset + f->size > length) return false;
  return !f->when || (f->when_offset < length && ((const unsigned char *)block)[f->when_offset] == f->when);
}

const struct hd_field *hd_field_find(const struct hd_message_fields *m, const char *name, const void *block, uint32_t length) {
  for (uint32_t i = 0; i < m->field_count; i++)
    if (strcmp(m->fields[i].name, name) == 0 && hd_field_present(&m->fields[i], block, length)) return &m->fields[i];
  return NULL;
}

bool hd_field_zero(const struct hd_field *f, const void *block) {
  const unsigned char *at = (const unsigned char *)block + f->offset;
  for (uint32_t i = 0; i < f->size; i++)
    if (at[i]) return false;
  return true;
}

static uint64_t field_unsigned(const struct hd_field *f, const void *block) {
  uint64_t value = 0;
  HD_DASSERT(f->size <= sizeof value);
  memcpy(&value, (const unsigned char *)block + f->offset, f->size);
  return value;
}

static int64_t field_signed(const struct hd_field *f, const void *block) {
  uint64_t value = field_unsigned(f, block);
  unsigned shift = 64 - f->size * 8u;
  return (int64_t)(value << shift) >> shift;
}

static double field_real(const struct hd_field *f, const void *block) {
  const unsigned char *at = (const unsigned char *)block + f->offset;
  double value = 0;
  float narrow = 0;
  if (f->size == sizeof value) memcpy(&value, at, sizeof value);
  else memcpy(&narrow, at, sizeof narrow);
  return f->size == sizeof value ? value : (double)narrow;
}

static int64_t field_scale(const struct hd_field *f) {
  return f->kind == HD_FIELD_PRICE ? INT64_C(1000000000) : f->kind == HD_FIELD_QUANTITY ? INT64_C(100000000) : INT64_C(1000000);
}

static size_t words_format(const struct hd_field *f, uint64_t value, char to[HD_FIELD_TEXT_SIZE]) {
  size_t n = 0;
  to[0] = 0;
  for (uint32_t i = 0; i < f->word_count && n < HD_FIELD_TEXT_SIZE - 40; i++) {
    bool one = f->kind == HD_FIELD_ENUM;
    if (one ? f->words[i].value != value : !(f->words[i].value & value)) continue;
    n += (size_t)snprintf(to + n, HD_FIELD_TEXT_SIZE - n, "%s%s", n ? "|" : "", f->words[i].name);
    value &= one ? 0 : ~(uint64_t)f->words[i].value;
    if (one) return n;
  }
  if (value || !n) n += (size_t)snprintf(to + n, HD_FIELD_TEXT_SIZE - n, "%s%" PRIu64, n ? "|" : "", value);
  return n;
}

size_t hd_field_format(const struct hd_field *f, const void *block, char to[HD_FIELD_TEXT_SIZE]) {
  const unsigned char *at = (const unsigned char *)block + f->offset;
  int64_t value;
  switch ((enum hd_field_kind)f->kind) {
  case HD_FIELD_UNSIGNED: return (size_t)snprintf(to, HD_FIELD_TEXT_SIZE, "%" PRIu64, field_unsigned(f, block));
  case HD_FIELD_SIGNED: return (size_t)snprintf(to, HD_FIELD_TEXT_SIZE, "%" PRId64, field_signed(f, block));
  case HD_FIELD_REAL: return (size_t)snprintf(to, HD_FIELD_TEXT_SIZE, "%.*g", f->size == 8 ? 17 : 9, field_real(f, block));
  case HD_FIELD_TIME:
    value = field_signed(f, block);
    return value >= TIME_MIN ? hd_time_format(to, HD_FIELD_TEXT_SIZE, value, 9) : (size_t)snprintf(to, HD_FIELD_TEXT_SIZE, "%" PRId64, value);
  case HD_FIELD_PRICE:
  case HD_FIELD_QUANTITY:
  case HD_FIELD_MONEY: return hd_decimal_format(to, HD_FIELD_TEXT_SIZE, field_signed(f, block), field_scale(f), 0);
  case HD_FIELD_ENUM:
  case HD_FIELD_SET: return words_format(f, field_unsigned(f, block), to);
  case HD_FIELD_TEXT:
    HD_ASSERT(f->size < HD_FIELD_TEXT_SIZE);
    hd_text_field(to, (const char *)at, f->size);
    hd_text_printable(to);
    return strlen(to);
  case HD_FIELD_HEX:
    HD_ASSERT(f->size * 2 < HD_FIELD_TEXT_SIZE);
    hd_hex_format(to, at, f->size);
    return f->size * 2u;
  }
  to[0] = 0;
  return 0;
}

bool hd_fields_text(const struct hd_message_fields *m, const struct hadron_record *r, const char **text, uint32_t *size) {
  uint32_t length, at = r->block_length;
  if (!m->text || r->size < at + sizeof length) return false;
  memcpy(&length, (const unsigned char *)r->bytes + at, sizeof length);
  if (length > r->size - at - sizeof length) return false;
  *text = (const char *)r->bytes + at + sizeof length;
  *size = length;
  return true;
}

uint32_t hd_message_group(const struct hd_message_fields *m, const struct hadron_record *r, const unsigned char **entries, uint32_t *entry_length) {
  struct hadron_group_header head;
  uint32_t at = r->block_length;
  if (!m->group || r->size < at + sizeof head) return 0;
  memcpy(&head, (const unsigned char *)r->bytes + at, sizeof head);
  uint32_t room = r->size - at - (uint32_t)sizeof head;
  if ((uint64_t)head.block_length * head.count > room) return 0;
  *entries = (const unsigned char *)r->bytes + at + sizeof head;
  *entry_length = head.block_length;
  return head.count;
}

// ---- lines for people --------------------------------------------------------------------------------------------------------------

static void fields_print(FILE *to, const struct hd_field *fields, uint32_t count, const void *block, uint32_t length, bool all) {
  char text[HD_FIELD_TEXT_SIZE];
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_field *f = &fields[i];
    if (!hd_field_present(f, block, length) || (!all && hd_field_zero(f, block))) continue;
    hd_field_format(f, block, text);
    fprintf(to, " %s=%s", f->name, text[0] ? text : "\"\"");
  }
}

void hd_record_print(FILE *to, const struct hadron_record *r, uint64_t sequence, bool all) {
  char time[40];
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  hd_time_format(time, sizeof time, r->time_ns, 9);
  if (!m) {
    fprintf(to, "%10" PRIu64 "  %s  message_%u size=%" PRIu32 "\n", sequence, time, r->template_id, r->size);
    return;
  }
  fprintf(to, "%10" PRIu64 "  %s  %-12s", sequence, time, m->name);
  fields_print(to, m->fields, m->field_count, r->bytes, r->block_length, all);
  const unsigned char *entries = NULL;
  const char *text;
  uint32_t length = 0, size, count = hd_message_group(m, r, &entries, &length);
  for (uint32_t i = 0; i < count; i++) {
    fprintf(to, "\n%12s%s[%" PRIu32 "]", "", m->group, i);
    fields_print(to, m->group_fields, m->group_count, entries + (size_t)i * length, length, all);
  }
  if (hd_fields_text(m, r, &text, &size) && size) {
    fprintf(to, " %s=", m->text);
    hd_json_text(to, text, size);
  }
  putc('\n', to);
}

// ---- JSON ----------------------------------------------------------------------------------------------------------------------------

// Length of the UTF-8 sequence at `at`; 0: none.
static size_t utf8_length(const unsigned char *at, size_t room) {
  size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3 : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;
  if (!n || n > room) return 0;
  for (size_t i = 1; i < n; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
  return overlong ? 0 : n;
}

void hd_json_text(FILE *to, const char *text, size_t size) {
  putc('"', to);
  for (size_t i = 0; i < size;) {
    unsigned char c = (unsigned char)text[i];
    size_t n = utf8_length((const unsigned char *)text + i, size - i);
    if (c == '"' || c == '\\') fprintf(to, "\\%c", c);
    else if (c == '\n') fputs("\\n", to);
    else if (c < 0x20 || c == 0x7f) fprintf(to, "\\u%04x", c);
    else if (!n) putc('?', to);
    else fwrite(text + i, 1, n, to);
    i += n ? n : 1;
  }
  putc('"', to);
}

static void field_json(FILE *to, const struct hd_field *f, const void *block) {
  char text[HD_FIELD_TEXT_SIZE];
  bool bare = f->kind == HD_FIELD_UNSIGNED || f->kind == HD_FIELD_SIGNED;
  if (f->kind == HD_FIELD_TIME) {
    fprintf(to, "%" PRId64, field_signed(f, block));
    return;
  }
  if (f->kind == HD_FIELD_REAL && isfinite(field_real(f, block))) bare = true;
  size_t n = hd_field_format(f, block, text);
  if (bare) fputs(text, to);
  else if (f->kind == HD_FIELD_REAL) fputs("null", to);
  else hd_json_text(to, text, n);
}

static void fields_json(FILE *to, const struct hd_field *fields, uint32_t count, const void *block, uint32_t length, bool first) {
  for (uint32_t i = 0; i < count; i++) {
    if (!hd_field_present(&fields[i], block, length)) continue;
    fprintf(to, "%s\"%s\":", first ? "" : ",", fields[i].name);
    field_json(to, &fields[i], block);
    first = false;
  }
}

static void group_json(FILE *to, const struct hd_message_fields *m, const struct hadron_record *r) {
  const unsigned char *entries = NULL;
  uint32_t length = 0, count = hd_message_group(m, r, &entries, &length);
  putc('[', to);
  for (uint32_t i = 0; i < count; i++) {
    fputs(i ? ",{" : "{", to);
    fields_json(to, m->group_fields, m->group_count, entries + (size_t)i * length, length, true);
    putc('}', to);
  }
  putc(']', to);
}

// The record's own place and time are called record_...: messages have fields named sequence and time_ns.
void hd_record_print_json(FILE *to, const struct hadron_record *r, uint64_t sequence) {
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  const char *text;
  uint32_t size;
  fprintf(to, "{\"record\":%" PRIu64 ",\"record_at\":%" PRIu64 ",\"record_ns\":%" PRId64 ",\"template\":%u,\"message\":", sequence, r->position, r->time_ns,
          r->template_id);
  if (m) {
    fprintf(to, "\"%s\"", m->name);
    fields_json(to, m->fields, m->field_count, r->bytes, r->block_length, false);
    if (m->group) fprintf(to, ",\"%s\":", m->group), group_json(to, m, r);
    if (hd_fields_text(m, r, &text, &size)) fprintf(to, ",\"%s\":", m->text), hd_json_text(to, text, size);
  } else {
    fprintf(to, "null,\"size\":%" PRIu32, r->size);
  }
  fputs("}\n", to);
}

// ---- CSV -----------------------------------------------------------------------------------------------------------------------------

static bool column_begins(const struct hd_message_fields *m, uint32_t i) {
  for (uint32_t k = 0; k < i; k++)
    if (strcmp(m->fields[k].name, m->fields[i].name) == 0) return false;
  return true;
}

static void csv_text(FILE *to, const char *text, size_t size) {
  bool quoted = false;
  for (size_t i = 0; i < size; i++) quoted |= text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
  if (!quoted) {
    fwrite(text, 1, size, to);
    return;
  }
  putc('"', to);
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '"') putc('"', to);
    putc(text[i], to);
  }
  putc('"', to);
}

void hd_record_csv_head(FILE *to, const struct hd_message_fields *m) {
  fputs("record,record_at,record_ns", to);
  for (uint32_t i = 0; i < m->field_count; i++)
    if (column_begins(m, i)) fprintf(to, ",%s", m->fields[i].name);
  if (m->group) fprintf(to, ",%s", m->group);
  if (m->text) fprintf(to, ",%s", m->text);
  putc('\n', to);
}

// A repeating group is one cell: its entries parted by blanks, their values by slashes.
static void csv_group(FILE *to, const struct hd_message_fields *m, const struct hadron_record *r) {
  const unsigned char *entries = NULL;
  char text[HD_FIELD_TEXT_SIZE];
  uint32_t length = 0, count = hd_message_group(m, r, &entries, &length);
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t k = 0; k < m->group_count; k++) {
      const void *entry = entries + (size_t)i * length;
      text[0] = 0;
      if (hd_field_present(&m->group_fields[k], entry, length)) hd_field_format(&m->group_fields[k], entry, text);
      fprintf(to, "%s%s", k ? "/" : i ? " " : "", text);
    }
}

void hd_record_csv_row(FILE *to, const struct hd_message_fields *m, const struct hadron_record *r, uint64_t sequence) {
  char cell[HD_FIELD_TEXT_SIZE];
  const char *text;
  uint32_t size;
  fprintf(to, "%" PRIu64 ",%" PRIu64 ",%" PRId64, sequence, r->position, r->time_ns);
  for (uint32_t i = 0; i < m->field_count; i++) {
    if (!column_begins(m, i)) continue;
    const struct hd_field *f = hd_field_find(m, m->fields[i].name, r->bytes, r->block_length);
    putc(',', to);
    if (!f) continue;
    if (f->kind == HD_FIELD_TIME) fprintf(to, "%" PRId64, field_signed(f, r->bytes));
    else csv_text(to, cell, hd_field_format(f, r->bytes, cell));
  }
  if (m->group) putc(',', to), csv_group(to, m, r);
  if (m->text) {
    putc(',', to);
    if (hd_fields_text(m, r, &text, &size)) csv_text(to, text, size);
  }
  putc('\n', to);
}
