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

static size_t format(const struct hd_crash *c, char *to, size_t size) {
  char time[40], clean[HD_CRASH_FIELD];
  hd_time_format(time, sizeof time, c->time_ns, 9);
  int used = snprintf(to, size, "time: %s\nprocess: %d\nsequence: %llu\n", time, c->process, (unsigned long long)c->sequence);
  for (size_t i = 0; i < FIELDS && (size_t)used < size; i++) {
    hd_text_copy(clean, sizeof clean, (const char *)c + fields[i].offset);
    hd_text_printable(clean);
    used += snprintf(to + used, size - (size_t)used, "%s: %s\n", fields[i].key, clean);
  }
  return (size_t)used < size ? (size_t)used : size - 1;
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

static int32_t io_fault(const char *what, const char *path, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_IO, "crash record %s: %s: %s", path, what, strerror(errno));
}

static bool write_durably(int fd, const char *text, size_t size) { return write(fd, text, size) == (ssize_t)size && fsync(fd) == 0; }

static void sync_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

int32_t hd_crash_write(const char *data_dir, const struct hd_crash *crash, char *path, size_t path_size, struct hd_fault *fault) {
  char folder[600], part[700], whole[700], text[2048], time[40];
  hd_time_format(time, sizeof time, crash->time_ns, 3);
  for (char *c = time; *c != 0; c++)
    if (*c == ':') *c = '-';
  snprintf(folder, sizeof folder, "%.512s/crash", data_dir);
  snprintf(whole, sizeof whole, "%s/%s-%d" SUFFIX, folder, time, crash->process);
  snprintf(part, sizeof part, "%s/%s-%d.part", folder, time, crash->process);
  if (mkdir(folder, 0750) != 0 && errno != EEXIST) return io_fault("making its folder", folder, fault);
  int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return io_fault("opening", part, fault);
  bool written = write_durably(fd, text, format(crash, text, sizeof text));
  if (close(fd) != 0 || !written) return io_fault("writing", part, fault);
  if (rename(part, whole) != 0) return io_fault("naming", whole, fault);
  sync_folder(folder);
  if (path != NULL) hd_text_copy(path, path_size, whole);
  return HADRON_OK;
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
