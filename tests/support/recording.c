#include "support/recording.h"

#include <dlfcn.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static int folder_remove(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status;
  (void)kind;
  (void)walk;
  return remove(path);
}

static char folder[64];

static void folder_clean(void) { nftw(folder, folder_remove, 16, FTW_DEPTH | FTW_PHYS); }

const char *recording_folder(void) {
  if (folder[0] == '\0') {
    snprintf(folder, sizeof folder, "/tmp/hadron-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    atexit(folder_clean);
  }
  return folder;
}

const char *recording_path(const char *name) {
  static char paths[8][512];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", recording_folder(), name);
  for (char *slash = path + strlen(recording_folder()) + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
  }
  return path;
}

const char *recording_plain(const char *name, const void *bytes, size_t size) {
  const char *path = recording_path(name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  return path;
}

const char *recording_text(const char *name, const char *text) { return recording_plain(name, text, strlen(text)); }

static uint32_t crc32_ieee(const uint8_t *at, size_t size) {
  uint32_t crc = ~0u;
  for (; size; size--, at++) {
    crc ^= *at;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

static size_t put(uint8_t *to, size_t at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) to[at++] = (uint8_t)(value >> (8 * i));
  return at;
}

const char *recording_gzip(const char *name, const char *text) {
  size_t size = strlen(text), at = 0, from = 0;
  uint8_t *out = malloc(size + size / 65535 * 5 + 64);
  assert_non_null(out);
  at = put(out, at, UINT64_C(0x88b1f), 4); // magic, deflate, no flags
  at = put(out, at, 0, 4);
  at = put(out, at, 0xff00, 2);
  do { // stored blocks
    size_t part = size - from < 65535 ? size - from : 65535;
    at = put(out, at, from + part == size, 1);
    at = put(out, at, part, 2);
    at = put(out, at, ~part & 0xffff, 2);
    memcpy(out + at, text + from, part);
    at += part;
    from += part;
  } while (from < size);
  at = put(out, at, crc32_ieee((const uint8_t *)text, size), 4);
  at = put(out, at, size, 4);
  const char *path = recording_plain(name, out, at);
  free(out);
  return path;
}

const char *recording_zip(const char *name, const char *entry, const char *text) {
  size_t size = strlen(text), length = strlen(entry), at = 0;
  uint32_t crc = crc32_ieee((const uint8_t *)text, size);
  uint8_t *out = malloc(size + 2 * length + 256);
  assert_non_null(out);
  for (int central = 0; central < 2; central++) {
    if (central) at = put(out, at, 0x02014b50, 4), at = put(out, at, 20, 2);
    else at = put(out, at, 0x04034b50, 4);
    at = put(out, at, 20, 2); // version; flags, method, time 0; 1980-01-01
    at = put(out, at, 0, 6);
    at = put(out, at, 0x21, 2);
    at = put(out, at, crc, 4);
    at = put(out, at, size, 4);
    at = put(out, at, size, 4);
    at = put(out, at, length, 2);
    at = put(out, at, 0, 2); // extra; comment, disk, attributes, offset of the entry
    if (central) at = put(out, at, 0, 8), at = put(out, at, 0, 6);
    memcpy(out + at, entry, length);
    at += length;
    if (!central) {
      memcpy(out + at, text, size);
      at += size;
    }
  }
  size_t directory = 30 + length + size;
  size_t directory_size = at - directory;
  at = put(out, at, 0x06054b50, 4);
  at = put(out, at, 0, 4);
  at = put(out, at, 1, 2);
  at = put(out, at, 1, 2);
  at = put(out, at, directory_size, 4);
  at = put(out, at, directory, 4);
  at = put(out, at, 0, 2);
  const char *path = recording_plain(name, out, at);
  free(out);
  return path;
}

void *recording_read(const char *path, size_t *size) {
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  struct stat status;
  assert_int_equal(fstat(fileno(file), &status), 0);
  *size = (size_t)status.st_size;
  void *bytes = malloc(*size + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, *size, file), *size);
  fclose(file);
  return bytes;
}

static const void *plugin_capability(const char *name) {
  char path[4096];
  const char *from = getenv("HADRON_PLUGIN_DIR");
  assert_non_null(from);
  snprintf(path, sizeof path, "%s/replay.so", from);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_msg("%s", dlerror());
  hadron_plugin_entry entry;
  void *symbol = dlsym(library, "hadron_plugin_v1");
  assert_non_null(symbol);
  memcpy(&entry, &symbol, sizeof entry);
  const void *table = entry()->capability(name);
  assert_non_null(table);
  return table;
}

static void note_bad(void *user, uint64_t row, const char *text) {
  struct bad_rows *bad = user;
  if (!bad) return;
  if (bad->count < 64) {
    bad->row[bad->count] = row;
    snprintf(bad->text[bad->count], sizeof bad->text[0], "%s", text);
  }
  bad->count++;
}

int32_t recording_inspect(const char *path, const char *options, struct hadron_inspect_report *report, struct bad_rows *bad, char fault[1200]) {
  const struct hadron_inspect *table = plugin_capability(HADRON_CAP_INSPECT);
  if (bad) memset(bad, 0, sizeof *bad);
  fault[0] = '\0';
  return table->inspect(path, options, report, note_bad, NULL, bad, fault, 1200);
}

const struct hadron_convert *recording_convert(void) { return plugin_capability(HADRON_CAP_CONVERT); }
