// hadron doctor: one row and one function per thing that can be wrong before a host has even started. A check says what it found and, if
// that is not well, what to do. Nothing is changed.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <lua.h>
#include <mbedtls/version.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include "base/banned.h"
#include "registry/libpq.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/setup.h"

const char hd_doctor_help[] =
    "  --set key=value    override a key of the configuration; may be given several times\n"
    "  --json             print the checks as one JSON object\n"
    "\nWithout a configuration only the machine and the data directory `data` are looked at. A failed check makes the exit status 1.\n";

enum verdict { GOOD = 0, WARN, FAIL, SKIP };
static const char *const verdict_names[] = {"ok", "warn", "fail", "skip"};

struct doctor {
  struct hd_setup setup;
  int config_code;         // of loading it; HD_EXIT_OK: it is there
  const char *data_dir;
  uint32_t fails, warnings;
};

struct finding {
  enum verdict verdict;
  char found[400], advice[400];
};

__attribute__((format(printf, 3, 4))) static void found(struct finding *f, enum verdict verdict, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(f->found, sizeof f->found, format, arguments);
  va_end(arguments);
  f->verdict = verdict;
}

static void advise(struct finding *f, const char *text) { hd_text_copy(f->advice, sizeof f->advice, text); }

// The first line of a small file; "" if it cannot be read.
static void read_line(const char *path, char *to, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, to, size - 1) : 0;
  if (fd >= 0) close(fd);
  to[n > 0 ? n : 0] = 0;
  to[strcspn(to, "\n")] = 0;
}

// ---- the machine -----------------------------------------------------------------------------------------------------------------------

static void check_kernel(struct doctor *d, struct finding *f) {
  (void)d;
  struct utsname name;
  int major = 0;
  if (uname(&name) == 0) major = (int)strtol(name.release, NULL, 10);
  found(f, major >= 5 ? GOOD : WARN, "%s %s", name.sysname, name.release);
  if (f->verdict) advise(f, "use Linux 5 or later: sealed memory files and fast clocks are expected");
}

static bool cpu_has(const char *flag) {
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[8192], wanted[32];
  bool has = false;
  snprintf(wanted, sizeof wanted, " %s ", flag);
  while (file && !has && fgets(line, sizeof line, file)) {
    if (strncmp(line, "flags", 5) != 0) continue;
    line[strcspn(line, "\n")] = ' ';
    has = strstr(line, wanted) != NULL;
    break;
  }
  if (file) fclose(file);
  return has;
}

static void check_cpu(struct doctor *d, struct finding *f) {
  (void)d;
  bool crc = cpu_has("sse4_2"), sha = cpu_has("sha_ni"), tsc = cpu_has("constant_tsc");
  found(f, crc ? GOOD : WARN, "sse4.2 %s, sha %s, constant tsc %s", crc ? "yes" : "no", sha ? "yes" : "no", tsc ? "yes" : "no");
  if (!crc) advise(f, "without sse4.2 the journal's checksums are computed in software: slower, and correct");
}

static void check_cores(struct doctor *d, struct finding *f) {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  const struct hd_config *c = &d->setup.config;
  int wanted = d->config_code == HD_EXIT_OK && c->threads ? (int)c->shards + 2 : 1;
  found(f, cores >= wanted ? GOOD : WARN, "%d usable, %d wanted", cores, wanted);
  if (f->verdict) advise(f, "lower engine.shards, or set engine.threads = false: threads that share a core wait for each other");
}

static void check_memory(struct doctor *d, struct finding *f) {
  (void)d;
  struct sysinfo info;
  if (sysinfo(&info)) {
    found(f, WARN, "not known: %s", strerror(errno));
    return;
  }
  double free_mb = (double)(info.freeram + info.bufferram) * info.mem_unit / 1048576, all_mb = (double)info.totalram * info.mem_unit / 1048576;
  found(f, all_mb >= 512 ? GOOD : WARN, "%.0f MB, %.0f MB of them free", all_mb, free_mb);
  if (f->verdict) advise(f, "512 MB or more leave room for the journal's pages");
}

