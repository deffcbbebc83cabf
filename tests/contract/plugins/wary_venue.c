// A venue that says what it was told: which of its three listings are wanted, in the words of its status.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/venue.h"

struct wary {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  uint32_t handles[3];
};

static int32_t wary_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct wary *w = calloc(1, sizeof *w);
  (void)context;
  if (!w) return HADRON_ERR_MEMORY;
  w->host = host;
  w->venue = host->capability(host->instance, "hadron.venue/1");
  *self = w;
  return HADRON_OK;
}
static void wary_destroy(void *self) { free(self); }

static int32_t wary_start(void *self) {
  struct wary *w = self;
  for (int i = 0; i < 3; i++) {
    struct hadron_listing listing = {.symbol = {(char)('A' + i)}};
    int32_t code = w->venue->resolve(w->host->instance, &listing, &w->handles[i]);
    if (code) return code;
  }
  return HADRON_OK;
}
static void wary_stop(void *self) { (void)self; }
static int64_t wary_poll(void *self, int64_t now_ns) {
  (void)self;
  (void)now_ns;
  return INT64_MAX;
}

static int32_t wary_subscribe(void *self, const uint32_t *handles, uint32_t count) {
  struct wary *w = self;
  char words[32] = "wants";
  size_t at = strlen(words);
  for (uint32_t i = 0; i < count; i++)
    for (int k = 0; k < 3; k++)
      if (handles[i] == w->handles[k]) at += (size_t)snprintf(words + at, sizeof words - at, " %c", 'A' + k);
  w->venue->status(w->host->instance, HADRON_VENUE_READY, words);
  return HADRON_OK;
}

static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS, .create = wary_create, .destroy = wary_destroy,
                                            .start = wary_start, .stop = wary_stop, .poll = wary_poll, .subscribe = wary_subscribe};

HADRON_PLUGIN(VENUE, "wary_venue", "1.0.0", "Says which of its listings are wanted", "hadron.venue/1", &api, NULL);
