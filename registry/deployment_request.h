// What an operator asks of a deployment, as JSON: what `hadron promote` and the others send to a running host, and carry out themselves on
// the registry when no host runs. One place reads it, one place says what deployment comes of it.
//
//   {"command":"promote","name":"sma_fast","version":"1.2.0","why":"..."}      also enable, disable (version may be left out), reload
//   enable may say "placement":"process": inline, thread, process, remote, auto
//   {"command":"ab","name":...,"arms":[{"version":"1.0.0","weight":0.9},...],"shadows":["2.0.0"],"split":"instrument"}
// Each may say "accept_difference":0.01, for the gate.
//   {"command":"deploy","deployment":{...}}     {"command":"rollback","name":...,"to":3}
#ifndef HD_REGISTRY_DEPLOYMENT_REQUEST_H
#define HD_REGISTRY_DEPLOYMENT_REQUEST_H

#include "registry/deployment_store.h"
#include "registry/registry.h"

enum hd_deployment_verb {
  HD_VERB_ENABLE = 1, HD_VERB_DISABLE, HD_VERB_RELOAD, HD_VERB_DEPLOY, HD_VERB_AB, HD_VERB_PROMOTE, HD_VERB_ROLLBACK,
  HD_VERB_ARRIVE, // a new version, by the deployment's own policy
  HD_VERB_DEMOTE, // by a guard; never from outside
  HD_VERB_FOLLOW, // a revision that was made elsewhere, named by `to`
};

struct hd_deployment_request {
  uint32_t verb;                    // enum hd_deployment_verb
  char name[HADRON_NAME_SIZE];
  char version[HADRON_VERSION_SIZE]; // "": none
  char why[HD_DEPLOYMENT_TEXT];
  uint32_t placement;               // ENABLE: where it shall run from now on, enum hd_placement; 0: as before
  double accept;                    // largest share of decisions by which a version that begins to trade may differ at the gate
  uint32_t to;                      // ROLLBACK: the revision; 0: what ran before
  uint32_t split;                   // AB: enum hd_split
  uint32_t share_count, shadow_count;
  struct hd_deployment_share shares[HD_DEPLOYMENT_ARMS_MAX], shadows[HD_DEPLOYMENT_ARMS_MAX];
  struct hd_deployment *deployment; // DEPLOY: owned
  // Where no section says them: what a strategy that the configuration does not have begins with. Set by who asks for it.
  char host[64];                    // that runs it; "": a section does
  struct hadron_money cash;
};

int32_t hd_deployment_request_init(struct hd_deployment_request *q, const json_t *json, struct hd_fault *fault);
void hd_deployment_request_fini(struct hd_deployment_request *q);
const char *hd_deployment_verb_name(uint32_t verb);
// "promote sma_fast@1.2.0": for journal and log.
void hd_deployment_request_words(const struct hd_deployment_request *q, char *to, size_t size);

// base: what is there: the registry's active revision, or else `runs` (what a host runs without one; NULL: nothing). want: what comes of it;
// every arm has its artifact's digest, and may be deployed today. equals: the revision that is gone back to; 0: none. base and want: the
// caller's; base->name is "" where there is none.
int32_t hd_deployment_plan(struct hd_registry *r, const struct hd_deployment_request *q, const struct hd_deployment *runs, struct hd_deployment *base,
                           struct hd_deployment *want, uint32_t *equals, struct hd_fault *fault);

// The last part of it: every arm of `want` gets the digest that its version is bound to; what `base` does not run must be allowed here today.
int32_t hd_deployment_admit(struct hd_registry *r, const struct hd_deployment *base, struct hd_deployment *want, struct hd_fault *fault);

// name NULL: of all. An array of revisions, oldest first, each with what it changed: a new reference.
json_t *hd_deployment_history(struct hd_database *d, const char *name, struct hd_fault *fault);
// An array of lines. NULL: out of memory
json_t *hd_deployment_changes(const struct hd_deployment *from, const struct hd_deployment *to);

#endif
