#include "bus/rights.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "bus/bus.h"
#include "hadron/types.h"

#define MINUTE_NS INT64_C(60000000000)
#define LINE_SIZE 4096

struct right {
  uint8_t digest[32];
  uint32_t rights;
  char *names; // "a,b" or "*"; owned
};

struct hd_rights {
  char *path; // owned
  struct timespec changed;
  uint64_t size;
  struct right *rows; // owned
  uint32_t count;
};

static void rows_free(struct right *rows, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) free(rows[i].names);
  free(rows);
}

static bool names_valid(const char *names) {
  char one[HADRON_NAME_SIZE];
  if (strcmp(names, "*") == 0) return true;
  for (const char *at = names;; at++) {
    size_t length = strcspn(at, ",");
    if (length == 0 || length >= sizeof one) return false;
    memcpy(one, at, length);
    one[length] = 0;
    if (!hd_name_valid(one)) return false;
    at += length;
    if (!*at) return true;
  }
}

static bool names_have(const char *names, const char *name) {
  size_t wanted = strlen(name);
  if (strcmp(names, "*") == 0) return true;
  for (const char *at = names; *at;) {
    size_t length = strcspn(at, ",");
    if (length == wanted && memcmp(at, name, length) == 0) return true;
    at += length + (at[length] == ',');
  }
  return false;
}

// One line into a row. False: it is none, or a comment; *wrong: a wrong one.
static bool line_read(char *line, struct right *out, bool *wrong) {
  char *save = NULL;
  line[strcspn(line, "#\r\n")] = 0;
  const char *digest = strtok_r(line, " \t", &save), *class = strtok_r(NULL, " \t", &save), *names = strtok_r(NULL, " \t", &save);
  *wrong = false;
  if (!digest) return false;
  *wrong = true;
  if (!class || !names || strtok_r(NULL, " \t", &save) || strlen(digest) != 64 || !hd_hex_parse(out->digest, digest, 32)) return false;
  if (!(out->rights = hd_choice_parse("read trade admin", class)) || !names_valid(names)) return false;
  *wrong = false;
  return (out->names = strdup(names)) != NULL;
}

static int32_t file_read(const char *path, FILE *file, struct right **out, uint32_t *out_count, struct hd_fault *fault) {
  struct right *rows = calloc(HD_RIGHTS_MAX, sizeof *rows);
  char line[LINE_SIZE];
  uint32_t count = 0;
  int32_t code = rows ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "tokens: %s: no memory", path);
  for (uint32_t number = 1; !code && fgets(line, sizeof line, file); number++) {
    bool wrong = false, cut = strlen(line) == sizeof line - 1;
    if (count < HD_RIGHTS_MAX && line_read(line, &rows[count], &wrong) && !cut) count++;
    else if (count == HD_RIGHTS_MAX) code = hd_fault_set(fault, HADRON_ERR_FULL, "tokens: %s:%u: expected at most %d tokens", path, number, HD_RIGHTS_MAX);
    else if (wrong || cut)
      code = hd_fault_set(fault, HADRON_ERR_PARSE, "tokens: %s:%u: expected `SHA-256 CLASS NAME,NAME`: 64 hexadecimal digits; read, trade or admin; names, or *; `hadron token` writes such a line",
                          path, number);
  }
  if (!code && ferror(file)) code = hd_fault_set(fault, HADRON_ERR_IO, "tokens: reading %s: %s", path, strerror(errno));
  if (code) {
    rows_free(rows, count);
    return code;
  }
  *out = rows;
  *out_count = count;
  return HADRON_OK;
}

static int32_t rights_read(struct hd_rights *r, struct hd_fault *fault) {
  struct stat is;
  FILE *file = fopen(r->path, "re");
  if (!file || fstat(fileno(file), &is)) {
    int32_t code = hd_fault_set(fault, HADRON_ERR_IO, "tokens: opening %s: %s; `hadron token` makes it", r->path, strerror(errno));
    if (file) fclose(file);
    return code;
  }
  struct right *rows = NULL;
  uint32_t count = 0;
  int32_t code = HADRON_OK;
  if (!S_ISREG(is.st_mode) || (is.st_mode & 077))
    code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "tokens: %s: expected a file of mode 0600, found %04o: others could let themselves in; chmod 600 it", r->path, is.st_mode & 07777);
  if (!code) code = file_read(r->path, file, &rows, &count, fault);
  fclose(file);
  r->changed = is.st_mtim; // a wrong file is told once
  r->size = (uint64_t)is.st_size;
  if (code) return code;
  rows_free(r->rows, r->count);
  r->rows = rows;
  r->count = count;
  return HADRON_OK;
}

