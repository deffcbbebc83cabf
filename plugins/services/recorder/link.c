#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#define SEND_CHUNK 65536
#define FLUSH_LONGEST_MS 10000 // a COPY may be open for as long as a batch gathers: flush_interval's bound

#define COUNTDOWN_S INT64_C(3153600000) // a hundred years

int store_countdown(void) {
  const struct itimerspec years = {.it_value = {.tv_sec = COUNTDOWN_S}};
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (fd >= 0) timerfd_settime(fd, 0, &years, NULL);
  return fd;
}

int64_t store_clock_ns(const struct store_limits *limits) {
  struct itimerspec left = {.it_value = {.tv_sec = COUNTDOWN_S}};
  timerfd_gettime(limits->countdown, &left);
  return (COUNTDOWN_S - left.it_value.tv_sec) * INT64_C(1000000000) - left.it_value.tv_nsec;
}

int store_left_ms(const struct store_limits *limits, int ms) {
  if (limits->until_ns == 0) return ms;
  int64_t left = (limits->until_ns - store_clock_ns(limits)) / 1000000;
  return left < 0 ? 0 : left < ms ? (int)left : ms;
}

// What a failure means (PostgreSQL's appendix of error codes). A class of two characters, or a whole code; the first that fits.
static int32_t state_meaning(const char *state) {
  static const struct { const char *prefix; int32_t code; } meanings[] = {
      {"53100", HADRON_ERR_IO},         {"53", HADRON_ERR_DATABASE},     // disk full; memory, connections
      {"58", HADRON_ERR_IO},            {"XX001", HADRON_ERR_CORRUPT},   {"XX002", HADRON_ERR_CORRUPT},
      {"42501", HADRON_ERR_PERMISSION}, {"28", HADRON_ERR_PERMISSION},   {"3D", HADRON_ERR_PERMISSION},
      {"25006", HADRON_ERR_PERMISSION}, {"42", HADRON_ERR_CONFIG},       {"22", HADRON_ERR_CONFIG},
      {"23", HADRON_ERR_CONFIG},        {"0A", HADRON_ERR_CONFIG},       {"3F", HADRON_ERR_CONFIG},
      {"26", HADRON_ERR_CONFIG},        {"54", HADRON_ERR_CONFIG},       {"P0", HADRON_ERR_CONFIG},
  };
  for (size_t i = 0; state && i < sizeof meanings / sizeof *meanings; i++)
    if (strncmp(state, meanings[i].prefix, strlen(meanings[i].prefix)) == 0) return meanings[i].code;
  return HADRON_ERR_DATABASE;
}

static int32_t link_fail(struct link *l, const char *what, const PGresult *r) {
  const char *words = r ? PQresultErrorMessage(r) : PQerrorMessage(l->db);
  snprintf(l->error, STORE_ERROR_SIZE, "%s: %.*s", what, (int)strcspn(words, "\n"), words);
  return state_meaning(r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL);
}

// Waits for the socket, `ms` at most. `of_ms`: the limit to name, the same each time.
static int32_t link_wait_for(struct link *l, short events, int ms, int of_ms, const char *what) {
  struct pollfd p = {.fd = PQsocket(l->db), .events = events};
  int n, left = store_left_ms(l->limits, ms);
  bool cut = left < ms;
  while ((n = poll(&p, 1, left)) < 0 && errno == EINTR) left = store_left_ms(l->limits, left);
  if (n > 0) return HADRON_OK;
  if (n < 0)
    snprintf(l->error, STORE_ERROR_SIZE, "%s: waiting for the server: %s", what, strerror(errno));
  else if (cut)
    snprintf(l->error, STORE_ERROR_SIZE, "%s: the time for one batch is over", what);
  else
    snprintf(l->error, STORE_ERROR_SIZE, "%s: no answer within %d ms", what, of_ms);
  return n == 0 ? HADRON_ERR_TIMEOUT : HADRON_ERR_DATABASE;
}

static int32_t link_wait(struct link *l, short events, const char *what) {
  return link_wait_for(l, events, l->limits->wait_ms, l->limits->wait_ms, what);
}

int32_t link_flush(struct link *l, const char *what) {
  int left;
  while ((left = PQflush(l->db)) != 0) {
    if (left < 0) return link_fail(l, what, NULL);
    int32_t rc = link_wait(l, POLLIN | POLLOUT, what);
    if (rc != HADRON_OK) return rc;
    if (!PQconsumeInput(l->db)) return link_fail(l, what, NULL);
  }
  return HADRON_OK;
}

// The next result, or NULL at the end of the command's results.
static int32_t link_result(struct link *l, PGresult **result, const char *what) {
  while (PQisBusy(l->db)) {
    int32_t rc = link_wait(l, POLLIN, what);
    if (rc != HADRON_OK) return rc;
    if (!PQconsumeInput(l->db)) return link_fail(l, what, NULL);
  }
  *result = PQgetResult(l->db);
  return HADRON_OK;
}

