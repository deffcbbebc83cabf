// A signed HELLO: what a host on another machine asks for (hadron/hello.h). Needs mbedcrypto alone. [any]
#ifndef HADRON_CLIENT_HELLO_H
#define HADRON_CLIENT_HELLO_H

#include "hadron/hello.h"

// key: PEM of the certificate's secret key, with a NUL. 0; HADRON_ERR_PARSE: no key on P-256; HADRON_ERR_ARGUMENT: a fact is missing or
// does not fit into its line; HADRON_ERR_IO: the system gives no random numbers. signature is untouched then.
int32_t hc_hello_sign(const char *key, const struct hadron_hello_facts *facts, char signature[HADRON_HELLO_SIGNATURE_SIZE]);

#endif
