// The recorder: the journal's records as rows of a database, each exactly once. It reads `hadron.journal/1` by cursor; the cursor is
// a row of the same database and moves in the transaction that writes the rows, so whatever fails in between, the two agree. After
// any failure it closes, waits, connects again and goes on from where the database says it is. The journal is the spool: it keeps what
// the database does not have, from before the first connection on.
//
// A step reads what there is, up to batch_rows, and writes a batch when it is full or flush_interval old. No step takes longer than
// batch_timeout. A failure that a person must mend (store_parks) parks the recorder: it says so once, loudly, tries again with one record
// at a time, stores what can be stored, and goes on by itself once what it stumbled over is in the database.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hadron/ext/journal.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "hadron/ext/params.h"
#include "hadron/service.h"
#include "market.h"
#include "store.h"

#define BACKOFF_MIN_NS INT64_C(100000000)
#define BACKOFF_MAX_NS INT64_C(10000000000)
#define SECOND_NS INT64_C(1000000000)
#define START_MS 2000 // how long a host's start may wait for a server
#define URL_SIZE 1024
#define SHRINK_MAX 20 // after failures a batch is batch_rows >> shrink, down to one record: what is too slow for much may do with less
#define BLOCK_MAX 512
#define WORTH_TELLING 100000 // rows of a catching up that follows no failure

enum cell {
  CELL_LAG,
  CELL_LAG_MS,
  CELL_ROWS,
  CELL_RATE,
  CELL_CATCH_UP,
  CELL_BATCHES,
  CELL_RECONNECTS,
  CELL_CONNECTED,
  CELL_PARKED,
  CELL_COUNT
};
static const struct hadron_metric metrics[CELL_COUNT] = {
    [CELL_LAG] = {"recorder_lag_bytes", "journal bytes that are not yet in the database", "bytes", HADRON_METRIC_GAUGE, 0},
    [CELL_LAG_MS] = {"recorder_lag_ms", "age of the last record that is in the database, while there are younger ones", "ms", HADRON_METRIC_GAUGE, 0},
    [CELL_ROWS] = {"recorder_rows_total", "rows written", "rows", HADRON_METRIC_COUNTER, 0},
    [CELL_RATE] = {"recorder_rows_per_second", "rows written per second, over the last batches", "rows/s", HADRON_METRIC_GAUGE, 0},
    [CELL_CATCH_UP] = {"recorder_catch_up_rows_per_second", "rows written per second when it last caught up after a connection", "rows/s",
                       HADRON_METRIC_GAUGE, 0},
    [CELL_BATCHES] = {"recorder_batches_total", "transactions committed", "batches", HADRON_METRIC_COUNTER, 0},
    [CELL_RECONNECTS] = {"recorder_reconnects_total", "connections lost or refused", "connections", HADRON_METRIC_COUNTER, 0},
    [CELL_CONNECTED] = {"recorder_connected", "1 while the database answers", "flag", HADRON_METRIC_GAUGE, 0},
    [CELL_PARKED] = {"recorder_parked", "1 while a person must mend something before it goes on", "flag", HADRON_METRIC_GAUGE, 0},
};

struct recorder {
  const struct hadron_host *host;
  const struct hadron_journal *journal;
  const struct hadron_log *log;
  int64_t *cells[CELL_COUNT], spare[CELL_COUNT];
  char url[URL_SIZE];
  int64_t batch_rows, flush_ns, snapshot_ns, connect_ns, wait_ns, batch_most_ns, alert_ns, patience_ns; // parameters
  const struct store_api *api;
  struct store *store; // NULL: not connected
  struct store_limits limits;
  struct store_place place; // as in the database
  struct market market;
  uint64_t next;          // position behind the last record read
  uint64_t read, rows;    // of the batch: records, rows
  int64_t batch_ns;       // when the batch began
  int64_t read_ns;        // when the last record read was appended
  int64_t stored_ns;      // when the last record stored was appended
  int64_t retry_ns, backoff_ns;
  uint32_t shrink;
  int64_t rate_ns;        // when the rate was last taken
  uint64_t rate_rows;
  struct {
    bool on, lost;        // since a connection; after a failure
    int64_t begin_ns;     // by store_clock_ns
    uint64_t rows;
  } catching;
  int64_t away_ns;        // since when nothing was stored because of failures; 0: all is well
  bool alerted;           // about this being away
  bool parked;
  uint64_t stuck;         // parked: it goes on when the place has come here
  bool damaged;           // the journal cannot be read on: nothing to do until the host has been started anew
  bool stopped;
  char error[STORE_ERROR_SIZE], told[STORE_ERROR_SIZE]; // `told`: said last, not to say it every time
  int32_t told_code;      // after an alert the same trouble in other words is not said again
};

