// hadron journal dump, tail, export: records as text, by cursor, so that they work while a host writes.
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/journal.h"
#include "cli/progress.h"

#define TAIL_LINES 10
#define LINES_MAX 1000000
#define FOLLOW_NS 50000000 // between two looks for new records
#define TELL_EVERY 65536   // records between two looks at the clock
#define KINDS_MAX 256

#define CHOICE_HELP                                                                                                             \
  "  --from PLACE   begin there: a sequence (1234), a position (@5678) or a time (2024-08-08T14:30:00, UTC)\n"                  \
  "  --to PLACE     end there, with it\n"                                                                                       \
  "  --kind K,...   only these messages: tick, decision, opportunity, intent, order, order_event, execution, ...\n"             \
  "  --trace ID     only what belongs to this trace id; its first digits suffice\n"                                             \
  "  --order ID     only what names this order: client, venue or execution id; the first characters suffice\n"
#define WHERE_HELP "DIR is a journal's directory, or the data directory that it lies in; data/journal if none is given. A host may be at work.\n"

const char hd_journal_dump_help[] =
    CHOICE_HELP
    "  --all          fields that are zero as well\n"
    "  --json         JSON lines: one object per record, every field\n"
    "\n" WHERE_HELP
    "A line has the record's sequence, the time when it was appended, the message, and its fields as sdk/schema/hadron.xml names them. In JSON the\n"
    "record's own are record, record_at (its position) and record_ns; prices, quantities and money are strings, so that no digit is lost.\n"
    "A damaged place ends the dump, is named, and the exit status is 4.\n";

const char hd_journal_tail_help[] =
    "  -n, --lines N  the last N records (10)\n"
    "  -f, --follow   go on with those that come\n"
    "  --kind K,...   only these messages, the last N of them\n"
    "  --trace ID, --order ID  as with dump\n"
    "  --json         JSON lines\n"
    "\n" WHERE_HELP;

const char hd_journal_export_help[] =
    "  --format F     csv (default) or json: JSON lines\n"
    CHOICE_HELP
    "  --json         print the summary as one JSON object\n"
    "\n" WHERE_HELP
    "OUT becomes a directory with a file per message: tick.csv, order.csv, ...; files of these names are replaced. With - everything goes to\n"
    "standard output: any messages as JSON lines, one kind (--kind) as CSV. Times are integers of ns, prices and sizes decimals.\n";

// ---- dump, tail ------------------------------------------------------------------------------------------------------------------------

static void record_show(const struct hd_journal_call *c, const struct hadron_record *r, uint64_t sequence) {
  if (c->json) hd_record_print_json(stdout, r, sequence);
  else hd_record_print(stdout, r, sequence, c->all);
}

// Prints what is asked for until there is no more. A reader that went away ends it.
static int32_t records_show(const struct hd_journal_call *c, struct hd_journal_cursor *cursor, struct hd_fault *fault) {
  struct hadron_record r;
  int32_t rc;
  bool over = false;
  while (!over && !ferror(stdout) && (rc = hd_journal_cursor_next(cursor, &r, fault)) == HADRON_OK) {
    uint64_t sequence = hd_journal_cursor_sequence(cursor) - 1;
    if (hd_journal_call_wants(c, &r, sequence, &over)) record_show(c, &r, sequence);
  }
  if (over || ferror(stdout)) return HADRON_ERR_END;
  return rc;
}

static int output_end(const struct hd_journal_call *c, int32_t rc, const struct hd_fault *fault) {
  bool broken = fflush(stdout) != 0 || ferror(stdout);
  if (rc != HADRON_OK && rc != HADRON_ERR_AGAIN && rc != HADRON_ERR_END) return hd_journal_call_fail(c, fault);
  return broken && errno != EPIPE ? HD_EXIT_FAILED : HD_EXIT_OK;
}

int hd_journal_dump_command(int argc, char **argv) {
  struct hd_journal_call c;
  int code = hd_journal_call_begin(&c, "journal dump", argc, argv, HD_JOURNAL_TAKES_PLACES | HD_JOURNAL_TAKES_KINDS | HD_JOURNAL_TAKES_ALL, 0, 1, "at most one directory");
  if (code) return code;
  struct hd_journal_cursor *cursor;
  struct hd_fault fault = {0};
  int32_t rc = hd_journal_call_cursor(&c, &cursor, &fault);
  if (rc) return hd_journal_call_fail(&c, &fault);
  rc = records_show(&c, cursor, &fault);
  hd_journal_cursor_close(cursor);
  return output_end(&c, rc, &fault);
}

// Where the last of the records between two sequences begin that are asked for: `last` is a ring of their sequences. Counts all of them.
static int32_t tail_scan(const struct hd_journal_call *c, struct hd_journal_cursor *cursor, uint64_t from, uint64_t end, uint64_t *last, uint64_t lines, uint64_t *found,
                         struct hd_fault *fault) {
  struct hadron_record r;
  bool over;
  int32_t rc = hd_journal_cursor_seek_sequence(cursor, from, fault);
  *found = 0;
  while (rc == HADRON_OK && hd_journal_cursor_sequence(cursor) < end && (rc = hd_journal_cursor_next(cursor, &r, fault)) == HADRON_OK) {
    uint64_t sequence = hd_journal_cursor_sequence(cursor) - 1;
    if (hd_journal_call_wants(c, &r, sequence, &over)) last[(*found)++ % lines] = sequence;
  }
  return rc == HADRON_ERR_AGAIN ? HADRON_OK : rc;
}

