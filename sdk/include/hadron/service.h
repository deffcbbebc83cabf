// Hadron SDK: services. A service neither trades nor brings ticks: recorder, API, alerts, bridge. It runs on a thread of its
// own in live, and on the caller's thread at the end of a step in replay. An error line that it logs once it is active alerts a person.
#ifndef HADRON_SERVICE_H
#define HADRON_SERVICE_H

#include "hadron/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hadron_service_api {
  uint32_t struct_size;
  uint32_t pad;

  // Makes an instance. Parameters are set after this and before `start`. [control & loaded]
  // @param host  static until destroy
  // @param name  its name in the config; static
  // @own   self  owned by the plugin; untouched on failure
  // @since 1.0
  int32_t (*create)(const struct hadron_host *host, const char *name, void **self);

  // Frees an instance; accepts one whose start failed. [control & created, stopped]
  // @since 1.0
  void (*destroy)(void *self);

  // Begins; may block. [plugin & created]
  // @err   HADRON_ERR_*  the service is not active; say why by the `hadron.log/1` capability
  // @since 1.0
  int32_t (*start)(void *self);

  // Does a bounded piece of work; may block for the length of one request to the outside. [plugin & active]
  // @return when it wants to run again, ns; now_ns for "at once"; INT64_MAX for "when the journal has grown"
  // @since 1.0
  int64_t (*step)(void *self, int64_t now_ns);

  // Ends: finishes what was begun, within the host's patience. May be called twice. [plugin & active]
  // @since 1.0
  void (*stop)(void *self);
};

#ifdef __cplusplus
}
#endif

#endif
