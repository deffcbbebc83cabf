// The recorder: the journal's records as rows of a database, each exactly once. It reads `hadron.journal/1` by cursor; the cursor is
// a row of the same database and moves in the transaction that writes the rows, so whatever fails in between, the two agree. After
// any failure it closes, waits, connects again and goes on from where the database says it is. The journal is the spool.
//
// A step reads what there is, up to batch_rows, and writes a batch when it is full or flush_interval old.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/journal.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "hadron/ext/params.h"
#include "hadron/service.h"
#include "market.h"
#include "store.h"

#define BACKOFF_MIN_NS INT64_C(100000000)
#define BACKOFF_MAX_NS INT64_C(10000000000)
#define URL_SIZE 1024
#define SHRINK_MAX 7 // after failures a batch is batch_rows >> shrink: a server too slow for a large one gets a smaller one
#define BLOCK_MAX 512

enum cell { CELL_LAG, CELL_ROWS, CELL_RATE, CELL_BATCHES, CELL_RECONNECTS, CELL_CONNECTED, CELL_COUNT };
static const struct hadron_metric metrics[CELL_COUNT] = {
    [CELL_LAG] = {"recorder_lag_bytes", "journal bytes that are not yet in the database", "bytes", HADRON_METRIC_GAUGE, 0},
    [CELL_ROWS] = {"recorder_rows_total", "rows written", "rows", HADRON_METRIC_COUNTER, 0},
    [CELL_RATE] = {"recorder_rows_per_second", "rows written per second, over the last batches", "rows/s", HADRON_METRIC_GAUGE, 0},
    [CELL_BATCHES] = {"recorder_batches_total", "transactions committed", "batches", HADRON_METRIC_COUNTER, 0},
    [CELL_RECONNECTS] = {"recorder_reconnects_total", "connections lost or refused", "connections", HADRON_METRIC_COUNTER, 0},
    [CELL_CONNECTED] = {"recorder_connected", "1 while the database answers", "flag", HADRON_METRIC_GAUGE, 0},
};

struct recorder {
  const struct hadron_host *host;
  const struct hadron_journal *journal;
  const struct hadron_log *log;
  int64_t *cells[CELL_COUNT], spare[CELL_COUNT];
  char url[URL_SIZE];
  int64_t batch_rows, flush_ns, snapshot_ns, wait_ns, patience_ns; // parameters
  const struct store_api *api;
  struct store *store; // NULL: not connected
  struct store_place place; // as in the database
  struct market market;
  uint64_t next;          // position behind the last record read
  uint64_t read, rows;    // of the batch: records, rows
  int64_t batch_ns;       // when the batch began
  int64_t retry_ns, backoff_ns;
  uint32_t shrink;
  int64_t rate_ns;        // when the rate was last taken
  uint64_t rate_rows;
  bool parked;            // a person must look: damaged journal, foreign database
  bool stopped;
  char error[STORE_ERROR_SIZE], told[STORE_ERROR_SIZE]; // `told`: said last, not to say it every time
};

#define PARAM(name, help, unit, initial, type, field, live, min, max) \
  {name, help, unit, initial, type, offsetof(struct recorder, field), sizeof(((struct recorder *)0)->field), live, min, max, 1, 0}
