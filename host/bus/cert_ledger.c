#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/file.h"
#include "base/text.h"
#include "bus/cert_internal.h"

#define FIRST_LINE "hadron certificates 1\n"
#define LINE_MAX_SIZE 256
#define LEDGER_MAX (1 << 25) // bytes

static int32_t parse_fault(const char *path, uint32_t line, const char *expected, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s:%u: expected %s; restore the ledger from a copy: it says which certificates there are", path, line, expected);
}

static bool time_read(const char *text, int64_t *ns) {
  *ns = 0;
  return strcmp(text, "-") == 0 || hd_time_parse(text, ns) == HADRON_OK;
}

// "SERIAL ROLE NAME FROM UNTIL REVOKED": times as 2026-11-21T18:55:44Z, REVOKED "-" if it is not.
static bool row_parse(char *line, struct hd_cert_row *row) {
  char *word[6], *rest = line, bytes[16];
  *row = (struct hd_cert_row){0};
  for (int i = 0; i < 6; i++)
    if (!(word[i] = strtok_r(rest, " ", &rest))) return false;
  if (*rest || strlen(word[0]) != 32 || !hd_hex_parse(bytes, word[0], 16) || !hd_name_valid(word[2])) return false;
  row->role = hd_choice_parse(HD_CERT_ROLES, word[1]);
  hd_text_copy(row->serial, sizeof row->serial, word[0]);
  hd_text_copy(row->name, sizeof row->name, word[2]);
  return row->role && time_read(word[3], &row->not_before_ns) && time_read(word[4], &row->not_after_ns) && time_read(word[5], &row->revoked_ns);
}

int32_t hd_cert_ledger_add(struct hd_cert_ledger *ledger, const struct hd_cert_row *row, struct hd_fault *fault) {
  if ((ledger->count & (ledger->count - 1)) == 0) { // room for the next power of two
    struct hd_cert_row *more = realloc(ledger->rows, sizeof *more * (ledger->count ? 2 * (size_t)ledger->count : 1));
    if (!more) return hd_fault_set(fault, HADRON_ERR_MEMORY, "the ledger of certificates: no memory for row %u", ledger->count);
    ledger->rows = more;
  }
  ledger->rows[ledger->count++] = *row;
  return HADRON_OK;
}

static int32_t ledger_parse(const char *path, char *text, struct hd_cert_ledger *out, struct hd_fault *fault) {
  uint32_t number = 2;
  struct hd_cert_row row;
  if (strncmp(text, FIRST_LINE, sizeof FIRST_LINE - 1) != 0) return parse_fault(path, 1, "\"hadron certificates 1\"", fault);
  char *at = text + sizeof FIRST_LINE - 1, *end;
  if (strncmp(at, "list ", 5) != 0) return parse_fault(path, number, "\"list\" and the number of the last revocation list", fault);
  out->crl_number = strtoull(at + 5, &end, 10);
  if (end == at + 5 || *end != '\n') return parse_fault(path, number, "\"list\" and a number", fault);
  for (at = end + 1; *at; at = end + 1) {
    number++;
    if (!(end = strchr(at, '\n'))) return parse_fault(path, number, "a whole line", fault);
    *end = 0;
    if (!row_parse(at, &row)) return parse_fault(path, number, "serial, role, name, two times, and a third or \"-\"", fault);
    int32_t code = hd_cert_ledger_add(out, &row, fault);
    if (code) return code;
  }
  return HADRON_OK;
}

int32_t hd_cert_ledger_read(const char *dir, struct hd_cert_ledger *out, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], *text;
  struct hd_cert_ledger found = {0};
  size_t size;
  if (snprintf(path, sizeof path, "%s/ledger", dir) >= (int)sizeof path) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "the directory's name is too long");
  int32_t code = hd_cert_text_read(path, LEDGER_MAX, &text, &size, fault);
  if (code == HADRON_ERR_NOT_FOUND) return hd_fault_set(fault, code, "%s: expected a directory with certificates, found none; `hadron cert ca %s` makes one", dir, dir);
  if (code) return code;
  code = strlen(text) == size ? ledger_parse(path, text, &found, fault) : parse_fault(path, 1, "text", fault);
  free(text);
  if (code) hd_cert_ledger_free(&found);
  else *out = found;
  return code;
}

void hd_cert_ledger_free(struct hd_cert_ledger *ledger) {
  free(ledger->rows);
  *ledger = (struct hd_cert_ledger){0};
}

int32_t hd_cert_ledger_write(const char *dir, const struct hd_cert_ledger *ledger, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], role[16], from[40], until[40], revoked[40];
  size_t room = 64 + (size_t)ledger->count * LINE_MAX_SIZE, used = 0;
  char *text = malloc(room);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory to write the ledger of certificates", dir);
  snprintf(path, sizeof path, "%.1000s/ledger", dir);
  used += (size_t)snprintf(text, room, FIRST_LINE "list %llu\n", (unsigned long long)ledger->crl_number);
  for (uint32_t i = 0; i < ledger->count; i++) {
    const struct hd_cert_row *row = &ledger->rows[i];
    hd_choice_format(role, sizeof role, HD_CERT_ROLES, row->role);
    hd_time_format(from, sizeof from, row->not_before_ns, 0);
    hd_time_format(until, sizeof until, row->not_after_ns, 0);
    if (row->revoked_ns) hd_time_format(revoked, sizeof revoked, row->revoked_ns, 0);
    used += (size_t)snprintf(text + used, room - used, "%s %s %s %s %s %s\n", row->serial, role, row->name, from, until, row->revoked_ns ? revoked : "-");
  }
  int32_t code = hd_file_replace(path, text, used, 0600, fault);
  free(text);
  return code;
}

enum hd_cert_state hd_cert_row_state(const struct hd_cert_row *row, int64_t now_ns) {
  if (row->revoked_ns) return HD_CERT_REVOKED;
  if (now_ns >= row->not_after_ns) return HD_CERT_EXPIRED;
  return now_ns < row->not_before_ns ? HD_CERT_EARLY : HD_CERT_GOOD;
}

int32_t hd_cert_lock(const char *dir, int *out, struct hd_fault *fault) {
  struct stat st;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return hd_fault_set(fault, errno == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: opening the directory of certificates: %s", dir, strerror(errno));
  int32_t code = HADRON_OK;
  if (fstat(fd, &st) != 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: %s", dir, strerror(errno));
  else if ((st.st_mode & 022) || (st.st_uid != geteuid() && st.st_uid != 0))
    code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: expected a directory that its owner alone may write to, found mode %04o of user %u; `chmod 700` it", dir, st.st_mode & 07777u, st.st_uid);
  else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    code = hd_fault_set(fault, HADRON_ERR_STATE, "%s: another command is at work in it; try again when it is done", dir);
  if (code) close(fd);
  else *out = fd;
  return code;
}
