#include "source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK (64u << 10) // unit of reading

static int32_t source_broken(struct source *s, const char *found) {
  char where[SOURCE_PATH_MAX + 64];
  snprintf(where, sizeof where, "%s after line %llu", s->path, (unsigned long long)s->row);
  return fault_set(s->fault, HADRON_ERR_CORRUPT, "cannot read the recording", where, "a whole, undamaged file", found,
                   "restore it or fetch it again");
}

static int32_t source_unreadable(struct source *s, int32_t code, const char *expected, const char *found) {
  return fault_set(s->fault, code, "cannot open the recording", s->path, expected, found,
                   "check the path, its permissions and that it was fetched whole");
}

int32_t source_next_entry(struct source *s) {
  struct archive_entry *entry;
  int result;
  do {
    result = archive_read_next_header(s->archive, &entry);
    if (result == ARCHIVE_EOF) return HADRON_ERR_END;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return source_broken(s, archive_error_string(s->archive));
  } while (archive_entry_filetype(entry) != 0 && archive_entry_filetype(entry) != AE_IFREG);
  const char *name = archive_format(s->archive) == ARCHIVE_FORMAT_RAW ? "" : archive_entry_pathname(entry);
  if (!name) name = "";
  text_copy(s->entry, sizeof s->entry, name, strlen(name));
  s->head = s->tail = 0;
  s->row = 0;
  s->ended = false;
  return HADRON_OK;
}

static int32_t source_file(struct source *s) {
  struct stat status;
  if (stat(s->path, &status) != 0) return source_unreadable(s, HADRON_ERR_IO, "a readable file", strerror(errno));
  if (!S_ISREG(status.st_mode)) return source_unreadable(s, HADRON_ERR_IO, "a regular file", "something else");
  if (status.st_size == 0) return source_unreadable(s, HADRON_ERR_CORRUPT, "a recording", "an empty file");
  s->size = (uint64_t)status.st_size;
  return HADRON_OK;
}

int32_t source_open(struct source *s, const char *path, struct fault *fault) {
  memset(s, 0, sizeof *s);
  s->fault = fault;
  text_copy(s->path, sizeof s->path, path, strlen(path));
  if (strlen(path) >= sizeof s->path) return source_unreadable(s, HADRON_ERR_RANGE, "a path below 1,024 bytes", "a longer one");
  int32_t result = source_file(s);
  if (result) return result;
  s->capacity = 2 * BLOCK;
  s->buffer = malloc(s->capacity);
  s->archive = archive_read_new();
  if (!s->buffer || !s->archive) {
    source_close(s);
    return source_unreadable(s, HADRON_ERR_MEMORY, "memory for a buffer", "none");
  }
  archive_read_support_filter_gzip(s->archive);
  archive_read_support_filter_zstd(s->archive);
  archive_read_support_filter_bzip2(s->archive);
  archive_read_support_filter_xz(s->archive);
  archive_read_support_format_zip(s->archive);
  archive_read_support_format_tar(s->archive);
  archive_read_support_format_raw(s->archive);
  if (archive_read_open_filename(s->archive, path, BLOCK) != ARCHIVE_OK)
    result = source_broken(s, archive_error_string(s->archive));
  else
    result = source_next_entry(s);
  if (result == HADRON_ERR_END) result = source_unreadable(s, HADRON_ERR_CORRUPT, "an archive with a file in it", "an empty archive");
  if (result) source_close(s);
  return result;
}

void source_close(struct source *s) {
  if (s->archive) archive_read_free(s->archive);
  free(s->buffer);
  s->archive = NULL;
  s->buffer = NULL;
  s->capacity = s->head = s->tail = 0;
}

uint64_t source_done(const struct source *s) {
  if (!s->archive) return s->size;
  int64_t done = archive_filter_bytes(s->archive, -1);
  return done < 0 ? 0 : (uint64_t)done < s->size ? (uint64_t)done : s->size;
}

// Reads one more block behind what is there.
static int32_t source_more(struct source *s) {
  if (s->head > 0) {
    memmove(s->buffer, s->buffer + s->head, s->tail - s->head);
    s->tail -= s->head;
    s->head = 0;
  }
  if (s->capacity - s->tail < BLOCK) {
    char *larger = realloc(s->buffer, 2 * s->capacity);
    if (!larger) return source_unreadable(s, HADRON_ERR_MEMORY, "memory for a longer line", "none");
    s->buffer = larger;
    s->capacity *= 2;
  }
  la_ssize_t got = archive_read_data(s->archive, s->buffer + s->tail, BLOCK);
  if (got < 0) return source_broken(s, archive_error_string(s->archive) ? archive_error_string(s->archive) : "damaged data");
  if (got == 0) s->ended = true;
  s->tail += (size_t)got;
  return HADRON_OK;
}

// Skips the rest of a line that is longer than any row can be.
static int32_t source_skip_line(struct source *s) {
  for (;;) {
    char *end = memchr(s->buffer + s->head, '\n', s->tail - s->head);
    s->head = end ? (size_t)(end - s->buffer) + 1 : s->tail;
    if (end || s->ended) break;
    int32_t result = source_more(s);
    if (result) return result;
  }
  s->row++;
  return HADRON_ERR_RANGE;
}

int32_t source_line(struct source *s, const char **line, size_t *size) {
  size_t seen = 0;
  for (;;) {
    char *start = s->buffer + s->head, *end = NULL;
    size_t have = s->tail - s->head;
    if (have > seen) end = memchr(start + seen, '\n', have - seen);
    if (end || (s->ended && have > 0)) {
      size_t length = end ? (size_t)(end - start) : have;
      s->head += length + (end != NULL);
      if (length > 0 && start[length - 1] == '\r') length--;
      s->row++;
      *line = start;
      *size = length;
      return HADRON_OK;
    }
    if (s->ended) return HADRON_ERR_END;
    if (have > SOURCE_LINE_MAX) return source_skip_line(s);
    seen = have;
    int32_t result = source_more(s);
    if (result) return result;
  }
}

int32_t source_peek(struct source *s, size_t want, const uint8_t **bytes, size_t *size) {
  while (s->tail - s->head < want && !s->ended) {
    int32_t result = source_more(s);
    if (result) return result;
  }
  *bytes = (const uint8_t *)s->buffer + s->head;
  *size = s->tail - s->head < want ? s->tail - s->head : want;
  return HADRON_OK;
}

int32_t source_bytes(struct source *s, size_t need, const uint8_t **bytes) {
  size_t size;
  if (s->tail - s->head < need) {
    int32_t result = source_peek(s, need, bytes, &size);
    if (result) return result;
    if (size == 0) return HADRON_ERR_END;
    if (size < need) return source_broken(s, "the end of the file inside a record");
  }
  *bytes = (const uint8_t *)s->buffer + s->head;
  s->head += need;
  return HADRON_OK;
}
