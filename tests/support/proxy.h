// A TCP proxy in a process of its own between a PostgreSQL client and a server's unix socket: it knows the message that moves the
// recorder's cursor and commits, and does to it what the test asks for.
#ifndef TEST_SUPPORT_PROXY_H
#define TEST_SUPPORT_PROXY_H

#include <stdint.h>
#include <sys/types.h>

enum test_proxy_mode {
  PROXY_PASS,
  PROXY_CUT_BEFORE, // the commit never reaches the server
  PROXY_CUT_AFTER,  // the commit is forwarded, the server has answered, the client never hears of it
  PROXY_CUT_BLIND,  // the commit is forwarded and both ends are closed at once: who knows
  PROXY_SILENT,     // the commit is forwarded, and from then on nothing comes back, on a connection that stays
  PROXY_REFUSE,     // a connection is accepted and closed
  PROXY_SLOW,       // everything comes through, to the server 4 KiB every 5 ms
};

struct test_proxy_state {
  _Atomic uint32_t mode, cuts; // cuts: commits that met anything but PASS
};

struct test_proxy {
  pid_t child;
  int port;
  struct test_proxy_state *state; // shared with the child
};

void test_proxy_start(struct test_proxy *p, const char *unix_socket);
void test_proxy_stop(struct test_proxy *p);

#endif
