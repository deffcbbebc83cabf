// A private nats-server with JetStream, on loopback, and what a test asks of its streams.
#ifndef TEST_SUPPORT_NATS_H
#define TEST_SUPPORT_NATS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <sys/types.h>

#include "support/directory.h"

struct test_nats {
  char root[TEST_PATH_SIZE];
  char url[64];
  int port;
  pid_t pid; // 0: not running
};

// settings: lines of the server's configuration, or "". false: it is not installed. Does not start it.
bool test_nats_make(struct test_nats *n, const char *settings);
void test_nats_configure(struct test_nats *n, const char *settings); // from the next start on
void test_nats_start(struct test_nats *n);                           // returns when it answers
void test_nats_stop(struct test_nats *n, int signal);
void test_nats_remove(struct test_nats *n);

// A connection of the test's own; the options may be NULL.
struct test_nats_client {
  natsConnection *connection;
  jsCtx *js;
};
void test_nats_connect(const struct test_nats *n, const char *user, const char *password, struct test_nats_client *c);
void test_nats_disconnect(struct test_nats_client *c);

// The stream's first and last sequence; false: it is not there.
bool test_nats_state(const struct test_nats_client *c, const char *stream, uint64_t *first, uint64_t *last);

// Fails the test unless messages `from`.. of the stream are the records of the journal in `dir` that begin at record `skip`, each once and in
// order, byte for byte, and no others.
void test_nats_equal(const struct test_nats_client *c, const char *stream, const char *dir, uint64_t from, uint64_t skip);

#endif