int32_t hd_rights_open(const char *path, struct hd_rights **out, struct hd_fault *fault) {
  struct hd_rights *r = calloc(1, sizeof *r);
  if (!r || !(r->path = strdup(path))) {
    free(r);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "tokens: %s: no memory", path);
  }
  int32_t code = rights_read(r, fault);
  if (code) hd_rights_close(r);
  else *out = r;
  return code;
}

void hd_rights_close(struct hd_rights *r) {
  if (!r) return;
  rows_free(r->rows, r->count);
  free(r->path);
  free(r);
}

int32_t hd_rights_refresh(struct hd_rights *r, struct hd_fault *fault) {
  struct stat is;
  if (stat(r->path, &is)) return HADRON_OK; // gone for a moment: the old ones hold
  if (is.st_mtim.tv_sec == r->changed.tv_sec && is.st_mtim.tv_nsec == r->changed.tv_nsec && (uint64_t)is.st_size == r->size) return HADRON_OK;
  return rights_read(r, fault);
}

uint32_t hd_rights_of_digest(const struct hd_rights *r, const uint8_t digest[32], const char *name) {
  uint32_t rights = 0;
  for (uint32_t i = 0; i < r->count; i++) { // all of them, and all bytes of each
    uint8_t differs = 0;
    for (size_t k = 0; k < 32; k++) differs |= digest[k] ^ r->rows[i].digest[k];
    if (differs == 0 && names_have(r->rows[i].names, name) && r->rows[i].rights > rights) rights = r->rows[i].rights;
  }
  return rights;
}

int32_t hd_token_make(const char *class_name, const char *names, char token[HD_TOKEN_SIZE], char *line, size_t line_size, struct hd_fault *fault) {
  uint8_t bytes[32], digest[32];
  char hex[65];
  if (!hd_choice_parse("read trade admin", class_name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "token: class: expected read, trade or admin, found \"%s\"", class_name);
  if (!names_valid(names)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "token: names: expected strategies with commas between, or *, found \"%s\"", names);
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return hd_fault_set(fault, HADRON_ERR_IO, "token: no random numbers: %s", strerror(errno));
  hd_hex_format(token, bytes, sizeof bytes);
  hd_sha256(token, strlen(token), digest);
  hd_hex_format(hex, digest, sizeof digest);
  explicit_bzero(bytes, sizeof bytes);
  int length = snprintf(line, line_size, "%s %s %s\n", hex, class_name, names);
  return length > 0 && (size_t)length < line_size ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_RANGE, "token: the names are too long for a line");
}

uint32_t hd_rights_of(const struct hd_rights *r, const char *token, const char *name) {
  uint8_t digest[32];
  hd_sha256(token, strlen(token), digest);
  return hd_rights_of_digest(r, digest, name);
}

// ---- who knocks too often ----------------------------------------------------------------------------------------------------------------------

static uint64_t key_of(const char *peer) {
  const char *colon = strrchr(peer, ':');
  uint64_t key = UINT64_C(14695981039346656037); // FNV-1a; collisions share a count
  for (const char *at = peer; *at && at != colon; at++) key = (key ^ (uint8_t)*at) * UINT64_C(1099511628211);
  return key;
}

uint32_t hd_refusals_add(struct hd_refusals *r, const char *peer, int64_t now_ns) {
  uint64_t key = key_of(peer);
  uint32_t at = 0, oldest = 0;
  r->total++;
  while (at < r->count && r->rows[at].key != key) {
    if (r->rows[at].last_ns < r->rows[oldest].last_ns) oldest = at;
    at++;
  }
  if (at == r->count) {
    if (at == HD_REFUSALS_MAX) at = oldest;
    else r->count++;
    r->rows[at].key = key;
    r->rows[at].count = 0;
  }
  if (r->rows[at].count == 0 || now_ns - r->rows[at].first_ns > MINUTE_NS) {
    r->rows[at].first_ns = now_ns;
    r->rows[at].count = 0;
  }
  r->rows[at].last_ns = now_ns;
  return ++r->rows[at].count;
}
