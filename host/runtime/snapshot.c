#include "runtime/snapshot.h"

#include <errno.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/disk.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "plugin/state.h"
#include "runtime/live.h"
#include "runtime/recover.h"
#include "runtime/session_internal.h"
#include "runtime/setting.h"
#include "runtime/standin.h"

#define MAGIC "HADRONS1"
#define FORMAT 2
#define NAME_SIZE 48
#define STATE_MARK 0x54415453u // "STAT"

struct head {
  char magic[8];
  uint32_t format, head_bytes;
  uint64_t layout;     // of the structs in it: another build's are not read
  uint8_t journal[16]; // identity
  uint64_t position, bytes;
  int64_t time_ns;
  uint32_t instruments, arms, whole;
  uint32_t crc;        // CRC-32C of what follows the head
  uint32_t pad, head_crc; // CRC-32C of what is before it
};
_Static_assert(sizeof(struct head) == 88, "a snapshot's head");

static uint32_t head_crc(const struct head *h) { return hd_crc32c(0, h, offsetof(struct head, head_crc)); }

void hd_snapshot_fini(struct hd_snapshot *s) {
  free(s->instruments);
  hd_image_fini(&s->image);
  *s = (struct hd_snapshot){0};
}

// ---- taking ------------------------------------------------------------------------------------------------------------------------

static bool save_state(struct hadron_instance *instance, void **buffer, uint32_t *room, uint32_t *size) {
  uint32_t most = hd_state_size_max(instance->plugin);
  struct hd_fault fault;
  *size = 0;
  if (!instance->plugin->state) return false;
  if (most > *room) {
    free(*buffer);
    *buffer = malloc(most);
    *room = *buffer ? most : 0;
  }
  return *buffer && hd_state_save(instance, *buffer, *room, size, &fault) == HADRON_OK;
}

// Each instance by its arm and the first instrument of its seat.
static bool save_strategies(struct hd_session *s, struct hd_image *m) {
  void *buffer = NULL;
  uint32_t room = 0, size, end = 0;
  bool whole = true;
  hd_image_mark(m, STATE_MARK);
  for (uint32_t a = 0; a < s->arm_count; a++) {
    struct hd_session_arm *arm = &s->arms[a];
    for (uint32_t i = 0; arm->occupant && i < arm->occupant->instance_count; i++) {
      struct hadron_instance *instance = &arm->occupant->instances[i];
      uint32_t fenced = arm->seats[i].fenced == 1;
      bool saved = save_state(instance, &buffer, &room, &size);
      if (!saved) size = 0;
      whole &= saved;
      HD_IMAGE_PUT(m, arm->id);
      HD_IMAGE_PUT(m, arm->seats[i].instruments[0]);
      HD_IMAGE_PUT(m, fenced);
      HD_IMAGE_PUT(m, instance->random);
      HD_IMAGE_PUT(m, size);
      hd_image_put(m, buffer, size);
    }
  }
  HD_IMAGE_PUT(m, end);
  hd_image_mark(m, STATE_MARK);
  free(buffer);
  return whole;
}

static void each_placed(struct hd_session *s, void (*what)(struct hd_placed *p)) {
  for (uint32_t a = 0; a < s->arm_count; a++)
    if (s->arms[a].occupant && s->arms[a].occupant->placed) what(s->arms[a].occupant->placed);
}

int32_t hd_snapshot_take(struct hd_session *s, struct hd_snapshot *out, struct hd_fault *fault) {
  const struct hd_instruments *t = &s->pipeline.instruments;
  const char *names[HD_VENUES_MAX + 1];
  *out = (struct hd_snapshot){.position = hd_journal_end(s->journal), .time_ns = s->runner.now_ns, .instrument_count = t->count, .arm_count = s->pipeline.arm_count};
  out->instruments = calloc(t->count + 1, sizeof *out->instruments);
  if (!out->instruments) return hd_fault_set(fault, HADRON_ERR_MEMORY, "snapshot: %u instruments: out of memory", t->count);
  for (uint32_t id = 1; id <= t->count; id++) hd_instruments_definition(t, id, t->rows[id].listing, &out->instruments[id - 1]);
  for (uint32_t i = 0; i < s->venue_count; i++) names[i] = s->venues[i].name;
  hd_settings_save(s->settings, &out->image);
  out->whole = save_strategies(s, &out->image);
  each_placed(s, hd_standin_timers_show);
  hd_fold_save(&s->pipeline, names, s->venue_count, &out->image);
  each_placed(s, hd_standin_timers_hide);
  if (!out->image.bad) return HADRON_OK;
  hd_snapshot_fini(out);
  return hd_fault_set(fault, HADRON_ERR_MEMORY, "snapshot: out of memory");
}

