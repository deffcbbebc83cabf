#include "plugin/capability.h"

#include "base/banned.h"
#include "hadron/ext/features.h"
#include "hadron/ext/io.h"
#include "hadron/ext/journal.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "hadron/ext/timer.h"

#define STRATEGY (1u << HADRON_KIND_STRATEGY)
#define VENUE (1u << HADRON_KIND_VENUE)
#define ALLOCATOR (1u << HADRON_KIND_ALLOCATOR)
#define SERVICE (1u << HADRON_KIND_SERVICE)
#define ALL (STRATEGY | VENUE | ALLOCATOR | SERVICE)

static const struct {
  const char *name;
  uint32_t kinds;
} offers[] = {
    {"hadron.strategy/1", STRATEGY},   {"hadron.venue/1", VENUE},       {HADRON_CAP_TIMER, STRATEGY},
    {HADRON_CAP_FEATURES, STRATEGY},   {HADRON_CAP_JOURNAL, SERVICE},   {HADRON_CAP_LOG, ALL},
    {HADRON_CAP_METRICS, ALL},         {HADRON_CAP_IO, VENUE},          {HD_CAP_EXTERNAL, STRATEGY},
};

bool hd_capability_offered(const char *name, uint32_t kind) {
  for (size_t i = 0; i < sizeof offers / sizeof *offers; i++)
    if (strcmp(offers[i].name, name) == 0) return kind < 32 && (offers[i].kinds & (1u << kind)) != 0;
  return false;
}

size_t hd_capability_list(char *to, size_t size, uint32_t kind) {
  size_t used = 0;
  to[0] = 0;
  for (size_t i = 0; i < sizeof offers / sizeof *offers && used < size; i++) {
    if (!hd_capability_offered(offers[i].name, kind)) continue;
    int n = snprintf(to + used, size - used, "%s%s", used ? " " : "", offers[i].name);
    used += (size_t)n;
  }
  return used < size ? used : size - 1;
}

bool hd_capability_next(const char **cursor, char name[HD_CAPABILITY_NAME_SIZE]) {
  const char *p = *cursor + strspn(*cursor, " \t");
  size_t length = strcspn(p, " \t"), kept = length < HD_CAPABILITY_NAME_SIZE ? length : HD_CAPABILITY_NAME_SIZE - 1;
  if (length == 0) return false;
  memcpy(name, p, kept);
  name[kept] = 0;
  *cursor = p + length;
  return true;
}

bool hd_capability_named(const char *names, const char *name) {
  char found[HD_CAPABILITY_NAME_SIZE];
  while (hd_capability_next(&names, found))
    if (strcmp(found, name) == 0) return true;
  return false;
}
