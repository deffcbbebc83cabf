#include "runtime/recover.h"
#include "runtime/placed.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "journal/format.h"
#include "pipeline/fold.h"
#include "runtime/session_internal.h"
#include "runtime/setting.h"
#include "runtime/snapshot.h"

struct hd_recover {
  uint64_t to;                                       // the journal's end when it was opened
  uint64_t first;                                    // position of the first record that is kept
  struct hadron_instrument_definition *instruments;  // [id]; owned
  uint32_t instrument_count, instrument_room;        // highest id
  uint32_t arm_highest;                              // of all runs
  uint32_t arm_count;                                // of the last one
  struct hd_recovered out;
  struct hd_session *session;
  struct hd_snapshot snapshot;                       // position 0: none is used
};

// ---- reading ---------------------------------------------------------------------------------------------------------------------

static const char *dir_of(const struct hd_session *s) { return s->options.recorded ? s->options.recorded->journal : hd_journal_dir(s->journal); }

typedef int32_t take_record(void *user, const struct hadron_record *record, struct hd_fault *fault);

// A reader waits behind a seal whose successor is not there. Where the journal goes on further than to that successor's first record, it is gone.
static int32_t ends_there(const struct hd_session *s, const struct hd_journal_cursor *cursor, struct hd_fault *fault) {
  uint64_t position = hd_journal_cursor_position(cursor);
  if (s->recover->to <= position + HD_SEAL_BYTES + HD_JOURNAL_HEADER_BYTES) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "recovery: the journal %s: expected records up to position %llu, found none behind %llu, the end of record %llu: a segment is missing; restore it, or see what is "
                      "left: `hadron journal verify %s`", dir_of(s), (unsigned long long)s->recover->to, (unsigned long long)position, (unsigned long long)hd_journal_cursor_sequence(cursor) - 1, dir_of(s));
}

// Every record from `from` (0: the first that is kept) up to the end that was.
static int32_t walk(struct hd_session *s, uint64_t from, take_record *take, void *user, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  int32_t code = hd_journal_cursor_open_on(s->options.disk, dir_of(s), &cursor, fault);
  if (code == HADRON_ERR_NOT_FOUND) return HADRON_OK;
  if (code) return hd_fault_prefix(fault, "recovery: ");
  if (from > 0 && from < s->recover->to) code = hd_journal_cursor_seek(cursor, from, fault);
  if (from >= s->recover->to) code = HADRON_ERR_AGAIN;
  while (!code && hd_journal_cursor_position(cursor) < s->recover->to) {
    code = hd_journal_cursor_next(cursor, &record, fault);
    if (!code && record.position < s->recover->to) code = take(user, &record, fault);
  }
  if (code == HADRON_ERR_AGAIN) code = from < s->recover->to ? ends_there(s, cursor, fault) : HADRON_OK;
  hd_journal_cursor_close(cursor);
  return code;
}

// ---- what is known beforehand ------------------------------------------------------------------------------------------------------

static int32_t scan_instrument(struct hd_recover *r, const struct hadron_instrument_definition *d, struct hd_fault *fault) {
  if (d->instrument == 0 || d->instrument > (1u << 24)) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "recovery: an instrument has the number %u in the journal", d->instrument);
  if (d->instrument >= r->instrument_room) {
    uint32_t room = r->instrument_room ? r->instrument_room : 64;
    while (room <= d->instrument) room *= 2;
    struct hadron_instrument_definition *grown = realloc(r->instruments, room * sizeof *grown);
    if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: %u instruments: out of memory", room);
    memset(grown + r->instrument_room, 0, (room - r->instrument_room) * sizeof *grown);
    r->instruments = grown;
    r->instrument_room = room;
  }
  r->instruments[d->instrument] = *d;
  if (d->instrument > r->instrument_count) r->instrument_count = d->instrument;
  return HADRON_OK;
}

static int32_t scan_record(void *user, const struct hadron_record *record, struct hd_fault *fault) {
  struct hd_recover *r = user;
  const char *tail = (const char *)record->bytes + record->block_length;
  hd_settings_see(r->session->settings, record->template_id, record->position, record->bytes, record->block_length, tail, record->size - record->block_length);
  if (record->template_id == HADRON_MSG_INSTRUMENT && record->block_length >= sizeof(struct hadron_instrument_definition))
    return scan_instrument(r, record->bytes, fault);
  if (record->template_id == HADRON_MSG_SESSION && record->block_length >= sizeof(struct hadron_session)) r->arm_count = 0;
  if (record->template_id != HADRON_MSG_ARM || record->block_length < sizeof(struct hadron_arm_definition)) return HADRON_OK;
  const struct hadron_arm_definition *d = record->bytes;
  if (d->arm > r->arm_highest) r->arm_highest = d->arm;
  if (d->arm > r->arm_count) r->arm_count = d->arm;
  return HADRON_OK;
}

