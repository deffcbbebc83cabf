#include "runtime/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#define MAGIC "HDWSTAT1"
#define FILE_MAX (UINT64_C(1) << 30)

struct head {
  char magic[8];
  int64_t time_ns;
  uint64_t size; // of the rows behind it
  uint32_t count, crc; // of the rows: CRC-32C
  char plugin[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE];
};
struct row { // and `size` bytes
  char key[HADRON_SYMBOL_SIZE];
  uint32_t size, pad;
};

int32_t hd_worker_state_path(const char *data_dir, const char *name, char *to, size_t size, struct hd_fault *fault) {
  int length = snprintf(to, size, "%s/worker", data_dir);
  if (length < 0 || (size_t)length >= size) return hd_fault_set(fault, HADRON_ERR_RANGE, "data_dir is too long: %s", data_dir);
  int error = hd_directory_make(to, 0700);
  if (error) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making it: %s; the worker keeps there what its strategies remember", to, strerror(error));
  length = snprintf(to, size, "%s/worker/%s.state", data_dir, name);
  return length > 0 && (size_t)length < size ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_RANGE, "data_dir is too long: %s", data_dir);
}

// ---- saving

struct rows {
  uint8_t *bytes; // the head's room, then rows; owned
  size_t size, room;
};

static void *more(struct rows *r, size_t size) {
  if (r->size + size > r->room) {
    size_t room = 2 * (r->size + size);
    uint8_t *bytes = realloc(r->bytes, room);
    if (!bytes) return NULL;
    r->bytes = bytes;
    r->room = room;
  }
  void *at = r->bytes + r->size;
  r->size += size;
  return at;
}

static int32_t save_one(const struct hd_worker_memory *m, struct hd_far *far, uint32_t i, int64_t now_ns, struct rows *r, struct hd_fault *fault) {
  void *state = NULL;
  uint32_t size = 0;
  int32_t code = hd_far_ask(far, HADRON_ASK_SAVE, i, NULL, 0, now_ns, &state, &size);
  if (code) hd_fault_set(fault, code, "%s", state ? (const char *)state : hadron_error_text(code));
  void *to = code ? NULL : more(r, sizeof(struct row) + size);
  if (!code && !to) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "out of memory for its state");
  if (!code) {
    struct row row = {.size = size};
    hd_text_copy(row.key, sizeof row.key, m->keys[i]);
    memcpy(to, &row, sizeof row);
    if (size) memcpy((uint8_t *)to + sizeof row, state, size);
  }
  free(state);
  return code;
}

int32_t hd_worker_state_save(const struct hd_worker_memory *m, struct hd_far *far, int64_t now_ns, struct hd_fault *fault) {
  struct hd_far_figures figures;
  struct rows r = {0};
  struct head head = {.time_ns = now_ns, .count = m->count};
  if (!m->plugin->state) return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s keeps no state", m->plugin->manifest.name);
  hd_far_read(far, &figures);
  if (figures.fenced) return hd_fault_set(fault, HADRON_ERR_STATE, "%u of its %u instances are fenced: what they know is not kept", figures.fenced, figures.instances);
  int32_t code = more(&r, sizeof head) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "out of memory for its state");
  for (uint32_t i = 0; !code && i < m->count; i++) code = save_one(m, far, i, now_ns, &r, fault);
  if (!code) {
    memcpy(head.magic, MAGIC, sizeof head.magic);
    hd_text_copy(head.plugin, sizeof head.plugin, m->plugin->manifest.name);
    hd_text_copy(head.version, sizeof head.version, m->plugin->manifest.version);
    head.size = r.size - sizeof head;
    head.crc = hd_crc32c(0, r.bytes + sizeof head, r.size - sizeof head);
    memcpy(r.bytes, &head, sizeof head);
    code = hd_file_replace(m->path, r.bytes, r.size, 0600, fault);
  }
  free(r.bytes);
  return code;
}

// ---- loading

