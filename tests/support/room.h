// Group fixture of tests that want a directory and, where it can be had, a server: a PostgreSQL cluster without fsync.
#ifndef TEST_SUPPORT_ROOM_H
#define TEST_SUPPORT_ROOM_H

#include "support/directory.h"
#include "support/postgres.h"

extern struct test_room {
  char root[TEST_PATH_SIZE];
  struct test_postgres server;
  bool have_server;
} test_room;

int test_room_make(void **state);
int test_room_drop(void **state);
void test_room_server(void); // skips the test, with the reason, where there is none

#endif