#define PARAM(name, help, unit, initial, type, field, live, min, max) \
  {name, help, unit, initial, type, offsetof(struct recorder, field), sizeof(((struct recorder *)0)->field), live, min, max, 1, 0}
static const struct hadron_param params_rows[] = {
    PARAM("url", "where to write: sqlite:PATH or postgresql://...; passwords as libpq takes them (PGPASSWORD, ~/.pgpass)", "",
          "sqlite:hadron.sqlite", HADRON_PARAM_TEXT, url, 0, 1, 0),
    PARAM("batch_rows", "records in one transaction, at most", "records", "131072", HADRON_PARAM_INTEGER, batch_rows, 1, 1, 1000000),
    PARAM("flush_interval", "how old a batch may get before it is written", "", "250ms", HADRON_PARAM_DURATION, flush_ns, 1, 0, 10 * SECOND_NS),
    PARAM("snapshot_interval", "one row per instrument and interval in market_snapshots; 0s: none", "", "1m", HADRON_PARAM_DURATION, snapshot_ns, 0, 0,
          INT64_MAX),
    PARAM("connect_timeout", "how long connecting may take", "", "5s", HADRON_PARAM_DURATION, connect_ns, 0, 1000000, 600 * SECOND_NS),
    PARAM("request_timeout", "how long the database may stay silent", "", "5s", HADRON_PARAM_DURATION, wait_ns, 0, 1000000, 600 * SECOND_NS),
    PARAM("batch_timeout", "how long the writing of one batch may take; then a smaller one is tried", "", "20s", HADRON_PARAM_DURATION, batch_most_ns, 0,
          1000000, 600 * SECOND_NS),
    PARAM("alert_after", "a database that has been away for this long alerts a person", "", "1m", HADRON_PARAM_DURATION, alert_ns, 1, 0, INT64_MAX),
    PARAM("patience", "how long a stop of the host waits for what is not stored yet", "", "10s", HADRON_PARAM_DURATION, patience_ns, 0, 0,
          600 * SECOND_NS),
};

const struct store_api *store_of(const char *url) {
  if (strncmp(url, "sqlite:", 7) == 0 && url[7]) return &sqlite_store;
  if (strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0) return &postgres_store;
  return NULL;
}

static void say(struct recorder *r, uint32_t level, const char *id, const char *text) {
  if (r->log) r->log->write(r->host->instance, level, id, text);
}

static void cell_set(struct recorder *r, enum cell cell, int64_t value) { __atomic_store_n(r->cells[cell], value, __ATOMIC_RELAXED); }
static void cell_add(struct recorder *r, enum cell cell, int64_t more) { cell_set(r, cell, *r->cells[cell] + more); }

static void lag_show(struct recorder *r, int64_t now_ns) {
  uint64_t end = r->journal->end(r->host->instance);
  bool behind = end > r->place.position;
  cell_set(r, CELL_LAG, behind ? (int64_t)(end - r->place.position) : 0);
  cell_set(r, CELL_LAG_MS, behind && now_ns > r->stored_ns ? (now_ns - r->stored_ns) / 1000000 : 0);
}

