#include "runtime/simulate/database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"
#include "journal/journal.h"

// ---- the place -----------------------------------------------------------------------------------------------------------------------

static void remove_all(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *at; dir && (at = readdir(dir));)
    if (at->d_name[0] != '.') unlinkat(dirfd(dir), at->d_name, 0);
  if (dir) closedir(dir);
  rmdir(path);
}

// SQLite wants names, and a simulator that is killed takes none away: somebody waits for its end who is not of its group.
static _Noreturn void janitor(const char *path, int end) {
  char byte;
  setsid();
  close(STDIN_FILENO), close(STDOUT_FILENO), close(STDERR_FILENO);
  while (read(end, &byte, 1) < 0 && errno == EINTR) continue;
  remove_all(path);
  _exit(0);
}

static int32_t guard(struct hd_sim_database *d, struct hd_fault *fault) {
  int ends[2] = {-1, -1};
  pid_t child = pipe2(ends, O_CLOEXEC) ? -1 : fork();
  if (child == 0) {
    close(ends[1]);
    janitor(d->dir, ends[0]);
  }
  if (child < 0) {
    hd_fault_set(fault, HADRON_ERR_IO, "simulate: nobody to clear %s away: %s", d->dir, strerror(errno));
    if (ends[1] >= 0) close(ends[0]), close(ends[1]);
    remove_all(d->dir);
    return fault->code;
  }
  close(ends[0]);
  d->guard = ends[1];
  d->janitor = child;
  return HADRON_OK;
}

int32_t hd_sim_database_open(struct hd_sim_database *d, struct hd_fault *fault) {
  static const char *const places[] = {"/dev/shm/hadron-simulate", "/tmp/hadron-simulate"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(d->dir, sizeof d->dir, "%s-%ld-XXXXXX", places[i], (long)getpid());
    if (mkdtemp(d->dir)) return guard(d, fault);
  }
  d->dir[0] = 0;
  return hd_fault_set(fault, HADRON_ERR_IO, "simulate: no directory for databases in /dev/shm or /tmp: %s", strerror(errno));
}

static void remove_files(const struct hd_sim_database *d) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  char path[160];
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && d->url[0]; i++) {
    snprintf(path, sizeof path, "%s%s", d->url + sizeof "sqlite:" - 1, suffixes[i]);
    unlink(path);
  }
}

void hd_sim_database_clear(struct hd_sim_database *d) {
  snprintf(d->url, sizeof d->url, "sqlite:%s/%ld.db", d->dir, (long)getpid());
  remove_files(d);
}

void hd_sim_database_close(struct hd_sim_database *d) {
  remove_files(d);
  if (d->dir[0]) { // what other processes of it have left the janitor takes
    close(d->guard);
    waitpid((pid_t)d->janitor, NULL, 0);
  }
  *d = (struct hd_sim_database){0};
}

// ---- the file system that SQLite sees ----------------------------------------------------------------------------------------------------

static struct hd_world *world; // [child]
static sqlite3_vfs *below, above;

struct file {
  sqlite3_file base; // first
  sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f) { return ((struct file *)f)->real; }

static bool away(void) {
  struct hd_world *w = world;
  if (w->calm) return false;
  if (w->now_ns < w->database_away_ns) return true;
  if (!hd_world_strikes(w, HD_FAULT_DATABASE_AWAY)) return false;
  w->database_away_ns = w->now_ns + hd_world_between(&w->luck, 200, 15000) * HD_MS;
  hd_world_trace(w, "database: away");
  return true;
}

static int file_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }

static int file_read(sqlite3_file *f, void *to, int size, sqlite3_int64 at) {
  return away() ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), to, size, at);
}

static int file_write(sqlite3_file *f, const void *from, int size, sqlite3_int64 at) {
  hd_world_call(world);
  if (away()) return SQLITE_IOERR_WRITE;
  if (hd_world_strikes(world, HD_FAULT_DATABASE_FULL)) return SQLITE_FULL;
  return real_of(f)->pMethods->xWrite(real_of(f), from, size, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) { return real_of(f)->pMethods->xTruncate(real_of(f), size); }

// What was written stays, whatever the answer is.
static int file_sync(sqlite3_file *f, int flags) {
  int code = real_of(f)->pMethods->xSync(real_of(f), flags);
  hd_world_call(world);
  if (away()) return SQLITE_IOERR_FSYNC;
  if (!hd_world_strikes(world, HD_FAULT_COMMIT_LOST)) return code;
  hd_world_trace(world, "database: the answer to a COMMIT is lost");
  return SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size) { return real_of(f)->pMethods->xFileSize(real_of(f), size); }
static int file_lock(sqlite3_file *f, int level) { return away() ? SQLITE_IOERR_LOCK : real_of(f)->pMethods->xLock(real_of(f), level); }
static int file_unlock(sqlite3_file *f, int level) { return real_of(f)->pMethods->xUnlock(real_of(f), level); }
static int file_reserved(sqlite3_file *f, int *out) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out); }
static int file_control(sqlite3_file *f, int op, void *argument) { return real_of(f)->pMethods->xFileControl(real_of(f), op, argument); }
static int file_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static int file_device(sqlite3_file *f) { return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)); }
static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) { return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out); }
static int shm_lock(sqlite3_file *f, int offset, int n, int flags) { return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags); }
static void shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static int shm_unmap(sqlite3_file *f, int remove) { return real_of(f)->pMethods->xShmUnmap(real_of(f), remove); }

