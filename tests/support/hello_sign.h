// The signature of a HELLO (hadron/hello.h), made apart from the client library, so that tests can sign what that would not.
#ifndef TEST_SUPPORT_HELLO_SIGN_H
#define TEST_SUPPORT_HELLO_SIGN_H

#include "hadron/hello.h"

// key: PEM of the certificate's secret key, with a NUL. 0; HADRON_ERR_PARSE: no key on P-256; HADRON_ERR_ARGUMENT: a fact is missing or
// does not fit into its line; HADRON_ERR_IO: the system gives no random numbers. signature is untouched then.
int32_t test_hello_sign(const char *key, const struct hadron_hello_facts *facts, char signature[HADRON_HELLO_SIGNATURE_SIZE]);

#endif
