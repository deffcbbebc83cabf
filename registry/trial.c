#include "registry/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/banned.h"

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

#if __has_include("plugin/probe.h")
#include "plugin/probe.h"

static int32_t probe(const char *path, int fd, const uint8_t digest[32], int64_t timeout_ns, char **measured, struct hd_fault *fault) {
  struct hd_probe_request q = {.fd = fd, .path = path, .timeout_ns = timeout_ns, .seed = 1};
  struct hd_probe_result p;
  memcpy(q.digest, digest, 32);
  int32_t code = hd_probe(&q, &p, fault);
  if (code) return code;
  json_t *o = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "complete", p.complete, "scope", (json_int_t)p.scope, "triggers", (json_int_t)p.triggers,
                        "state_schema", (json_int_t)p.state_schema, "state_schema_min", (json_int_t)p.state_schema_min, "state_bytes", (json_int_t)p.state_size, "state_bytes_max",
                        (json_int_t)p.state_size_max, "callbacks", (json_int_t)p.callbacks, "decisions", (json_int_t)p.decisions, "errors", (json_int_t)p.errors, "tick_ns_p50",
                        (json_int_t)p.tick_ns_p50, "tick_ns_max", (json_int_t)p.tick_ns_max, "load_ns", (json_int_t)p.load_ns);
  *measured = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return *measured ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
}
#else
static int32_t probe(const char *path, int fd, const uint8_t digest[32], int64_t timeout_ns, char **measured, struct hd_fault *fault) {
  (void)fd, (void)digest, (void)timeout_ns;
  *measured = strdup("{}");
  return *measured ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
}
#endif

int32_t hd_trial_run(const char *path, const struct hd_source *file, const uint8_t digest[32], int64_t timeout_ns, char **measured, char **parameters, struct hd_fault *fault) {
  char *found = NULL, *table = strdup("[]");
  int fd = table ? hd_trial_copy(file) : -1;
  if (fd < 0) {
    free(table);
    return hd_fault_set(fault, HADRON_ERR_IO, "%s: making a private copy for the probe (memfd_create): %s", path, strerror(errno));
  }
  int32_t code = probe(path, fd, digest, timeout_ns, &found, fault);
  close(fd);
  if (code) {
    free(table);
    return code;
  }
  *measured = found;
  *parameters = table;
  return HADRON_OK;
}