static void rate_show(struct recorder *r, int64_t now_ns) {
  r->rate_rows += r->rows;
  if (now_ns - r->rate_ns < SECOND_NS) return;
  if (r->rate_ns) cell_set(r, CELL_RATE, (int64_t)((double)r->rate_rows * 1e9 / (double)(now_ns - r->rate_ns)));
  r->rate_ns = now_ns;
  r->rate_rows = 0;
}

static void keep(struct recorder *r, uint64_t position) {
  if (r->journal->struct_size >= offsetof(struct hadron_journal, keep) + sizeof r->journal->keep) r->journal->keep(r->host->instance, position);
}

// No call of the store in this step goes on for longer.
static void limit(struct recorder *r, int64_t ns) { r->limits.until_ns = store_clock_ns(&r->limits) + ns; }

// ---- Losing and finding the database.

static void recorder_disconnect(struct recorder *r) {
  if (r->store) r->api->close(r->store);
  r->store = NULL;
  r->read = r->rows = 0;
  r->catching.on = false;
  cell_set(r, CELL_CONNECTED, 0);
  cell_set(r, CELL_RATE, 0);
}

static const char *way_out(int32_t rc) {
  switch (rc) {
  case HADRON_ERR_CONFIG: return "; make the tables what registry/sql says, or record into a new database";
  case HADRON_ERR_PERMISSION: return "; give the recorder's role (or the file's user) its rights back";
  case HADRON_ERR_IO: return "; make room where the database lies, or mend its disk";
  case HADRON_ERR_CORRUPT: return "; restore the database from a backup, or record into a new one";
  default: return "";
  }
}

static void lose_tell(struct recorder *r, int32_t rc, int64_t now_ns) {
  char text[STORE_ERROR_SIZE + 256];
  bool parks = store_parks(rc), late = !r->alerted && now_ns - r->away_ns >= r->alert_ns;
  if (!late && (strcmp(r->error, r->told) == 0 || (r->alerted && rc == r->told_code))) return;
  bool loud = (parks || late) && !r->alerted;
  memcpy(r->told, r->error, sizeof r->told);
  r->told_code = rc;
  if (parks || late) r->alerted = true;
  snprintf(text, sizeof text, "%.300s%s; %s", r->error, way_out(rc),
           parks ? "recording is parked, the journal keeps everything, and it goes on by itself once that is mended" : "the journal keeps everything, trying again");
  say(r, loud ? HADRON_LOG_ERROR : HADRON_LOG_WARN, parks ? "RECORDER_PARKED" : "RECORDER_AWAY", text);
}

// The database failed: let go, and try again later. The same words are said once.
static void recorder_lose(struct recorder *r, int32_t rc, int64_t now_ns) {
  bool parks = store_parks(rc);
  uint64_t end = r->store && r->read ? r->next : r->place.position;
  if (parks && (!r->parked || r->stuck <= r->place.position || end < r->stuck)) r->stuck = end;
  if (parks) r->parked = true;
  if (r->store) r->shrink = parks ? SHRINK_MAX : r->shrink < SHRINK_MAX ? r->shrink + 1 : r->shrink;
  cell_set(r, CELL_PARKED, r->parked);
  cell_add(r, CELL_RECONNECTS, 1);
  recorder_disconnect(r);
  if (!r->away_ns) r->away_ns = now_ns;
  r->catching.lost = true;
  r->backoff_ns = r->backoff_ns ? r->backoff_ns * 2 : BACKOFF_MIN_NS;
  if (r->backoff_ns > BACKOFF_MAX_NS) r->backoff_ns = BACKOFF_MAX_NS;
  r->retry_ns = now_ns + r->backoff_ns;
  lose_tell(r, rc, now_ns);
}

// Something was stored, or nothing was to be stored: what failed before is over, unless it lies ahead.
static void recorder_well(struct recorder *r) {
  r->backoff_ns = 0;
  if (r->parked && r->place.position < r->stuck) return;
  if (r->parked) say(r, HADRON_LOG_INFO, "RECORDER_MENDED", "what it was parked for is mended; recording goes on");
  r->parked = r->alerted = false;
  r->away_ns = 0;
  r->told[0] = 0;
  cell_set(r, CELL_PARKED, 0);
}

