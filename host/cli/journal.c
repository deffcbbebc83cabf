// hadron journal verify, salvage, and what the group's commands share: options and the choice of records.
#include "cli/journal.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "journal/segment.h"
#include "journal/verify.h"

#define DIR_DEFAULT "data/journal"
#define WHERE_HELP "DIR is a journal's directory, or the data directory that it lies in; data/journal if none is given. Nothing is written to it, and a\nhost may be at work.\n"

const char hd_journal_verify_help[] =
    "  --head N:HASH  was the journal's head once HASH, with N the next record? Shows an end that was taken away\n"
    "  --json         print one JSON object\n"
    "\n" WHERE_HELP
    "Every record's CRC and sequence are checked, and the SHA-256 of every segment against the one that its successor holds. The first place\n"
    "that is changed or missing is named: file, offset, expected and found; then the exit status is 4. The head that is printed at the end\n"
    "can be kept elsewhere and be asked for later.\n";

const char hd_journal_salvage_help[] =
    "  --json  print one JSON object\n"
    "\nDIR is only read. TO becomes a journal with the same identity, sequences and positions, in which void records stand for what was\n"
    "lost; every such place is listed. What the recorder has stored and where its cursor stands stays right. After that: look at what was lost,\n"
    "put TO in the place of DIR, and let the next start reconcile with the venues (docs/operations.md).\n";

// ---- options -------------------------------------------------------------------------------------------------------------------------

#define AT(field) offsetof(struct hd_journal_call, field)
static const struct hd_cli_option rows[] = {
    {"json", AT(json), true, 0, 0},
    {"from", AT(from_text), false, HD_JOURNAL_TAKES_PLACES, 0},
    {"to", AT(to_text), false, HD_JOURNAL_TAKES_PLACES, 0},
    {"kind", AT(kinds), false, HD_JOURNAL_TAKES_KINDS, 0},
    {"trace", AT(trace), false, HD_JOURNAL_TAKES_KINDS, 0},
    {"order", AT(order), false, HD_JOURNAL_TAKES_KINDS, 0},
    {"format", AT(format), false, HD_JOURNAL_TAKES_FORMAT, 0},
    {"lines", AT(lines), false, HD_JOURNAL_TAKES_LINES, 'n'},
    {"follow", AT(follow), true, HD_JOURNAL_TAKES_LINES, 'f'},
    {"head", AT(head), false, HD_JOURNAL_TAKES_HEAD, 0},
    {"all", AT(all), true, HD_JOURNAL_TAKES_ALL, 0},
};

static int options_read(struct hd_journal_call *c, int argc, char **argv, uint32_t taken) {
  struct hd_cli_words left;
  int code = hd_cli_options(c->command, rows, sizeof rows / sizeof *rows, taken, c, argc, argv, &left);
  if (!code) c->words = left.words, c->word_count = left.count;
  return code;
}

// "1234": a sequence; "@5678": a position; else a time. A bare number is never a time here: sequences are what dumps show.
static int place_read(const struct hd_journal_call *c, const char *option, const char *text, struct hd_journal_place *to) {
  if (!text) return HD_EXIT_OK;
  bool position = text[0] == '@', digits = text[position] != 0;
  for (const char *p = text + position; *p; p++) digits &= isdigit((unsigned char)*p) != 0;
  if (digits) {
    *to = (struct hd_journal_place){.kind = position ? HD_PLACE_POSITION : HD_PLACE_SEQUENCE, .number = strtoull(text + position, NULL, 10)};
    return HD_EXIT_OK;
  }
  to->kind = HD_PLACE_TIME;
  if (!position && hd_time_parse(text, &to->time_ns) == HADRON_OK) return HD_EXIT_OK;
  return hd_cli_usage(c->command, "--%s %s: expected a sequence (1234), a position (@5678) or a time (2024-08-08T14:30:00)", option, text);
}

static int kinds_read(struct hd_journal_call *c) {
  char list[512];
  if (!c->kinds) return HD_EXIT_OK;
  c->some = true;
  if (!hd_text_copy(list, sizeof list, c->kinds)) return hd_cli_usage(c->command, "--kind: the list is too long");
  char *rest = list;
  for (char *name; (name = strtok_r(rest, ",", &rest)) != NULL;) {
    const struct hd_message_fields *m = hd_message_named(name);
    if (!m) {
      char known[512] = "";
      size_t n = 0;
      for (uint32_t i = 0; i < hd_message_count && n < sizeof known; i++) n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", hd_messages[i].name);
      return hd_cli_usage(c->command, "--kind %s: there is no such message; there are %s", name, known);
    }
    c->wanted[m->id & 255] = true;
  }
  return HD_EXIT_OK;
}