// ---- files -------------------------------------------------------------------------------------------------------------------------

// Two names for the same bytes: those that a start may take, and those that a session has begun with.
#define FOR_STARTS HD_JOURNAL_SNAPSHOT_PREFIX
#define BEGUN_WITH "begin-"

static void name_of(char name[NAME_SIZE], const char *prefix, uint64_t position) {
  snprintf(name, NAME_SIZE, "%s%016llx" HD_JOURNAL_SNAPSHOT_SUFFIX, prefix, (unsigned long long)position);
}

struct listed {
  const char *prefix;
  uint64_t positions[64]; // the newest first
  uint32_t count;
};

static int list_one(void *context, const char *name) {
  struct listed *l = context;
  size_t prefix = strlen(l->prefix);
  char *end;
  if (strncmp(name, l->prefix, prefix) != 0) return 0;
  uint64_t position = strtoull(name + prefix, &end, 16);
  if (end != name + prefix + 16 || strcmp(end, HD_JOURNAL_SNAPSHOT_SUFFIX) != 0 || l->count == 64) return 0;
  uint32_t at = l->count++;
  for (; at > 0 && l->positions[at - 1] < position; at--) l->positions[at] = l->positions[at - 1];
  l->positions[at] = position;
  return 0;
}

// lasting: it outlives a power cut.
static int put_file(const struct hd_disk *d, int dir, const char *name, const struct head *h, const struct hd_snapshot *s, bool lasting) {
  size_t instruments = s->instrument_count * sizeof *s->instruments;
  int file = hd_disk_open(d, dir, name, HD_DISK_CREATE);
  if (file < 0) return file;
  int error = hd_disk_write(d, file, h, sizeof *h, 0);
  if (!error) error = hd_disk_write(d, file, s->instruments, instruments, sizeof *h);
  if (!error) error = hd_disk_write(d, file, s->image.bytes, s->image.size, sizeof *h + instruments);
  if (!error && lasting) error = hd_disk_sync(d, file);
  hd_disk_close(d, file);
  return error;
}

static int write_file(const struct hd_disk *d, int dir, const char *prefix, const struct head *h, const struct hd_snapshot *s) {
  char name[NAME_SIZE], fresh[NAME_SIZE + 2];
  bool lasting = strcmp(prefix, FOR_STARTS) == 0;
  name_of(name, prefix, s->position);
  snprintf(fresh, sizeof fresh, ".%s", name);
  int error = hd_disk_unlink(d, dir, fresh); // of a host that died while it wrote
  if (error && error != -ENOENT) return error;
  if ((error = put_file(d, dir, fresh, h, s, lasting))) {
    (void)hd_disk_unlink(d, dir, fresh);
    return error;
  }
  if (lasting) hd_crash_here(HD_CRASH_SNAPSHOT_WRITTEN);
  error = hd_disk_rename(d, dir, fresh, name);
  if (!error && lasting) error = hd_disk_sync_dir(d, dir);
  if (!error && lasting) hd_crash_here(HD_CRASH_SNAPSHOT_RENAMED);
  return error;
}

static struct head head_of(const uint8_t journal[16], const struct hd_snapshot *s) {
  size_t instruments = s->instrument_count * sizeof *s->instruments;
  struct head h = {.magic = MAGIC, .format = FORMAT, .head_bytes = sizeof h, .layout = hd_image_layout(), .position = s->position, .bytes = instruments + s->image.size,
                   .time_ns = s->time_ns, .instruments = s->instrument_count, .arms = s->arm_count, .whole = s->whole};
  memcpy(h.journal, journal, sizeof h.journal);
  h.crc = hd_crc32c(hd_crc32c(0, s->instruments, instruments), s->image.bytes, s->image.size);
  h.head_crc = head_crc(&h);
  return h;
}

