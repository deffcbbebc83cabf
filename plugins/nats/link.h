// The connection of the bridge's two ends to a NATS server: whom to speak to, with which secrets, and what a failure means. libnats
// is not asked to reconnect: after a failure the owner closes, waits, opens anew, and asks where things stand. [the owner's thread]
#ifndef NATS_LINK_H
#define NATS_LINK_H

#include <nats/nats.h>
#include <stdbool.h>

#include "hadron/error.h"
#include "hadron/ext/params.h"

#define LINK_ERROR_SIZE 480
#define LINK_FILE_SIZE 512

struct link_options { // parameters
  char servers[1024]; // one per line
  char user[128], password_file[LINK_FILE_SIZE], token_file[LINK_FILE_SIZE], credentials_file[LINK_FILE_SIZE];
  char tls_ca_file[LINK_FILE_SIZE], tls_certificate_file[LINK_FILE_SIZE], tls_key_file[LINK_FILE_SIZE];
  char domain[64];
  int64_t insecure, connect_ns, request_ns;
};

#define LINK_TEXT(owner, field, name, help, initial) \
  {name, help, "", initial, HADRON_PARAM_TEXT, offsetof(struct owner, field), sizeof(((struct owner *)0)->field), 0, 1, 0, 1, 0}
#define LINK_TIME(owner, field, name, help, initial) \
  {name, help, "", initial, HADRON_PARAM_DURATION, offsetof(struct owner, field), 8, 0, 1000000, INT64_C(600000000000), 1, 0}
#define LINK_PARAMS(owner, member)                                                                                                              \
  LINK_TEXT(owner, member.servers, "servers", "addresses, tried in turn: nats://HOST:PORT, tls://HOST:PORT; no secrets in them", "nats://127.0.0.1:4222"), \
  LINK_TEXT(owner, member.user, "user", "user name; its password is in password_file", ""),                                                     \
  LINK_TEXT(owner, member.password_file, "password_file", "file with the password", ""),                                                        \
  LINK_TEXT(owner, member.token_file, "token_file", "file with a token", ""),                                                                   \
  LINK_TEXT(owner, member.credentials_file, "credentials_file", "file with a user's JWT and seed (.creds)", ""),                                \
  LINK_TEXT(owner, member.tls_ca_file, "tls_ca_file", "certificates that the server's must descend from; default: the system's", ""),           \
  LINK_TEXT(owner, member.tls_certificate_file, "tls_certificate_file", "our certificate, for servers that want one", ""),                      \
  LINK_TEXT(owner, member.tls_key_file, "tls_key_file", "its key", ""),                                                                         \
  LINK_TEXT(owner, member.domain, "domain", "JetStream domain; empty: the account's own", ""),                                                  \
  {"insecure", "true: nats:// without TLS to other machines too", "", "false", HADRON_PARAM_BOOL, offsetof(struct owner, member.insecure), 8, 0, 1, 0, 1, 0}, \
  LINK_TIME(owner, member.connect_ns, "connect_timeout", "how long connecting may take", "5s"),                                                 \
  LINK_TIME(owner, member.request_ns, "request_timeout", "how long the server may stay silent", "5s")

struct link {
  const struct link_options *options; // borrowed
  natsConnection *connection;         // NULL: not connected
  jsCtx *js;
  uint32_t turn;                      // how many addresses have been tried
  char server[160];                   // "HOST:PORT", for words
  int countdown;                      // link_clock_ns's descriptor; -1: none
  char error[LINK_ERROR_SIZE];        // why the last call failed
};

// Do the parameters go together? Reads no file and speaks to nobody.
// @err HADRON_ERR_CONFIG  `error` says what, expected and found, and what to do
int32_t link_check(const struct link_options *o, char error[LINK_ERROR_SIZE]);

int32_t link_init(struct link *l, const struct link_options *options);
void link_fini(struct link *l); // accepts a half-built one

// Connects to the next address, within connect_timeout and `most_ms`.
// @err HADRON_ERR_CLOSED      it does not answer
// @err HADRON_ERR_CONFIG      a file of the parameters, or TLS, is not as it should be
// @err HADRON_ERR_PERMISSION  it does not let us in
int32_t link_open(struct link *l, const char *client, int64_t most_ms);
// Ends the connection and waits for the library's threads: after it subscriptions can be destroyed without one of them still delivering.
void link_hang_up(struct link *l);
void link_close(struct link *l); // hangs up, and frees

// Does the server still answer? What came meanwhile is in the subscriptions afterwards.
bool link_answers(struct link *l, int64_t wait_ms);

// What a failure means, by the library's status or by the server's error code (jsErrCode; 0: none).
int32_t link_meaning(natsStatus status, jsErrCode error_code);

// Words and meaning of a failed call of the library. what: what failed; error_code: jsErrCode, or 0.
int32_t link_fail(struct link *l, const char *what, natsStatus status, jsErrCode error_code);

// HADRON_ERR_PERMISSION if the server has said since the connection began that something is not allowed; else HADRON_OK.
int32_t link_violation(struct link *l, const char *what);

// Whether waiting alone will not mend it: a person must.
static inline bool link_parks(int32_t rc) {
  return rc == HADRON_ERR_CONFIG || rc == HADRON_ERR_PERMISSION || rc == HADRON_ERR_NOT_FOUND || rc == HADRON_ERR_FULL || rc == HADRON_ERR_STATE ||
         rc == HADRON_ERR_CORRUPT;
}

// Nanoseconds since link_init, by no clock of the host's: what the outside may take is measured by it.
int64_t link_clock_ns(const struct link *l);

#endif
