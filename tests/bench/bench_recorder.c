// recorder: a journal of ticks into PostgreSQL by the recorder plugin, as it ships, against one bare binary COPY of the same rows,
// made beforehand, into a table with the same columns and keys. A private cluster on a unix socket with fsync on; rounds take
// turns; the median counts. SQLite's rate is shown beside it. The CPU time of client and server together (`cpu_...`) is told too: on a
// machine that others use, it says more than the clock.
#include <dirent.h>
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "support/database.h"
#include "support/directory.h"
#include "support/machine.h"
#include "support/postgres.h"
#include "support/service.h"

#define ROWS 600000
#define ROUNDS 5
#define DAY_START INT64_C(1704153600000000000)
#define SETTINGS "-c shared_buffers=512MB -c max_wal_size=4GB"

static void die(const char *what) {
  fprintf(stderr, "bench_recorder: %s\n", what);
  exit(2);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  return values[count / 2];
}

// One process's CPU time from /proc, in seconds, if it is `postmaster` (with those of its children that have ended) or a child of it.
static double process_cpu(const char *number, long postmaster) {
  char path[300], line[1024];
  unsigned long long user, system, child_user, child_system;
  long parent;
  snprintf(path, sizeof path, "/proc/%.250s/stat", number);
  FILE *f = fopen(path, "r");
  bool read = f && fgets(line, sizeof line, f);
  if (f) fclose(f);
  const char *rest = read ? strrchr(line, ')') : NULL;
  if (!rest || sscanf(rest + 4, "%ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu", &parent, &user, &system, &child_user, &child_system) != 5) return 0;
  bool own = strtol(number, NULL, 10) == postmaster;
  if (!own && parent != postmaster) return 0;
  return (double)(user + system + (own ? child_user + child_system : 0)) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_now(const struct test_postgres *server) {
  char path[TEST_PATH_SIZE];
  long postmaster = 0;
  struct rusage own;
  snprintf(path, sizeof path, "%s/data/postmaster.pid", server->root);
  FILE *f = fopen(path, "r");
  if (!f || fscanf(f, "%ld", &postmaster) != 1) die("no postmaster.pid");
  fclose(f);
  getrusage(RUSAGE_SELF, &own);
  double sum = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) + (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  DIR *d = opendir("/proc");
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] >= '1' && e->d_name[0] <= '9') sum += process_cpu(e->d_name, postmaster);
  if (d) closedir(d);
  return sum;
}

static struct hadron_tick tick_make(uint64_t n) {
  struct hadron_tick t = {.event_ns = DAY_START + (int64_t)n * 100000, .sequence = n + 1, .instrument = (uint32_t)(n % 20), .venue = 1};
  t.recv_ns = t.event_ns + 1500;
  t.kind = n % 4 ? HADRON_TICK_QUOTE : HADRON_TICK_TRADE;
  for (int i = 0; i < 4; i++) t.value.raw[i] = (int64_t)(100000000000 + (n * 7919 + (uint64_t)i * 104729) % 1000000007);
  return t;
}

static struct hd_journal *journal_make(const char *dir) {
  struct hd_journal *j = NULL;
  struct hd_fault fault;
  if (hd_journal_open(dir, NULL, &j, &fault) != HADRON_OK) die(fault.text);
  for (uint64_t n = 0; n < ROWS; n++) {
    struct hadron_tick t = tick_make(n);
    if (hd_journal_append(j, HADRON_MSG_TICK, &t, sizeof t, NULL, 0, t.event_ns, NULL) != HADRON_OK) die("append failed");
  }
  return j;
}

