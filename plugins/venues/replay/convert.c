#include "convert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hdt.h"
#include "merge.h"
#include "options.h"

#define LISTINGS_MAX 4096u    // place kept in the file
#define PROGRESS_EVERY 256u   // batches

struct conversion {
  struct reader_setup setup;
  struct symbols symbols;
  struct files files;
  struct merge merge;
  struct hdt_writer writer;
  struct fault fault;
  char options[8192];
};

static int32_t convert_resolve(void *user, const struct hadron_listing *listing, uint32_t *handle) {
  struct conversion *c = user;
  return hdt_writer_listing(&c->writer, listing, handle);
}

// Takes "venue=N" out of the options; the rest goes where a venue's parameters go.
static int32_t convert_options(struct conversion *c, const char *options, uint16_t *venue) {
  char *rest = c->options;
  size_t used = 0;
  *venue = 1;
  for (const char *at = options ? options : ""; *at;) {
    size_t size = strcspn(at, "\n");
    if (strncmp(at, "venue=", 6) == 0) {
      struct scan s = {at + 6, at + size};
      int64_t number;
      if (!scan_unsigned(&s, &number) || !scan_done(&s) || number < 1 || number > UINT16_MAX)
        return fault_set(&c->fault, HADRON_ERR_PARSE, "cannot use the parameter", "venue", "a number from 1 to 65,535", "another", "correct it");
      *venue = (uint16_t)number;
    } else if (used + size + 2 < sizeof c->options) {
      memcpy(rest + used, at, size);
      used += size;
      rest[used++] = '\n';
    }
    at += size + (at[size] == '\n');
  }
  rest[used] = '\0';
  return options_lines(&c->setup.options, rest, &c->fault);
}

static int32_t convert_ticks(struct conversion *c, void *user, void (*progress)(void *user, uint64_t done, uint64_t total)) {
  const struct hadron_tick *ticks;
  uint32_t count;
  uint64_t done, total;
  int32_t result = merge_open(&c->merge, &c->files, &c->setup, &c->fault);
  for (uint64_t n = 0; !result; n++) {
    result = merge_next(&c->merge, MERGE_BATCH, &ticks, &count);
    for (uint32_t i = 0; !result && i < count; i++) result = hdt_writer_tick(&c->writer, &ticks[i]);
    if (!result) merge_take(&c->merge, count);
    if (progress && n % PROGRESS_EVERY == 0) {
      merge_progress(&c->merge, &done, &total);
      progress(user, done, total);
    }
  }
  return result == HADRON_ERR_END ? HADRON_OK : result;
}

static void convert_report(struct conversion *c, struct hadron_convert_report *report) {
  struct reader_counts counts;
  merge_counts(&c->merge, &counts);
  const struct hdt_header *h = &c->writer.header;
  *report = (struct hadron_convert_report){counts.rows, h->ticks,    counts.bad, counts.gaps,    c->merge.bytes,
                                           h->blocks_offset + (h->ticks + HDT_BLOCK - 1) / HDT_BLOCK * sizeof(struct hdt_block),
                                           h->first_ns, h->last_ns, c->files.count, h->listings};
}

// Into a file beside the target, which is renamed when it is whole: a reader never sees half of one.
static int32_t convert_write(struct conversion *c, const char *out, uint16_t venue, struct hadron_convert_report *report, void *user,
                             void (*progress)(void *user, uint64_t done, uint64_t total)) {
  char partial[1100];
  snprintf(partial, sizeof partial, "%.1000s.partial", out);
  int32_t result = hdt_writer_open(&c->writer, partial, LISTINGS_MAX, venue, &c->fault);
  if (!result) result = convert_ticks(c, user, progress);
  if (!result) result = hdt_writer_finish(&c->writer);
  convert_report(c, report);
  if (!result && rename(partial, out) != 0) {
    result = fault_set(&c->fault, HADRON_ERR_IO, "cannot write the tick file", out, "to give it its name", strerror(errno),
                       "check the folder and its permissions");
    unlink(partial);
  }
  merge_close(&c->merge);
  hdt_writer_close(&c->writer);
  return result;
}

int32_t convert_files(const char *files, const char *options, const char *out, struct hadron_convert_report *report,
                      void (*bad)(void *user, const char *path, uint64_t row, const char *text),
                      void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault, size_t fault_size) {
  uint16_t venue;
  memset(report, 0, sizeof *report);
  struct conversion *c = calloc(1, sizeof *c);
  if (!c) return HADRON_ERR_MEMORY;
  c->setup.symbols = &c->symbols;
  c->setup.user = user;
  c->setup.bad = bad;
  symbols_init(&c->symbols, c, convert_resolve);
  options_init(&c->setup.options);
  int32_t result = convert_options(c, options, &venue);
  c->setup.venue = venue;
  if (!result) result = files_expand(&c->files, files, &c->fault);
  if (!result) result = convert_write(c, out, venue, report, user, progress);
  if (result && fault && fault_size) text_copy(fault, fault_size, c->fault.text, strlen(c->fault.text));
  files_fini(&c->files);
  symbols_fini(&c->symbols);
  free(c);
  return result;
}
