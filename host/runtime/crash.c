#include "runtime/crash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"

#define SUFFIX ".crash"     // not told yet
#define TOLD ".crash.told"

// ---- one record as text

#define FIELD(key, field) {key, offsetof(struct hd_crash, field), sizeof((struct hd_crash *)0)->field}
static const struct {
  const char *key;
  size_t offset, size;
} fields[] = {FIELD("reason", reason), FIELD("strategy", strategy), FIELD("instance", instance), FIELD("plugin", plugin), FIELD("version", version),
              FIELD("digest", digest), FIELD("callback", callback)};
#define FIELDS (sizeof fields / sizeof *fields)

// A handler of a signal writes these too: nothing here may allocate, lock or use stdio.
struct writer {
  char *to;
  size_t size, used;
};

static void put(struct writer *w, const char *text) {
  for (; *text && w->used + 1 < w->size; text++) w->to[w->used++] = *text;
  w->to[w->used] = 0;
}

static void put_number(struct writer *w, uint64_t number) {
  char digits[24] = "";
  size_t at = sizeof digits - 1;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  put(w, digits + at);
}

static size_t format(const struct hd_crash *c, char *to, size_t size) {
  char time[40], clean[HD_CRASH_FIELD];
  struct writer w = {to, size, 0};
  hd_time_format(time, sizeof time, c->time_ns, 9);
  put(&w, "time: "), put(&w, time);
  put(&w, "\nprocess: "), put_number(&w, (uint64_t)c->process);
  put(&w, "\nsequence: "), put_number(&w, c->sequence);
  for (size_t i = 0; i < FIELDS; i++) {
    hd_text_copy(clean, sizeof clean, (const char *)c + fields[i].offset);
    hd_text_printable(clean);
    put(&w, "\n"), put(&w, fields[i].key), put(&w, ": "), put(&w, clean);
  }
  put(&w, "\n");
  return w.used;
}

static void take_line(struct hd_crash *c, char *line) {
  char *value = strstr(line, ": ");
  if (value == NULL) return;
  *value = 0;
  value += 2;
  hd_text_printable(value);
  if (strcmp(line, "time") == 0) (void)hd_time_parse(value, &c->time_ns);
  if (strcmp(line, "process") == 0) c->process = (int32_t)strtol(value, NULL, 10);
  if (strcmp(line, "sequence") == 0) c->sequence = strtoull(value, NULL, 10);
  for (size_t i = 0; i < FIELDS; i++)
    if (strcmp(line, fields[i].key) == 0) hd_text_copy((char *)c + fields[i].offset, fields[i].size, value);
}

// ---- writing

static bool write_durably(int fd, const char *text, size_t size) { return write(fd, text, size) == (ssize_t)size && fsync(fd) == 0; }

static void sync_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

static void name_of(char *to, size_t size, const char *folder, const char *time, const struct hd_crash *crash, const char *suffix) {
  struct writer w = {to, size, 0};
  put(&w, folder), put(&w, "/"), put(&w, time), put(&w, "-"), put_number(&w, (uint64_t)crash->process), put(&w, suffix);
}

const char *hd_crash_put(const char *data_dir, const struct hd_crash *crash, char path[HD_CRASH_PATH]) {
  char folder[HD_CRASH_PATH], part[HD_CRASH_PATH], text[2048], time[40];
  struct writer w = {folder, sizeof folder, 0};
  put(&w, data_dir), put(&w, "/crash");
  hd_time_format(time, sizeof time, crash->time_ns, 3);
  for (char *c = time; *c != 0; c++)
    if (*c == ':') *c = '-';
  hd_text_copy(path, HD_CRASH_PATH, folder);
  if (mkdir(folder, 0750) != 0 && errno != EEXIST) return "making its folder";
  name_of(part, sizeof part, folder, time, crash, ".part");
  name_of(path, HD_CRASH_PATH, folder, time, crash, SUFFIX);
  int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return "opening";
  bool written = write_durably(fd, text, format(crash, text, sizeof text));
  if (close(fd) != 0 || !written) return "writing";
  if (rename(part, path) != 0) return "naming";
  sync_folder(folder);
  return NULL;
}

int32_t hd_crash_write(const char *data_dir, const struct hd_crash *crash, char path[HD_CRASH_PATH], struct hd_fault *fault) {
  const char *failed = hd_crash_put(data_dir, crash, path);
  return failed ? hd_fault_set(fault, HADRON_ERR_IO, "crash record %s: %s: %s", path, failed, strerror(errno)) : HADRON_OK;
}

// ---- telling

static int is_untold(const struct dirent *e) {
  size_t length = strlen(e->d_name), suffix = sizeof SUFFIX - 1;
  return length > suffix && strcmp(e->d_name + length - suffix, SUFFIX) == 0;
}

static bool read_record(const char *path, struct hd_crash *c) {
  char line[512];
  FILE *f = fopen(path, "re");
  if (f == NULL) return false;
  memset(c, 0, sizeof *c);
  while (fgets(line, sizeof line, f) != NULL) {
    line[strcspn(line, "\n")] = 0;
    take_line(c, line);
  }
  fclose(f);
  return true;
}

uint32_t hd_crash_tell(const char *data_dir, void (*tell)(void *user, const struct hd_crash *crash, const char *path), void *user) {
  char folder[600], path[1024], told[1024];
  struct dirent **entries = NULL;
  struct hd_crash crash;
  snprintf(folder, sizeof folder, "%.512s/crash", data_dir);
  int n = scandir(folder, &entries, is_untold, alphasort); // their names begin with the time
  uint32_t count = 0;
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%.255s", folder, entries[i]->d_name);
    snprintf(told, sizeof told, "%.*s" TOLD, (int)(strlen(path) - (sizeof SUFFIX - 1)), path);
    if (read_record(path, &crash) && rename(path, told) == 0) {
      tell(user, &crash, told);
      count++;
    }
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return count;
}

// ---- counting

static int is_record(const struct dirent *e) { return strstr(e->d_name, SUFFIX) != NULL; }

uint32_t hd_crash_count(const char *data_dir, const struct hd_crash_of *of) {
  char folder[HD_CRASH_PATH], path[HD_CRASH_PATH + 256];
  struct dirent **entries = NULL;
  struct hd_crash crash;
  snprintf(folder, sizeof folder, "%.512s/crash", data_dir);
  int n = scandir(folder, &entries, is_record, NULL);
  uint32_t count = 0;
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%.255s", folder, entries[i]->d_name);
    count += read_record(path, &crash) && crash.time_ns >= of->since_ns && strcmp(crash.strategy, of->strategy) == 0 && strcmp(crash.digest, of->digest) == 0;
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return count;
}

bool hd_crash_last(const char *data_dir, int64_t since_ns, struct hd_crash *out) {
  char folder[1300], path[1600];
  struct dirent **entries = NULL;
  struct hd_crash crash;
  bool found = false;
  snprintf(folder, sizeof folder, "%.1200s/crash", data_dir);
  int n = scandir(folder, &entries, is_record, alphasort);
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%.255s", folder, entries[i]->d_name);
    if (read_record(path, &crash) && crash.time_ns >= since_ns) {
      *out = crash;
      found = true;
    }
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return found;
}