// One run of the recorder over the whole journal; rows a second. Connecting and making tables is outside, as for the bare COPY.
// told: what the recorder itself says of its catching up.
static double recorder_round(struct hd_journal *j, const char *url, struct hd_histogram *steps, const struct test_postgres *server, double *cpu, double *told) {
  static struct test_service s;
  test_service_open(&s, "recorder", j);
  test_service_text(&s, "url", url);
  s.now_ns = DAY_START;
  if (s.api->start(s.self) != HADRON_OK) die(s.said);
  double before = cpu ? cpu_now(server) : 0;
  int64_t begin = hd_clock_monotonic_ns();
  for (;;) {
    int64_t step = hd_clock_monotonic_ns(), again = s.api->step(s.self, s.now_ns);
    if (steps) hd_histogram_record(steps, (uint64_t)(hd_clock_monotonic_ns() - step));
    if (again == INT64_MAX) break;
    if (again > s.now_ns) s.now_ns = again;
  }
  double seconds = (double)(hd_clock_monotonic_ns() - begin) / 1e9;
  if (cpu) *cpu = cpu_now(server) - before;
  if (test_service_metric(&s, "recorder_lag_bytes") != 0) die(s.said);
  if (told) *told = (double)test_service_metric(&s, "recorder_catch_up_rows_per_second");
  test_service_close(&s);
  if (test_database_number(url, "SELECT count(*) FROM hadron_ticks") != ROWS) die("rows are missing");
  return ROWS / seconds;
}

static unsigned char *put(unsigned char *p, uint64_t value, uint32_t size) {
  uint32_t length = htobe32(size);
  uint64_t wide = htobe64(value << (64 - 8 * size));
  memcpy(p, &length, 4);
  memcpy(p + 4, &wide, size);
  return p + 4 + size;
}

// The same rows, in the same order of columns, as one COPY stream.
static unsigned char *rows_make(struct hd_journal *j, size_t *size) {
  static const unsigned char header[19] = "PGCOPY\n\377\r\n";
  unsigned char *bytes = malloc(sizeof header + 2 + (size_t)ROWS * 160), *p = bytes;
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  if (!bytes || hd_journal_cursor_open(hd_journal_dir(j), &c, NULL) != HADRON_OK) die("no memory");
  memcpy(p, header, sizeof header);
  p += sizeof header;
  while (hd_journal_cursor_next(c, &r, NULL) == HADRON_OK) {
    struct hadron_tick t;
    memcpy(&t, r.bytes, sizeof t);
    *p++ = 0, *p++ = 13;
    p = put(put(put(put(put(p, 1, 4), r.position, 8), (uint64_t)t.event_ns, 8), (uint64_t)t.recv_ns, 8), t.sequence, 8);
    p = put(put(put(put(p, t.instrument, 4), t.venue, 4), t.kind, 2), t.flags, 2);
    for (int i = 0; i < 4; i++) p = put(p, (uint64_t)t.value.raw[i], 8);
  }
  hd_journal_cursor_close(c);
  *p++ = 0xff, *p++ = 0xff;
  *size = (size_t)(p - bytes);
  return bytes;
}

static double bare_round(const char *url, const unsigned char *bytes, size_t size, const struct test_postgres *server, double *cpu) {
  free(test_database_ask(url, "DROP TABLE IF EXISTS bare; CREATE TABLE bare (LIKE hadron_ticks_20240102 INCLUDING ALL)"));
  free(test_database_ask(url, "CHECKPOINT"));
  PGconn *db = PQconnectdb(url);
  double before = cpu_now(server);
  int64_t begin = hd_clock_monotonic_ns();
  PGresult *r = PQexec(db, "COPY bare FROM STDIN (FORMAT binary)");
  if (PQresultStatus(r) != PGRES_COPY_IN) die(PQerrorMessage(db));
  PQclear(r);
  for (size_t at = 0; at < size; at += 65536)
    if (PQputCopyData(db, (const char *)bytes + at, (int)(size - at < 65536 ? size - at : 65536)) != 1) die(PQerrorMessage(db));
  if (PQputCopyEnd(db, NULL) != 1) die(PQerrorMessage(db));
  r = PQgetResult(db);
  if (PQresultStatus(r) != PGRES_COMMAND_OK) die(PQerrorMessage(db));
  PQclear(r);
  double seconds = (double)(hd_clock_monotonic_ns() - begin) / 1e9;
  *cpu = cpu_now(server) - before;
  PQfinish(db);
  if (test_database_number(url, "SELECT count(*) FROM bare") != ROWS) die("bare rows are missing");
  return ROWS / seconds;
}

struct figures {
  double recorder, told, bare, sqlite; // rows a second
  double recorder_cpu, bare_cpu; // seconds
};

