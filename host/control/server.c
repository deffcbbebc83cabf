#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/control_internal.h"

#define LOOK_MS 200           // how often the kill file is looked for
#define SAMPLE_NS INT64_C(1000000000)

struct hd_client {
  uv_pipe_t pipe;
  uv_write_t write;
  struct hd_control *control;
  uint64_t serial;
  uint32_t uid;
  bool writing, closing, leaving; // leaving: goes once its answer is written
  bool waiting;               // for an answer that takes longer
  int64_t heard_ns;           // monotonic: last whole request, or the connect
  char *answer;               // being written; owned
  size_t used;                // of `request`
  char request[HD_CONTROL_REQUEST_MAX];
};

static void control_release(struct hd_control *c) {
  HD_ASSERT(c->handles > 0);
  if (--c->handles > 0) return;
  hd_view_fini(c);
  free(c);
}

// ---- clients -------------------------------------------------------------------------------------------------------------------------

static void client_closed(uv_handle_t *handle) {
  struct hd_client *client = handle->data;
  struct hd_control *c = client->control;
  free(client->answer);
  free(client);
  control_release(c);
}

static void client_close(struct hd_client *client) {
  struct hd_control *c = client->control;
  if (client->closing) return;
  client->closing = true;
  for (uint32_t i = 0; i < c->client_count; i++)
    if (c->clients[i] == client) c->clients[i] = c->clients[--c->client_count];
  uv_close((uv_handle_t *)&client->pipe, client_closed);
}

static void client_work(struct hd_client *client);
static void client_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

// Straight into the request's memory: what does not fit is not read.
static void client_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  struct hd_client *client = handle->data;
  (void)suggested;
  *buffer = uv_buf_init(client->request + client->used, (unsigned)(sizeof client->request - client->used));
}

static void client_written(uv_write_t *write, int status) {
  struct hd_client *client = write->data;
  free(client->answer);
  client->answer = NULL;
  client->writing = false;
  if (client->closing) return;
  if (status < 0 || client->leaving) {
    client_close(client);
    return;
  }
  client_work(client);
  if (!client->writing && !client->waiting && !client->closing) uv_read_start((uv_stream_t *)&client->pipe, client_room, client_read);
}

static void client_answer(struct hd_client *client, json_t *answer) {
  char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
  json_decref(answer);
  size_t size = text ? strlen(text) : 0;
  client->answer = malloc(size + 2);
  if (!text || !client->answer) {
    free(text);
    client_close(client);
    return;
  }
  memcpy(client->answer, text, size);
  client->answer[size] = '\n';
  free(text);
  uv_buf_t buffer = uv_buf_init(client->answer, (unsigned)size + 1);
  client->write.data = client;
  client->writing = true;
  uv_read_stop((uv_stream_t *)&client->pipe); // the next request waits until this answer was taken
  if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, client_written)) {
    client->writing = false;
    client_close(client);
  }
}

static json_t *answer_error(const struct hd_fault *fault) {
  return json_pack("{s:b, s:{s:s, s:s*}}", "ok", 0, "error", "code", hadron_error_name(fault->code), "text", fault->text);
}

static void client_request(struct hd_client *client, const char *text, size_t size) {
  struct hd_fault fault = {0};
  json_error_t wrong;
  client->heard_ns = hd_clock_monotonic_ns();
  json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, &wrong), *result = NULL;
  client->control->asking = client;
  if (request) result = hd_control_ask(client->control, request, client->uid, &fault);
  else hd_fault_set(&fault, HADRON_ERR_PARSE, "the request is not JSON: column %d: %s", wrong.column, wrong.text);
  client->control->asking = NULL;
  hd_text_printable(fault.text);
  json_decref(request);
  if (client->waiting) {
    uv_read_stop((uv_stream_t *)&client->pipe);
    return;
  }
  client_answer(client, result ? json_pack("{s:b, s:o}", "ok", 1, "result", result) : answer_error(&fault));
}

uint64_t hd_control_defer(struct hd_control *c) {
  if (c->asking_remote) {
    c->remote_waits = true;
    return HD_ASKER_REMOTE | c->asking_remote;
  }
  if (!c->asking) return 0;
  c->asking->waiting = true;
  return c->asking->serial;
}

