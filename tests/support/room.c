#include "support/room.h"

#include "support/test.h"

struct test_room test_room;
static char why_not[256];

int test_room_make(void **state) {
  (void)state;
  test_directory_make(test_room.root);
  test_room.have_server = test_postgres_make(&test_room.server, "-c fsync=off", why_not, sizeof why_not);
  return 0;
}

int test_room_drop(void **state) {
  (void)state;
  if (test_room.have_server) test_postgres_remove(&test_room.server);
  test_directory_remove(test_room.root);
  return 0;
}

void test_room_server(void) {
  if (test_room.have_server) return;
  print_message("skipped: %s\n", why_not);
  skip();
}
