// What the registry's files share.
#ifndef HD_REGISTRY_INTERNAL_H
#define HD_REGISTRY_INTERNAL_H

#include "registry/registry.h"

struct hd_registry {
  struct hd_database *database; // owned
  struct hd_store store;
  char keys[HD_STORE_DIRECTORY_SIZE];
  uint32_t policy;
};

// Writes a row of registry_changes; within a transaction.
int32_t hd_registry_change(struct hd_registry *r, const char *topic, const char *name, const char *detail, const char *who, struct hd_fault *fault);
// Ends the transaction: commits if code is HADRON_OK, else rolls back. Returns what went wrong first.
int32_t hd_registry_end(struct hd_registry *r, int32_t code, struct hd_fault *fault);
// What the policy says of a verdict. HADRON_ERR_PERMISSION. warning: "" or words for HD_REGISTRY_WARN.
int32_t hd_registry_judge(const struct hd_registry *r, const char *what, enum hd_trust trust, const char *key, char warning[HD_REGISTRY_TEXT_SIZE], struct hd_fault *fault);
// Semantic precedence: < 0, 0, > 0. Both valid.
int hd_version_compare(const char *a, const char *b);

#endif