static void check_huge_pages(struct doctor *d, struct finding *f) {
  (void)d;
  char text[128];
  read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
  const char *chosen = strchr(text, '[');
  found(f, GOOD, "%.*s", chosen ? (int)strcspn(chosen + 1, "]") : 7, chosen ? chosen + 1 : "unknown");
}

static void check_clock_source(struct doctor *d, struct finding *f) {
  (void)d;
  char source[64];
  read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof source);
  bool fast = strcmp(source, "tsc") == 0 || strcmp(source, "kvm-clock") == 0 || strcmp(source, "arch_sys_counter") == 0 || strncmp(source, "hyperv", 6) == 0;
  found(f, fast ? GOOD : WARN, "%s", *source ? source : "unknown");
  if (!fast) advise(f, "reading the time costs a system call here; boot with clocksource=tsc if the CPU's is constant");
}

static void check_clocks(struct doctor *d, struct finding *f) {
  (void)d;
  int64_t wall = hd_clock_wall_ns(), start = hd_clock_monotonic_ns(), last = start;
  for (int i = 0; i < 100000; i++) {
    int64_t now = hd_clock_monotonic_ns();
    if (now < last) {
      found(f, FAIL, "the monotonic clock went back by %lld ns", (long long)(last - now));
      advise(f, "change the kernel's clock source; nothing can be measured here");
      return;
    }
    last = now;
  }
  int64_t drift = (hd_clock_wall_ns() - wall) - (last - start);
  char time[40];
  hd_time_format(time, sizeof time, wall, 3);
  bool sane = wall > INT64_C(1700000000) * 1000000000, level = drift > -50000000 && drift < 50000000;
  found(f, sane && level ? GOOD : FAIL, "wall %s, %lld ns apart from the monotonic clock", time, (long long)drift);
  if (f->verdict) advise(f, sane ? "the wall clock was stepped while it was looked at; let NTP slew it" : "the date is wrong; set the clock");
}

static void check_ntp(struct doctor *d, struct finding *f) {
  (void)d;
  struct timex t = {.modes = 0};
  int state = adjtimex(&t);
  bool synced = state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
  if (state < 0) found(f, WARN, "not known: %s", strerror(errno));
  else found(f, synced ? GOOD : WARN, "%s, estimated error %ld us", synced ? "synchronised" : "not synchronised", t.esterror);
  if (!synced) advise(f, "run chrony or systemd-timesyncd: venues refuse orders whose time is off, and ticks look stale");
}

static void check_files(struct doctor *d, struct finding *f) {
  (void)d;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  found(f, limit.rlim_cur >= 1024 ? GOOD : WARN, "%llu open files", (unsigned long long)limit.rlim_cur);
  if (f->verdict) advise(f, "raise it: ulimit -n 4096, or LimitNOFILE= of the service");
}

static void check_core(struct doctor *d, struct finding *f) {
  (void)d;
  struct rlimit limit;
  getrlimit(RLIMIT_CORE, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) found(f, GOOD, "unlimited");
  else found(f, GOOD, limit.rlim_cur ? "%llu bytes" : "%llu bytes: a crash leaves no core file", (unsigned long long)limit.rlim_cur);
}

static void check_time_zone(struct doctor *d, struct finding *f) {
  (void)d;
  char text[40];
  int64_t back = -1;
  hd_time_format(text, sizeof text, INT64_C(1718454645123456789), 9);
  bool same = strcmp(text, "2024-06-15T12:30:45.123456789Z") == 0 && hd_time_parse(text, &back) == 0 && back == INT64_C(1718454645123456789);
  const char *zone = getenv("TZ");
  found(f, same ? GOOD : FAIL, "TZ=%s; times are read and written in UTC%s", zone ? zone : "(unset)", same ? "" : ", but not here");
  if (!same) advise(f, "please report it");
}