// To the last `lines` records of those that are asked for, as the journal is now: looks further back until so many are found.
static int32_t tail_seek(const struct hd_journal_call *c, struct hd_journal_cursor *cursor, uint64_t lines, uint64_t *end, struct hd_fault *fault) {
  int32_t rc = hd_journal_cursor_seek_sequence(cursor, UINT64_MAX, fault);
  *end = hd_journal_cursor_sequence(cursor);
  if (rc || lines == 0) return rc;
  uint64_t *last = malloc(lines * sizeof *last), found = 0, from = *end;
  if (!last) return hd_fault_set(fault, HADRON_ERR_MEMORY, "the places of %" PRIu64 " records: out of memory; ask for fewer lines", lines);
  for (uint64_t window = lines; !rc && found < lines && from > 0; window *= 8) {
    from = *end > window ? *end - window : 0;
    rc = tail_scan(c, cursor, from, *end, last, lines, &found, fault);
  }
  if (!rc) rc = hd_journal_cursor_seek_sequence(cursor, found == 0 ? *end : last[found < lines ? 0 : found % lines], fault);
  free(last);
  return rc;
}

int hd_journal_tail_command(int argc, char **argv) {
  struct hd_journal_call c;
  int code = hd_journal_call_begin(&c, "journal tail", argc, argv, HD_JOURNAL_TAKES_LINES | HD_JOURNAL_TAKES_KINDS | HD_JOURNAL_TAKES_ALL, 0, 1, "at most one directory");
  if (code) return code;
  char *end = NULL;
  uint64_t lines = c.lines ? strtoull(c.lines, &end, 10) : TAIL_LINES;
  if (c.lines && (end == c.lines || *end || c.lines[0] == '-' || lines > LINES_MAX)) return hd_cli_usage(c.command, "--lines %s: expected a number up to %d", c.lines, LINES_MAX);
  uint64_t next = 0;
  struct hd_journal_cursor *cursor;
  struct hd_fault fault = {0};
  int32_t rc = hd_journal_call_cursor(&c, &cursor, &fault);
  if (rc) return hd_journal_call_fail(&c, &fault);
  rc = tail_seek(&c, cursor, lines, &next, &fault);
  if (!c.follow) c.to = (struct hd_journal_place){.kind = HD_PLACE_SEQUENCE, .number = next - 1}; // a host at work may write faster than we print
  if (rc == HADRON_OK) rc = records_show(&c, cursor, &fault);
  while (c.follow && rc == HADRON_ERR_AGAIN && fflush(stdout) == 0) {
    nanosleep(&(struct timespec){.tv_nsec = FOLLOW_NS}, NULL);
    rc = records_show(&c, cursor, &fault);
  }
  hd_journal_cursor_close(cursor);
  return output_end(&c, rc, &fault);
}

// ---- export ----------------------------------------------------------------------------------------------------------------------------

struct export {
  const struct hd_journal_call *c;
  const char *out; // a directory; NULL: standard output
  bool csv;
  FILE *files[KINDS_MAX];
  uint64_t counts[KINDS_MAX], records;
  struct hd_progress bar;
  int64_t start_ns;
};

static FILE *export_file(struct export *e, const struct hd_message_fields *m, struct hd_fault *fault) {
  FILE **file = &e->files[m->id & (KINDS_MAX - 1)];
  char path[HD_JOURNAL_CALL_PATH + 64];
  if (*file) return *file;
  snprintf(path, sizeof path, "%s/%s.%s", e->out ? e->out : "", m->name, e->csv ? "csv" : "json");
  *file = e->out ? fopen(path, "we") : stdout;
  if (!*file) hd_fault_set(fault, HADRON_ERR_IO, "%s: opening it: %s", path, strerror(errno));
  else if (e->csv) hd_record_csv_head(*file, m);
  return *file;
}

static int32_t export_one(struct export *e, const struct hadron_record *r, uint64_t sequence, struct hd_fault *fault) {
  static const struct hd_message_fields unknown = {.name = "unknown", .id = KINDS_MAX - 1};
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  if (!m) m = &unknown;
  FILE *to = export_file(e, m, fault);
  if (!to) return fault->code;
  if (e->csv) hd_record_csv_row(to, m, r, sequence);
  else hd_record_print_json(to, r, sequence);
  e->counts[m->id & (KINDS_MAX - 1)]++;
  return ferror(to) ? hd_fault_set(fault, HADRON_ERR_IO, "%s: writing %s: %s; free some space there", e->out ? e->out : "standard output", m->name, strerror(errno)) : HADRON_OK;
}

