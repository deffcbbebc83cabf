// The commands' side of the control socket: one request, one answer, then gone. See control/control.h.
#ifndef HD_CLI_CLIENT_H
#define HD_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

struct hd_client_target {
  const char *control;  // --control PATH; NULL: data_dir/hadron.sock
  const char *data_dir; // --data-dir DIR; NULL: "data"
};

// Writes the path of the socket. False: it does not fit.
bool hd_client_path(const struct hd_client_target *target, char *to, size_t size);

// Sends a request (the reference is taken) and waits for its answer: a new reference to "result", or NULL with the fault: HADRON_ERR_CLOSED
// when no host answers there, HADRON_ERR_TIMEOUT, HADRON_ERR_PERMISSION, or what the host said.
json_t *hd_client_ask(const char *path, json_t *request, struct hd_fault *fault);
// The same, for an answer that may take longer.
json_t *hd_client_ask_for(const char *path, json_t *request, int wait_s, struct hd_fault *fault);
// Does a host listen there? One that does not let this user in counts.
bool hd_client_there(const char *path);

#endif