// All that there was is stored: how fast that went.
static void caught_up(struct recorder *r) {
  if (!r->catching.on) return;
  r->catching.on = false;
  double seconds = (double)(store_clock_ns(&r->limits) - r->catching.begin_ns) / 1e9, rate = seconds > 0 ? (double)r->catching.rows / seconds : 0;
  if (r->catching.rows) cell_set(r, CELL_CATCH_UP, (int64_t)rate);
  if (r->catching.rows && (r->catching.lost || r->catching.rows >= WORTH_TELLING)) {
    char text[160];
    snprintf(text, sizeof text, "the database has everything: %" PRIu64 " rows in %.2f s, %.0f rows/s", r->catching.rows, seconds, rate);
    say(r, HADRON_LOG_INFO, "RECORDER_CAUGHT_UP", text);
  }
  r->catching.lost = false;
}

static int32_t snapshot_take(void *self, const struct snapshot *s) { return market_seed(&((struct recorder *)self)->market, s); }

static int32_t recorder_connect(struct recorder *r) {
  uint8_t id[16];
  r->error[0] = 0;
  int32_t rc = r->api->open(&r->store, r->url, &r->limits, r->error);
  if (rc != HADRON_OK) {
    r->store = NULL;
    return rc;
  }
  r->read = r->rows = 0;
  r->journal->id(r->host->instance, id);
  rc = r->api->place(r->store, id, &r->place);
  market_clear(&r->market);
  if (rc == HADRON_OK) rc = r->api->snapshots(r->store, r->place.journal, snapshot_take, r);
  if (rc != HADRON_OK) return rc;
  rc = r->journal->seek(r->host->instance, r->place.position);
  if (rc != HADRON_OK) {
    snprintf(r->error, sizeof r->error, "the journal no longer has position %" PRIu64 ", which the database needs next: rows would be missing; "
             "restore the deleted segments, or record into a new database", r->place.position);
    return HADRON_ERR_CONFIG;
  }
  keep(r, r->place.position);
  r->next = r->place.position;
  r->catching.on = true;
  r->catching.begin_ns = store_clock_ns(&r->limits);
  r->catching.rows = 0;
  cell_set(r, CELL_CONNECTED, 1);
  return HADRON_OK;
}

// ---- Batches.

static int32_t snapshot_row(void *self, const struct market_entry *e) {
  struct recorder *r = self;
  struct row row = {r->place.journal, e->position, 0, (const unsigned char *)&e->now};
  r->rows++;
  return r->api->row(r->store, TABLE_SNAPSHOTS, &row);
}

// One record into the batch. FULL: the batch must be written first; nothing was taken.
static int32_t record_take(struct recorder *r, const struct hadron_record *record) {
  enum table_number t = table_of(record->template_id);
  if (t == TABLE_COUNT) return HADRON_OK;
  unsigned char known[BLOCK_MAX] = {0};
  const unsigned char *block = record->bytes;
  if (record->block_length < tables[t].block_size) { // an older writer: what it did not know is zero
    memcpy(known, block, record->block_length);
    block = known;
  }
  struct row row = {r->place.journal, record->position, record->time_ns, block};
  int32_t rc = r->api->row(r->store, t, &row);
  if (rc != HADRON_OK) return rc;
  r->rows++;
  if (t != TABLE_TICKS || !r->market.interval_ns) return rc;
  struct hadron_tick tick;
  memcpy(&tick, block, sizeof tick);
  return market_tick(&r->market, &tick, record->position, snapshot_row, r);
}

static int32_t batch_write(struct recorder *r, int64_t now_ns) {
  if (r->read == 0) return HADRON_OK;
  int32_t rc = market_flush(&r->market, snapshot_row, r);
  if (rc == HADRON_OK) rc = r->api->commit(r->store, &r->place, r->next, r->place.records + r->read);
  if (rc != HADRON_OK) return rc;
  r->place.position = r->next;
  r->place.records += r->read;
  r->stored_ns = r->read_ns;
  if (r->shrink) r->shrink--;
  r->catching.rows += r->rows;
  cell_add(r, CELL_ROWS, (int64_t)r->rows);
  cell_add(r, CELL_BATCHES, 1);
  rate_show(r, now_ns);
  r->read = r->rows = 0;
  keep(r, r->place.position);
  recorder_well(r);
  return HADRON_OK;
}