static const sqlite3_io_methods methods = {2, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock, file_reserved,
                                           file_control, file_sector, file_device, shm_map, shm_lock, shm_barrier, shm_unmap, NULL, NULL};

// A file that cannot be opened is a mistake of whoever named it; one that is away can be, and nothing more.
static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags) {
  struct file *file = (struct file *)f;
  (void)vfs;
  file->real = (sqlite3_file *)(file + 1);
  int code = below->xOpen(below, name, file->real, flags, out_flags);
  file->base.pMethods = code == SQLITE_OK ? &methods : NULL;
  return code;
}

void hd_sim_database_live(struct hd_world *w) {
  world = w;
  sqlite3_initialize();
  below = sqlite3_vfs_find(NULL);
  above = *below;
  above.zName = "hostile";
  above.szOsFile = (int)sizeof(struct file) + below->szOsFile;
  above.xOpen = vfs_open;
  above.pNext = NULL;
  sqlite3_vfs_register(&above, 1);
}

// ---- what is in it -------------------------------------------------------------------------------------------------------------------------

#define FIELDS_MAX 6
struct field { // a column of whole numbers, and where its record has it
  const char *name;
  size_t offset;
};
#define I64(type, name, field) {name, offsetof(struct type, field)}
static const struct {
  uint16_t template_id;
  const char *table;
  struct field fields[FIELDS_MAX];
} recorded[] = {
    {HADRON_MSG_TICK, "hadron_ticks", {I64(hadron_tick, "sequence", sequence), I64(hadron_tick, "recv_ns", recv_ns), I64(hadron_tick, "value_1", value.raw[0]), I64(hadron_tick, "value_2", value.raw[1])}},
    {HADRON_MSG_DECISION, "hadron_strategy_decisions", {I64(hadron_decision, "id", id), I64(hadron_decision, "time_ns", time_ns), I64(hadron_decision, "cause", cause),
                                                        I64(hadron_decision, "quantity", quantity), I64(hadron_decision, "limit_price", limit), I64(hadron_decision, "key", key)}},
    {HADRON_MSG_INTENT, "hadron_order_intents", {I64(hadron_intent, "id", id), I64(hadron_intent, "time_ns", time_ns), I64(hadron_intent, "decision", decision),
                                                 I64(hadron_intent, "quantity", quantity), I64(hadron_intent, "limit_price", limit), I64(hadron_intent, "key", key)}},
    {HADRON_MSG_ORDER_EVENT, "order_events", {I64(hadron_order_event, "id", id), I64(hadron_order_event, "time_ns", time_ns), I64(hadron_order_event, "intent", intent),
                                              I64(hadron_order_event, "quantity", quantity), I64(hadron_order_event, "filled", filled), I64(hadron_order_event, "average_price", average)}},
    {HADRON_MSG_EXECUTION, "hadron_order_executions", {I64(hadron_execution, "id", id), I64(hadron_execution, "time_ns", time_ns), I64(hadron_execution, "price", price),
                                                       I64(hadron_execution, "quantity", quantity), I64(hadron_execution, "filled", filled), I64(hadron_execution, "fee", fee)}},
    {HADRON_MSG_ALLOCATION, "hadron_allocations", {I64(hadron_allocation, "id", id), I64(hadron_allocation, "time_ns", time_ns), I64(hadron_allocation, "fee", fee),
                                                   I64(hadron_allocation, "realized", realized), I64(hadron_allocation, "held", position), I64(hadron_allocation, "cost", cost)}},
    {HADRON_MSG_EQUITY, "hadron_equity", {I64(hadron_equity, "time_ns", time_ns), I64(hadron_equity, "cash", cash), I64(hadron_equity, "cost", cost),
                                          I64(hadron_equity, "realized", realized), I64(hadron_equity, "unrealized", unrealized), I64(hadron_equity, "fees", fees)}},
    {HADRON_MSG_SESSION, "hadron_sessions", {I64(hadron_session, "time_ns", time_ns), I64(hadron_session, "seed", seed)}}};
