// Keeps every promise of a venue that is never due by time: its own thread writes into a pipe that the host watches, then rings, then makes
// room in a full pipe whose other end is watched for that, three times each, and goes on only after poll has seen it. Its status says how
// often each brought it a poll.
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hadron/ext/io.h"
#include "hadron/venue.h"

struct venue {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  const struct hadron_io *io;
  pthread_t thread;
  sem_t seen;
  _Atomic bool rung, stop;
  bool running;
  int pipe[2], out[2]; // out: full
  int reads, rings, writes;
};

static int32_t create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct venue *v = calloc(1, sizeof *v);
  (void)context;
  if (v == NULL) return HADRON_ERR_MEMORY;
  v->host = host;
  v->venue = host->capability(host->instance, "hadron.venue/1");
  v->io = host->capability(host->instance, HADRON_CAP_IO);
  v->pipe[0] = v->pipe[1] = v->out[0] = v->out[1] = -1;
  sem_init(&v->seen, 0, 0);
  *self = v;
  return HADRON_OK;
}
// Until it holds no more. Returns how much went in.
static long fill(struct venue *v) {
  char bytes[4096] = {0};
  long all = 0;
  for (ssize_t n; (n = write(v->out[1], bytes, sizeof bytes)) > 0;) all += n;
  return all;
}

static void drain(struct venue *v) {
  char bytes[4096];
  while (read(v->out[0], bytes, sizeof bytes) > 0) continue;
}

static void *outside(void *argument) {
  struct venue *v = argument;
  for (int i = 0; i < 3 && !v->stop; i++) {
    if (write(v->pipe[1], "x", 1) != 1) return NULL;
    sem_wait(&v->seen);
    v->rung = true;
    v->io->wake(v->host->instance);
    sem_wait(&v->seen);
    drain(v);
    sem_wait(&v->seen);
  }
  return NULL;
}
static int32_t start(void *self) {
  struct venue *v = self;
  int32_t code;
  if (pipe(v->pipe) || pipe(v->out)) return HADRON_ERR_IO;
  fcntl(v->pipe[0], F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 2; i++) fcntl(v->out[i], F_SETFL, O_NONBLOCK);
  fill(v);
  if (v->io->watch(v->host->instance, -1, HADRON_IO_READ) != HADRON_ERR_ARGUMENT) return HADRON_ERR_INTERNAL;
  if (v->io->watch(v->host->instance, v->pipe[0], 0) != HADRON_ERR_ARGUMENT) return HADRON_ERR_INTERNAL;
  if ((code = v->io->watch(v->host->instance, v->pipe[0], HADRON_IO_READ))) {
    v->venue->fail(v->host->instance, "the pipe is not watched");
    return code;
  }
  if ((code = v->io->watch(v->host->instance, v->out[1], HADRON_IO_WRITE))) return code;
  if (pthread_create(&v->thread, NULL, outside, v)) return HADRON_ERR_MEMORY;
  v->running = true;
  return HADRON_OK;
}
static void stop(void *self) {
  struct venue *v = self;
  v->stop = true;
  for (int i = 0; i < 3; i++) sem_post(&v->seen);
  if (v->running) pthread_join(v->thread, NULL);
  v->running = false;
  v->io->unwatch(v->host->instance, v->pipe[0]);
  v->io->unwatch(v->host->instance, v->out[1]);
}
static void destroy(void *self) {
  struct venue *v = self;
  if (v->running) stop(v);
  if (v->pipe[0] >= 0) close(v->pipe[0]);
  if (v->pipe[1] >= 0) close(v->pipe[1]);
  for (int i = 0; i < 2; i++)
    if (v->out[i] >= 0) close(v->out[i]);
  sem_destroy(&v->seen);
  free(v);
}
static int64_t poll(void *self, int64_t now_ns) {
  struct venue *v = self;
  char text[64], byte;
  (void)now_ns;
  if (read(v->pipe[0], &byte, 1) == 1) {
    v->reads++;
    sem_post(&v->seen);
  } else if (atomic_exchange(&v->rung, false)) {
    v->rings++;
    sem_post(&v->seen);
  } else if (fill(v) > 32768) { // full again; a page that was still on its way is no new room
    v->writes++;
    sem_post(&v->seen);
  } else {
    return INT64_MAX;
  }
  snprintf(text, sizeof text, "read %d, rung %d, written %d", v->reads, v->rings, v->writes);
  v->venue->status(v->host->instance, HADRON_VENUE_READY, text);
  return INT64_MAX;
}
static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS, .create = create, .destroy = destroy,
                                            .start = start, .stop = stop, .poll = poll};
HADRON_PLUGIN(VENUE, "io_venue", "1.0.0", "polled by descriptor and doorbell", "hadron.venue/1 hadron.io/1", &api, NULL);