// Reads until the batch is full (HADRON_OK), the journal has no more (HADRON_ERR_AGAIN), or something failed.
static int32_t batch_fill(struct recorder *r, int64_t now_ns) {
  uint64_t most = (uint64_t)r->batch_rows >> r->shrink;
  while (r->read < (most ? most : 1)) {
    struct hadron_record record;
    int32_t rc = r->journal->next(r->host->instance, &record);
    if (rc == HADRON_ERR_CORRUPT) r->damaged = true; // what was good before it is still written
    if (rc != HADRON_OK) return HADRON_ERR_AGAIN;
    rc = record_take(r, &record);
    if (rc == HADRON_ERR_FULL) return r->journal->seek(r->host->instance, record.position) == HADRON_OK ? HADRON_OK : HADRON_ERR_CORRUPT;
    if (rc != HADRON_OK) return rc;
    if (r->read++ == 0) r->batch_ns = now_ns;
    r->next = record.next;
    r->read_ns = record.time_ns;
    if (record.template_id == HADRON_MSG_ADJUSTMENT) return HADRON_OK; // ends the batch: what follows it is of after the split
  }
  return HADRON_OK;
}

// The partitions of the host's today and tomorrow, before their first tick comes.
static int32_t days_ahead(struct recorder *r, int64_t now_ns) {
  if (now_ns <= 0) return HADRON_OK;
  int32_t rc = r->api->day(r->store, day_of(now_ns));
  return rc == HADRON_OK ? r->api->day(r->store, day_of(now_ns) + 1) : rc;
}

// One try: connects if it must, fills and writes. AGAIN: all that there is is stored, or waits for its time.
static int32_t recorder_work(struct recorder *r, int64_t now_ns, bool now) {
  int32_t rc = HADRON_OK;
  if (!r->store) {
    rc = recorder_connect(r);
    return rc == HADRON_OK ? days_ahead(r, now_ns) : rc; // connecting was this try's request
  }
  rc = batch_fill(r, now_ns);
  bool all = rc == HADRON_ERR_AGAIN;
  if (all && r->read && !now && !r->damaged && now_ns - r->batch_ns < r->flush_ns) return rc;
  if (rc == HADRON_OK || all) rc = batch_write(r, now_ns);
  if (rc == HADRON_OK && all) rc = days_ahead(r, now_ns);
  if (rc != HADRON_OK || !all) return rc;
  recorder_well(r);
  caught_up(r);
  return HADRON_ERR_AGAIN;
}

static int64_t recorder_step(void *self, int64_t now_ns) {
  struct recorder *r = self;
  if (r->stopped || (r->damaged && r->store && !r->read)) return INT64_MAX;
  if (!r->store && now_ns < r->retry_ns) {
    lag_show(r, now_ns);
    return r->retry_ns;
  }
  limit(r, r->batch_most_ns);
  int32_t rc = recorder_work(r, now_ns, false);
  if (rc != HADRON_OK && rc != HADRON_ERR_AGAIN) recorder_lose(r, rc, now_ns);
  lag_show(r, now_ns);
  if (rc == HADRON_OK) return now_ns;
  if (rc != HADRON_ERR_AGAIN) return r->retry_ns;
  return r->read ? r->batch_ns + r->flush_ns : INT64_MAX;
}

// ---- The plugin's life.

