#include "reader.h"

#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE 8192u // bytes that a format may look at

// Order matters: the first that knows the file reads it. CSV comes last, for any text may be CSV.
static const struct format *const formats[] = {&format_hdt, &format_journal, &format_dbn, &format_lean, &format_binance, &format_csv};
#define FORMATS (uint32_t)(sizeof formats / sizeof *formats)

const struct format *const *reader_formats(uint32_t *count) {
  *count = FORMATS;
  return formats;
}

int32_t reader_fault(struct reader *r, int32_t code, const char *expected, const char *found, const char *todo) {
  char where[SOURCE_PATH_MAX + 64];
  if (r->source.row) snprintf(where, sizeof where, "%s line %llu", r->path, (unsigned long long)r->source.row);
  else snprintf(where, sizeof where, "%s", r->path);
  return fault_set(&r->fault, code, "cannot read the recording", where, expected, found, todo);
}

int32_t reader_bad(struct reader *r, const char *text) {
  r->counts.bad++;
  if (r->setup->bad) r->setup->bad(r->setup->user, r->path, r->source.row ? r->source.row : r->counts.rows, text);
  return HADRON_OK;
}

static bool queue_grow(struct tick_queue *q) {
  uint32_t capacity = q->capacity ? 2 * q->capacity : 1024;
  if (capacity > QUEUE_MAX) return false;
  struct hadron_tick *larger = realloc(q->ticks, capacity * sizeof *larger);
  if (!larger) return false;
  q->ticks = larger;
  q->capacity = capacity;
  return true;
}

bool reader_push(struct reader *r, const struct hadron_tick *tick) {
  const struct reader_options *o = &r->setup->options;
  if (tick->recv_ns < o->from_ns || tick->recv_ns >= o->to_ns || tick->instrument == SYMBOL_UNWANTED) {
    r->counts.ignored++;
    return true;
  }
  struct tick_queue *q = &r->queue;
  if (q->tail == q->capacity && !queue_grow(q)) return false;
  q->ticks[q->tail] = *tick;
  q->ticks[q->tail++].venue = r->setup->venue;
  r->counts.ticks++;
  return true;
}

int32_t reader_resolve(struct reader *r, const char *symbol, size_t size, uint32_t asset, struct symbol **out) {
  struct hadron_listing listing;
  const char *override = r->setup->options.symbol;
  if (override[0]) listing_describe(&listing, override, strlen(override), asset);
  else listing_describe(&listing, symbol, size, asset);
  int32_t result = symbols_get(r->setup->symbols, &listing, out);
  if (result)
    return reader_fault(r, result, "a listing that the host takes", hadron_error_text(result), hadron_error_hint(result));
  if (r->symbols++ == 0) text_copy(r->symbol, sizeof r->symbol, listing.symbol, strlen(listing.symbol));
  return HADRON_OK;
}

uint64_t reader_done(const struct reader *r) { return r->format && r->format->raw ? r->done : source_done(&r->source); }

static const struct format *format_named(const char *name) {
  for (uint32_t i = 0; i < FORMATS; i++)
    if (strcmp(formats[i]->name, name) == 0) return formats[i];
  return NULL;
}

// A journal is the one recording that is a directory.
static int32_t reader_probe_directory(struct reader *r) {
  char path[SOURCE_PATH_MAX];
  if (!journal_found(r->path, path))
    return reader_fault(r, HADRON_ERR_UNSUPPORTED, "a file, or a directory with a journal (data_dir or data_dir/journal)", "a directory with other things",
                        "name the files, or give a glob");
  r->format = &format_journal;
  return HADRON_OK;
}

