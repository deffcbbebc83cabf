// What the registry says of a session: which artifact each plugin of the configuration is, which revision of its deployment a strategy
// runs, and what became of revisions that were under way when the host last went down.
//
// A file that the configuration names is hashed; what the registry knows is taken from its store, what is new is registered first (source:
// config). A strategy's section becomes revision 1 of the deployment of its name. From then on the active revision is what runs, and the
// section is the source of universe, cash and risk; a revision that came from the configuration goes with it when it changes, one that an
// operator made does not. `plugin = "sma@1.2.0"` names a version of the registry; without a registry it cannot be found.
//
// thread [control], before ticks flow; find and open_artifact: [io], and a worker with the registry's lock
#ifndef HD_RUNTIME_SESSION_DEPLOY_H
#define HD_RUNTIME_SESSION_DEPLOY_H

#include "registry/registry.h"
#include "registry/rollout.h"
#include "runtime/session.h"

// One section of the configuration as a deployment.
struct hd_session_deployed {
  struct hd_deployment now;       // what runs; revision 0: nothing that the registry knows of
  char file[HD_PLUGIN_PATH_SIZE]; // that the section names; "": a version of the registry
  bool fixed;                     // its section's role is not live: it is no deployment
  struct hd_config_strategy *own; // the deployment brings it: the configuration has no section; owned, NULL: it has
  bool apart;                     // other hosts run another plugin by this name: this one runs its own, and is no part of it
  int64_t follow_ns;              // monotonic: not before, after a revision that could not be followed; [io]
  uint32_t follow_tries;
};

// Fills url, store and keys: paths below data_dir where the configuration says nothing. The texts are kept in `room`.
struct hd_registry_paths {
  char url[600], store[600], drop[600], keys[600];
};
void hd_registry_paths(const struct hd_config *config, struct hd_registry_paths *out);
// Opens the registry of a configuration. NULL and HADRON_OK: it wants none.
int32_t hd_session_registry_open(const struct hd_config *config, struct hd_registry **out, struct hd_fault *fault);
// This host among those of a registry: its name and its data directory.
void hd_session_host(const struct hd_config *config, char *to, size_t size);

// session_host.c: this host's row; what it says when the session begins, once its deployments are there, and at the end.
void hd_session_host_row(const struct hd_config *config, struct hd_host *out);
int32_t hd_session_host_begin(struct hd_session *s, struct hd_fault *fault);
int32_t hd_session_host_reports(struct hd_session *s, struct hd_fault *fault);
void hd_session_host_end(struct hd_session *s);
// Does the registry hear what this host runs of it?
bool hd_session_reports(const struct hd_session_deployed *row);

// session_own.c: strategies that the configuration has no section for.
int32_t hd_session_own_rows(struct hd_session *s, struct hd_fault *fault);  // at the start: those that the registry says run here
int32_t hd_session_own_row(struct hd_session *s, const struct hd_deployment *d, struct hd_session_deployed **out, struct hd_fault *fault);
int32_t hd_session_own_again(struct hd_session_deployed *row, const struct hd_deployment *d, struct hd_session *s, struct hd_fault *fault); // no seat is founded
bool hd_session_is_section(const struct hd_config *config, const char *name); // of whatever kind
// Has it a seat with a book?
bool hd_session_founded(const struct hd_session *s, const char *name);
// Founds the seat of a deployment, empty, with a book; a change sets somebody down in it. unfound: nobody came. want: what row->own was made of. [io]
int32_t hd_session_found(struct hd_session *s, struct hd_session_deployed *row, const struct hd_deployment *want, const struct hd_plugin *plugin, struct hd_fault *fault);
void hd_session_unfound(struct hd_session *s, struct hd_session_deployed *row);
// Ticks of instruments that nobody has asked for so far are asked for once somebody sits who wants them. [io]
bool hd_session_wants_new(const struct hd_session *s, const struct hd_session_arm *seat);
void hd_session_subscribe_new(struct hd_session *s, const struct hd_session_arm *seat);
// session_deploy.c
int32_t hd_session_new_row(struct hd_session *s, struct hd_session_deployed **out, struct hd_fault *fault);
int32_t hd_session_resolve(struct hd_session *s, const char *name, const char *host, struct hd_fault *fault); // changes that were under way

// Where plugins come from.
struct hd_session_plugins {
  const struct hd_config *config;
  struct hd_registry *registry; // NULL: files
  bool looks;                   // what is new is not registered: for a check that leaves nothing behind
  const struct hd_plugin *(*builtin)(const char *name); // as in the session's options
};
// The plugin of a section. file: that it names, may be NULL. out is NULL where a look may not run it: nobody vouches for it yet.
int32_t hd_session_load_plugin(const struct hd_session_plugins *from, const struct hd_config_plugin *c, uint32_t kind, char *file, const struct hd_plugin **out,
                               struct hd_fault *fault);
// The plugin of a digest, if the registry has its file.
int32_t hd_session_open_digest(struct hd_registry *r, const uint8_t digest[32], const struct hd_plugin **out, struct hd_fault *fault);
// Does a section name a version of the registry ("sma@1.2.0")? Then a backtest needs one too.
bool hd_session_names_versions(const struct hd_config *config);
// Is there a registry already?
bool hd_session_registry_there(const struct hd_config *config);
// What a strategy's live seat begins with. as: of its deployment, NULL without one; borrowed(until the session is closed).
int32_t hd_session_strategy(struct hd_session *s, const struct hd_config_strategy *c, const struct hd_plugin **plugin, const struct hd_deployment **as,
                            struct hd_fault *fault);
// The plugin of a venue, a service or the allocator: each is a deployment too, of one version.
int32_t hd_session_part(struct hd_session *s, const struct hd_config_plugin *c, uint32_t kind, const struct hd_plugin **plugin, struct hd_fault *fault);
// Once seats are there: arms beside the live one, and deployments that are disabled.
int32_t hd_session_deploy(struct hd_session *s, struct hd_fault *fault);

// The deployment of a strategy; NULL: there is none of this name, or no registry.
struct hd_session_deployed *hd_session_deployed(const struct hd_session *s, const char *name);
// The plugin of an arm of a deployment, from the store.
int32_t hd_session_open_artifact(struct hd_registry *r, const struct hd_deployment *d, uint32_t arm, const struct hd_plugin **out, struct hd_fault *fault);

#endif
