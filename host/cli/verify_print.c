// A verification for people and as JSON: what was compared, and the first difference field by field.
#include <inttypes.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/verify.h"

#define NAME_WIDTH 18
#define CELL_WIDTH 36

static const char *const kinds[] = {"same", "differs", "missing", "extra"};

struct hadron_record hd_verify_side_record(const struct hd_verify_side *side) {
  uint32_t size = side->size < HD_VERIFY_RECORD_MAX ? side->size : HD_VERIFY_RECORD_MAX;
  return (struct hadron_record){.time_ns = side->time_ns, .template_id = side->template_id, .block_length = side->block_length, .size = size, .bytes = side->bytes};
}

static const char *message_name(uint16_t template_id) {
  const struct hd_message_fields *m = hd_message_find(template_id);
  return m ? m->name : "unknown";
}

// ---- fields --------------------------------------------------------------------------------------------------------------------------

struct row {
  char name[64], expected[HD_FIELD_TEXT_SIZE], found[HD_FIELD_TEXT_SIZE];
};
typedef void take_row(void *user, const struct row *row);

static void value_of(const struct hd_field *f, const void *block, uint32_t length, char to[HD_FIELD_TEXT_SIZE]) {
  if (hd_field_present(f, block, length)) hd_field_format(f, block, to);
  else hd_text_copy(to, HD_FIELD_TEXT_SIZE, "-");
}

static void rows_of(const struct hd_field *fields, uint32_t count, const char *prefix, const void *a, uint32_t a_length, const void *b, uint32_t b_length, take_row *take, void *user) {
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_field *f = &fields[i];
    struct row row;
    bool in_a = a && hd_field_present(f, a, a_length), in_b = b && hd_field_present(f, b, b_length);
    if (!in_a && !in_b) continue;
    if (in_a && in_b && memcmp((const char *)a + f->offset, (const char *)b + f->offset, f->size) == 0) continue;
    snprintf(row.name, sizeof row.name, "%s%s", prefix, f->name);
    value_of(f, a, a ? a_length : 0, row.expected);
    value_of(f, b, b ? b_length : 0, row.found);
    take(user, &row);
  }
}

static void group_rows(const struct hd_message_fields *m, const struct hadron_record *a, const struct hadron_record *b, take_row *take, void *user) {
  const unsigned char *of_a = NULL, *of_b = NULL;
  uint32_t a_length = 0, b_length = 0;
  uint32_t in_a = hd_message_group(m, a, &of_a, &a_length), in_b = hd_message_group(m, b, &of_b, &b_length);
  for (uint32_t i = 0; i < in_a || i < in_b; i++) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "%.32s[%u].", m->group, i + 1);
    rows_of(m->group_fields, m->group_count, prefix, i < in_a ? of_a + (size_t)i * a_length : NULL, a_length, i < in_b ? of_b + (size_t)i * b_length : NULL, b_length, take, user);
  }
}

// Every field that differs, of both sides; of one side alone: nothing, its record is printed whole.
static void differing(const struct hd_verify_difference *d, take_row *take, void *user) {
  const struct hd_message_fields *m = hd_message_find(d->expected.template_id);
  if (!m || d->expected.template_id != d->found.template_id) return;
  const struct hadron_record a = hd_verify_side_record(&d->expected), b = hd_verify_side_record(&d->found);
  rows_of(m->fields, m->field_count, "", a.bytes, a.block_length, b.bytes, b.block_length, take, user);
  if (m->group) group_rows(m, &a, &b, take, user);
  if (d->expected.time_ns == d->found.time_ns) return;
  struct row row = {.name = "(appended at)"};
  hd_time_format(row.expected, sizeof row.expected, d->expected.time_ns, 9);
  hd_time_format(row.found, sizeof row.found, d->found.time_ns, 9);
  take(user, &row);
}

// ---- for people ----------------------------------------------------------------------------------------------------------------------

static void print_row(void *user, const struct row *row) {
  fprintf(user, "    %-*s %-*.*s %.*s\n", NAME_WIDTH, row->name, CELL_WIDTH, CELL_WIDTH, row->expected, CELL_WIDTH, row->found);
}

static void print_record(FILE *to, const char *title, const struct hadron_record *r, uint64_t sequence) {
  fprintf(to, "  %s\n    ", title);
  hd_record_print(to, r, sequence, false);
}

static void print_difference(const struct hd_verify_difference *d, FILE *to) {
  static const char *const words[] = {"", "is not what the run makes", "is not made by the run", "comes after one that the journal does not have"};
  const struct hadron_record a = hd_verify_side_record(&d->expected), b = hd_verify_side_record(&d->found);
  fprintf(to, "\nFirst difference: %s, record %" PRIu64 " %s\n", d->expected.size ? message_name(d->expected.template_id) : message_name(d->found.template_id), d->sequence, words[d->kind]);
  fprintf(to, "  at %s + %" PRIu64 " (position %" PRIu64 ")\n", *d->file ? d->file : "?", d->offset, d->position);
  if (d->kind == HD_VERIFY_DIFFERS && d->expected.template_id == d->found.template_id) {
    fprintf(to, "    %-*s %-*s %s\n", NAME_WIDTH, "", CELL_WIDTH, "expected (journal)", "found (this run)");
    differing(d, print_row, to);
  } else {
    if (d->expected.size) print_record(to, "expected (journal)", &a, d->sequence);
    if (d->found.size) print_record(to, "found (this run)", &b, 0);
  }
  if (!d->cause.sequence) return;
  const struct hadron_record tick = {.time_ns = d->cause.recv_ns, .template_id = HADRON_MSG_TICK, .block_length = sizeof d->cause, .size = sizeof d->cause, .bytes = &d->cause};
  print_record(to, "caused by", &tick, 0);
}