static void remove_file(const struct hd_disk *d, int dir, const char *prefix, uint64_t position) {
  char name[NAME_SIZE];
  name_of(name, prefix, position);
  (void)hd_disk_unlink(d, dir, name);
}

int32_t hd_snapshot_write(const struct hd_disk *disk, const char *dir, const uint8_t journal[16], const struct hd_snapshot *s, struct hd_fault *fault) {
  const struct hd_disk *d = hd_disk_or_system(disk);
  struct listed listed = {.prefix = FOR_STARTS};
  const struct head h = head_of(journal, s);
  int handle = hd_disk_dir_open(d, dir, false);
  if (handle < 0) return hd_disk_fault(fault, handle, "snapshot", "opening", dir);
  int error = write_file(d, handle, FOR_STARTS, &h, s);
  if (!error) (void)hd_disk_list(d, handle, list_one, &listed);
  for (uint32_t i = 2; i < listed.count; i++) remove_file(d, handle, FOR_STARTS, listed.positions[i]);
  hd_disk_close(d, handle);
  return error ? hd_disk_fault(fault, error, "snapshot", "writing", dir) : HADRON_OK;
}

// What it stands for is on the disk before it is. One that outlived its records would speak of others, that come in their place.
int32_t hd_snapshot_put(struct hd_journal *j, const struct hd_snapshot *s, struct hd_fault *fault) {
  if (hd_journal_flush(j, s->position - 1)) return hd_fault_set(fault, HADRON_ERR_IO, "snapshot: the journal before it could not be flushed; check the disk of %s", hd_journal_dir(j));
  return hd_snapshot_write(hd_journal_disk(j), hd_journal_dir(j), hd_journal_id(j), s, fault);
}

int32_t hd_snapshot_keep(struct hd_journal *j, uint64_t first, const struct hd_snapshot *s, struct hd_fault *fault) {
  const struct hd_disk *d = hd_journal_disk(j);
  const char *dir = hd_journal_dir(j);
  struct listed listed = {.prefix = BEGUN_WITH};
  const struct head h = head_of(hd_journal_id(j), s);
  int handle = hd_disk_dir_open(d, dir, false);
  if (handle < 0) return hd_disk_fault(fault, handle, "snapshot", "opening", dir);
  int error = hd_disk_list(d, handle, list_one, &listed);
  bool there = false;
  for (uint32_t i = 0; i < listed.count; i++) {
    there |= listed.positions[i] == s->position;
    if (listed.positions[i] < first) remove_file(d, handle, BEGUN_WITH, listed.positions[i]);
  }
  if (!error && !there) error = write_file(d, handle, BEGUN_WITH, &h, s);
  hd_disk_close(d, handle);
  return error ? hd_disk_fault(fault, error, "snapshot", "keeping", dir) : HADRON_OK;
}

static const char ahead[] = "it stands for records that the journal does not have, and is removed: others will stand there";