static void check_libraries(struct doctor *d, struct finding *f) {
  (void)d;
  char tls[32];
  struct hd_fault fault;
  mbedtls_version_get_string(tls);
  if (hd_libpq_open(&fault)) {
    found(f, WARN, "%s", fault.text);
    advise(f, "PostgreSQL cannot be used until then; SQLite can");
    return;
  }
  int pq = hd_libpq.PQlibVersion();
  bool same = sqlite3_libversion_number() >= SQLITE_VERSION_NUMBER && uv_version() >= UV_VERSION_HEX;
  found(f, same ? GOOD : WARN, "libuv %s, Lua %s.%s, jansson %s, SQLite %s, libpq %d.%d, mbedTLS %s", uv_version_string(), LUA_VERSION_MAJOR, LUA_VERSION_MINOR,
        jansson_version_str(), sqlite3_libversion(), pq / 10000, pq % 10000, tls);
  if (!same) advise(f, "a library is older than the one that the host was built with; update it or build again");
}

// ---- where it runs -----------------------------------------------------------------------------------------------------------------------

static void check_data_dir(struct doctor *d, struct finding *f) {
  struct stat s;
  if (stat(d->data_dir, &s)) {
    found(f, errno == ENOENT ? GOOD : FAIL, "%s: %s", d->data_dir, errno == ENOENT ? "not there yet; `hadron run` makes it" : strerror(errno));
    if (f->verdict) advise(f, "set data_dir to a directory that this user may read and write");
  } else if (!S_ISDIR(s.st_mode) || access(d->data_dir, R_OK | W_OK | X_OK)) {
    found(f, FAIL, "%s: %s", d->data_dir, S_ISDIR(s.st_mode) ? "this user may not write there" : "is no directory");
    advise(f, "set data_dir to a directory that this user may read and write");
  } else if (s.st_mode & (S_IWGRP | S_IWOTH)) {
    found(f, FAIL, "%s: mode %04o, owner uid %u: others may write", d->data_dir, (unsigned)(s.st_mode & 07777), s.st_uid);
    advise(f, "chmod go-w: who can write there can throw the kill switch and change the journal");
  } else {
    found(f, s.st_uid == geteuid() ? GOOD : WARN, "%s: mode %04o, owner uid %u", d->data_dir, (unsigned)(s.st_mode & 07777), s.st_uid);
    if (f->verdict) advise(f, "the directory belongs to another user; run the host as that one");
  }
}

static void check_disk(struct doctor *d, struct finding *f) {
  struct statvfs s;
  if (statvfs(d->data_dir, &s) && statvfs(".", &s)) {
    found(f, WARN, "not known: %s", strerror(errno));
    return;
  }
  double free_mb = (double)s.f_bavail * (double)s.f_frsize / 1048576;
  double segment_mb = d->config_code == HD_EXIT_OK ? (double)d->setup.config.journal_segment / 1048576 : 64;
  found(f, free_mb < 2 * segment_mb ? FAIL : free_mb < 16 * segment_mb ? WARN : GOOD, "%.0f MB free; a journal segment takes %.0f MB", free_mb, segment_mb);
  if (f->verdict) advise(f, "make room, or set journal.keep so that old segments are deleted: orders stop when the disk is full");
}

static void check_kill_file(struct doctor *d, struct finding *f) {
  char path[600];
  snprintf(path, sizeof path, "%s/KILL", d->data_dir);
  bool there = access(path, F_OK) == 0;
  found(f, there ? WARN : GOOD, there ? "%s is there: a host would not trade" : "%s is not there", path);
  if (there) advise(f, "remove the file once its cause is understood");
}