void hd_control_answer(struct hd_control *c, uint64_t asker, json_t *result, const struct hd_fault *fault) {
  if (asker & HD_ASKER_REMOTE) {
    if (c->remote) hd_remote_answer(c, asker & ~HD_ASKER_REMOTE, result, fault);
    else json_decref(result);
    return;
  }
  for (uint32_t i = 0; i < c->client_count; i++)
    if (c->clients[i]->serial == asker && c->clients[i]->waiting) {
      c->clients[i]->waiting = false;
      c->clients[i]->heard_ns = hd_clock_monotonic_ns();
      client_answer(c->clients[i], result ? json_pack("{s:b, s:o}", "ok", 1, "result", result) : answer_error(fault));
      return;
    }
  json_decref(result); // it has gone
}

// Takes one request, if a whole one is there.
static void client_work(struct hd_client *client) {
  while (!client->writing && !client->waiting && !client->closing) {
    char *end = memchr(client->request, '\n', client->used);
    if (!end) break;
    size_t size = (size_t)(end - client->request), blank = strspn(client->request, " \t\r");
    if (blank < size) client_request(client, client->request, size);
    client->used -= size + 1;
    memmove(client->request, end + 1, client->used);
  }
  if (client->used < sizeof client->request || client->writing || client->waiting || client->closing) return;
  struct hd_fault fault;
  hd_fault_set(&fault, HADRON_ERR_RANGE, "the request is longer than %d bytes", HD_CONTROL_REQUEST_MAX - 1);
  client->leaving = true; // where the next request begins nobody can tell
  client_answer(client, answer_error(&fault));
}

static void client_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  struct hd_client *client = stream->data;
  (void)buffer;
  if (size < 0) {
    client_close(client);
    return;
  }
  client->used += (size_t)size;
  client_work(client);
}

// The one that was silent longest makes room.
static void make_room(struct hd_control *c) {
  struct hd_client *silent = c->clients[0];
  for (uint32_t i = 1; i < c->client_count; i++)
    if (c->clients[i]->heard_ns < silent->heard_ns) silent = c->clients[i];
  client_close(silent);
}

static bool peer_uid(const uv_pipe_t *pipe, uint32_t *uid) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  uv_os_fd_t fd;
  if (uv_fileno((const uv_handle_t *)pipe, &fd) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) return false;
  *uid = peer.uid;
  return true;
}

static void on_connection(uv_stream_t *listener, int status) {
  struct hd_control *c = listener->data;
  struct hd_client *client = status == 0 ? calloc(1, sizeof *client) : NULL;
  if (!client) return;
  if (c->client_count == HD_CONTROL_CLIENTS) make_room(c);
  client->control = c;
  client->serial = ++c->serial;
  client->pipe.data = client;
  client->heard_ns = hd_clock_monotonic_ns();
  uv_pipe_init(c->options.loop, &client->pipe, 0);
  c->handles++;
  c->clients[c->client_count++] = client;
  if (uv_accept(listener, (uv_stream_t *)&client->pipe) || !peer_uid(&client->pipe, &client->uid)) {
    client_close(client);
  } else if (client->uid != 0 && client->uid != c->owner_uid) {
    c->refused++;
    hd_log_warn("CONTROL_REFUSED", "uid %u asked for control; root and uid %u may", client->uid, c->owner_uid);
    client_close(client);
  } else {
    c->accepted++;
    uv_read_start((uv_stream_t *)&client->pipe, client_room, client_read);
  }
}

// ---- kill by file and signal -----------------------------------------------------------------------------------------------------------

static void look_for_kill_file(struct hd_control *c) {
  struct hd_fault fault;
  bool there = access(c->kill_file, F_OK) == 0;
  if (there && !c->kill_file_seen) {
    char why[640];
    snprintf(why, sizeof why, "the file %s is there", c->kill_file);
    if (hd_control_kill(c, why, c->owner_uid, NULL, &fault)) return;
  }
  c->kill_file_seen = there;
}

static void on_timer(uv_timer_t *timer) {
  struct hd_control *c = timer->data;
  look_for_kill_file(c);
  hd_service_changes_tick(c);
  int64_t now_ns = hd_clock_monotonic_ns();
  if (now_ns - c->last_sample_ns < SAMPLE_NS) return;
  c->last_sample_ns = now_ns;
  hd_rates_sample(c);
  hd_watch_services(c);
  hd_deploying_tick(c);
}

static void on_kill_signal(uv_signal_t *handle, int number) {
  struct hd_fault fault;
  (void)number;
  hd_control_kill(handle->data, "signal SIGUSR1", ((struct hd_control *)handle->data)->owner_uid, NULL, &fault);
}

// ---- the socket ------------------------------------------------------------------------------------------------------------------------