static int32_t recorder_create(const struct hadron_host *host, const char *name, void **self) {
  (void)name;
  struct recorder *r = calloc(1, sizeof *r);
  if (!r) return HADRON_ERR_MEMORY;
  r->host = host;
  r->limits.countdown = store_countdown();
  if (r->limits.countdown < 0) {
    free(r);
    return HADRON_ERR_IO;
  }
  r->journal = host->capability(host->instance, HADRON_CAP_JOURNAL);
  r->log = host->capability(host->instance, HADRON_CAP_LOG);
  const struct hadron_metrics *m = host->capability(host->instance, HADRON_CAP_METRICS);
  for (int i = 0; i < CELL_COUNT; i++) {
    r->cells[i] = &r->spare[i];
    if (m) m->open(host->instance, &metrics[i], &r->cells[i]);
  }
  *self = r;
  return HADRON_OK;
}

static void recorder_destroy(void *self) {
  struct recorder *r = self;
  recorder_disconnect(r);
  market_fini(&r->market);
  close(r->limits.countdown);
  free(r);
}

static int32_t recorder_start(void *self) {
  struct recorder *r = self;
  int64_t now_ns = r->host->now_ns(r->host->instance);
  r->api = store_of(r->url);
  r->market.interval_ns = r->snapshot_ns;
  r->stopped = false;
  r->stored_ns = now_ns;
  if (!r->api) {
    say(r, HADRON_LOG_ERROR, "RECORDER_URL", "url must be sqlite:PATH or postgresql://...");
    return HADRON_ERR_CONFIG;
  }
  r->limits = (struct store_limits){(int)(r->connect_ns / 1000000), (int)(r->wait_ns / 1000000), (int)(r->batch_most_ns / 1000000), r->limits.countdown, 0};
  limit(r, START_MS * INT64_C(1000000));
  keep(r, 0); // until the database has said where it is, everything may be needed
  int32_t rc = recorder_connect(r);
  if (rc == HADRON_OK) return rc;
  // A database that is away, locked, full or not as it should be is no reason not to trade. A file that cannot be opened is a mistake.
  bool mistake = !r->store && rc == HADRON_ERR_NOT_FOUND;
  if (mistake) say(r, HADRON_LOG_ERROR, "RECORDER_START", r->error);
  if (!mistake) recorder_lose(r, rc, now_ns);
  recorder_disconnect(r);
  return mistake ? rc : HADRON_OK;
}

// Until everything that was journaled is stored, or patience is at its end, whatever the database does meanwhile.
static void recorder_stop(void *self) {
  struct recorder *r = self;
  if (r->stopped || !r->api) return;
  int64_t now_ns = r->host->now_ns(r->host->instance), end_ns = store_clock_ns(&r->limits) + r->patience_ns, left_ns;
  int32_t rc = HADRON_OK;
  limit(r, r->patience_ns);
  while (rc != HADRON_ERR_AGAIN && (left_ns = end_ns - store_clock_ns(&r->limits)) > 0) {
    rc = recorder_work(r, now_ns, true);
    if (rc == HADRON_OK || rc == HADRON_ERR_AGAIN) continue;
    recorder_lose(r, rc, now_ns);
    poll(NULL, 0, (int)((r->backoff_ns < left_ns ? r->backoff_ns : left_ns) / 1000000));
  }
  lag_show(r, now_ns);
  if (rc != HADRON_ERR_AGAIN) {
    char text[128];
    snprintf(text, sizeof text, "%" PRId64 " bytes of the journal are not stored; they will be when it is opened again", *r->cells[CELL_LAG]);
    say(r, HADRON_LOG_WARN, "RECORDER_BEHIND", text);
  }
  recorder_disconnect(r);
  r->stopped = true;
}

static const struct hadron_service_api api = {.struct_size = sizeof api,
                                              .create = recorder_create,
                                              .destroy = recorder_destroy,
                                              .start = recorder_start,
                                              .step = recorder_step,
                                              .stop = recorder_stop};

static const struct hadron_params params = {
    .struct_size = sizeof params, .count = sizeof params_rows / sizeof *params_rows, .params = params_rows};

static const void *recorder_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

HADRON_PLUGIN(SERVICE, "recorder", "1.0.0", "writes the journal's records to SQLite or PostgreSQL, each exactly once",
              HADRON_CAP_JOURNAL, &api, recorder_capability);
