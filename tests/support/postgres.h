// A private PostgreSQL cluster in a directory of its own: unix socket only, not root, gone at the end.
#ifndef TEST_SUPPORT_POSTGRES_H
#define TEST_SUPPORT_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>

struct test_postgres {
  char root[256];   // data and socket
  char programs[256];
  char url[512];    // postgresql:// of its database
  const char *settings; // more "-c name=value ...", or NULL
  bool running;
};

// Makes and starts a cluster. false: PostgreSQL is not installed, or no user can be found to run it; `why` says so in words.
bool test_postgres_make(struct test_postgres *p, const char *settings, char *why, size_t why_size);
void test_postgres_start(struct test_postgres *p);
void test_postgres_stop(struct test_postgres *p, const char *mode); // "fast" or "immediate"
int test_postgres_pid(const struct test_postgres *p); // of the postmaster
void test_postgres_remove(struct test_postgres *p);

#endif
