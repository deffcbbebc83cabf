// Control: the admin endpoint of a running host, and the kill switch's other ways in. A Unix stream socket; a request is one JSON object on
// one line, its answer is one too:
//
//   {"command":"kill","reason":"fat finger"}      {"ok":true,"result":{...}}  or  {"ok":false,"error":{"code":"STATE","text":"..."}}
//
// One table (command.c) says which commands there are, who may give them, where they work, and their one line of help. Only root and the
// host's own user are heard; the kernel says who the peer is. What an operator changes is journaled with the peer's uid before it is done.
// Kill: by command, by SIGUSR1, and by a file KILL in the data directory; latched until `release`.
//
// bound  HD_CONTROL_CLIENTS clients: the one that was silent longest makes room; HD_CONTROL_REQUEST_MAX bytes of request; one request of a
//        client at a time, the next is read once the answer has been taken
// thread [io]: the thread that runs the loop
#ifndef HD_CONTROL_CONTROL_H
#define HD_CONTROL_CONTROL_H

#include <jansson.h>
#include <uv.h>

#include "runtime/live.h"
#include "runtime/replay.h"

#define HD_CONTROL_CLIENTS 32
#define HD_CONTROL_REQUEST_MAX 65536

struct hd_control;

struct hd_control_options {
  const char *path;            // of the socket; NULL: none, only hd_control_ask and the kill switch
  uv_loop_t *loop;             // borrowed
  struct hd_session *session;  // borrowed; open
  struct hd_live *live;        // borrowed; NULL: a replay
  struct hd_replay *replay;    // borrowed; NULL: live
};

// Makes the socket (mode 0600) and begins to listen. A socket file that a dead host left is replaced.
// @err HADRON_ERR_EXISTS  a host answers there; HADRON_ERR_IO, HADRON_ERR_ARGUMENT (the path is too long, or no socket)
int32_t hd_control_open(const struct hd_control_options *options, struct hd_control **out, struct hd_fault *fault);
// Lets everybody go and removes the socket file. Before the loop, the live or replay object and the session end. Accepts NULL.
void hd_control_close(struct hd_control *c);

// Carries out a request as if `uid` had sent it. The result is a new reference; NULL: `fault` says why.
json_t *hd_control_ask(struct hd_control *c, json_t *request, uint32_t uid, struct hd_fault *fault);
// hd_control_ask({"command": command}) for the host's own screen.
json_t *hd_control_tell(struct hd_control *c, const char *command);
// The status once the live object is closed or the replay is over: what the run came to.
json_t *hd_control_final(struct hd_control *c);

// Carries out a `set` that the journal has, in a session that is built from it: "risk.position_max=100".
int32_t hd_control_set_again(struct hd_session *s, const char *assignment, struct hd_fault *fault);

#endif