static void check_control(struct doctor *d, struct finding *f) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char path[600];
  if (d->config_code == HD_EXIT_OK) hd_text_copy(path, sizeof path, d->setup.config.control);
  else snprintf(path, sizeof path, "%s/hadron.sock", d->data_dir);
  if (!hd_text_copy(address.sun_path, sizeof address.sun_path, path)) {
    found(f, FAIL, "%s: longer than %zu bytes", path, sizeof address.sun_path - 1);
    advise(f, "set `control` to a shorter path");
    return;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int err = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
  if (fd >= 0) close(fd);
  if (err == 0) found(f, GOOD, "%s: a host answers", path);
  else if (err == ENOENT) found(f, GOOD, "%s: free", path);
  else if (err == ECONNREFUSED) found(f, GOOD, "%s: left by a host that is gone; it will be replaced", path);
  else {
    found(f, FAIL, "%s: %s", path, strerror(err));
    advise(f, "remove what is there, or set `control` to another path");
  }
}

// ---- the configuration -----------------------------------------------------------------------------------------------------------------

static bool configured(const struct doctor *d, struct finding *f) {
  if (d->config_code == HD_EXIT_OK) return true;
  found(f, SKIP, d->setup.path ? "the configuration is wrong" : "no configuration was given");
  return false;
}

static void check_config(struct doctor *d, struct finding *f) {
  if (!d->setup.path) found(f, SKIP, "none was given");
  else if (d->config_code) {
    found(f, FAIL, "%s: wrong; its errors are above", d->setup.path);
    advise(f, "mend the lines that were named");
  } else {
    const struct hd_config *c = &d->setup.config;
    found(f, GOOD, "%s: %u venues, %u strategies, %u services", d->setup.path, c->venue_count, c->strategy_count, c->service_count);
  }
}

static void check_plugin_path(struct doctor *d, struct finding *f) {
  if (!configured(d, f)) return;
  uint32_t dirs = 0;
  for (const char *at = d->setup.config.plugin_path; *at;) {
    char dir[1024];
    size_t n = strcspn(at, ":");
    snprintf(dir, sizeof dir, "%.*s", (int)n, at);
    struct stat s;
    if (n > 0 && stat(dir, &s) == 0 && S_ISDIR(s.st_mode)) {
      dirs++;
      if ((s.st_mode & (S_IWGRP | S_IWOTH)) && !(s.st_mode & S_ISVTX)) {
        found(f, FAIL, "%.300s: others may write there", dir);
        advise(f, "chmod go-w: a plugin runs with all the rights of the host");
        return;
      }
    }
    at += n + (at[n] == ':');
  }
  found(f, dirs ? GOOD : FAIL, "%u of its directories are there", dirs);
  if (!dirs) advise(f, "set plugin_path to the directory with the plugins");
}

static void first_wrong(void *user, const char *place, const char *text) {
  struct finding *f = user;
  if (f->found[0] == 0) found(f, FAIL, "%.100s: %.280s", place, text);
}

static void check_plugins(struct doctor *d, struct finding *f) {
  if (!configured(d, f)) return;
  uint32_t count = hd_session_check(&d->setup.config, NULL, true, first_wrong, f);
  if (count == 0) found(f, GOOD, "all load, and take their parameters");
  else advise(f, count > 1 ? "`hadron run --check CONFIG` prints the others too" : "mend that line");
}

static void check_mode(struct doctor *d, struct finding *f) {
  static const char *const modes[] = {"?", "dry_run", "paper", "live", "backtest"};
  if (configured(d, f)) found(f, GOOD, "%s%s", modes[d->setup.config.mode % 5], d->setup.config.mode == HADRON_MODE_LIVE ? ": orders go to the market once --live is given too" : "");
}

static void check_sqlite(const char *path, struct finding *f) {
  sqlite3 *db = NULL;
  sqlite3_stmt *q = NULL;
  if (access(path, F_OK)) {
    found(f, GOOD, "%s: not there yet; the recorder makes it", path);
    return;
  }
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, "SELECT count(*), coalesce(max(number), 0) FROM schema_migrations", -1, &q, NULL);
  if (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) found(f, GOOD, "%s: %d migrations, the last is %03d", path, sqlite3_column_int(q, 0), sqlite3_column_int(q, 1));
  else {
    bool empty = db && strstr(sqlite3_errmsg(db), "no such table");
    found(f, empty ? WARN : FAIL, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
    advise(f, empty ? "a database without migrations: the recorder makes its tables there" : "see that the file is an SQLite database that this user may read and write");
  }
  sqlite3_finalize(q);
  sqlite3_close(db);
}

