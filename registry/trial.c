#include "registry/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/banned.h"
#include "plugin/probe.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u // Linux 6.3: asked for by name where vm.memfd_noexec forbids it by default
#endif

int hd_trial_copy(const struct hd_source *file) {
  int fd = memfd_create("hadron:artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("hadron:artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  for (size_t at = 0; fd >= 0 && at < file->size;) {
    ssize_t n = write(fd, file->bytes + at, file->size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) goto failed;
    at += (size_t)n;
  }
  if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0) return fd;
failed:;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static json_t *measured_json(const struct hd_probe_result *p) {
  return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "complete", p->complete, "scope", (json_int_t)p->scope, "triggers", (json_int_t)p->triggers,
                   "state_schema", (json_int_t)p->state_schema, "state_schema_min", (json_int_t)p->state_schema_min, "state_bytes", (json_int_t)p->state_size, "state_bytes_max",
                   (json_int_t)p->state_size_max, "callbacks", (json_int_t)p->callbacks, "decisions", (json_int_t)p->decisions, "errors", (json_int_t)p->errors, "tick_ns_p50",
                   (json_int_t)p->tick_ns_p50, "tick_ns_max", (json_int_t)p->tick_ns_max, "load_ns", (json_int_t)p->load_ns);
}

static const char *type_word(uint32_t type) {
  static const char *const words[] = {"invalid", "bool", "integer", "real", "price", "quantity", "money", "duration", "text"};
  return words[type < sizeof words / sizeof *words ? type : 0];
}

static json_t *rows_json(const struct hd_probe_row *rows, uint32_t count) {
  json_t *all = json_array();
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_probe_row *r = &rows[i];
    json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:s}", "name", r->name, "type", type_word(r->type), "default", r->required ? json_null() : json_string(r->initial),
                                         "unit", r->unit, "range", r->range, "live", r->live, "help", r->help));
  }
  return all;
}

static char *dump(json_t *o) {
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return text;
}

int32_t hd_trial_run(const char *path, const struct hd_source *file, const uint8_t digest[32], int64_t timeout_ns, char **measured, char **parameters, struct hd_fault *fault) {
  struct hd_probe_request q = {.fd = hd_trial_copy(file), .path = path, .timeout_ns = timeout_ns, .seed = 1};
  struct hd_probe_result p;
  if (q.fd < 0) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making a private copy for the probe (memfd_create): %s", path, strerror(errno));
  memcpy(q.digest, digest, 32);
  q.rows = calloc(HD_PARAMS_MAX, sizeof *q.rows);
  int32_t code = q.rows ? hd_probe(&q, &p, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
  close(q.fd);
  if (!code) {
    char *a = dump(measured_json(&p)), *b = dump(rows_json(q.rows, p.row_count));
    if (a && b) {
      *measured = a, *parameters = b;
    } else {
      free(a), free(b);
      code = hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
    }
  }
  free(q.rows);
  return code;
}