static int32_t read_whole(const char *path, uint8_t **bytes, size_t *size, struct hd_fault *fault) {
  struct stat is;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: there is none", path);
  if (fd < 0 || fstat(fd, &is) != 0) {
    int32_t code = hd_fault_set(fault, HADRON_ERR_IO, "%s: opening it: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return code;
  }
  size_t have = 0, want = is.st_size > 0 && (uint64_t)is.st_size <= FILE_MAX ? (size_t)is.st_size : 0;
  uint8_t *to = malloc(want + 1);
  ssize_t n = 1;
  while (to && n > 0 && have < want) {
    n = read(fd, to + have, want - have);
    if (n > 0) have += (size_t)n;
  }
  close(fd);
  if (!to || have < want || n < 0) {
    free(to);
    return hd_fault_set(fault, to ? HADRON_ERR_IO : HADRON_ERR_MEMORY, "%s: it could not be read", path);
  }
  *bytes = to;
  *size = have;
  return HADRON_OK;
}

static int32_t check(const struct hd_worker_memory *m, const uint8_t *bytes, size_t size, struct head *head, struct hd_fault *fault) {
  bool whole = size >= sizeof *head;
  if (whole) memcpy(head, bytes, sizeof *head);
  whole = whole && memcmp(head->magic, MAGIC, sizeof head->magic) == 0 && head->size == size - sizeof *head && head->crc == hd_crc32c(0, bytes + sizeof *head, size - sizeof *head) &&
          memchr(head->plugin, 0, sizeof head->plugin) && memchr(head->version, 0, sizeof head->version);
  if (!whole) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected what a worker has saved, found a damaged file; move it away to begin anew", m->path);
  if (strcmp(head->plugin, m->plugin->manifest.name) == 0) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_STATE, "%s: expected what %s has saved, found %s's; move it away to begin anew", m->path, m->plugin->manifest.name, head->plugin);
}

static int32_t load_row(const struct hd_worker_memory *m, struct hd_far *far, const struct row *row, const uint8_t *state, const struct head *head, uint32_t *loaded, struct hd_fault *fault) {
  for (uint32_t i = 0; i < m->count; i++) {
    if (strncmp(m->keys[i], row->key, sizeof row->key) != 0) continue;
    void *words = NULL;
    uint32_t size = 0;
    int32_t code = hd_far_ask(far, HADRON_ASK_LOAD, i, state, row->size, head->time_ns, &words, &size);
    if (code) hd_fault_set(fault, code, "%s: %s %s does not take what %s has saved: %.600s; move it away to begin anew", m->path, m->plugin->manifest.name, m->plugin->manifest.version,
                           head->version, words ? (const char *)words : hadron_error_text(code));
    free(words);
    *loaded += !code;
    return code;
  }
  return HADRON_OK; // of an instrument that it no longer has
}

int32_t hd_worker_state_load(const struct hd_worker_memory *m, struct hd_far *far, int64_t *time_ns, uint32_t *loaded, struct hd_fault *fault) {
  struct head head = {.count = 0};
  uint8_t *bytes = NULL;
  size_t size = 0, at = sizeof head;
  *loaded = 0;
  if (!m->plugin->state) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s keeps no state", m->plugin->manifest.name);
  int32_t code = read_whole(m->path, &bytes, &size, fault);
  if (!code) code = check(m, bytes, size, &head, fault);
  for (uint32_t i = 0; !code && i < head.count; i++) {
    struct row row = {.size = 0};
    if (size - at >= sizeof row) memcpy(&row, bytes + at, sizeof row);
    at += sizeof row;
    if (at > size || row.size > size - at) code = hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected %u states, found %u; move it away to begin anew", m->path, head.count, i);
    else code = load_row(m, far, &row, bytes + at, &head, loaded, fault);
    at += row.size;
  }
  if (!code) *time_ns = head.time_ns;
  free(bytes);
  return code;
}
