// A venue that wants nothing but to be rung for: its status says how often it was polled.
#include <stdio.h>
#include <stdlib.h>

#include "hadron/ext/io.h"
#include "hadron/venue.h"

struct venue {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  int polls;
};

static int32_t create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct venue *v = calloc(1, sizeof *v);
  (void)context;
  if (v == NULL) return HADRON_ERR_MEMORY;
  v->host = host;
  v->venue = host->capability(host->instance, "hadron.venue/1");
  *self = v;
  return HADRON_OK;
}
static void destroy(void *self) { free(self); }
static int32_t start(void *self) {
  (void)self;
  return HADRON_OK;
}
static void stop(void *self) { (void)self; }
static int64_t poll(void *self, int64_t now_ns) {
  struct venue *v = self;
  char text[32];
  (void)now_ns;
  snprintf(text, sizeof text, "polled %d", ++v->polls);
  v->venue->status(v->host->instance, HADRON_VENUE_READY, text);
  return INT64_MAX;
}
static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS, .create = create, .destroy = destroy,
                                            .start = start, .stop = stop, .poll = poll};
HADRON_PLUGIN(VENUE, "bell_venue", "1.0.0", "polled when it is rung for", "hadron.venue/1 hadron.io/1", &api, NULL);
