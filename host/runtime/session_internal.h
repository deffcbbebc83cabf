// Inside of the session: its building steps, in their order. session.c calls them.
#ifndef HD_RUNTIME_SESSION_INTERNAL_H
#define HD_RUNTIME_SESSION_INTERNAL_H

#include "runtime/session.h"
#include "runtime/session_deploy.h"
#include "runtime/strategy.h"

// session.c
// Journals an alert, counts it, logs it. [any]
void hd_session_alert(struct hd_session *s, uint32_t severity, int32_t code, uint32_t arm, int64_t now_ns, const char *text);
int32_t hd_session_load(struct hd_session *s, const struct hd_config_plugin *c, uint32_t kind, const struct hd_plugin **out,
                        struct hd_fault *fault);

// session_venue.c: instruments of the config, venue plugins, where orders go; then their start, which resolves listings.
int32_t hd_session_venues(struct hd_session *s, struct hd_fault *fault);
int32_t hd_session_start_venues(struct hd_session *s, struct hd_fault *fault);
// Once strategies are there: tells each venue which of its listings are wanted.
int32_t hd_session_subscribe(struct hd_session *s, struct hd_fault *fault);
int32_t hd_session_subscribe_venue(struct hd_session *s, struct hd_venue *v, struct hd_fault *fault);

// Once everything is defined: instruments that venues resolve later are taken in.
void hd_session_hear_listings(struct hd_session *s);

// Makes the instance of a venue whose number, instance and shadow are set. seed: of which venue its random stream is.
// The instances behind a venue, the allocator and a service, made and given the parameters of their sections, not started. Owned by the
// caller also when this fails (hd_instance_destroy_owned).
int32_t hd_session_venue_instance(struct hd_session *s, struct hd_venue *v, const struct hd_plugin *plugin, uint16_t seed, struct hadron_instance **out,
                                  struct hd_fault *fault);
int32_t hd_session_allocator_instance(struct hd_session *s, const struct hd_plugin *plugin, struct hadron_instance **out, struct hd_fault *fault);
int32_t hd_session_service_instance(struct hd_session *s, struct hd_session_service *service, const struct hd_plugin *plugin, struct hadron_instance **out,
                                    struct hd_fault *fault);
int32_t hd_session_make_venue(struct hd_session *s, struct hd_venue *v, const struct hd_config_plugin *c, uint16_t seed, struct hd_fault *fault);

// session.c: writes the definitions of the listings from this handle on.
int32_t hd_session_define(struct hd_session *s, uint32_t first);

// session_recorded.c: what a session writes of its parts, and how they come back from that.
// Writes a DEPLOYMENT record. text NULL: none.
int32_t hd_session_write_part(struct hd_session *s, const struct hadron_deployment *part, const char *text);
// Of venues, allocator and strategies, once they are there; and of the market of shadows.
int32_t hd_session_write_venues(struct hd_session *s);
int32_t hd_session_write_strategies(struct hd_session *s);
int32_t hd_session_write_market(struct hd_session *s, const struct hd_venue *v, const struct hd_plugin *plugin);
// In a session from records: a venue, the instruments with their listings, and plugins.
int32_t hd_session_recorded_venue(struct hd_session *s, struct hd_venue *v, const struct hd_config_plugin *c, struct hd_fault *fault);
int32_t hd_session_recorded_instruments(struct hd_session *s, struct hd_fault *fault);
// One that was defined while ticks flowed. HADRON_ERR_CORRUPT: it does not follow from those before it.
int32_t hd_session_recorded_instrument(struct hd_session *s, const struct hadron_instrument_definition *d, struct hd_fault *fault);
int32_t hd_session_recorded_plugin(struct hd_session *s, uint32_t kind, const char *name, const struct hd_plugin **out, struct hd_fault *fault);
int32_t hd_session_recorded_strategy(struct hd_session *s, const char *name, const struct hd_plugin **out, struct hd_session_deployed *row, bool *deployed, struct hd_fault *fault);