static const struct hadron_param params_rows[] = {
    PARAM("url", "where to write: sqlite:PATH or postgresql://...; passwords as libpq takes them (PGPASSWORD, ~/.pgpass)", "",
          "sqlite:hadron.sqlite", HADRON_PARAM_TEXT, url, 0, 1, 0),
    PARAM("batch_rows", "records in one transaction, at most", "records", "131072", HADRON_PARAM_INTEGER, batch_rows, 1, 1, 1000000),
    PARAM("flush_interval", "how old a batch may get before it is written", "", "250ms", HADRON_PARAM_DURATION, flush_ns, 1, 0, INT64_C(60000000000)),
    PARAM("snapshot_interval", "one row per instrument and interval in market_snapshots; 0s: none", "", "1m", HADRON_PARAM_DURATION, snapshot_ns, 0, 0,
          INT64_MAX),
    PARAM("request_timeout", "how long the database may stay silent", "", "5s", HADRON_PARAM_DURATION, wait_ns, 0, 1000000, INT64_C(600000000000)),
    PARAM("patience", "how long stop tries to reach a database that is away", "", "10s", HADRON_PARAM_DURATION, patience_ns, 0, 0,
          INT64_C(600000000000)),
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

static void lag_show(struct recorder *r) {
  uint64_t end = r->journal->end(r->host->instance);
  cell_set(r, CELL_LAG, end > r->place.position ? (int64_t)(end - r->place.position) : 0);
}

static void rate_show(struct recorder *r, int64_t now_ns) {
  r->rate_rows += r->rows;
  if (now_ns - r->rate_ns < INT64_C(1000000000)) return;
  if (r->rate_ns) cell_set(r, CELL_RATE, (int64_t)((double)r->rate_rows * 1e9 / (double)(now_ns - r->rate_ns)));
  r->rate_ns = now_ns;
  r->rate_rows = 0;
}

// ---- Connecting.

static void recorder_disconnect(struct recorder *r) {
  if (r->store) r->api->close(r->store);
  r->store = NULL;
  r->read = r->rows = 0;
  cell_set(r, CELL_CONNECTED, 0);
}

// The database failed: let go, and try again later. The same words are said once.
static void recorder_lose(struct recorder *r, int32_t rc, int64_t now_ns) {
  char text[STORE_ERROR_SIZE + 128];
  recorder_disconnect(r);
  cell_add(r, CELL_RECONNECTS, 1);
  r->parked = rc == HADRON_ERR_CONFIG;
  if (r->shrink < SHRINK_MAX) r->shrink++;
  r->backoff_ns = r->backoff_ns ? r->backoff_ns * 2 : BACKOFF_MIN_NS;
  if (r->backoff_ns > BACKOFF_MAX_NS) r->backoff_ns = BACKOFF_MAX_NS;
  r->retry_ns = now_ns + r->backoff_ns;
  if (strcmp(r->error, r->told) == 0) return;
  memcpy(r->told, r->error, sizeof r->told);
  snprintf(text, sizeof text, "%.400s; %s", r->error, r->parked ? "recording stops; the journal keeps everything"
                                                                : "the journal keeps everything, trying again");
  say(r, r->parked ? HADRON_LOG_ERROR : HADRON_LOG_WARN, "RECORDER_AWAY", text);
}

static int32_t snapshot_take(void *self, const struct snapshot *s) { return market_seed(&((struct recorder *)self)->market, s); }

static int32_t recorder_connect(struct recorder *r) {
  uint8_t id[16];
  r->error[0] = 0;
  int32_t rc = r->api->open(&r->store, r->url, (int)(r->wait_ns / 1000000), r->error);
  if (rc != HADRON_OK) {
    r->store = NULL;
    return rc;
  }
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
  r->next = r->place.position;
  r->read = r->rows = 0;
  r->backoff_ns = 0;
  r->told[0] = 0;
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
  if (r->shrink) r->shrink--;
  cell_add(r, CELL_ROWS, (int64_t)r->rows);
  cell_add(r, CELL_BATCHES, 1);
  rate_show(r, now_ns);
  r->read = r->rows = 0;
  if (r->journal->struct_size >= offsetof(struct hadron_journal, keep) + sizeof r->journal->keep)
    r->journal->keep(r->host->instance, r->place.position);
  return HADRON_OK;
}

// Reads until the batch is full (HADRON_OK), the journal has no more (HADRON_ERR_AGAIN), or something failed.
static int32_t batch_fill(struct recorder *r, int64_t now_ns) {
  uint64_t most = (uint64_t)r->batch_rows >> r->shrink;
  while (r->read < (most ? most : 1)) {
    struct hadron_record record;
    int32_t rc = r->journal->next(r->host->instance, &record);
    if (rc == HADRON_ERR_CORRUPT) r->parked = true; // what was good before it is still written
    if (rc != HADRON_OK) return HADRON_ERR_AGAIN;
    rc = record_take(r, &record);
    if (rc == HADRON_ERR_FULL) return r->journal->seek(r->host->instance, record.position) == HADRON_OK ? HADRON_OK : HADRON_ERR_CORRUPT;
    if (rc != HADRON_OK) return rc;
    if (r->read++ == 0) r->batch_ns = now_ns;
    r->next = record.next;
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

static int64_t recorder_step(void *self, int64_t now_ns) {
  struct recorder *r = self;
  if (r->parked || r->stopped) return INT64_MAX;
  if (!r->store) {
    if (now_ns < r->retry_ns) return r->retry_ns;
    int32_t rc = recorder_connect(r);
    if (rc == HADRON_OK) rc = days_ahead(r, now_ns);
    if (rc != HADRON_OK) {
      recorder_lose(r, rc, now_ns);
      return r->parked ? INT64_MAX : r->retry_ns;
    }
    return now_ns; // connecting was this step's request
  }
  int32_t rc = batch_fill(r, now_ns);
  bool all = rc == HADRON_ERR_AGAIN, due = now_ns - r->batch_ns >= r->flush_ns || r->parked;
  if (all && r->read && !due) {
    lag_show(r);
    return r->batch_ns + r->flush_ns;
  }
  if (rc == HADRON_OK || all) rc = batch_write(r, now_ns);
  if (rc == HADRON_OK && all) rc = days_ahead(r, now_ns);
  lag_show(r);
  if (rc == HADRON_OK) return all ? INT64_MAX : now_ns;
  recorder_lose(r, rc, now_ns);
  return r->parked ? INT64_MAX : r->retry_ns;
}

// ---- The plugin's life.

static int32_t recorder_create(const struct hadron_host *host, const char *name, void **self) {
  (void)name;
  struct recorder *r = calloc(1, sizeof *r);
  if (!r) return HADRON_ERR_MEMORY;
  r->host = host;
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
  free(r);
}

static int32_t recorder_start(void *self) {
  struct recorder *r = self;
  r->api = store_of(r->url);
  r->market.interval_ns = r->snapshot_ns;
  r->stopped = false;
  if (!r->api) {
    say(r, HADRON_LOG_ERROR, "RECORDER_URL", "url must be sqlite:PATH or postgresql://...");
    return HADRON_ERR_CONFIG;
  }
  int32_t rc = recorder_connect(r);
  if (rc == HADRON_OK) return rc;
  // A server that is away is no reason not to trade. A file that cannot be opened, or a database of another making, is a mistake.
  bool mistake = rc == HADRON_ERR_CONFIG || r->api == &sqlite_store;
  if (mistake) say(r, HADRON_LOG_ERROR, "RECORDER_START", r->error);
  int64_t now_ns = r->host->now_ns(r->host->instance);
  if (!mistake) recorder_lose(r, rc, now_ns);
  recorder_disconnect(r);
  return mistake ? rc : HADRON_OK;
}

// Drains: until everything that was journaled is stored, or the database has been away for longer than patience.
static void recorder_stop(void *self) {
  struct recorder *r = self;
  if (r->stopped || !r->api) return;
  int64_t now_ns = r->host->now_ns(r->host->instance), waited = 0;
  bool done = false;
  while (!done && !r->parked && waited <= r->patience_ns) {
    int32_t rc = r->store ? HADRON_OK : recorder_connect(r);
    int32_t filled = rc == HADRON_OK ? batch_fill(r, now_ns) : rc;
    if (rc == HADRON_OK) rc = filled == HADRON_OK || filled == HADRON_ERR_AGAIN ? batch_write(r, now_ns) : filled;
    done = rc == HADRON_OK && filled == HADRON_ERR_AGAIN;
    if (rc == HADRON_OK) continue;
    recorder_lose(r, rc, now_ns);
    if (r->patience_ns > waited) poll(NULL, 0, (int)(r->backoff_ns / 1000000));
    waited += r->backoff_ns;
  }
  lag_show(r);
  if (!done) {
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