// Looks at the packed bytes, for formats that read the file by themselves.
static int32_t reader_probe_raw(struct reader *r) {
  uint8_t head[64];
  struct stat status;
  if (stat(r->path, &status) == 0 && S_ISDIR(status.st_mode)) return reader_probe_directory(r);
  int fd = open(r->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    int32_t result = reader_fault(r, HADRON_ERR_IO, "a readable regular file", fd < 0 ? strerror(errno) : "something else",
                                  "check the path and its permissions");
    if (fd >= 0) close(fd);
    return result;
  }
  ssize_t got = read(fd, head, sizeof head);
  close(fd);
  r->size = (uint64_t)status.st_size;
  struct file_probe probe = {r->path, "", head, got > 0 ? (size_t)got : 0};
  for (uint32_t i = 0; i < FORMATS && !r->format; i++)
    if (formats[i]->raw && formats[i]->sniff(&probe)) r->format = formats[i];
  return HADRON_OK;
}

static int32_t reader_probe(struct reader *r) {
  const char *wanted = r->setup->options.format;
  struct file_probe probe = {r->path, r->source.entry, NULL, 0};
  int32_t result = source_peek(&r->source, PROBE, &probe.bytes, &probe.size);
  if (result) return result;
  if (wanted[0] && strcmp(wanted, "auto") != 0) {
    r->format = format_named(wanted);
    return HADRON_OK;
  }
  for (uint32_t i = 0; i < FORMATS && !r->format; i++)
    if (!formats[i]->raw && formats[i]->sniff(&probe)) r->format = formats[i];
  if (r->format) return HADRON_OK;
  char found[64];
  size_t n = probe.size < 40 ? probe.size : 40;
  text_copy(found + 1, sizeof found - 1, (const char *)probe.bytes, n);
  found[0] = '"';
  text_copy(found + 1 + n, sizeof found - n - 1, "\"...", 4);
  for (size_t i = 1; i <= n; i++)
    if ((unsigned char)found[i] < 0x20 || (unsigned char)found[i] > 0x7e) found[i] = '?';
  return reader_fault(r, HADRON_ERR_UNSUPPORTED, "a LEAN zip, DBN, Binance capture, native .hdt, a journal or CSV with a known header", found,
                      "name the format, and for CSV the columns (columns = {\"time=0\", \"price=1\", ...})");
}

int32_t reader_open(struct reader *r, const struct reader_setup *setup, const char *path, const char *pair) {
  memset(r, 0, sizeof *r);
  r->setup = setup;
  text_copy(r->path, sizeof r->path, path, strlen(path));
  if (pair) text_copy(r->pair, sizeof r->pair, pair, strlen(pair));
  int32_t result = reader_probe_raw(r);
  if (!result && !r->format) {
    result = source_open(&r->source, path, &r->fault);
    if (!result) result = reader_probe(r);
  }
  if (!result) {
    text_copy(r->label, sizeof r->label, r->format->name, strlen(r->format->name));
    result = r->format->open(r);
    if (result == HADRON_ERR_END) result = reader_fault(r, HADRON_ERR_CORRUPT, "a recording", "nothing", "fetch it again");
  }
  if (result) reader_close(r);
  return result;
}

void reader_close(struct reader *r) {
  if (r->format && r->state) r->format->close(r);
  r->state = NULL;
  source_close(&r->source);
  if (r->queue.capacity) free(r->queue.ticks);
  r->queue = (struct tick_queue){NULL, 0, 0, 0};
}

int32_t reader_fill(struct reader *r) {
  struct tick_queue *q = &r->queue;
  if (q->head == q->tail) q->head = q->tail = 0;
  while (!r->ended && !r->broken && q->tail - q->head < READER_FILL) {
    int32_t result = r->format->row(r);
    if (result == HADRON_ERR_END) r->ended = true;
    else if (result) r->broken = result;
    // Capacity 0 with ticks waiting is a mapped run: it must be used up before the next.
    if (result || (q->capacity == 0 && q->head != q->tail)) break;
  }
  if (q->head != q->tail) return HADRON_OK; // what came before the break is used first
  return r->broken ? r->broken : HADRON_ERR_END;
}
