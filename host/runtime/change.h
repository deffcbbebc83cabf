// A change of what runs, while it runs: a deployment's way from what it is to what is wanted.
//
//   create   [io]             reads what runs now and what has to happen
//   stage    [any]            probes every new version in a child, makes its instances; may take seconds, touches nothing that runs
//   commit   [io]             at a tick boundary, on the threads that own the strategy: hands the last state over, exchanges the
//                             occupants, writes one journal record; all of it or nothing
//   destroy  [io]             frees what was replaced, or what was staged for nothing
//
// A seat (struct hd_session_arm) has a book, a universe, a role; its occupant is a loaded version with its instances. A new live version
// is staged, takes the last state of the old one over and sits down in the live seat; the old one goes to the deployment's warm seat, a
// shadow that keeps eating ticks, so that going back is an exchange of pointers. Every tick goes to exactly one of them as live.
// Until the commit the old version has missed nothing; any failure leaves it where it is, with its own state.
#ifndef HD_RUNTIME_CHANGE_H
#define HD_RUNTIME_CHANGE_H

#include "registry/deployment.h"
#include "runtime/session.h"

struct hd_change;

struct hd_changed {
  uint64_t last_sequence;  // of the last tick before the exchange
  int64_t pause_ns;        // how long the owning threads handled nothing
  uint32_t swapped;        // seats with a new occupant
  uint32_t opened, closed; // seats
  uint32_t state_size;     // bytes handed over
};

// want: copied. plugins[i]: of want->arms[i], opened and of the right kind; static. HADRON_ERR_NOT_FOUND (nothing of that name runs),
// HADRON_ERR_ARGUMENT (not possible while it runs: words say what and why), HADRON_ERR_STATE (another change of it is under way).
int32_t hd_change_create(struct hd_session *s, const struct hd_deployment *want, const struct hd_plugin *const *plugins,
                         struct hd_change **out, struct hd_fault *fault);
int32_t hd_change_stage(struct hd_change *c, struct hd_fault *fault);
int32_t hd_change_commit(struct hd_change *c, struct hd_changed *out, struct hd_fault *fault);
void hd_change_destroy(struct hd_change *c); // NULL is fine

// The three parts of a commit, for a session that is built from records: there each comes when its record says so, and nothing is tried in a
// child. No parts but strategies. hd_change_taken: who sits there now is the session's; before hd_change_destroy.
int32_t hd_change_open(struct hd_change *c, struct hd_fault *fault);   // books for new seats
int32_t hd_change_meet(struct hd_change *c, struct hd_fault *fault);   // the exchange
void hd_change_settle(struct hd_change *c, struct hd_fault *fault);    // roles, weights, splits
void hd_change_taken(struct hd_change *c);
void hd_change_handed(struct hd_change *c, uint32_t size); // bytes of state that were handed over then: those of a strategy that ran elsewhere are in no record
const char *hd_change_name(const struct hd_change *c); // of the deployment

// What runs for a name, as a deployment: its seats in their order, warm ones as shadows. HADRON_ERR_NOT_FOUND.
int32_t hd_session_deployment(const struct hd_session *s, const char *name, struct hd_deployment *out);

#endif