#define TABLES (sizeof recorded / sizeof *recorded)

struct row {
  uint64_t position, hash;
};
struct rows {
  struct row *of[TABLES]; // of the journal's records; owned
  uint32_t count[TABLES], room[TABLES];
};

static uint64_t hash_with(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

static uint64_t hash_of(size_t t, const struct hadron_record *r) {
  uint64_t hash = 0, value;
  for (size_t i = 0; i < FIELDS_MAX && recorded[t].fields[i].name; i++) {
    memcpy(&value, (const char *)r->bytes + recorded[t].fields[i].offset, sizeof value);
    hash = hash_with(hash, value);
  }
  return hash;
}

static void take(struct rows *p, const struct hadron_record *r) {
  for (size_t t = 0; t < TABLES; t++) {
    if (recorded[t].template_id != r->template_id) continue;
    if (p->count[t] == p->room[t]) {
      p->room[t] = p->room[t] ? 2 * p->room[t] : 256;
      struct row *grown = realloc(p->of[t], p->room[t] * sizeof *grown);
      if (!grown) return;
      p->of[t] = grown;
    }
    p->of[t][p->count[t]++] = (struct row){r->position, hash_of(t, r)};
  }
}

static void read_journal(struct rows *p, struct hd_sim_disk *disk, const char *dir) {
  const struct hd_disk on = {disk, &hd_sim_disk_api};
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  struct hd_fault fault;
  if (hd_journal_cursor_open_on(&on, dir, &cursor, &fault)) return; // the audit of the journal says it
  while (hd_journal_cursor_next(cursor, &record, &fault) == HADRON_OK) take(p, &record);
  hd_journal_cursor_close(cursor);
}

static sqlite3_stmt *select_rows(sqlite3 *db, size_t t) {
  char sql[256];
  sqlite3_stmt *rows;
  int n = snprintf(sql, sizeof sql, "SELECT position");
  for (size_t i = 0; i < FIELDS_MAX && recorded[t].fields[i].name; i++) n += snprintf(sql + n, sizeof sql - (size_t)n, ", %s", recorded[t].fields[i].name);
  snprintf(sql + n, sizeof sql - (size_t)n, " FROM %s ORDER BY position", recorded[t].table);
  return sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK ? rows : NULL;
}

// The key is the position in the journal: one row for each record, and none for anything else; and it says what the record says.
static void compare(struct hd_world *w, sqlite3 *db, const struct rows *p, size_t t) {
  sqlite3_stmt *rows = select_rows(db, t);
  uint32_t at = 0;
  int step;
  if (!rows) {
    hd_world_finding(w, "database: %s: %.200s", recorded[t].table, sqlite3_errmsg(db));
    return;
  }
  for (; (step = sqlite3_step(rows)) == SQLITE_ROW; at++) {
    const struct row none = {0}, *wanted = at < p->count[t] ? &p->of[t][at] : &none;
    struct row found = {(uint64_t)sqlite3_column_int64(rows, 0), 0};
    for (int i = 1; i < sqlite3_column_count(rows); i++) found.hash = hash_with(found.hash, (uint64_t)sqlite3_column_int64(rows, i));
    if (found.position == wanted->position && found.hash == wanted->hash) continue;
    if (found.position == wanted->position) hd_world_finding(w, "database: %s: row %u, of the record at %llu, says something else", recorded[t].table, at + 1, (unsigned long long)found.position);
    else
      hd_world_finding(w, "database: %s: row %u is of the record at %llu, the journal's is at %llu", recorded[t].table, at + 1, (unsigned long long)found.position,
                       (unsigned long long)wanted->position);
    break;
  }
  if (step == SQLITE_DONE && at != p->count[t]) hd_world_finding(w, "database: %s: %u rows, %u records of the journal", recorded[t].table, at, p->count[t]);
  if (step != SQLITE_DONE && step != SQLITE_ROW) hd_world_finding(w, "database: %s: %.200s", recorded[t].table, sqlite3_errmsg(db));
  sqlite3_finalize(rows);
}

void hd_sim_database_audit(const struct hd_sim_database *d, struct hd_world *w, struct hd_sim_disk *disk, const char *dir) {
  struct rows p = {0};
  sqlite3 *db = NULL;
  w->outside = true;
  read_journal(&p, disk, dir);
  w->outside = false;
  if (sqlite3_open_v2(d->url + sizeof "sqlite:" - 1, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) hd_world_finding(w, "database: %.200s", sqlite3_errmsg(db));
  else
    for (size_t t = 0; t < TABLES; t++) compare(w, db, &p, t);
  sqlite3_close(db);
  for (size_t t = 0; t < TABLES; t++) {
    w->rows += p.count[t];
    free(p.of[t]);
  }
}