// session_shadow.c
void hd_session_free_shadows(struct hd_session *s);

// session_strategy.c: allocator, arms, shards, instances.
int32_t hd_session_strategies(struct hd_session *s, struct hd_fault *fault);
void hd_session_free_strategies(struct hd_session *s);

// occupant.c: seats and who sits there.
static inline uint32_t hd_plugin_scope(const struct hd_plugin *plugin) { return ((const struct hadron_strategy_api *)plugin->api)->scope; }
// Makes the seats of an arm, for instances of the plugin's scope, empty and on their shards. [control]
int32_t hd_seats_make(struct hd_session *s, struct hd_session_arm *arm, const struct hd_plugin *plugin, struct hd_fault *fault);
// The instruments of an arm, by its section.
int32_t hd_session_universe(struct hd_session *s, struct hd_session_arm *arm, struct hd_fault *fault);
// Where the orders of a section go; 0: the instrument's own venue, or there is none of this name.
uint16_t hd_session_order_venue(const struct hd_session *s, const char *name);
// as: what the deployment puts on top of the configuration's parameters; may be NULL. NULL: no memory.
struct hd_occupant *hd_occupant_create(const struct hd_plugin *plugin, const struct hd_deployment_arm *as, uint32_t shards);
// Makes the instances and gives them their parameters; places[i]: the seat of instance i, or a place beside the engine. [any]
int32_t hd_occupant_fill(struct hd_session *s, const struct hd_session_arm *arm, struct hd_engine_instance *places, struct hd_occupant *o,
                         struct hd_fault *fault);
// The configuration's parameters with those of the deployment on top. out: room for all of both; returns how many.
uint32_t hd_occupant_params(const struct hd_config_plugin *base, const struct hd_deployment_param *on_top, uint32_t on_top_count,
                            struct hd_param_value *out);
int32_t hd_occupant_start(struct hd_occupant *o, struct hd_fault *fault);
// Another governor for an occupant that sits: made beside it (NULL: nothing is limited), then one instance after the other comes under it, or
// under none. [any]; [shard, between two ticks]
int32_t hd_occupant_governor(struct hd_session *s, const struct hd_session_arm *arm, const struct hd_occupant *o, const struct hd_budget *budget, struct hd_governor **out,
                             struct hd_fault *fault);
void hd_occupant_regovern(struct hd_occupant *o, struct hd_governor *governor, uint32_t index, uint32_t shard, struct hd_engine_instance *place);
// Which placement the journal has for it: in lock-step it decides what it would have decided inline, in the same place.
uint32_t hd_occupant_recorded_placement(const struct hd_occupant *o);
void hd_occupant_sits(struct hd_occupant *o, uint32_t arm); // 0: nowhere. [shard, at a quiet point]
void hd_occupant_destroy(struct hd_occupant *o); // NULL is fine

// session_budget.c: what the governor and the watchdog tell.
struct hd_governor_event;
void hd_session_over_budget(void *self, const struct hd_governor_event *event); // [shard]
int32_t hd_session_watch(struct hd_session *s, struct hd_fault *fault); // crash records of earlier runs are told; the watchdog is made

// session_guard.c: guards of a session whose clock moves with the ticks; once strategies are there.
int32_t hd_session_guard(struct hd_session *s, struct hd_fault *fault);

// session_crashed.c: versions that brought the host down again and again. d: what rules; with those left out or gone back from, and a revision
// that says so. fence: what is left of them gets no ticks.
int32_t hd_session_spare(struct hd_session *s, struct hd_deployment *d, const char *host, struct hd_fault *fault);
void hd_session_fence_crashed(struct hd_session *s, struct hd_session_arm *arm);

// session_service.c
int32_t hd_session_start_services(struct hd_session *s, struct hd_fault *fault);
void hd_session_stop_services(struct hd_session *s);

// session_figures.c
void hd_session_figures(struct hd_session *s);

#endif