static bool journal_there(const char *dir) {
  const struct hd_disk *disk = hd_disk_system();
  uint64_t *list = NULL, count = 0;
  int handle = hd_disk_dir_open(disk, dir, false);
  if (handle < 0) return false;
  bool there = hd_segment_list(disk, handle, &list, &count, NULL) == HADRON_OK && count > 0;
  free(list);
  hd_disk_close(disk, handle);
  return there;
}

int hd_journal_call_begin(struct hd_journal_call *c, const char *command, int argc, char **argv, uint32_t options, int words_min, int words_max, const char *words) {
  *c = (struct hd_journal_call){.command = command};
  int code = options_read(c, argc, argv, options);
  if (!code && (c->word_count < words_min || c->word_count > words_max))
    code = hd_cli_usage(command, "expected %s, found %d word%s", words, c->word_count, c->word_count == 1 ? "" : "s");
  if (!code) code = place_read(c, "from", c->from_text, &c->from);
  if (!code) code = place_read(c, "to", c->to_text, &c->to);
  if (!code) code = kinds_read(c);
  if (code) return code;
  const char *dir = c->word_count == words_max ? c->words[0] : DIR_DEFAULT;
  char inside[HD_JOURNAL_CALL_PATH];
  if (!hd_text_copy(c->dir, sizeof c->dir, dir) || snprintf(inside, sizeof inside, "%s/journal", dir) >= (int)sizeof inside)
    return hd_cli_usage(command, "the directory's name is too long");
  if (!journal_there(c->dir) && journal_there(inside)) hd_text_copy(c->dir, sizeof c->dir, inside);
  return HD_EXIT_OK;
}

int hd_journal_call_fail(const struct hd_journal_call *c, const struct hd_fault *fault) {
  int code = fault->code == HADRON_ERR_NOT_FOUND || fault->code == HADRON_ERR_UNSUPPORTED ? HD_EXIT_DATA : hd_cli_exit(fault->code);
  if (c->json) {
    json_t *o = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", hadron_error_name(fault->code), "error", fault->text);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
  }
  fprintf(stderr, "hadron %s: %s\n", c->command, fault->text);
  if (fault->code == HADRON_ERR_CORRUPT) fprintf(stderr, "  (`hadron journal salvage %s TO` copies all that is good)\n", c->dir);
  return code;
}

// ---- the choice of records -----------------------------------------------------------------------------------------------------------

int32_t hd_journal_call_cursor(const struct hd_journal_call *c, struct hd_journal_cursor **cursor, struct hd_fault *fault) {
  int32_t code = hd_journal_cursor_open(c->dir, cursor, fault);
  if (code) return code;
  if (c->from.kind == HD_PLACE_SEQUENCE) code = hd_journal_cursor_seek_sequence(*cursor, c->from.number, fault);
  if (c->from.kind == HD_PLACE_POSITION) code = hd_journal_cursor_seek(*cursor, c->from.number, fault);
  if (c->from.kind == HD_PLACE_TIME) code = hd_journal_cursor_seek_time(*cursor, c->from.time_ns, fault);
  if (code) hd_journal_cursor_close(*cursor);
  return code;
}

static bool text_begins(const struct hd_message_fields *m, const char *name, const void *block, uint32_t length, const char *wanted) {
  char text[HD_FIELD_TEXT_SIZE];
  const struct hd_field *f = hd_field_find(m, name, block, length);
  if (!f || hd_field_zero(f, block)) return false;
  hd_field_format(f, block, text);
  return strncasecmp(text, wanted, strlen(wanted)) == 0;
}

static bool trace_matches(const struct hd_message_fields *m, const struct hadron_record *r, const char *wanted) {
  if (text_begins(m, "trace", r->bytes, r->block_length, wanted)) return true;
  const unsigned char *entries = NULL;
  uint32_t length = 0, count = hd_message_group(m, r, &entries, &length);
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t k = 0; k < m->group_count; k++) {
      char text[HD_FIELD_TEXT_SIZE];
      const void *entry = entries + (size_t)i * length;
      if (strcmp(m->group_fields[k].name, "trace") != 0 || !hd_field_present(&m->group_fields[k], entry, length)) continue;
      hd_field_format(&m->group_fields[k], entry, text);
      if (strncasecmp(text, wanted, strlen(wanted)) == 0) return true;
    }
  return false;
}