// Why it is not to be used; NULL: it is good, and in `out`.
static const char *read_file(const struct hd_disk *d, int dir, const char *name, const uint8_t journal[16], uint64_t end, struct hd_snapshot *out) {
  struct head h;
  uint64_t size = 0;
  size_t done = 0;
  int file = hd_disk_open(d, dir, name, HD_DISK_READ);
  if (file < 0) return "it cannot be opened";
  const char *why = NULL;
  unsigned char *bytes = NULL;
  if (hd_disk_size(d, file, &size) || hd_disk_read(d, file, &h, sizeof h, 0, &done) || done != sizeof h) why = "it is shorter than its head";
  else if (memcmp(h.magic, MAGIC, sizeof h.magic) != 0 || h.head_crc != head_crc(&h)) why = "its head is damaged";
  else if (h.format != FORMAT || h.layout != hd_image_layout()) why = "it is another build's";
  else if (journal && memcmp(h.journal, journal, sizeof h.journal) != 0) why = "it is another journal's";
  else if (h.position > end) why = ahead;
  else if (size != sizeof h + h.bytes || h.bytes < h.instruments * sizeof *out->instruments) why = "it has not its length";
  else if (!(bytes = malloc(h.bytes ? h.bytes : 1))) why = "there is no memory for it";
  else if (hd_disk_read(d, file, bytes, h.bytes, sizeof h, &done) || done != h.bytes || hd_crc32c(0, bytes, h.bytes) != h.crc) why = "its checksum is another one";
  hd_disk_close(d, file);
  size_t instruments = why ? 0 : h.instruments * sizeof *out->instruments;
  struct hadron_instrument_definition *definitions = why ? NULL : malloc(instruments ? instruments : 1);
  if (!why && !definitions) why = "there is no memory for it";
  if (why) {
    free(bytes);
    return why;
  }
  memcpy(definitions, bytes, instruments);
  memmove(bytes, bytes + instruments, h.bytes - instruments);
  *out = (struct hd_snapshot){.position = h.position, .time_ns = h.time_ns, .whole = h.whole, .instrument_count = h.instruments, .arm_count = h.arms, .instruments = definitions,
                              .image = {.bytes = bytes, .size = h.bytes - instruments, .room = h.bytes}};
  return NULL;
}

int32_t hd_snapshot_find(const struct hd_disk *disk, const char *dir, const uint8_t journal[16], uint64_t end, struct hd_snapshot *out,
                         void (*told)(void *user, const char *text), void *user, struct hd_fault *fault) {
  const struct hd_disk *d = hd_disk_or_system(disk);
  struct listed listed = {.prefix = FOR_STARTS};
  int handle = hd_disk_dir_open(d, dir, false);
  if (handle < 0) return hd_disk_fault(fault, handle, "snapshot", "opening", dir);
  int error = hd_disk_list(d, handle, list_one, &listed);
  bool found = false, removed = false;
  for (uint32_t i = 0; i < listed.count && !error && !found; i++) {
    char name[NAME_SIZE], text[200];
    name_of(name, FOR_STARTS, listed.positions[i]);
    const char *why = read_file(d, handle, name, journal, end, out);
    found = why == NULL;
    snprintf(text, sizeof text, "snapshot %s is passed over: %s", name, why ? why : "");
    if (why) told(user, text);
    if (why == ahead && !(error = hd_disk_unlink(d, handle, name))) removed = true;
  }
  if (removed && !error) error = hd_disk_sync_dir(d, handle);
  hd_disk_close(d, handle);
  if (error && found) hd_snapshot_fini(out);
  if (error) return hd_disk_fault(fault, error, "snapshot", "listing, or removing what is ahead of the journal in", dir);
  return found ? HADRON_OK : HADRON_ERR_NOT_FOUND;
}

int32_t hd_snapshot_at(const struct hd_disk *disk, const char *dir, uint64_t position, struct hd_snapshot *out, struct hd_fault *fault) {
  static const char *const prefixes[] = {BEGUN_WITH, FOR_STARTS};
  const struct hd_disk *d = hd_disk_or_system(disk);
  const char *why = NULL;
  char name[NAME_SIZE];
  int handle = hd_disk_dir_open(d, dir, false);
  if (handle < 0) return hd_disk_fault(fault, handle, "snapshot", "opening", dir);
  for (size_t i = 0; i == 0 || (why && i < sizeof prefixes / sizeof *prefixes); i++) {
    name_of(name, prefixes[i], position);
    why = read_file(d, handle, name, NULL, UINT64_MAX, out);
  }
  hd_disk_close(d, handle);
  name_of(name, BEGUN_WITH, position);
  return why ? hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s/%s: %s", dir, name, why) : HADRON_OK;
}

// ---- into a fold -------------------------------------------------------------------------------------------------------------------

struct saved_state {
  uint32_t arm, first, fenced, size;
  struct hd_random random;
  void *bytes; // owned; aligned
};

