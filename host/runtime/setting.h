// What operators have set while it ran (`hadron set`), kept over starts. The journal has every assignment; from its records, in their order, this
// table knows at any moment which of them hold still, and what ran when they were made.
//
// An assignment holds until somebody says something newer about its key:
//   another `hadron set` of it
//   the configuration, when it says another thing of the key at a start than it did in the run in which it was set
//   a newer revision of the deployment that names the parameter; a strategy's parameter goes with its version, a part's with the part
//
// takes  records of a journal, or those that a running session writes     gives  assignments, each at its record's place
// bound  HD_SETTINGS_MAX assignments, then only the last of each key
// thread see: [any]; else [control], everything at rest
#ifndef HD_RUNTIME_SETTING_H
#define HD_RUNTIME_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "pipeline/image.h"
#include "plugin/instance.h"
#include "registry/deployment.h"

#define HD_SETTINGS_MAX 1024

struct hd_session;
struct hd_settings;

struct hd_settings *hd_settings_create(void); // NULL: no memory
void hd_settings_destroy(struct hd_settings *t); // NULL is fine

// A record has been written, or read. tail: what follows the block.
void hd_settings_see(struct hd_settings *t, uint16_t template_id, uint64_t position, const void *block, uint32_t block_size, const void *tail,
                     uint32_t tail_size);
// A session that is built from records begins, with this configuration.
void hd_settings_begin(struct hd_settings *t, const char *config, size_t size);
// From here on what no longer holds is said in the log.
void hd_settings_tell(struct hd_settings *t);

// Carries out what was set at this place of the journal and holds still; position 0: all that a snapshot had.
void hd_settings_again(struct hd_session *s, uint64_t position);
// Of the version with this digest, which is made now to sit under this name: what was set for it and holds, but what a deployment of this revision
// says itself (`said`). Whoever is disabled and enabled, or gets another place, goes on with it. out: owned by the caller; NULL: none. [any]
uint32_t hd_settings_version(struct hd_settings *t, const char *name, const uint8_t digest[32], uint32_t revision, const struct hd_deployment_param *said, uint32_t said_count,
                             struct hd_deployment_param **out);
// Parameters of a service or of another part, which is made now and not by then: on top of the configuration's. [owning thread]
int32_t hd_settings_service(struct hd_settings *t, const char *name, struct hadron_instance *instance, struct hd_fault *fault);

// In a snapshot; load leaves the image behind them. t NULL: none are saved, and what there is is read past.
void hd_settings_save(struct hd_settings *t, struct hd_image *m);
void hd_settings_load(struct hd_settings *t, struct hd_image *m);

#endif