static void print(bool json, const char *absent, struct figures f, const struct hd_histogram *steps) {
  char machine[TEST_MACHINE_SIZE];
  test_machine(machine);
  double ratio = f.bare > 0 ? f.recorder / f.bare : 0;
  if (!json && absent) printf("not measured: %s\n", absent);
  if (!json && !absent) printf("recorder %.0f rows/s, bare COPY %.0f rows/s: %.2f of it (goal 0.8); SQLite %.0f rows/s\n", f.recorder, f.bare, ratio, f.sqlite);
  if (json && absent)
    printf("{\"name\": \"recorder\", \"value\": null, \"unit\": \"rows/s\", \"baseline\": null, \"ratio\": null, \"goal\": 0.8, \"ok\": false, "
           "\"why\": \"%s\", \"machine\": \"%s\"}\n", absent, machine);
  if (json && !absent)
    printf("{\"name\": \"recorder\", \"value\": %.0f, \"unit\": \"rows/s\", \"baseline\": %.0f, \"ratio\": %.3f, \"goal\": 0.8, \"ok\": %s, "
           "\"catch_up_rows_s\": %.0f, \"cpu_ratio\": %.3f, \"cpu_ns_per_row\": %.0f, \"cpu_ns_per_bare_row\": %.0f, \"sqlite_rows_s\": %.0f, \"step_p50_ms\": %.2f, \"step_p99_ms\": %.2f, \"step_p99_9_ms\": %.2f, \"step_max_ms\": %.2f, \"rows\": %d, \"rounds\": %d, "
           "\"batch_rows\": 131072, \"ticks\": \"generated, one day, 20 instruments\", \"on\": \"fsync, CRC check of every record, market snapshots every minute, "
           "partition by day, primary key and BRIN index\", \"settings\": \"" SETTINGS "\", \"machine\": \"%s\"}\n",
           f.recorder, f.bare, ratio, ratio >= 0.8 ? "true" : "false", f.told, f.bare_cpu / f.recorder_cpu, f.recorder_cpu * 1e9 / ROWS, f.bare_cpu * 1e9 / ROWS, f.sqlite, (double)hd_histogram_quantile(steps, 0.5) / 1e6,
           (double)hd_histogram_quantile(steps, 0.99) / 1e6, (double)hd_histogram_quantile(steps, 0.999) / 1e6, (double)steps->max / 1e6, ROWS, ROUNDS, machine);
}

int main(int argc, char **argv) {
  bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
  char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE], lite[TEST_PATH_SIZE], why[256];
  struct test_postgres server;
  static struct hd_histogram steps;
  double recorder[ROUNDS], told[ROUNDS], bare[ROUNDS], recorder_cpu[ROUNDS], bare_cpu[ROUNDS];
  if (!getenv("HADRON_PLUGIN_DIR")) { // beside this program
    char *slash, *own = realpath("/proc/self/exe", NULL);
    if (own && (slash = strrchr(own, '/'))) snprintf(dir, sizeof dir, "%.*s/plugins", (int)(slash - own), own), setenv("HADRON_PLUGIN_DIR", dir, 1);
    free(own);
  }
  if (!test_postgres_make(&server, SETTINGS, why, sizeof why)) return print(json, why, (struct figures){0}, NULL), 0;
  test_directory_make(root);
  test_path(dir, root, "journal");
  snprintf(lite, sizeof lite, "sqlite:%.490s/h.db", root);
  struct hd_journal *j = journal_make(dir);
  size_t size;
  unsigned char *bytes = rows_make(j, &size);
  for (int i = 0; i < ROUNDS; i++) {
    free(test_database_ask(server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    free(test_database_ask(server.url, "CHECKPOINT"));
    recorder[i] = recorder_round(j, server.url, &steps, &server, &recorder_cpu[i], &told[i]);
    bare[i] = bare_round(server.url, bytes, size, &server, &bare_cpu[i]);
  }
  double sqlite = recorder_round(j, lite, NULL, NULL, NULL, NULL);
  free(bytes);
  hd_journal_close(j);
  test_postgres_remove(&server);
  test_directory_remove(root);
  print(json, NULL, (struct figures){median(recorder, ROUNDS), median(told, ROUNDS), median(bare, ROUNDS), sqlite, median(recorder_cpu, ROUNDS), median(bare_cpu, ROUNDS)}, &steps);
  return 0;
}