static bool next_state(struct hd_image *m, struct saved_state *st) {
  *st = (struct saved_state){0};
  HD_IMAGE_GET(m, st->arm);
  if (st->arm == 0 || m->bad) return false;
  HD_IMAGE_GET(m, st->first);
  HD_IMAGE_GET(m, st->fenced);
  HD_IMAGE_GET(m, st->random);
  HD_IMAGE_GET(m, st->size);
  m->bad |= st->size > m->size - m->at;
  if (m->bad) return false;
  st->bytes = malloc(st->size ? st->size : 1);
  if (st->bytes) hd_image_get(m, st->bytes, st->size);
  else m->bad = true;
  return !m->bad;
}

// An occupant like the one that sits there, not started yet: states are loaded before the start.
static int32_t occupant_anew(struct hd_session *s, struct hd_session_arm *arm, struct hd_fault *fault) {
  const struct hd_occupant *old = arm->occupant;
  struct hd_occupant *o = hd_occupant_create(old->artifact, NULL, s->config->shards);
  struct hd_deployment_param *params = calloc(old->param_count + 1, sizeof *params);
  if (!o || !params) {
    free(params);
    hd_occupant_destroy(o);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", arm->config->base.name);
  }
  memcpy(params, old->params, old->param_count * sizeof *params);
  free(o->params);
  o->params = params, o->param_count = old->param_count, o->budget = old->budget, o->placement = old->placement;
  for (uint32_t i = 0; i < arm->seat_count; i++) {
    struct hd_engine_wishes gone = {0};
    hd_engine_leave(&arm->seats[i], &gone); // what it asked for at its start is asked for again
    arm->seats[i].wishes = NULL;
  }
  hd_occupant_destroy(arm->occupant);
  arm->occupant = o;
  int32_t code = hd_occupant_fill(s, arm, arm->seats, o, fault);
  hd_occupant_sits(o, arm->id);
  return code;
}

struct loading {
  struct hd_session *s;
  struct hd_fold *f;
  bool anew[HD_ARMS_MAX + 1];
  struct hd_fault *fault;
};

static int32_t load_state(struct loading *l, const struct saved_state *st) {
  struct hd_session *s = l->s;
  uint32_t id = st->arm <= s->pipeline.options.arm_max ? l->f->map[st->arm] : 0;
  if (id == 0 || id > s->arm_count || !s->arms[id - 1].occupant) return HADRON_OK;
  struct hd_session_arm *arm = &s->arms[id - 1];
  int32_t code = l->anew[id] ? HADRON_OK : occupant_anew(s, arm, l->fault);
  l->anew[id] = true;
  for (uint32_t i = 0; !code && i < arm->seat_count; i++) {
    struct hd_fault why;
    if (arm->seats[i].instruments[0] != st->first) continue;
    arm->seats[i].fenced = st->fenced;
    arm->occupant->instances[i].random = st->random;
    if (st->size == 0 || hd_state_load(&arm->occupant->instances[i], st->bytes, st->size, &why)) l->f->stateless[id] = true;
  }
  return code;
}

// What comes first in the image, read when it is known whose is what (the fold calls it).
static int32_t load_strategies(void *user, struct hd_image *m) {
  struct loading *l = user;
  struct saved_state st;
  int32_t code = HADRON_OK;
  hd_settings_load(NULL, m);
  hd_image_expect(m, STATE_MARK);
  while (!code && next_state(m, &st)) {
    code = load_state(l, &st);
    free(st.bytes);
  }
  hd_image_expect(m, STATE_MARK);
  for (uint32_t a = 0; a < l->s->arm_count && !code; a++)
    if (l->anew[l->s->arms[a].id]) code = hd_occupant_start(l->s->arms[a].occupant, l->fault);
  return code;
}

int32_t hd_snapshot_load(struct hd_session *s, struct hd_fold *f, struct hd_snapshot *snapshot, struct hd_fault *fault) {
  struct loading l = {.s = s, .f = f, .fault = fault};
  struct hd_image *m = &snapshot->image;
  struct saved_state skipped;
  m->at = 0;
  hd_settings_load(NULL, m); // they are in force already
  hd_image_expect(m, STATE_MARK); // read past: the fold begins behind it
  while (next_state(m, &skipped)) free(skipped.bytes);
  hd_image_expect(m, STATE_MARK);
  if (m->bad) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "recovery: the snapshot is whole and its strategies make no sense at byte %zu", m->at);
  f->states = load_strategies;
  f->states_user = &l;
  int32_t code = hd_fold_load(f, m, fault);
  if (!code) each_placed(s, hd_standin_timers_give);
  return code;
}