// What the recorder will need: tables of its own, or the right to make them. Asked of the server's catalogue: nothing is written.
static void check_rights(PGconn *connection, struct finding *f) {
  static const char question[] =
      "SELECT to_regclass('schema_migrations') IS NOT NULL, coalesce(has_schema_privilege(current_schema(), 'USAGE') AND has_schema_privilege(current_schema(), 'CREATE'), false),"
      " coalesce(has_table_privilege(to_regclass('schema_migrations'), 'SELECT'), true)"
      " AND coalesce(has_table_privilege(to_regclass('hadron_strategy_decisions'), 'INSERT'), true)"
      " AND coalesce(has_table_privilege(to_regclass('recorder_cursor'), 'SELECT'), true) AND coalesce(has_table_privilege(to_regclass('recorder_cursor'), 'UPDATE'), true), current_user";
  int version = hd_libpq.PQserverVersion(connection);
  PGresult *rights = hd_libpq.PQexec(connection, question), *rows = NULL;
  bool asked = hd_libpq.PQresultStatus(rights) == PGRES_TUPLES_OK;
  bool there = asked && hd_libpq.PQgetvalue(rights, 0, 0)[0] == 't', may_make = asked && hd_libpq.PQgetvalue(rights, 0, 1)[0] == 't', may_write = asked && hd_libpq.PQgetvalue(rights, 0, 2)[0] == 't';
  char server[200];
  snprintf(server, sizeof server, "server %d.%d, database %.60s, user %.60s", version / 10000, version % 10000, hd_libpq.PQdb(connection), asked ? hd_libpq.PQgetvalue(rights, 0, 3) : "?");
  if (there && may_write) {
    rows = hd_libpq.PQexec(connection, "SELECT count(*), coalesce(max(number), 0) FROM schema_migrations");
    bool read = hd_libpq.PQresultStatus(rows) == PGRES_TUPLES_OK;
    found(f, read ? GOOD : FAIL, "%s: %s migrations, the last is %s", server, read ? hd_libpq.PQgetvalue(rows, 0, 0) : "?", read ? hd_libpq.PQgetvalue(rows, 0, 1) : "?");
    hd_libpq.PQclear(rows);
  } else if (there) {
    found(f, FAIL, "%s: its tables are there, but this user may not write them", server);
    advise(f, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the user, or record as the user who owns them");
  } else if (may_make) {
    found(f, GOOD, "%s: no migrations yet; the recorder makes its tables", server);
  } else {
    found(f, FAIL, "%s: no tables yet, and this user may not make them", server);
    advise(f, "GRANT USAGE, CREATE ON SCHEMA public TO the user; the recorder makes its tables at its first start");
  }
  hd_libpq.PQclear(rights);
}

static void check_postgres(const char *url, struct finding *f) {
  const char *const keys[] = {"dbname", "connect_timeout", NULL}, *const values[] = {url, "3", NULL};
  struct hd_fault fault;
  if (hd_libpq_open(&fault)) {
    found(f, FAIL, "%s", fault.text);
    return;
  }
  PGconn *connection = hd_libpq.PQconnectdbParams(keys, values, 1);
  if (hd_libpq.PQstatus(connection) != CONNECTION_OK) {
    char text[300];
    hd_text_copy(text, sizeof text, hd_libpq.PQerrorMessage(connection));
    text[strcspn(text, "\n")] = 0;
    found(f, FAIL, "%s", text);
    advise(f, "start the server, or mend the recorder's url; trading would go on, and rows follow when the server is back");
  } else {
    check_rights(connection, f);
  }
  hd_libpq.PQfinish(connection);
}

static void check_database(struct doctor *d, struct finding *f) {
  if (!configured(d, f)) return;
  for (uint32_t i = 0; i < d->setup.config.service_count; i++) {
    const struct hd_config_plugin *s = &d->setup.config.services[i];
    for (uint32_t k = 0; s->enabled && k < s->param_count; k++) {
      if (strcmp(s->params[k].name, "url") != 0) continue;
      const char *url = s->params[k].text;
      if (strncmp(url, "sqlite:", 7) == 0) check_sqlite(url + 7, f);
      else if (strncmp(url, "postgres", 8) == 0) check_postgres(url, f);
      else continue;
      return;
    }
  }
  found(f, SKIP, "no service has a database");
}

// ---- the table -----------------------------------------------------------------------------------------------------------------------

static const struct {
  const char *name;
  void (*check)(struct doctor *d, struct finding *f);
} checks[] = {
    {"kernel", check_kernel},       {"cpu", check_cpu},           {"cores", check_cores},           {"memory", check_memory},
    {"huge pages", check_huge_pages}, {"clock source", check_clock_source}, {"clocks", check_clocks}, {"time sync", check_ntp},
    {"time zone", check_time_zone}, {"open files", check_files},  {"core files", check_core},       {"libraries", check_libraries},
    {"config", check_config},       {"mode", check_mode},         {"plugin path", check_plugin_path}, {"plugins", check_plugins},
    {"data dir", check_data_dir},   {"disk", check_disk},         {"control socket", check_control}, {"kill file", check_kill_file},
    {"database", check_database},
};

static void print_finding(const char *name, const struct finding *f) {
  static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m", "\033[2m"};
  bool c = hd_cli_colours(STDOUT_FILENO);
  printf("%s%-4s%s  %-14s  %s\n", c ? colours[f->verdict] : "", verdict_names[f->verdict], c ? "\033[0m" : "", name, f->found);
  if (f->advice[0]) printf("      %-14s  -> %s\n", "", f->advice);
}

static int examine(struct doctor *d) {
  json_t *rows = json_array();
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    struct finding f = {0};
    checks[i].check(d, &f);
    hd_text_printable(f.found);
    d->fails += f.verdict == FAIL;
    d->warnings += f.verdict == WARN;
    if (!d->setup.json) print_finding(checks[i].name, &f);
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "check", checks[i].name, "status", verdict_names[f.verdict], "found", f.found, "advice", f.advice));
  }
  json_t *all = json_pack("{s:b, s:i, s:i, s:o}", "ok", d->fails == 0, "failed", (int)d->fails, "warnings", (int)d->warnings, "checks", rows);
  if (d->setup.json) {
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
  } else {
    printf("\n%s: %u failed, %u warnings\n", d->fails ? "Not ready" : "Ready", d->fails, d->warnings);
  }
  json_decref(all);
  return d->fails ? HD_EXIT_FAILED : HD_EXIT_OK;
}

int hd_doctor_command(int argc, char **argv) {
  enum { JSON = 256, SET };
  static const struct option options[] = {{"json", no_argument, NULL, JSON}, {"set", required_argument, NULL, SET}, {0}};
  static struct doctor d;
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (c) {
    case JSON: d.setup.json = true; break;
    case SET:
      if (!hd_setup_set(&d.setup, optarg)) return hd_cli_usage("doctor", "more than %d --set", HD_SETS_MAX);
      break;
    default: return hd_cli_usage("doctor", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  if (optind + 1 < argc) return hd_cli_usage("doctor", "expected at most one configuration");
  d.setup.path = optind < argc ? argv[optind] : NULL;
  d.config_code = d.setup.path ? hd_setup_load(&d.setup, "doctor") : HD_EXIT_USAGE;
  d.data_dir = d.config_code == HD_EXIT_OK ? d.setup.config.data_dir : "data";
  int code = examine(&d);
  if (d.setup.path) hd_setup_fini(&d.setup);
  return code;
}
