// An authority in a private directory with everybody that a test of certificates wants to meet: good ones of each role, and bad ones.
#ifndef TEST_SUPPORT_CERT_PARTY_H
#define TEST_SUPPORT_CERT_PARTY_H

#include "bus/cert.h"
#include "support/directory.h"

#define TEST_PARTY_PATH (TEST_PATH_SIZE + 64)

struct test_party {
  char dir[TEST_PATH_SIZE]; // ours/, theirs/, and the crafted ones
};

// ours: host (a server: 127.0.0.1), reader, alpha and eve (trade), boss (admin), gone (trade, revoked). theirs: alpha, by another authority of the same name.
// dir: self.crt, expired.crt, early.crt, each with its key.
void test_party_make(struct test_party *p);
void test_party_remove(struct test_party *p);
// A path in its directory, in one of eight buffers: "ours/ca.crt".
const char *test_party_file(const struct test_party *p, const char *file);
// A certificate and key NAME.crt, NAME.key by ours' authority of `role` (NULL: by itself), for NAME as `ou`, valid from and until now + days.
void test_party_craft(const struct test_party *p, const char *name, const char *role, const char *ou, int from_days, int until_days);
char *test_party_text(const struct test_party *p, const char *file); // owned

#endif
