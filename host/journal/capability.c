#include "journal/capability.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define FLUSH_EVERY_NS INT64_C(250000000) // a flush of a reader's takes its time from those of the orders
#define KEEP_STEP (UINT64_C(1) << 20) // the place is written again after this many bytes: it guards whole segments

static struct hd_journal_reader *(*reader_lookup)(struct hadron_instance *instance);

int32_t hd_journal_reader_init(struct hd_journal_reader *r, struct hd_journal *journal, const char *name, struct hd_fault *fault) {
  *r = (struct hd_journal_reader){.journal = journal};
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: \"%s\" is no name for a reader", name);
  hd_text_copy(r->name, sizeof r->name, name);
  return hd_journal_cursor_open_on(hd_journal_disk(journal), hd_journal_dir(journal), &r->cursor, fault);
}

void hd_journal_reader_fini(struct hd_journal_reader *r) {
  hd_journal_cursor_close(r->cursor);
  r->cursor = NULL;
}

static int32_t reader_seek(struct hadron_instance *instance, uint64_t position) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (!r) return HADRON_ERR_STATE;
  struct hd_fault fault;
  int32_t rc = hd_journal_cursor_seek(r->cursor, position, &fault);
  if (rc == HADRON_OK) r->held.bytes = NULL;
  if (rc != HADRON_OK) hd_log_warn("JOURNAL_SEEK", "%s: %s", r->name, fault.text);
  return rc;
}

// With fsync a reader is given what the power cannot take back: else others would have rows of records that no journal stands for any more, and
// of those that come in their place none. Orders flush as they go; what nobody waits for is flushed for the reader, now and then.
static bool is_lasting(struct hd_journal_reader *r) {
  uint64_t at = r->held.bytes ? r->held.position : hd_journal_cursor_position(r->cursor), end = hd_journal_end(r->journal);
  if (at < r->durable || at < (r->durable = hd_journal_durable(r->journal))) return true;
  int64_t now_ns = r->now_ns ? r->now_ns : hd_clock_monotonic_ns();
  if (at >= end || (now_ns < r->flush_ns && now_ns >= r->flush_ns - FLUSH_EVERY_NS)) return at >= end;
  r->flush_ns = now_ns + FLUSH_EVERY_NS;
  if (hd_journal_sync(r->journal, end - 1) != HADRON_OK) return false;
  r->durable = hd_journal_durable(r->journal);
  return at < r->durable;
}

static int32_t reader_next(struct hadron_instance *instance, struct hadron_record *record) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (!r) return HADRON_ERR_STATE;
  if (!is_lasting(r)) return HADRON_ERR_AGAIN;
  if (r->held.bytes) {
    *record = r->held;
    r->held.bytes = NULL;
    return HADRON_OK;
  }
  struct hd_fault fault;
  int32_t rc = hd_journal_cursor_next(r->cursor, record, &fault);
  if (rc == HADRON_OK && record->position >= r->durable && record->position >= (r->durable = hd_journal_durable(r->journal))) { // the first of a segment
    r->held = *record;
    return HADRON_ERR_AGAIN;
  }
  if (rc == HADRON_OK || rc == HADRON_ERR_AGAIN) return rc;
  if (!r->damaged) hd_log_error("JOURNAL_READ", "%s: %s", r->name, fault.text);
  r->damaged = true;
  return rc;
}

static void reader_id(struct hadron_instance *instance, uint8_t id[16]) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (r)
    memcpy(id, hd_journal_id(r->journal), 16);
  else
    memset(id, 0, 16);
}

static uint64_t reader_end(struct hadron_instance *instance) {
  struct hd_journal_reader *r = reader_lookup(instance);
  return r ? hd_journal_end(r->journal) : 0;
}

static int32_t reader_keep(struct hadron_instance *instance, uint64_t position) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (!r) return HADRON_ERR_STATE;
  if (r->kept > 1 && position >= r->kept && position - r->kept < KEEP_STEP) return HADRON_OK;
  struct hd_fault fault;
  int32_t rc = hd_journal_keep(hd_journal_disk(r->journal), hd_journal_dir(r->journal), r->name, position, &fault);
  if (rc == HADRON_OK)
    r->kept = position ? position : 1; // 1: everything, which the first place after it replaces
  else
    hd_log_warn("JOURNAL_KEEP", "%s: %s", r->name, fault.text);
  return rc;
}

static int32_t reader_keep_note(struct hadron_instance *instance, uint64_t position, const char *note) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (!r) return HADRON_ERR_STATE;
  struct hd_fault fault;
  int32_t rc = hd_journal_keep_note(hd_journal_disk(r->journal), hd_journal_dir(r->journal), r->name, position, note, &fault);
  if (rc == HADRON_OK)
    r->kept = position ? position : 1;
  else
    hd_log_warn("JOURNAL_KEEP", "%s: %s", r->name, fault.text);
  return rc;
}

static int32_t reader_kept(struct hadron_instance *instance, uint64_t *position, char note[HADRON_JOURNAL_NOTE_SIZE]) {
  struct hd_journal_reader *r = reader_lookup(instance);
  if (!r) return HADRON_ERR_STATE;
  struct hd_fault fault;
  int32_t rc = hd_journal_kept_note(hd_journal_disk(r->journal), hd_journal_dir(r->journal), r->name, position, note, &fault);
  if (rc != HADRON_OK && rc != HADRON_ERR_NOT_FOUND) hd_log_warn("JOURNAL_KEPT", "%s: %s", r->name, fault.text);
  return rc;
}

const struct hadron_journal *hd_journal_capability(struct hd_journal_reader *(*reader_of)(struct hadron_instance *instance)) {
  static const struct hadron_journal table = {.struct_size = sizeof table,
                                              .seek = reader_seek,
                                              .next = reader_next,
                                              .id = reader_id,
                                              .end = reader_end,
                                              .keep = reader_keep,
                                              .keep_note = reader_keep_note,
                                              .kept = reader_kept};
  HD_ASSERT(reader_of);
  reader_lookup = reader_of;
  return &table;
}