// ---- while it runs -----------------------------------------------------------------------------------------------------------------

static uint64_t records_of(const struct hd_session *s) {
  uint64_t sum = 0;
  for (int i = 0; i < HD_TEMPLATE_COUNT; i++) sum += atomic_load_explicit(&s->records[i], memory_order_relaxed);
  return sum;
}

static void write_taken(struct hd_session *s) {
  struct hd_snapshots *n = s->snapshots;
  struct hd_fault fault;
  int32_t code = hd_snapshot_put(s->journal, &n->taken, &fault);
  if (code) {
    atomic_fetch_add(&n->failed, 1);
    hd_log_error("SNAPSHOT", "%s; the journal is kept from the last good one on", fault.text);
  } else {
    atomic_fetch_add(&n->count, 1);
    atomic_store(&n->position, n->taken.position);
  }
  hd_snapshot_fini(&n->taken);
}

static void *write_main(void *argument) {
  struct hd_session *s = argument;
  write_taken(s);
  atomic_store(&s->snapshots->done, true);
  return NULL;
}

struct taking {
  struct hd_session *s;
  bool quiet;
  int32_t code;
};

// What a shard has not heard yet would be heard by nobody after a recovery: then another time.
static bool all_heard(const struct hd_session *s) {
  for (uint32_t i = 0; i < s->config->shards; i++) {
    if (hd_ring_size(&s->pipeline.feedback[i]) > 0) return false;
    if (s->live && s->live->threads && s->live->shards[i].stash_at != s->live->shards[i].stash_count) return false;
  }
  return true;
}

static void take_now(void *argument) {
  struct taking *t = argument;
  struct hd_fault fault;
  struct hd_snapshots *n = t->s->snapshots;
  t->quiet = all_heard(t->s);
  if (!t->quiet) return;
  int64_t start_ns = hd_clock_monotonic_ns();
  t->code = hd_snapshot_take(t->s, &n->taken, &fault);
  int64_t pause_ns = hd_clock_monotonic_ns() - start_ns;
  atomic_store(&n->pause_ns, pause_ns);
  if (pause_ns > atomic_load(&n->pause_ns_max)) atomic_store(&n->pause_ns_max, pause_ns);
  if (t->code) hd_log_error("SNAPSHOT", "%s", fault.text);
}

void hd_session_snapshot_due(struct hd_session *s) {
  struct hd_snapshots *n = s->snapshots;
  if (!n || !s->live) return;
  if (n->running) {
    if (!atomic_load(&n->done)) return;
    pthread_join(n->thread, NULL);
    n->running = false;
  }
  uint64_t records = records_of(s), every = s->config->snapshot_every;
  bool wanted = atomic_load(&n->wanted);
  if (!wanted && (every == 0 || records - n->records < every)) return;
  struct taking t = {.s = s};
  hd_live_quiet(s->live, take_now, &t);
  if (!t.quiet) return;
  n->records = records;
  atomic_store(&n->wanted, false);
  if (t.code) return;
  atomic_store(&n->done, false);
  n->running = pthread_create(&n->thread, NULL, write_main, s) == 0;
  if (!n->running) write_taken(s);
}

void hd_session_snapshot_end(struct hd_session *s) {
  struct hd_snapshots *n = s->snapshots;
  struct taking t = {.s = s};
  if (!n) return;
  if (n->running) pthread_join(n->thread, NULL);
  n->running = false;
  struct hd_journal_health health;
  hd_journal_health(s->journal, &health);
  if (s->config->snapshot_every > 0 && !health.failed) {
    take_now(&t);
    if (t.quiet && !t.code) write_taken(s);
  }
  free(n);
  s->snapshots = NULL;
}