static void print_compared(const struct hd_verify_result *r, FILE *to) {
  for (uint16_t i = 0; i < HD_TEMPLATE_COUNT; i++) {
    char count[40];
    if (!r->compared[i]) continue;
    hd_count_format(count, sizeof count, r->compared[i]);
    fprintf(to, "  %-*s %14s\n", NAME_WIDTH, message_name(i), count);
  }
}

void hd_verify_print(const struct hd_verify_result *r, const char *journal, FILE *to) {
  char ticks[40], records[40];
  double seconds = (double)r->elapsed_ns / 1e9;
  hd_count_format(ticks, sizeof ticks, r->ticks);
  hd_count_format(records, sizeof records, r->records);
  fprintf(to, "%s: %s\n", journal, r->first.kind ? "DIFFERS" : "the same, byte for byte");
  fprintf(to, "  %s ticks, %s records, %" PRIu64 " session%s, %.2f s (%.2f M ticks/s)\n", ticks, records, r->sessions, r->sessions == 1 ? "" : "s", seconds,
          seconds > 0 ? (double)r->ticks / seconds / 1e6 : 0);
  print_compared(r, to);
  if (r->behind) fprintf(to, "  %" PRIu64 " records are beyond the end of a journal that was cut off\n", r->behind);
  if (r->unknown) fprintf(to, "  %" PRIu64 " ticks are of instruments that it does not define\n", r->unknown);
  if (r->skipped) fprintf(to, "  %u session%s could not be run again: %s\n", r->skipped, r->skipped == 1 ? "" : "s", r->why);
  for (uint32_t i = 0; i < r->fell_count && i < HD_VERIFY_FELL_MAX; i++)
    fprintf(to, "  session %u, record %" PRIu64 ": %s\n", r->fell[i].session, r->fell[i].sequence, r->fell[i].words);
  if (r->fell_count > HD_VERIFY_FELL_MAX) fprintf(to, "  and %u more of these\n", r->fell_count - HD_VERIFY_FELL_MAX);
  if (r->first.kind) print_difference(&r->first, to);
}

// ---- JSON ----------------------------------------------------------------------------------------------------------------------------

static void json_row(void *user, const struct row *row) {
  json_array_append_new(user, json_pack("{s:s, s:s, s:s}", "name", row->name, "expected", row->expected, "found", row->found));
}

static json_t *json_record(const struct hadron_record *r) {
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  json_t *out = json_object();
  for (uint32_t i = 0; m && i < m->field_count; i++) {
    char text[HD_FIELD_TEXT_SIZE];
    if (!hd_field_present(&m->fields[i], r->bytes, r->block_length)) continue;
    hd_field_format(&m->fields[i], r->bytes, text);
    json_object_set_new(out, m->fields[i].name, json_string(text));
  }
  return out;
}

static json_t *json_difference(const struct hd_verify_difference *d) {
  const struct hadron_record a = hd_verify_side_record(&d->expected), b = hd_verify_side_record(&d->found);
  const struct hadron_record tick = {.template_id = HADRON_MSG_TICK, .block_length = sizeof d->cause, .size = sizeof d->cause, .bytes = &d->cause};
  json_t *fields = json_array();
  differing(d, json_row, fields);
  return json_pack("{s:s, s:I, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "kind", kinds[d->kind], "record", (json_int_t)d->sequence, "file", d->file, "offset", (json_int_t)d->offset,
                   "position", (json_int_t)d->position, "message", message_name(d->expected.size ? d->expected.template_id : d->found.template_id), "fields", fields,
                   "expected", d->expected.size ? json_record(&a) : json_null(), "found", d->found.size ? json_record(&b) : json_null(),
                   "cause", d->cause.sequence ? json_record(&tick) : json_null());
}

json_t *hd_verify_json(const struct hd_verify_result *r, const char *journal) {
  json_t *compared = json_object();
  for (uint16_t i = 0; i < HD_TEMPLATE_COUNT; i++)
    if (r->compared[i]) json_object_set_new(compared, message_name(i), json_integer((json_int_t)r->compared[i]));
  json_t *fell = json_array();
  for (uint32_t i = 0; i < r->fell_count && i < HD_VERIFY_FELL_MAX; i++)
    json_array_append_new(fell, json_pack("{s:I, s:I, s:s}", "session", (json_int_t)r->fell[i].session, "record", (json_int_t)r->fell[i].sequence, "words", r->fell[i].words));
  return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:f, s:o, s:o, s:o}", "journal", journal, "same", r->first.kind == HD_VERIFY_SAME, "sessions", (json_int_t)r->sessions,
                   "ticks", (json_int_t)r->ticks, "records", (json_int_t)r->records, "skipped", (json_int_t)r->skipped, "why", r->why, "beyond_the_end", (json_int_t)r->behind,
                   "unknown_ticks", (json_int_t)r->unknown, "elapsed_s", (double)r->elapsed_ns / 1e9, "compared", compared, "not_run_again", fell, "difference",
                   r->first.kind ? json_difference(&r->first) : json_null());
}
