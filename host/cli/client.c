#include "cli/client.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"

#define WAIT_S 10
#define ANSWER_MAX (64u << 20)

bool hd_client_path(const struct hd_client_target *target, char *to, size_t size) {
  if (target->control) return hd_text_copy(to, size, target->control);
  int n = snprintf(to, size, "%s/hadron.sock", target->data_dir ? target->data_dir : "data");
  return n > 0 && (size_t)n < size;
}

// Sockets of configurations whose data_dir lies below this one, as those of configs/ do: ": one is at data/external". "": there are none.
static const char *others_below(const char *path, char *to, size_t size) {
  glob_t found = {0};
  char pattern[400];
  size_t used = 0;
  *to = 0;
  const char *slash = strrchr(path, '/');
  int n = snprintf(pattern, sizeof pattern, "%.*s/*/hadron.sock", slash ? (int)(slash - path) : 1, slash ? path : ".");
  if (n > 0 && (size_t)n < sizeof pattern && glob(pattern, 0, NULL, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc && used < size - 1; i++)
      used += (size_t)snprintf(to + used, size - used, "%s --data-dir %.*s", i ? "," : "; there is a socket for:", (int)(strlen(found.gl_pathv[i]) - strlen("/hadron.sock")), found.gl_pathv[i]);
  globfree(&found);
  return to;
}

static int connect_to(const char *path, int wait_s, struct hd_fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!hd_text_copy(address.sun_path, sizeof address.sun_path, path)) {
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "control socket %s: expected at most %zu bytes", path, sizeof address.sun_path - 1);
    return -1;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct timeval wait = {wait_s, 0};
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
      connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  int err = errno;
  if (fd >= 0) close(fd);
  if (err == ENOENT || err == ECONNREFUSED) {
    char others[400];
    hd_fault_set(fault, HADRON_ERR_CLOSED, "no host is running at %s; start one with `hadron run CONFIG`, or say where it is with --data-dir DIR or --control PATH%s", path, others_below(path, others, sizeof others));
  } else if (err == EACCES || err == EPERM)
    hd_fault_set(fault, HADRON_ERR_PERMISSION, "control socket %s: only root and the user who runs the host may connect", path);
  else hd_fault_set(fault, HADRON_ERR_IO, "control socket %s: %s", path, strerror(err));
  return -1;
}

static int32_t send_all(int fd, const char *text, size_t size, struct hd_fault *fault) {
  while (size > 0) {
    ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return hd_fault_set(fault, HADRON_ERR_IO, "the host hung up before the request was through: %s", strerror(errno));
    text += n;
    size -= (size_t)n;
  }
  return HADRON_OK;
}

// Reads up to the newline. NULL: why is in the fault.
static char *receive_line(int fd, int wait_s, struct hd_fault *fault) {
  char *line = NULL;
  size_t used = 0, room = 0;
  for (;;) {
    if (used == room) {
      room = room ? room * 2 : 65536;
      char *grown = room <= ANSWER_MAX ? realloc(line, room) : NULL;
      if (!grown) break;
      line = grown;
    }
    ssize_t n = recv(fd, line + used, room - used, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) hd_fault_set(fault, HADRON_ERR_TIMEOUT, "the host has not answered for %d s", wait_s);
      else hd_fault_set(fault, HADRON_ERR_CLOSED, "the host hung up without an answer: it is stopping, or does not take commands from this user");
      free(line);
      return NULL;
    }
    char *end = memchr(line + used, '\n', (size_t)n);
    used += (size_t)n;
    if (!end) continue;
    *end = 0;
    return line;
  }
  hd_fault_set(fault, HADRON_ERR_MEMORY, "the answer is longer than %u bytes", ANSWER_MAX);
  free(line);
  return NULL;
}

static int32_t error_code(const char *name) {
#define ROW(symbol, code, text, hint) if (strcmp(name, #symbol) == 0) return code;
  HADRON_ERROR_MAP(ROW)
#undef ROW
  return HADRON_ERR_INTERNAL;
}

static json_t *open_answer(const char *line, struct hd_fault *fault) {
  json_error_t wrong;
  json_t *answer = json_loads(line, 0, &wrong), *result = json_object_get(answer, "result");
  const json_t *error = json_object_get(answer, "error");
  const char *name = json_string_value(json_object_get(error, "code")), *text = json_string_value(json_object_get(error, "text"));
  if (json_is_true(json_object_get(answer, "ok")) && result) json_incref(result);
  else if (name && text) hd_fault_set(fault, error_code(name), "%s", text), result = NULL;
  else hd_fault_set(fault, HADRON_ERR_CORRUPT, "what answered is no Hadron host: %.60s", line), result = NULL;
  json_decref(answer);
  return result;
}

json_t *hd_client_ask(const char *path, json_t *request, struct hd_fault *fault) { return hd_client_ask_for(path, request, WAIT_S, fault); }

bool hd_client_there(const char *path) {
  struct hd_fault fault = {0};
  int fd = connect_to(path, WAIT_S, &fault);
  if (fd >= 0) close(fd);
  return fd >= 0 || fault.code != HADRON_ERR_CLOSED;
}

json_t *hd_client_ask_for(const char *path, json_t *request, int wait_s, struct hd_fault *fault) {
  char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
  json_t *result = NULL;
  json_decref(request);
  int fd = text ? connect_to(path, wait_s, fault) : -1;
  if (!text) hd_fault_set(fault, HADRON_ERR_ARGUMENT, "the request is not text in UTF-8");
  size_t size = text ? strlen(text) : 0;
  if (fd >= 0) {
    text[size] = '\n'; // its NUL is not sent
    if (!send_all(fd, text, size + 1, fault)) line = receive_line(fd, wait_s, fault);
    close(fd);
  }
  if (line) result = open_answer(line, fault);
  free(line);
  free(text);
  return result;
}