static bool order_matches(const struct hd_message_fields *m, const struct hadron_record *r, const char *wanted) {
  static const char *const names[] = {"client_order_id", "replaces", "order", "venue_order_id", "execution_id"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (text_begins(m, names[i], r->bytes, r->block_length, wanted)) return true;
  return false;
}

bool hd_journal_call_wants(const struct hd_journal_call *c, const struct hadron_record *r, uint64_t sequence, bool *over) {
  *over = (c->to.kind == HD_PLACE_SEQUENCE && sequence > c->to.number) || (c->to.kind == HD_PLACE_POSITION && r->position > c->to.number) ||
          (c->to.kind == HD_PLACE_TIME && r->time_ns > c->to.time_ns + INT64_C(1000000000));
  if (*over || (c->to.kind == HD_PLACE_TIME && r->time_ns > c->to.time_ns)) return false;
  if (c->from.kind == HD_PLACE_TIME && r->time_ns < c->from.time_ns) return false;
  if (c->some && (r->template_id > 255 || !c->wanted[r->template_id])) return false;
  if (!c->trace && !c->order) return true;
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  return m && (!c->trace || trace_matches(m, r, c->trace)) && (!c->order || order_matches(m, r, c->order));
}

// ---- verify --------------------------------------------------------------------------------------------------------------------------

struct watching {
  struct hd_progress bar;
  int64_t start_ns;
};

static void watching_init(struct watching *w, const char *title, bool json) {
  hd_progress_init(&w->bar, title, !json);
  w->bar.noun = "records";
  w->start_ns = hd_clock_monotonic_ns();
}

static void watching_tell(void *self, uint64_t done, uint64_t total, uint64_t records) {
  struct watching *w = self;
  hd_progress_show(&w->bar, done, total, records, 0, hd_clock_monotonic_ns() - w->start_ns);
}

static void verdict_json(const struct hd_journal_verdict *v, const struct hd_fault *fault, const char *dir, double seconds) {
  char id[33], head[65];
  hd_hex_format(id, v->id, 16);
  hd_hex_format(head, v->head, 32);
  json_t *o = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:f}", "ok", fault == NULL, "journal", dir, "id", id, "segments",
                        (json_int_t)v->segments, "records", (json_int_t)v->records, "voids", (json_int_t)v->voids, "missing", (json_int_t)v->missing, "bytes",
                        (json_int_t)v->bytes, "first_sequence", (json_int_t)v->first_sequence, "next_sequence", (json_int_t)v->next_sequence, "position",
                        (json_int_t)v->position, "chained", (json_int_t)v->chained, "begun_bytes", (json_int_t)v->begun_bytes, "head", head, "seconds", seconds);
  if (fault) json_object_set_new(o, "code", json_string(hadron_error_name(fault->code))), json_object_set_new(o, "error", json_string(fault->text));
  json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  putchar('\n');
  json_decref(o);
}

static void verdict_print(const struct hd_journal_verdict *v, const char *dir, double seconds) {
  char records[40], rate[40], head[65];
  hd_count_format(records, sizeof records, v->records);
  hd_rate_format(rate, sizeof rate, seconds > 0 ? (double)v->records / seconds : 0);
  hd_hex_format(head, v->head, 32);
  printf("%s is whole: %s records in %" PRIu64 " segment%s, sequences %" PRIu64 " to %" PRIu64 ", %" PRIu64 " hash%s compared (%s records/s)\n", dir, records, v->segments,
         v->segments == 1 ? "" : "s", v->first_sequence, v->next_sequence - 1, v->chained, v->chained == 1 ? "" : "es", rate);
  if (v->voids) printf("%" PRIu64 " record%s missing, in %" PRIu64 " place%s that void records stand for\n", v->missing, v->missing == 1 ? "" : "s", v->voids, v->voids == 1 ? "" : "s");
  if (v->begun_bytes)
    printf("%s at offset %" PRIu64 ": %" PRIu64 " bytes behind the last record that were never committed: a host at work, or one that was killed\n", v->file,
           v->begun_offset, v->begun_bytes);
  printf("head %" PRIu64 ":%s\n", v->next_sequence, head);
}

