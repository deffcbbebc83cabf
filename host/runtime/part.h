// Exchanging a venue, the allocator or a service while the session runs: the parts of a session that are no strategies. They have one
// seat each, so that nothing has to be planned: the new one is made beside the old one, takes its state if both keep one, and takes its
// place on the thread that owns it. If it does not start, the old one is started again where it was.
//
//   venue      [io]      orders stay the host's; the new one is told what is wanted, asked for its view of orders and positions, and for every
//                        open order; a gap in its sequences is flagged as any other
//                        A simulated market is where orders rest: it takes no new ones while they are cancelled, ten seconds at most; in a
//                        replay, where time stands still meanwhile, it is refused as long as there are some
//   allocator  [trade]   between two merges
//   service    its own   its place in the journal is its own affair, as after a restart
#ifndef HD_RUNTIME_PART_H
#define HD_RUNTIME_PART_H

#include "runtime/session.h"

struct hd_part;

// name: of the venue's or service's section, or the allocator's. plugin: opened; static. HADRON_ERR_NOT_FOUND, HADRON_ERR_ARGUMENT (another
// kind), HADRON_ERR_UNSUPPORTED (a recorded venue). [io]
int32_t hd_part_create(struct hd_session *s, const char *name, const struct hd_plugin *plugin, struct hd_part **out, struct hd_fault *fault);
// Probes it in a child and makes the instance. [any]
int32_t hd_part_stage(struct hd_part *p, struct hd_fault *fault);
// HADRON_OK: it runs, and the journal says so; else the old one does. pause_ns: how long the owning thread was held up. [io]
int32_t hd_part_commit(struct hd_part *p, uint32_t revision, int64_t *pause_ns, struct hd_fault *fault);
void hd_part_destroy(struct hd_part *p); // NULL is fine [io]

// The plugin that runs as a part of this name; NULL: there is none. kind: enum hadron_plugin_kind.
const struct hd_plugin *hd_part_plugin(const struct hd_session *s, const char *name, uint32_t *kind);

#endif
