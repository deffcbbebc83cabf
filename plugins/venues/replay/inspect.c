#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "reader.h"

#define PAUSE_NS MINUTE_NS      // silence that counts as a pause
#define PROGRESS_EVERY 65536u   // rows

struct inspection {
  struct reader_setup setup;
  struct symbols symbols;
  struct reader reader;
  struct hadron_inspect_report *report;
  uint32_t handles;
  int64_t last_ns;
  void *user;
  void (*bad)(void *user, uint64_t row, const char *text);
};

// Every listing is wanted; handles count up.
static int32_t inspect_resolve(void *user, const struct hadron_listing *listing, uint32_t *handle) {
  struct inspection *i = user;
  (void)listing;
  *handle = ++i->handles;
  return HADRON_OK;
}

static void inspect_bad(void *user, const char *path, uint64_t row, const char *text) {
  struct inspection *i = user;
  (void)path;
  if (i->bad) i->bad(i->user, row, text);
}

static void inspect_tick(struct inspection *i, const struct hadron_tick *t) {
  struct hadron_inspect_report *report = i->report;
  uint64_t *const counts[] = {NULL, &report->trades, &report->quotes, &report->books, &report->statuses};
  if (t->kind >= HADRON_TICK_TRADE && t->kind <= HADRON_TICK_STATUS) (*counts[t->kind])++;
  if (report->ticks++ == 0) report->first_ns = report->last_ns = t->event_ns;
  if (t->event_ns < report->first_ns) report->first_ns = t->event_ns;
  if (t->event_ns > report->last_ns) report->last_ns = t->event_ns;
}

// Pauses and steps backward between the last tick and the next row, by receive time: that is the order of the file.
static void inspect_step(struct inspection *i, int64_t ns) {
  struct hadron_inspect_report *report = i->report;
  int64_t pause = 0;
  if (i->last_ns != 0 && __builtin_sub_overflow(ns, i->last_ns, &pause)) pause = 0;
  if (pause < 0) report->backward++;
  if (pause > PAUSE_NS) report->pauses++;
  if (pause > report->pause_ns_max) {
    report->pause_ns_max = pause;
    report->pause_at_ns = i->last_ns;
  }
}

static void inspect_queue(struct inspection *i) {
  const struct tick_queue *q = &i->reader.queue;
  if (q->head == q->tail) return;
  inspect_step(i, q->ticks[q->head].recv_ns);
  for (uint32_t n = q->head; n < q->tail; n++) {
    if (q->capacity == 0 && n > q->head) inspect_step(i, q->ticks[n].recv_ns); // mapped: every tick is a row
    inspect_tick(i, &q->ticks[n]);
    i->last_ns = q->ticks[n].recv_ns;
  }
}

static int32_t inspect_rows(struct inspection *i, void (*progress)(void *user, uint64_t done, uint64_t total)) {
  struct reader *r = &i->reader;
  int32_t result = HADRON_OK;
  for (uint64_t n = 0; !result; n++) {
    r->queue.head = r->queue.tail = 0;
    result = r->format->row(r);
    inspect_queue(i);
    if (progress && n % PROGRESS_EVERY == 0) progress(i->user, reader_done(r), r->size);
  }
  return result == HADRON_ERR_END ? HADRON_OK : result;
}

static void inspect_report(struct inspection *i) {
  struct hadron_inspect_report *report = i->report;
  const struct reader *r = &i->reader;
  report->rows = r->counts.rows;
  report->bad_rows = r->counts.bad;
  report->gaps = r->counts.gaps;
  report->bytes = r->size;
  memcpy(report->format, r->label, sizeof report->format);
  if (i->handles > 1) snprintf(report->symbol, sizeof report->symbol, "%u symbols", i->handles);
  else memcpy(report->symbol, r->symbol, sizeof report->symbol);
}

int32_t inspect_file(const char *path, const char *options, struct hadron_inspect_report *report,
                     void (*bad)(void *user, uint64_t row, const char *text),
                     void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault, size_t fault_size) {
  struct fault own = {0, ""};
  memset(report, 0, sizeof *report);
  struct inspection *i = calloc(1, sizeof *i);
  if (!i) return HADRON_ERR_MEMORY;
  i->report = report;
  i->user = user;
  i->bad = bad;
  i->setup.symbols = &i->symbols;
  i->setup.user = i;
  i->setup.bad = inspect_bad;
  i->setup.venue = 1;
  symbols_init(&i->symbols, i, inspect_resolve);
  options_init(&i->setup.options);
  int32_t result = options_lines(&i->setup.options, options, &own);
  if (!result) {
    result = reader_open(&i->reader, &i->setup, path, NULL);
    if (!result) result = inspect_rows(i, progress);
    if (result) own = i->reader.fault;
    inspect_report(i);
    reader_close(&i->reader);
  }
  symbols_fini(&i->symbols);
  free(i);
  if (result && fault && fault_size) text_copy(fault, fault_size, own.text, strlen(own.text));
  return result;
}
