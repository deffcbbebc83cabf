// HELLO and what is answered to it: JSON, and the signature where a host wants one. [one thread]
#ifndef HC_HELLO_H
#define HC_HELLO_H

#include <stdbool.h>

#include "link.h"

// Who comes; strings are owned.
struct hc_who {
  char *name, *version, *rights, *token, *universe, *params, *bars, *more;
  uint32_t batch;
  bool exact; // its hello says so: cause 0 of a decision stays 0
};
int32_t hc_who_init(struct hc_who *w, const struct hadron_client_options *o);
void hc_who_fini(struct hc_who *w);

struct hc_resume { // session 0: none
  uint32_t session;
  uint64_t epoch, next;
};
// JSON, owned by the caller. nonce: the host's, to be signed with the key of the place; NULL: none.
int32_t hc_hello_make(const struct hc_who *w, const struct hc_place *place, const struct hc_resume *resume, const char *nonce, char **out);

struct hc_welcome {
  struct hadron_client_info info;
  uint64_t next;
};
int32_t hc_welcome_read(const char *json, size_t size, struct hc_welcome *out);

struct hc_refused {
  int32_t code;
  char text[256];
  char nonce[80]; // "": none
};
void hc_refused_read(const char *json, size_t size, struct hc_refused *out);

#endif
