// Revisions of deployments in the registry's database: who asked for what, when and why, and what became of it. Nothing is ever
// overwritten. A revision is `pending` until the journal has its SWAP record, then `active`; the one that was active is `superseded`
// by it. What failed stays, with its reason. One thread at a time, as the database. [control] or a worker
#ifndef HD_REGISTRY_DEPLOYMENT_STORE_H
#define HD_REGISTRY_DEPLOYMENT_STORE_H

#include "registry/database.h"
#include "registry/deployment.h"

enum hd_revision_state { HD_REVISION_PENDING = 1, HD_REVISION_ACTIVE = 2, HD_REVISION_FAILED = 3, HD_REVISION_SUPERSEDED = 4 };

struct hd_revision {
  char name[HADRON_NAME_SIZE];  // of the deployment
  uint32_t revision;            // from 1
  uint32_t state;               // enum hd_revision_state
  uint32_t equals;              // the revision that it goes back to; 0: none
  int64_t time_ns, state_ns;    // wall: asked for; came into its state
  char who[64];                 // "alice (uid 1000)", "config", "guard"
  char host[64];                // where
  char command[32];             // what was asked: "promote"
  char why[HD_DEPLOYMENT_TEXT];
  char error[512];              // FAILED
  // Of a new one.
  uint32_t base;                // the active revision that it was planned on; 0: there was none
  bool planned;                 // base counts
  bool alone;                   // not if other hosts run it: HADRON_ERR_EXISTS
  uint32_t asked;               // out: hosts that have to agree first (rollout.h); 0: nobody else runs it
};

const char *hd_revision_state_name(uint32_t state);

// Stores `what` as a new revision. r: who, host, command, why, equals, state (PENDING or ACTIVE) and time_ns are taken, name and revision
// filled. ACTIVE: the one that was active is superseded. If other hosts run the deployment they are asked, and it is PENDING until they
// agree. HADRON_ERR_STATE: another one is pending, or another than r->base is active.
int32_t hd_revision_add(struct hd_database *d, const struct hd_deployment *what, struct hd_revision *r, struct hd_fault *fault);
// What became of it: ACTIVE supersedes the one that was active. error: may be NULL. HADRON_ERR_STATE: it is not pending.
int32_t hd_revision_settle(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, const char *error, const char *host, int64_t now_ns,
                           struct hd_fault *fault);
// The same within a transaction.
int32_t hd_revision_settle_within(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, const char *error, const char *host, int64_t now_ns,
                                  struct hd_fault *fault);
// revision 0: the active one. out, what: may be NULL; what->revision is filled. HADRON_ERR_NOT_FOUND.
int32_t hd_revision_get(struct hd_database *d, const char *name, uint32_t revision, struct hd_revision *out, struct hd_deployment *what, struct hd_fault *fault);
// What a rollback without a number goes to: the last revision before the active one that ran and was different. A revision that itself
// went back stands where the one stands that it went back to, so that several rollbacks go further and further back.
int32_t hd_revision_before(struct hd_database *d, const char *name, struct hd_revision *out, struct hd_deployment *what, struct hd_fault *fault);

// In ascending order. what: JSON; both borrowed(call). Anything but HADRON_OK ends it.
typedef int32_t hd_revision_fn(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault);
// name NULL: of all deployments; state 0: any.
int32_t hd_revision_list(struct hd_database *d, const char *name, uint32_t state, hd_revision_fn *take, void *user, struct hd_fault *fault);

#endif
