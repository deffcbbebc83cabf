// Keeps every promise of a service: counts records.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/journal.h"
#include "hadron/ext/params.h"
#include "hadron/service.h"

struct service {
  const struct hadron_host *host;
  const struct hadron_journal *journal;
  int64_t batch;
  uint64_t records;
};

static int32_t create(const struct hadron_host *host, const char *name, void **self) {
  struct service *s = calloc(1, sizeof *s);
  (void)name;
  if (s == NULL) return HADRON_ERR_MEMORY;
  s->host = host;
  s->journal = host->capability(host->instance, HADRON_CAP_JOURNAL);
  *self = s;
  return HADRON_OK;
}
static void destroy(void *self) { free(self); }
static int32_t start(void *self) { return ((struct service *)self)->journal->seek(((struct service *)self)->host->instance, 0); }
static int64_t step(void *self, int64_t now_ns) {
  struct service *s = self;
  struct hadron_record record;
  for (int64_t i = 0; i < s->batch; i++) {
    if (s->journal->next(s->host->instance, &record) != HADRON_OK) return INT64_MAX;
    s->records++;
    s->journal->keep(s->host->instance, record.next);
  }
  return now_ns;
}
static void stop(void *self) { (void)self; }
static const struct hadron_param rows[] = {{"batch", "records per step", "records", NULL, HADRON_PARAM_INTEGER, offsetof(struct service, batch), 8, 0, 1, 100, 0, 0}};
static const struct hadron_params params = {sizeof params, 1, rows, NULL};
static const void *capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }
static const struct hadron_service_api api = {.struct_size = sizeof api, .create = create, .destroy = destroy, .start = start, .step = step, .stop = stop};
HADRON_PLUGIN(SERVICE, "good_service", "1.0.0", "counts records", "hadron.journal/1", &api, capability);
