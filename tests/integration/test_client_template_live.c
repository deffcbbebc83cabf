// Promise: the starter sdk/template/client.c is a complete program over the shared library: it joins, reads, decides, says why it cannot, and ends when
// it is told to. The header is C++ as well.
#include "support/test.h"

#include <signal.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/directory.h"
#include "support/fake_host.h"

static pid_t start(const char *url) {
  char program[512];
  snprintf(program, sizeof program, "%s/client", getenv("HADRON_TEMPLATE_DIR"));
  char *argv[] = {program, (char *)url, "starter", "1.0.0", NULL};
  pid_t child;
  assert_int_equal(posix_spawn(&child, program, NULL, NULL, argv, environ), 0);
  return child;
}

static void joins_and_decides(void **state) {
  (void)state;
  static struct fake_host h;
  struct hd_random random = test_random();
  char dir[TEST_PATH_SIZE], url[TEST_PATH_SIZE + 8];
  int status;
  test_directory_make(dir);
  snprintf(url, sizeof url, "ipc://%s/s", dir);
  fake_host_start(&h, &(struct fake_options){.url = url, .seed = hd_random_next(&random), .messages = 20000, .burst = 100});
  pid_t child = start(url);
  for (int64_t until = hd_clock_monotonic_ns() + INT64_C(20000000000); atomic_load(&h.decisions) < 20;) {
    assert_true(hd_clock_monotonic_ns() < until);
    sched_yield();
  }
  kill(child, SIGTERM);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  assert_non_null(strstr(h.hello, "\"name\":\"starter\""));
  fake_host_stop(&h);
  test_directory_remove(dir);
}

static void says_what_is_wrong(void **state) {
  (void)state;
  int status;
  pid_t child = start("http://nowhere");
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void header_alone(void **state) {
  (void)state;
  char command[2048];
  const char *root = getenv("HADRON_SOURCE_DIR");
  static const char *const ways[] = {"cc -Wshadow -x c -std=c11", "cc -Wshadow -x c -std=c17", "c++ -x c++ -std=c++17"};
  for (size_t i = 0; i < 3; i++) {
    snprintf(command, sizeof command, "echo '#include <hadron/client.h>' | %s -Wall -Wextra -Wconversion -Wpedantic -Werror -fsyntax-only -I%s/sdk/include -I%s/sdk/client/include -", ways[i],
             root, root);
    assert_int_equal(system(command), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(joins_and_decides), cmocka_unit_test(says_what_is_wrong), cmocka_unit_test(header_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
