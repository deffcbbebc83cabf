// A host's own journal: its TICK records, under the names that its INSTRUMENT records give. What was recorded live is a backtest's
// input like any other recording. All sessions of the directory, or one of them (option `session`).
//
// The ticks are those that the host accepted, as it processed them: refused, conflated and dropped ones are not there. The sequence in
// them was the host's own; here they have none, as from a venue that numbers nothing. The venue of a tick is forgotten: listings of one
// instrument at several venues are one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "reader.h"

struct journal {
  struct journal_walk walk;
  uint32_t *handles;       // [instrument]; 0: not defined
  uint32_t handle_count;
  int64_t session, wanted; // of the session that is being read; which one: 0 all
  bool inside;             // between the begin of the wanted session and the next
};

static struct journal *journal_of(struct reader *r) { return r->state; }

// The sniffing is reader.c's: a journal is a directory.
static bool journal_sniff(const struct file_probe *probe) {
  (void)probe;
  return false;
}

static bool is_begin(const struct journal_record *r, uint32_t size) {
  if (r->message.template_id != HADRON_MSG_SESSION || size < sizeof(struct hadron_session)) return false;
  return !(((const struct hadron_session *)(const void *)(r + 1))->flags & 1);
}

// How many sessions begin in the segment with this first sequence.
static int32_t segment_sessions(struct reader *r, const char *path, uint64_t first, int64_t *sessions) {
  struct journal_walk w;
  const struct journal_record *record;
  uint32_t size;
  *sessions = 0;
  int32_t result = journal_open(&w, path, first, false, &r->fault);
  if (result) return result;
  char name[sizeof w.name];
  memcpy(name, w.name, sizeof name);
  while (!(result = journal_next(&w, &record, &size)) && strcmp(name, w.name) == 0) *sessions += is_begin(record, size);
  journal_close(&w);
  return result == HADRON_ERR_END ? HADRON_OK : result;
}

// From the end: -1 is the last session. Goes back segment by segment until enough sessions begin there, so that a long journal is not
// read whole. *start: first sequence of the segment to begin at; *number: the wanted one, counted from there.
static int32_t session_from_end(struct reader *r, const char *path, int64_t back, uint64_t *start, int64_t *number) {
  uint64_t *list, bytes;
  uint32_t count;
  int32_t result = journal_segments(path, &list, &count, &bytes, &r->fault);
  int64_t found = 0, here = 0;
  for (uint32_t i = count; !result && i-- > 0 && found < back;) {
    result = segment_sessions(r, path, list[i], &here);
    found += here;
    *start = list[i];
  }
  free(list);
  if (result) return result;
  if (found < back) return reader_fault(r, HADRON_ERR_NOT_FOUND, "a journal with that session", "fewer sessions", "ask for a later one");
  *number = found - back + 1;
  return HADRON_OK;
}

static int32_t journal_begin(struct reader *r) {
  char path[SOURCE_PATH_MAX];
  uint64_t *list, start = 0;
  uint32_t count;
  struct journal *j = calloc(1, sizeof *j);
  r->state = j;
  if (!j) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "free some");
  j->walk.dir = -1;
  j->wanted = r->setup->options.session;
  if (!journal_found(r->path, path)) return reader_fault(r, HADRON_ERR_NOT_FOUND, "a directory with a journal", "none", "name data_dir/journal");
  int32_t result = journal_segments(path, &list, &count, &r->size, &r->fault);
  if (!result) free(list);
  if (!result && j->wanted < 0) result = session_from_end(r, path, -j->wanted, &start, &j->wanted);
  if (!result) result = journal_open(&j->walk, path, start, r->setup->options.verify, &r->fault);
  j->inside = j->wanted == 0;
  if (j->wanted) snprintf(r->label, sizeof r->label, "Hadron journal, one session");
  else text_copy(r->label, sizeof r->label, "Hadron journal", 14);
  return result;
}

// Each session tells its instruments anew.
static void session_begins(struct journal *j) {
  j->session++;
  j->inside = j->wanted == 0 || j->session == j->wanted;
  if (j->handle_count) memset(j->handles, 0, j->handle_count * sizeof *j->handles);
}

static int32_t define(struct reader *r, const struct hadron_instrument_definition *d) {
  struct journal *j = journal_of(r);
  struct symbol *symbol;
  struct hadron_listing l = {.increment = d->increment, .lot = d->lot, .multiplier = d->multiplier, .asset = d->asset};
  if (d->instrument == 0 || d->instrument > SYMBOLS_MAX || !symbol_valid(d->name, strnlen(d->name, sizeof d->name)))
    return reader_bad(r, "an instrument without a proper name and number");
  memcpy(l.symbol, d->name, sizeof l.symbol - 1);
  memcpy(l.name, d->name, sizeof l.name - 1);
  memcpy(l.currency, d->currency, sizeof l.currency - 1);
  if (d->instrument >= j->handle_count) {
    uint32_t larger = d->instrument < 64 ? 128 : 2 * d->instrument;
    uint32_t *handles = realloc(j->handles, larger * sizeof *handles);
    if (!handles) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "free some");
    memset(handles + j->handle_count, 0, (larger - j->handle_count) * sizeof *handles);
    j->handles = handles;
    j->handle_count = larger;
  }
  if (j->handles[d->instrument]) return HADRON_OK; // another listing of it
  int32_t result = symbols_get(r->setup->symbols, &l, &symbol);
  if (result) return reader_fault(r, result, "a listing that the host takes", hadron_error_text(result), hadron_error_hint(result));
  if (r->symbols++ == 0) text_copy(r->symbol, sizeof r->symbol, l.symbol, strlen(l.symbol));
  j->handles[d->instrument] = symbol->handle;
  return HADRON_OK;
}

static int32_t take_tick(struct reader *r, const struct hadron_tick *from) {
  const struct journal *j = journal_of(r);
  struct hadron_tick t = *from;
  r->counts.rows++;
  if (t.instrument >= j->handle_count || j->handles[t.instrument] == 0) return reader_bad(r, "a tick of an instrument that was not defined");
  t.instrument = j->handles[t.instrument];
  t.sequence = 0;
  t.flags &= (uint8_t) ~(HADRON_TICK_GAP | HADRON_TICK_STALE); // the host's remarks: it makes them again
  return reader_push(r, &t) ? HADRON_OK : reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "free some");
}

static int32_t journal_row(struct reader *r) {
  struct journal *j = journal_of(r);
  const struct journal_record *record;
  uint32_t size;
  int32_t result = journal_next(&j->walk, &record, &size);
  if (result) return result;
  uint64_t until = r->setup->options.until, at = j->walk.position + (uint64_t)((const uint8_t *)record - j->walk.base);
  if (until && at >= until) return HADRON_ERR_END; // a host that runs writes on
  r->done = j->walk.position + j->walk.offset;
  const void *block = record + 1;
  if (is_begin(record, size)) session_begins(j);
  if (!j->inside) return j->session > j->wanted ? HADRON_ERR_END : HADRON_OK;
  if (record->message.template_id == HADRON_MSG_TICK && size >= sizeof(struct hadron_tick)) return take_tick(r, block);
  if (record->message.template_id == HADRON_MSG_INSTRUMENT && size >= sizeof(struct hadron_instrument_definition)) return define(r, block);
  return HADRON_OK;
}

static void journal_end(struct reader *r) {
  struct journal *j = journal_of(r);
  journal_close(&j->walk);
  free(j->handles);
  free(j);
}

const struct format format_journal = {"journal", "a host's journal: the directory", true, journal_sniff, journal_begin, journal_row, journal_end};