// Is there a socket file already? A living host's is left alone, a dead one's removed.
static int32_t clear_path(const struct sockaddr_un *address, struct hd_fault *fault) {
  struct stat status;
  if (lstat(address->sun_path, &status)) return HADRON_OK;
  if (!S_ISSOCK(status.st_mode))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "control socket %s: there is a file that is no socket; remove it or set `control`", address->sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int err = fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
  if (fd >= 0) close(fd);
  if (err == ECONNREFUSED && unlink(address->sun_path) == 0) {
    hd_log_info("CONTROL_STALE", "the socket %s was left by a host that is gone; replaced", address->sun_path);
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_EXISTS, "control socket %s: another host answers there; stop it (`hadron status` shows it), or give this one its own data_dir",
                      address->sun_path);
}

static int32_t listen_at(struct hd_control *c, struct hd_fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!hd_text_copy(address.sun_path, sizeof address.sun_path, c->options.path))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "control socket %s: expected at most %zu bytes, found %zu; set `control` to a shorter path", c->options.path,
                        sizeof address.sun_path - 1, strlen(c->options.path));
  int32_t code = clear_path(&address, fault);
  if (code) return code;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The mode is set before the file is there: at no time could another user connect.
  if (fd < 0 || fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&address, sizeof address)) {
    code = hd_fault_set(fault, HADRON_ERR_IO, "control socket %s: %s", address.sun_path, strerror(errno));
    if (fd >= 0) close(fd);
    return code;
  }
  hd_text_copy(c->path, sizeof c->path, address.sun_path);
  uv_pipe_init(c->options.loop, &c->listener, 0);
  c->listener.data = c;
  c->handles++;
  int err = uv_pipe_open(&c->listener, fd);
  if (!err) err = uv_listen((uv_stream_t *)&c->listener, HD_CONTROL_CLIENTS, on_connection);
  return err ? hd_fault_set(fault, HADRON_ERR_IO, "control socket %s: %s", c->path, uv_strerror(err)) : HADRON_OK;
}

static void start_watching(struct hd_control *c) {
  uv_timer_init(c->options.loop, &c->timer);
  uv_signal_init(c->options.loop, &c->kill_signal);
  c->timer.data = c->kill_signal.data = c;
  c->handles += 2;
  uv_timer_start(&c->timer, on_timer, 0, LOOK_MS);
  uv_signal_start(&c->kill_signal, on_kill_signal, SIGUSR1);
  uv_unref((uv_handle_t *)&c->timer);
  uv_unref((uv_handle_t *)&c->kill_signal);
}

int32_t hd_control_open(const struct hd_control_options *options, struct hd_control **out, struct hd_fault *fault) {
  HD_ASSERT(!options->live != !options->replay);
  struct hd_control *c = calloc(1, sizeof *c);
  if (!c) return hd_fault_set(fault, HADRON_ERR_MEMORY, "control: out of memory");
  c->options = *options;
  c->owner_uid = geteuid();
  c->handles = 1; // the owner's
  c->start_ns = hd_clock_wall_ns();
  c->start_monotonic_ns = c->last_sample_ns = hd_clock_monotonic_ns();
  snprintf(c->kill_file, sizeof c->kill_file, "%s/KILL", options->session->config->data_dir);
  int32_t code = hd_view_init(c);
  if (code) hd_fault_set(fault, code, "control: out of memory");
  else if (options->path) code = listen_at(c, fault);
  if (!code) code = hd_deploying_open(c, fault);
  if (!code) code = hd_remote_open(c, fault);
  if (!code) start_watching(c);
  if (code) {
    hd_control_close(c);
    return code;
  }
  c->tally = hd_tally_now(c);
  *out = c;
  return HADRON_OK;
}

static void handle_closed(uv_handle_t *handle) { control_release(handle->data); }

void hd_control_close(struct hd_control *c) {
  if (!c || c->closing) return;
  uv_loop_t *loop = c->options.loop;
  hd_deploying_close(c);
  hd_service_changes_close(c);
  hd_remote_close(c);
  c->closing = true;
  while (c->client_count > 0) client_close(c->clients[0]);
  if (c->listener.data) uv_close((uv_handle_t *)&c->listener, handle_closed);
  if (c->timer.data) uv_close((uv_handle_t *)&c->timer, handle_closed);
  if (c->kill_signal.data) uv_close((uv_handle_t *)&c->kill_signal, handle_closed);
  if (c->path[0]) unlink(c->path);
  control_release(c);
  uv_run(loop, UV_RUN_NOWAIT);
}