// Its first record is still there, so that everything can be made from the beginning.
static int32_t begins(struct hd_session *s, bool *yes, uint64_t *sequence, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  int32_t code = hd_journal_cursor_open_on(s->options.disk, dir_of(s), &cursor, fault);
  if (code) return code == HADRON_ERR_NOT_FOUND ? HADRON_OK : hd_fault_prefix(fault, "recovery: ");
  *sequence = hd_journal_cursor_sequence(cursor);
  s->recover->first = hd_journal_cursor_position(cursor);
  *yes = *sequence <= 1;
  hd_journal_cursor_close(cursor);
  return HADRON_OK;
}

static void passed_over(void *user, const char *text) {
  struct hd_recover *r = user;
  hd_log_warn("SNAPSHOT", "%s", text);
  r->out.snapshots_bad++;
}

static int32_t look_into(struct hd_session *s, struct hd_fault *fault) {
  struct hd_recover *r = s->recover;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < r->snapshot.instrument_count && !code; i++) code = scan_instrument(r, &r->snapshot.instruments[i], fault);
  r->arm_highest = r->arm_count = r->snapshot.arm_count;
  r->snapshot.image.at = 0;
  hd_settings_load(s->settings, &r->snapshot.image);
  return code;
}

// A strategy that cannot save is fed from the beginning, as long as that is there.
static int32_t choose_snapshot(struct hd_session *s, struct hd_fault *fault) {
  struct hd_recover *r = s->recover;
  bool from_beginning = true;
  uint64_t sequence = 1;
  int32_t code = begins(s, &from_beginning, &sequence, fault);
  if (code) return code;
  code = hd_snapshot_find(s->options.disk, hd_journal_dir(s->journal), hd_journal_id(s->journal), r->to, &r->snapshot, passed_over, r, fault);
  if (code == HADRON_ERR_NOT_FOUND && !from_beginning)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "recovery: the journal %s begins with record %llu and no snapshot is good: the books cannot be had; restore a snapshot-*.hds, or begin anew with "
                        "another data_dir and recovery.on_difference = \"adopt\"", hd_journal_dir(s->journal), (unsigned long long)sequence);
  if (code == HADRON_ERR_NOT_FOUND) return HADRON_OK;
  if (code) return code;
  if (!r->snapshot.whole && from_beginning) {
    hd_snapshot_fini(&r->snapshot);
    return HADRON_OK;
  }
  return look_into(s, fault);
}

// Run again: what it began with then. Where that is gone, everything before it is read: who got a state handed over knows only what it was fed since.
static int32_t recorded_snapshot(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_session_recorded *r = s->options.recorded;
  struct hd_fault why = {0};
  bool from_beginning = true;
  uint64_t sequence = 1;
  int32_t code = begins(s, &from_beginning, &sequence, fault);
  if (code) return code;
  if (r->snapshot) code = hd_snapshot_at(s->options.disk, r->journal, r->snapshot, &s->recover->snapshot, &why);
  if (!code && r->snapshot && r->snapshot < r->recover_to && r->snapshot < s->recover->first) code = HADRON_ERR_NOT_FOUND;
  else if (!code && r->snapshot) return look_into(s, fault);
  if (!from_beginning)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "it went on from what was before it, and the journal keeps only what comes after position %llu%s%s", (unsigned long long)s->recover->first,
                        *why.text ? "; " : "", why.text);
  if (!code) return HADRON_OK;
  hd_log_warn("SNAPSHOT", "the session began with a snapshot that cannot be read now: %s; the journal is read from its beginning instead, and strategies that had a state handed over before "
              "that may decide otherwise", why.text);
  return HADRON_OK;
}

