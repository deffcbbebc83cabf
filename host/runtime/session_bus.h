// The session's bus: made when the session opens if the configuration has addresses for it, else by the first placement that needs it. Its own
// address, for workers, is a socket in data_dir/bus, which only the host's user reaches.
#ifndef HD_RUNTIME_SESSION_BUS_H
#define HD_RUNTIME_SESSION_BUS_H

#include "bus/bus.h"
#include "runtime/session.h"

// The bus; made now if it is not there yet. [any]
int32_t hd_session_bus(struct hd_session *s, struct hd_bus **out, struct hd_fault *fault);
// Made if the configuration has addresses. [control]
int32_t hd_session_bus_open(struct hd_session *s, struct hd_fault *fault);
// Once everything that a stream names is there: publishes the journal from this start on, if the configuration has addresses for that. [control]
int32_t hd_session_feed_open(struct hd_session *s, struct hd_fault *fault);
void hd_session_bus_figures(struct hd_session *s); // into the metrics; one thread, as they want it [io]
void hd_session_bus_close(struct hd_session *s); // everybody has been detached [control]

#endif
