// What the files of control that change what runs share: deploy.c: a change from the request to the answer.
// arrive.c: what comes and goes by itself. drop.c: the drop folder. watch.c: guards. gate.c: the gate. hosts.c: other hosts.
#ifndef HD_CONTROL_DEPLOY_H
#define HD_CONTROL_DEPLOY_H

#include "control/control_internal.h"
#include "registry/deployment_request.h"
#include "runtime/change.h"
#include "runtime/session_deploy.h"

struct hd_task {
  struct hd_task *next;
  struct hd_deploying *d;
  uint64_t asker;                      // hd_control_defer; 0: nobody waits
  int64_t start_ns;                    // monotonic
  uv_work_t work;
  struct hd_deployment_request request;
  struct hd_revision revision;         // who, why; its number once it is stored
  struct hd_deployment *base, *want;   // owned; what was, what is to be
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX]; // of want's arms; static
  struct hd_session_deployed *row;     // the session's; [io]
  struct hd_deployment runs;           // what it said when the task began
  bool unchanged;
  bool asks;                           // other hosts stage it too, and all agree before any of them changes
  bool follows;                        // another host's, or one that came about without this host
  bool waits;                          // staged and reported; what comes of it is heard from the registry
  bool agreed;                         // the registry has said that it is active
  bool founds;                         // its seat is founded by it; the configuration has no section
  bool idle;                           // nothing changes here: it is disabled and has no seat
  json_t *hosts;                       // who agreed; owned
  json_t *lines;                       // what changes
  struct hd_change *change;
  struct hd_changed changed;
  struct hd_fault fault, settle_fault;
};

struct hd_watch;                       // watch.c
struct hd_arriving; // arrive.c
struct hd_hosting;  // hosts.c
struct hd_dropping; // drop.c

struct hd_deploying {
  struct hd_control *c;
  struct hd_registry *registry;        // the session's; under `lock` while workers run
  uv_mutex_t lock;
  char host[64];
  bool closing;
  uint32_t looks;                      // questions on a worker
  struct hd_task *tasks;               // under way; one per deployment
  const void *fenced_tried;            // the occupant last demoted for instances that were fenced; never followed
  struct hd_watch *watch;              // what the guards look at; NULL: nothing yet
  struct hd_arriving *arriving;        // owned
  struct hd_dropping *dropping;        // owned; NULL: no drop folder
  struct hd_hosting *hosting;          // owned
};

struct hd_task *hd_task_find(const struct hd_deploying *d, const char *name); // NULL: no change of this deployment is under way
// Begins a change. request: moved. who: for the history; asker: who waits for the answer, 0: nobody. [io]
int32_t hd_task_start(struct hd_control *c, struct hd_deployment_request *request, const char *who, uint64_t asker, struct hd_fault *fault);
// Stages a revision that was made elsewhere: pending, to report on it; active, to run it at last. [io]
int32_t hd_task_follow(struct hd_control *c, const struct hd_rollout_row *row, struct hd_fault *fault);
// What became of the revision that a task waits for: enum hd_revision_state. [io]
void hd_task_decided(struct hd_task *t, uint32_t state, const char *error);
// gate.c: may the arms that begin to trade do so? [worker]
int32_t hd_task_gate(struct hd_task *t, struct hd_fault *fault);
// watch.c: holds the arms against their guards; now and then. [io]
void hd_watch_tick(struct hd_control *c);
void hd_watch_close(struct hd_deploying *d);
// Journals what is about to be done. [io]
int32_t hd_deploying_note(struct hd_control *c, uint32_t uid, const char *text, struct hd_fault *fault);

// arrive.c
int32_t hd_arriving_open(struct hd_deploying *d, struct hd_fault *fault);
void hd_arriving_close(struct hd_deploying *d); // NULL in it is fine

// hosts.c
int32_t hd_hosting_open(struct hd_deploying *d, struct hd_fault *fault);
void hd_hosting_close(struct hd_deploying *d);   // NULL in it is fine
void hd_hosting_tick(struct hd_deploying *d);    // now and then
void hd_hosting_poke(struct hd_deploying *d);    // something has changed: a look soon
json_t *hd_hosting_status(const struct hd_deploying *d);

// drop.c
void hd_dropping_open(struct hd_deploying *d);
void hd_dropping_close(struct hd_deploying *d);  // NULL in it is fine
void hd_dropping_tick(struct hd_dropping *p);     // NULL is fine

#endif