int32_t hd_recover_scan(struct hd_session *s, struct hd_fault *fault) {
  HD_ASSERT((s->journal || s->options.recorded) && !s->recover);
  if (!(s->recover = calloc(1, sizeof *s->recover))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: out of memory");
  if (!(s->settings = hd_settings_create())) return hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: out of memory");
  s->recover->session = s;
  s->recover->to = s->options.recorded ? s->options.recorded->recover_to : hd_journal_end(s->journal);
  int32_t code = s->journal ? choose_snapshot(s, fault) : recorded_snapshot(s, fault);
  if (!code) code = walk(s, s->recover->snapshot.position, scan_record, s->recover, fault);
  if (!s->options.recorded) hd_settings_tell(s->settings);
  return code;
}

// A session has room for its own arms, for those of the runs before it, and for those that it has to close.
uint32_t hd_recover_arms(const struct hd_session *s, uint32_t arms) {
  if (!s->recover || s->recover->arm_highest == 0) return arms;
  uint32_t needed = arms + s->recover->arm_count;
  if (needed < s->recover->arm_highest) needed = s->recover->arm_highest;
  return needed < HD_ARMS_MAX ? needed : HD_ARMS_MAX;
}

int32_t hd_recover_instruments(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_recover *r = s->recover;
  for (uint32_t id = 1; id <= r->instrument_count; id++) {
    const struct hadron_instrument_definition *d = &r->instruments[id];
    struct hd_instrument row = {.asset = d->asset, .increment = d->increment, .lot = d->lot, .multiplier = d->multiplier};
    uint32_t made;
    if (d->instrument) memcpy(row.name, d->name, sizeof row.name);
    else snprintf(row.name, sizeof row.name, "(lost %u)", id); // its definition was never written: the ids of the others stay
    memcpy(row.currency, d->currency, sizeof row.currency);
    int32_t code = hd_instruments_add(&s->pipeline.instruments, &row, &made);
    if (code)
      return hd_fault_set(fault, code, "recovery: instrument %.32s, number %u of the journal's %u: %s%s", row.name, id, r->instrument_count, hadron_error_text(code),
                          code == HADRON_ERR_FULL ? "; raise universe.max" : "");
    HD_ASSERT(made == id);
    s->pipeline.instruments.rows[id].retired = true;
  }
  return HADRON_OK;
}

// ---- folding -----------------------------------------------------------------------------------------------------------------------

static bool venue_gone(void *user, uint16_t number) {
  const struct hd_session *s = user;
  return number > 0 && number <= s->venue_count && hd_venue_is(&s->venues[number - 1], HADRON_VENUE_FOLLOWS);
}

struct folding {
  struct hd_session *s;
  struct hd_fold *f;
};

// What an operator has set is carried out where it was: strategies are fed with the parameters they had then.
static int32_t fold_one(void *user, const struct hadron_record *record, struct hd_fault *fault) {
  const struct folding *of = user;
  int32_t code = hd_fold_record(of->f, record, fault);
  if (!code && record->template_id == HADRON_MSG_OPERATOR) hd_settings_again(of->s, record->position);
  return code;
}

static int32_t write_recovered(struct hd_session *s, int64_t now_ns, const struct hd_recovered *out, struct hd_fault *fault) {
  const struct hadron_recovered block = {.time_ns = now_ns, .took_ns = s->options.is_virtual ? 0 : out->took_ns, .position = out->position, .snapshot = out->snapshot,
                                         .records = out->records, .ticks = out->ticks, .orders_open = out->orders_open, .orders_unknown = out->orders_unknown,
                                         .orders_ended = out->orders_ended, .alerts = out->arms_lost + out->stateless + out->snapshots_bad + (out->differences > 0)};
  struct {
    uint32_t size; // SBE varData: length, then bytes
    char bytes[HD_VENUES_MAX * (HADRON_NAME_SIZE + 1)];
  } tail = {0};
  for (uint32_t i = 0; i < s->venue_count; i++)
    tail.size += (uint32_t)snprintf(tail.bytes + tail.size, sizeof tail.bytes - tail.size, "%s%s", i ? " " : "", s->venues[i].name);
  const struct hd_record_sink *sink = &s->pipeline.sink;
  int32_t code = sink->write(sink->self, HADRON_MSG_RECOVERED, &block, sizeof block, &tail, (uint32_t)sizeof tail.size + tail.size, block.time_ns, 0);
  return code ? hd_fault_set(fault, code, "recovery: its record was not written: %s", hadron_error_text(code)) : HADRON_OK;
}

static void tell(struct hd_session *s, const struct hd_fold *f, const struct hd_recovered *out) {
  char text[300];
  for (uint32_t arm = 1; arm <= f->arm_count; arm++) {
    if (!f->stateless[arm]) continue;
    snprintf(text, sizeof text, "recovery: %s %s: a state was handed to it in a change of version, and no record has it: it knows what it was fed since", f->definitions[arm].name,
             f->definitions[arm].version);
    hd_session_alert(s, 2, 0, arm, s->runner.now_ns, text);
  }
  if (out->differences) {
    snprintf(text, sizeof text, "recovery: %llu records do not agree with what came before them: the books are what was booked; run `hadron journal verify`, compare the venue's positions",
             (unsigned long long)out->differences);
    hd_session_alert(s, 3, HADRON_ERR_CORRUPT, 0, s->runner.now_ns, text);
  }
  if (out->snapshots_bad) {
    snprintf(text, sizeof text, "recovery: %u snapshots were passed over: they are damaged or another build's; an older one and more of the journal were used", out->snapshots_bad);
    hd_session_alert(s, 2, 0, 0, s->runner.now_ns, text);
  }
  if (f->timers_lost) hd_log_warn("RECOVERED", "%llu timers of the journal were not due here: strategies or their parameters have changed", (unsigned long long)f->timers_lost);
  if (f->skipped) hd_log_warn("RECOVERED", "%llu records speak of instruments that nobody defined, or are shorter than they should be", (unsigned long long)f->skipped);
  if (out->first) return;
  hd_log_info("RECOVERED", "%llu records, %llu ticks of them, in %.3f s: %u orders open, %u of them unknown, %u ended with the host", (unsigned long long)out->records,
              (unsigned long long)out->ticks, (double)out->took_ns * 1e-9, out->orders_open, out->orders_unknown, out->orders_ended);
}

// A virtual clock begins with its first event: before that it stands where the configuration says, or where the journal ends.
static int64_t time_of(const struct hd_session *s, const struct hd_fold *f) {
  if (s->runner.now_ns > 0) return s->runner.now_ns;
  return s->config->start_ns > 0 ? s->config->start_ns : f->last_ns;
}

static int32_t fold(struct hd_session *s, struct hd_fold *f, struct hd_recovered *out, struct hd_fault *fault) {
  const char *names[HD_VENUES_MAX + 1];
  struct hd_folded folded;
  int64_t start_ns = hd_clock_monotonic_ns();
  for (uint32_t i = 0; i < s->venue_count; i++) names[i] = s->venues[i].name;
  const struct hd_fold_options options = {.venues = names, .venue_count = s->venue_count, .shadow_venue = s->runner.shadow_venue, .gone = venue_gone, .user = s};
  s->recovering = true;
  int32_t code = hd_fold_begin(f, &s->pipeline, &options, fault);
  if (!code && s->recover->snapshot.position) {
    code = hd_snapshot_load(s, f, &s->recover->snapshot, fault);
    f->last_ns = s->recover->snapshot.time_ns;
    out->snapshot = s->recover->snapshot.position;
    if (!code) hd_settings_again(s, 0);
  }
  struct folding of = {s, f};
  if (!code) code = walk(s, s->recover->snapshot.position, fold_one, &of, fault);
  hd_session_drain_placed(s, true); // what they decide of it was decided then
  s->recovering = false;
  hd_session_renew_placed(s);
  hd_session_drain_placed(s, true); // a bar that the host had closed by its clock
  if (!code) code = hd_fold_adopt(f, time_of(s, f), &folded, fault);
  if (code) return code;
  for (uint32_t arm = 1; arm <= f->arm_count; arm++) out->stateless += f->stateless[arm];
  out->records = f->records, out->ticks = f->ticks, out->differences = f->differences, out->arms_lost = folded.arms_lost;
  out->orders_open = folded.orders.open, out->orders_unknown = folded.orders.unknown, out->orders_ended = folded.orders.ended;
  out->took_ns = hd_clock_monotonic_ns() - start_ns;
  for (uint32_t i = 0; i < s->venue_count && (f->records > 0 || out->snapshot); i++) {
    s->venues[i].since_ns = f->last_ns;
    if (venue_gone(s, (uint16_t)(i + 1))) hd_venue_blind(&s->venues[i]);
  }
  code = write_recovered(s, time_of(s, f), out, fault);
  hd_crash_here(HD_CRASH_RECOVERED);
  return code ? code : hd_fold_resume(f, time_of(s, f), fault);
}

// Nothing of the session depends on it.
static void keep_snapshot(struct hd_session *s) {
  struct hd_fault fault;
  if (hd_snapshot_keep(s->journal, s->recover->first, &s->recover->snapshot, &fault))
    hd_log_warn("SNAPSHOT", "%s; a replay of this session may begin with another state", fault.text);
}

int32_t hd_session_recover(struct hd_session *s, struct hd_recovered *out, struct hd_fault *fault) {
  struct hd_recovered *to = &s->recover->out;
  struct hd_fold f = {0};
  HD_ASSERT(s->recover && !s->live);
  to->position = s->recover->to;
  int32_t code = fold(s, &f, to, fault);
  to->first = to->records == 0 && to->snapshot == 0;
  if (!code) tell(s, &f, to);
  if (!code && s->journal && to->snapshot) keep_snapshot(s);
  hd_fold_fini(&f);
  hd_snapshot_fini(&s->recover->snapshot);
  if (!code && s->journal && !s->options.is_virtual && !(s->snapshots = calloc(1, sizeof *s->snapshots)))
    code = hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: out of memory");
  if (!code && out) *out = *to;
  return code;
}

const struct hd_recovered *hd_session_recovered(const struct hd_session *s) { return s->recover ? &s->recover->out : NULL; }

void hd_recover_free(struct hd_recover *r) {
  if (!r) return;
  hd_snapshot_fini(&r->snapshot);
  free(r->instruments);
  free(r);
}
