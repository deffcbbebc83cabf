// Which registry a command means, and who asks: by a configuration, or by a data directory, or named outright.
#ifndef HD_CLI_REGISTRY_TARGET_H
#define HD_CLI_REGISTRY_TARGET_H

#include "registry/registry.h"

// All borrowed(call); NULL: not given. What is named outright wins over the configuration, that over the data directory's default.
struct hd_registry_target {
  const char *config, *data_dir, *url, *store, *keys, *policy;
};

#define HD_REGISTRY_TARGET_HELP                                                       \
  "  --config FILE    the registry of this configuration\n"                           \
  "  --data-dir DIR   the registry of this data directory; default: data\n"           \
  "  --url URL, --store DIR, --keys DIR, --policy off|warn|require   override each\n" \
  "  --json           print one JSON object\n"

// Opens it; prints what is wrong. Returns an exit code.
int hd_registry_target_open(const struct hd_registry_target *target, const char *command, struct hd_registry **out);
// "alice (uid 1000)".
void hd_registry_who(char *to, size_t size);
// The exit code of what the registry said: 1 it could not be tried, 3 configuration, 4 damaged, 6 refused.
int hd_registry_exit(int32_t code);

#endif
