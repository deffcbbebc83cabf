// A peer of a listener, by hand: TCP, TLS by mbedTLS where it is asked for, and the frames of NNG's wire (SP over TCP) as bytes, so that it can
// say what NNG itself never would.
#ifndef TEST_SUPPORT_TLS_PEER_H
#define TEST_SUPPORT_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEST_SP_REQ 0x30
#define TEST_SP_REP 0x31
#define TEST_SP_SUB 0x21
#define TEST_SP_PUB 0x20

struct test_peer_files {     // paths; NULL: none
  const char *certificate, *key; // what it shows
  const char *ca;                // NULL: it takes any server
  const char *server;            // the name that the server must have; NULL: any
  int stop;                      // a state of mbedTLS's handshake at which it says no more; 0: none
};

struct test_peer;

// A TCP connection to 127.0.0.1; fails the test if there is none within ten seconds. files NULL: no TLS. handshake: an error of mbedTLS, 0: done (or stopped, or
// none wanted).
struct test_peer *test_peer_open(uint16_t port, const struct test_peer_files *files, int *handshake);
void test_peer_close(struct test_peer *p);
bool test_peer_write(struct test_peer *p, const void *bytes, size_t size);
// Exactly so many bytes; false: the other side closed, or said nothing for timeout_ms.
bool test_peer_read(struct test_peer *p, void *to, size_t size, int timeout_ms);
// True as soon as the other side has closed; false if it has not within timeout_ms. Bytes that come are dropped.
bool test_peer_gone(struct test_peer *p, int timeout_ms);
bool test_peer_cut(struct test_peer *p); // the same, now, and below TLS

// The first eight bytes of both sides.
bool test_peer_greet(struct test_peer *p, uint16_t protocol);
// One message of REQ: request id and body, with its length in front; and its answer: returns the body's size, -1: none came.
bool test_peer_request(struct test_peer *p, uint32_t id, const void *body, size_t size);
int64_t test_peer_answer(struct test_peer *p, uint32_t *id, void *to, size_t room, int timeout_ms);

bool test_port_listens(uint16_t port); // does anybody?
// A port of 127.0.0.1 that nobody listens on.
uint16_t test_port_free(void);

#endif