// "1234:ab12..." against the journal.
static int head_check(struct hd_journal_call *c) {
  uint8_t head[32];
  struct hd_fault fault = {0};
  char *colon = NULL;
  uint64_t sequence = strtoull(c->head, &colon, 10);
  if (!sequence || *colon != ':' || strlen(colon + 1) != 64 || !hd_hex_parse(head, colon + 1, 32))
    return hd_cli_usage(c->command, "--head %s: expected the next record's sequence, a colon and 64 hex digits, as verify prints them", c->head);
  if (hd_journal_verify_head(NULL, c->dir, sequence, head, &fault) != HADRON_OK) return hd_journal_call_fail(c, &fault);
  return HD_EXIT_OK;
}

int hd_journal_verify_command(int argc, char **argv) {
  struct hd_journal_call c;
  int code = hd_journal_call_begin(&c, "journal verify", argc, argv, HD_JOURNAL_TAKES_HEAD, 0, 1, "at most one directory");
  if (code) return code;
  struct watching w;
  watching_init(&w, "verify", c.json);
  const struct hd_journal_watch watch = {watching_tell, &w};
  struct hd_journal_verdict v;
  struct hd_fault fault = {0};
  int32_t rc = hd_journal_verify(NULL, c.dir, &watch, &v, &fault);
  hd_progress_end(&w.bar);
  double seconds = (double)(hd_clock_monotonic_ns() - w.start_ns) / 1e9;
  if (rc == HADRON_OK && c.head && (code = head_check(&c))) return code;
  if (c.json) verdict_json(&v, rc ? &fault : NULL, c.dir, seconds);
  else if (!rc) verdict_print(&v, c.dir, seconds);
  c.json = false; // said
  return rc ? hd_journal_call_fail(&c, &fault) : HD_EXIT_OK;
}

// ---- salvage -------------------------------------------------------------------------------------------------------------------------

struct losses {
  bool json;
  json_t *list;
};

static void loss_told(void *self, const struct hd_journal_loss *l) {
  struct losses *all = self;
  if (all->json) {
    json_array_append_new(all->list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "file", l->file, "offset", (json_int_t)l->offset, "bytes", (json_int_t)l->bytes,
                                               "first_sequence", (json_int_t)l->first_sequence, "records", (json_int_t)l->records, "after_ns",
                                               (json_int_t)l->after_ns, "before_ns", (json_int_t)l->before_ns, "what", l->what));
    return;
  }
  char after[40] = "the start", before[40] = "the end";
  if (l->after_ns) hd_time_format(after, sizeof after, l->after_ns, 6);
  if (l->before_ns) hd_time_format(before, sizeof before, l->before_ns, 6);
  printf("%s at offset %" PRIu64 ": %" PRIu64 " bytes, %s; ", l->file, l->offset, l->bytes, l->what);
  if (l->records) printf("lost: records %" PRIu64 " to %" PRIu64 ", between %s and %s\n", l->first_sequence, l->first_sequence + l->records - 1, after, before);
  else printf("no committed record is lost by it\n");
}

int hd_journal_salvage_command(int argc, char **argv) {
  struct hd_journal_call c;
  int code = hd_journal_call_begin(&c, "journal salvage", argc, argv, 0, 2, 2, "the damaged journal and a new directory");
  if (code) return code;
  struct watching w;
  watching_init(&w, "salvage", c.json);
  const struct hd_journal_watch watch = {watching_tell, &w};
  struct losses losses = {c.json, json_array()};
  struct hd_journal_salvage s;
  struct hd_fault fault = {0};
  int32_t rc = hd_journal_salvage(NULL, c.dir, c.words[1], &watch, loss_told, &losses, &s, &fault);
  hd_progress_end(&w.bar);
  if (c.json && !rc) {
    json_t *o = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:O}", "ok", 1, "journal", c.dir, "to", c.words[1], "segments", (json_int_t)s.segments, "records",
                          (json_int_t)s.records, "lost", (json_int_t)s.lost, "cut_bytes", (json_int_t)s.cut_bytes, "places", losses.list);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
  } else if (!rc) {
    char records[40];
    hd_count_format(records, sizeof records, s.records);
    printf("%s: %s records in %" PRIu64 " segments copied to %s; %" PRIu64 " lost in %" PRIu64 " places, %" PRIu64 " bytes of a torn tail\n", c.dir, records, s.segments,
           c.words[1], s.lost, s.places, s.cut_bytes);
  }
  json_decref(losses.list);
  return rc ? hd_journal_call_fail(&c, &fault) : HD_EXIT_OK;
}