// Reads the results of one command to their end; keeps the last (result may be NULL). Any failure among them is a failure.
static int32_t link_finish(struct link *l, PGresult **result, const char *what) {
  PGresult *last = NULL, *r = NULL;
  int32_t rc = link_flush(l, what), failed = HADRON_OK;
  while (rc == HADRON_OK && (rc = link_result(l, &r, what)) == HADRON_OK && r) {
    ExecStatusType status = PQresultStatus(r);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN;
    if (!good && failed == HADRON_OK) failed = link_fail(l, what, r);
    PQclear(last);
    last = r;
    if (status == PGRES_COPY_IN) break;
  }
  if (rc == HADRON_OK) rc = failed;
  if (rc == HADRON_OK && result)
    *result = last;
  else
    PQclear(last);
  return rc;
}

int32_t link_query(struct link *l, const char *sql, PGresult **result, const char *what) {
  if (!PQsendQuery(l->db, sql)) return link_fail(l, what, NULL);
  return link_finish(l, result, what);
}

int32_t link_query_params(struct link *l, const char *sql, int count, const char *const *values, PGresult **result, const char *what) {
  if (!PQsendQueryParams(l->db, sql, count, NULL, values, NULL, NULL, 0)) return link_fail(l, what, NULL);
  return link_finish(l, result, what);
}

int32_t link_copy_begin(struct link *l, const char *sql, const char *what) {
  PGresult *r = NULL;
  int32_t rc = link_query(l, sql, &r, what);
  if (rc != HADRON_OK) return rc;
  bool ready = PQresultStatus(r) == PGRES_COPY_IN;
  PQclear(r);
  return ready ? HADRON_OK : link_fail(l, what, NULL);
}

int32_t link_copy_put(struct link *l, const unsigned char *bytes, size_t size, const char *what) {
  bool taken = PQputCopyData(l->db, (const char *)bytes, (int)size) == 1 && PQflush(l->db) >= 0;
  return taken ? HADRON_OK : link_fail(l, what, NULL);
}

int32_t link_copy_end(struct link *l, const char *what) {
  if (PQputCopyEnd(l->db, NULL) != 1) return link_fail(l, what, NULL);
  return link_finish(l, NULL, what);
}

// Without this libpq writes the server's notices to standard error, across the host's screen.
static void notice_drop(void *self, const char *text) { (void)self, (void)text; }

// libpq shows the code of a refused connection only in its words: "... FATAL:  28P01: password ...".
static int32_t refusal(struct link *l) {
  int32_t rc = link_fail(l, "connecting", NULL);
  const char *at = strstr(PQerrorMessage(l->db), "FATAL:  ");
  return at && strlen(at) > 13 && at[13] == ':' ? state_meaning(at + 8) : rc;
}

static int32_t link_dial(struct link *l) {
  int64_t end_ns = store_clock_ns(l->limits) + (int64_t)l->limits->connect_ms * 1000000;
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  PQsetErrorVerbosity(l->db, PQERRORS_VERBOSE);
  while (PQstatus(l->db) != CONNECTION_BAD && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
    int64_t left = (end_ns - store_clock_ns(l->limits)) / 1000000;
    int32_t rc = link_wait_for(l, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, left > 0 ? (int)left : 0, l->limits->connect_ms, "connecting");
    if (rc != HADRON_OK) return rc;
    status = PQconnectPoll(l->db);
  }
  if (PQstatus(l->db) != CONNECTION_OK) return refusal(l);
  PQsetErrorVerbosity(l->db, PQERRORS_DEFAULT);
  return HADRON_OK;
}

int32_t link_open(struct link *l, const char *url) {
  const char *keys[] = {"dbname", "fallback_application_name", NULL}, *values[] = {url, "hadron recorder", NULL};
  l->db = PQconnectStartParams(keys, values, 1);
  if (!l->db) return HADRON_ERR_MEMORY;
  int32_t rc = link_dial(l);
  if (rc != HADRON_OK) return rc;
  PQsetNoticeProcessor(l->db, notice_drop, NULL);
  PQsetnonblocking(l->db, 1);
  // A lock that does not come is given up before we give up the server. A server that is too old to notice that we have gone ends by
  // its statement's time. What was committed stays: the journal forgets it afterwards.
  char sql[512];
  int statement_ms = l->limits->statement_ms + FLUSH_LONGEST_MS, lock_ms = l->limits->wait_ms * 3 / 4;
  snprintf(sql, sizeof sql, "SET client_min_messages = warning; SET client_encoding = 'UTF8'; SET statement_timeout = %d; SET lock_timeout = %d;"
           " SET idle_in_transaction_session_timeout = %d; SET synchronous_commit = on%s", statement_ms, lock_ms > 0 ? lock_ms : 1, statement_ms,
           PQserverVersion(l->db) >= 140000 ? "; SET client_connection_check_interval = 1000" : "");
  return link_query(l, sql, NULL, "setting up the session");
}

void link_close(struct link *l) {
  if (l->db) PQfinish(l->db);
  l->db = NULL;
}
