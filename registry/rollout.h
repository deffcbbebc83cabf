// The hosts of a registry, and how they agree on a revision. Every running host has a row, says that it is alive, and says what it runs.
// A revision of a deployment that other hosts run asks them all (deployment_parties): each stages it and reports the artifacts that it has
// staged, or why it has not. The report that completes them turns the revision from pending to active, in the same transaction; a host
// that fails, has other artifacts, is stale, has gone or does not answer in time makes it failed. So nobody leads: whoever looks, decides,
// and there is one outcome for all. Only after `active` does a host change what runs.
//
// All times here are the database's: hosts' clocks differ. One thread at a time, as the database. [control] or a worker
#ifndef HD_REGISTRY_ROLLOUT_H
#define HD_REGISTRY_ROLLOUT_H

#include "registry/deployment_store.h"

#define HD_HOST_SIZE 64
#define HD_ARTIFACTS_SIZE 1024 // what a deployment runs, as text
#define HD_ROLLOUT_ANSWER_NS INT64_C(30000000000) // a host that was asked and has not said a word for so long did not answer
#define HD_HOST_BEAT_NS INT64_C(2000000000)       // how often a host says that it is alive
#define HD_HOST_STALE_NS INT64_C(10000000000)     // after which silence nobody knows what it does

enum hd_host_state { HD_HOST_RUNNING = 1, HD_HOST_STOPPED = 2, HD_HOST_GONE = 3 };

struct hd_host {
  char host[HD_HOST_SIZE];   // hd_session_host: name of the machine and of the data directory
  char address[64];          // name of the machine
  char data_dir[256];
  char process[128];         // hd_host_process_self
  char hadron[64];           // the program's version, the ABI that it loads, and for which machine
  char control[256];         // path of its control socket
  uint32_t state;            // enum hd_host_state
  bool stale;                // running, and silent for longer than stale_ns
  int64_t started_ns, seen_ns, stale_ns, silent_ns;
};

// This process among those of all machines; "" if the system does not say.
void hd_host_process_self(char *to, size_t size);

// Begins: the row of this host, running; what an earlier process of it had been asked is failed.
int32_t hd_host_begin(struct hd_database *d, const struct hd_host *self, struct hd_fault *fault);
// Says that it is alive. back: the row had been taken for gone, or was forgotten, and is there again.
int32_t hd_host_beat(struct hd_database *d, const struct hd_host *self, bool *back, struct hd_fault *fault);
// Ends in order: nobody waits for it.
int32_t hd_host_end(struct hd_database *d, const struct hd_host *self, struct hd_fault *fault);
// What it runs of a deployment; revision 0: nothing that the registry knows. error: why not what it should; NULL: none. A host that comes
// while a revision is asking others is asked too.
int32_t hd_host_runs(struct hd_database *d, const char *host, const struct hd_deployment *what, const char *error, struct hd_fault *fault);
int32_t hd_host_runs_no_more(struct hd_database *d, const char *host, const char *deployment, struct hd_fault *fault);
// Hosts of this machine whose process is not there any more are gone. others: how many other hosts are running.
int32_t hd_host_sweep(struct hd_database *d, const struct hd_host *self, uint32_t *others, struct hd_fault *fault);

typedef int32_t hd_host_fn(void *user, const struct hd_host *host, struct hd_fault *fault);
int32_t hd_host_list(struct hd_database *d, hd_host_fn *take, void *user, struct hd_fault *fault);
// A host that will not come back: nobody waits for it. One that is alive comes back by itself. HADRON_ERR_NOT_FOUND.
int32_t hd_host_forget(struct hd_database *d, const char *host, const char *who, struct hd_fault *fault);

// What a host says it runs, and what it should.
struct hd_host_report {
  char host[HD_HOST_SIZE], deployment[HADRON_NAME_SIZE], digest[HD_ARTIFACTS_SIZE], error[512];
  uint32_t revision, active; // active: the registry's; 0: none
  bool drift;                // it runs another revision than the active one, or could not follow
};
typedef int32_t hd_host_report_fn(void *user, const struct hd_host_report *report, struct hd_fault *fault);
int32_t hd_host_reports(struct hd_database *d, hd_host_report_fn *take, void *user, struct hd_fault *fault);

// ---- a revision that asks several hosts ---------------------------------------------------------------------------------------------------

enum hd_party_state { HD_PARTY_ASKED = 1, HD_PARTY_WORKING = 2, HD_PARTY_STAGED = 3, HD_PARTY_FAILED = 4 };

// "1.0.0=9f86d0...": the artifacts of a deployment in the order of its arms; "disabled". Equal texts run the same.
void hd_rollout_artifacts(const struct hd_deployment *d, char to[HD_ARTIFACTS_SIZE]);

// Asks the hosts that run it, within the transaction that stores the revision. asker: the host that wants it, not asked unless others are;
// "": none. count: how many are asked.
int32_t hd_rollout_ask(struct hd_database *d, const struct hd_deployment *what, uint32_t revision, const char *asker, uint32_t *count, struct hd_fault *fault);
// How many other hosts run it, within a transaction or not.
int32_t hd_rollout_others(struct hd_database *d, const char *name, const char *self, uint32_t *count, struct hd_fault *fault);
// What a host has to say: WORKING keeps it from being late. digest, error: may be NULL. Nothing happens if it was not asked.
int32_t hd_rollout_report(struct hd_database *d, const char *name, uint32_t revision, const char *host, uint32_t state, const char *digest, const char *error,
                          struct hd_fault *fault);

struct hd_rollout {
  uint32_t state;   // enum hd_revision_state as it is now
  uint32_t asked;   // hosts; 0: it asked nobody
  uint32_t waiting; // of them, for how many
  bool fresh;       // this call decided
  char error[512];  // FAILED: why
};
// Where it stands; decides it if that can be done now. by: for the history.
int32_t hd_rollout_decide(struct hd_database *d, const char *name, uint32_t revision, const char *by, struct hd_rollout *out, struct hd_fault *fault);

// Decides what can be decided of the pending revisions of a deployment, so that a host that died in the middle of one holds nobody up.
int32_t hd_rollout_clear(struct hd_database *d, const char *name, const char *by, struct hd_fault *fault);

// A revision that is pending or active, and whether this host is asked (enum hd_party_state; 0: it is not).
struct hd_rollout_row {
  char name[HADRON_NAME_SIZE], host[HD_HOST_SIZE], command[32], who[64];
  uint32_t revision, state, asked;
  bool here; // this host runs it without a section of its configuration
};
typedef int32_t hd_rollout_fn(void *user, const struct hd_rollout_row *row, struct hd_fault *fault);
int32_t hd_rollout_list(struct hd_database *d, const char *self, hd_rollout_fn *take, void *user, struct hd_fault *fault);

// A row for each host that a revision asked, as JSON: a new reference.
json_t *hd_rollout_parties(struct hd_database *d, const char *name, uint32_t revision, struct hd_fault *fault);

#endif