// The end as it is when the export begins: a host that writes faster than we do must not keep us for ever.
static int32_t export_records(struct export *e, struct hd_journal_cursor *cursor, struct hd_fault *fault) {
  struct hadron_record r;
  bool over = false;
  uint64_t start = hd_journal_cursor_position(cursor), first = hd_journal_cursor_sequence(cursor);
  struct hd_journal_cursor *last;
  int32_t rc = hd_journal_cursor_open(e->c->dir, &last, fault);
  if (rc == HADRON_OK && (rc = hd_journal_cursor_seek_sequence(last, UINT64_MAX, fault)) != HADRON_OK) hd_journal_cursor_close(last);
  if (rc != HADRON_OK) return rc;
  uint64_t end = hd_journal_cursor_position(last);
  hd_journal_cursor_close(last);
  while (!over && (rc = hd_journal_cursor_next(cursor, &r, fault)) == HADRON_OK && r.position < end) {
    uint64_t sequence = hd_journal_cursor_sequence(cursor) - 1;
    bool wanted = hd_journal_call_wants(e->c, &r, sequence, &over);
    if (wanted && (rc = export_one(e, &r, sequence, fault)) != HADRON_OK) break;
    e->records += wanted;
    if ((sequence - first) % TELL_EVERY == 0)
      hd_progress_show(&e->bar, r.position - start, end - start, sequence - first, r.time_ns, hd_clock_monotonic_ns() - e->start_ns);
  }
  return rc == HADRON_ERR_AGAIN ? HADRON_OK : rc;
}

static int32_t export_close(struct export *e, struct hd_fault *fault) {
  int32_t rc = HADRON_OK;
  for (int i = 0; i < KINDS_MAX; i++) {
    if (!e->files[i]) continue;
    int failed = e->out ? fclose(e->files[i]) : fflush(e->files[i]);
    if (failed) rc = hd_fault_set(fault, HADRON_ERR_IO, "%s: writing: %s", e->out ? e->out : "standard output", strerror(errno));
  }
  return rc;
}

static void export_summary(const struct export *e) {
  json_t *files = json_object();
  FILE *to = e->out ? stdout : stderr;
  for (int i = 0; i < KINDS_MAX; i++) {
    const struct hd_message_fields *m = hd_message_find((uint16_t)i);
    if (e->counts[i]) json_object_set_new(files, m ? m->name : "unknown", json_integer((json_int_t)e->counts[i]));
  }
  if (e->c->json) {
    json_t *o = json_pack("{s:b, s:I, s:O}", "ok", 1, "records", (json_int_t)e->records, "messages", files);
    json_dumpf(o, to, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putc('\n', to);
    json_decref(o);
  } else if (e->out) {
    char records[40];
    hd_count_format(records, sizeof records, e->records);
    fprintf(to, "%s records to %s, %zu files\n", records, e->out, json_object_size(files));
  }
  json_decref(files);
}

// Is the command line one that can be done?
static int export_check(struct export *e, const struct hd_journal_call *c) {
  uint32_t kinds = 0;
  for (int i = 0; i < KINDS_MAX; i++) kinds += c->wanted[i];
  const char *format = c->format ? c->format : "csv", *out = c->words[c->word_count - 1];
  if (strcmp(format, "csv") != 0 && strcmp(format, "json") != 0) return hd_cli_usage(c->command, "--format %s: expected csv or json", format);
  e->csv = strcmp(format, "csv") == 0;
  e->out = strcmp(out, "-") == 0 ? NULL : out;
  if (!e->out && e->csv && kinds != 1) return hd_cli_usage(c->command, "CSV on standard output is of one kind: name it with --kind, or take --format json");
  if (e->out && mkdir(e->out, 0750) != 0 && errno != EEXIST) {
    struct hd_fault fault;
    hd_fault_set(&fault, HADRON_ERR_IO, "%s: making the directory: %s", e->out, strerror(errno));
    return hd_journal_call_fail(c, &fault);
  }
  return HD_EXIT_OK;
}

int hd_journal_export_command(int argc, char **argv) {
  struct hd_journal_call c;
  int code = hd_journal_call_begin(&c, "journal export", argc, argv, HD_JOURNAL_TAKES_PLACES | HD_JOURNAL_TAKES_KINDS | HD_JOURNAL_TAKES_FORMAT, 1, 2, "a directory to write to, and before it the journal's");
  struct export e = {.c = &c, .start_ns = hd_clock_monotonic_ns()};
  if (code || (code = export_check(&e, &c))) return code;
  struct hd_journal_cursor *cursor;
  struct hd_fault fault = {0}, closing = {0};
  int32_t rc = hd_journal_call_cursor(&c, &cursor, &fault);
  if (rc) return hd_journal_call_fail(&c, &fault);
  hd_progress_init(&e.bar, "export", !c.json);
  e.bar.noun = "records";
  rc = export_records(&e, cursor, &fault);
  hd_progress_end(&e.bar);
  hd_journal_cursor_close(cursor);
  int32_t closed = export_close(&e, &closing);
  if (rc == HADRON_OK && closed != HADRON_OK) fault = closing, rc = closed;
  if (rc) return hd_journal_call_fail(&c, &fault);
  export_summary(&e);
  return HD_EXIT_OK;
}
