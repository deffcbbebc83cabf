// What the journal calls its instruments, and which session its records are of: what a record's subject and headers need beside the
// record itself. [plugin]
#ifndef NATS_OUT_NAMES_H
#define NATS_OUT_NAMES_H

#include <stdlib.h>

#include "hadron/ext/journal.h"
#include "subject.h"

#define NAMES_MAX (UINT32_C(1) << 20) // instruments: a number above it keeps its number for a name

struct names {
  char (*tokens)[TOKEN_SIZE]; // by instrument; empty: not known
  uint32_t count;
  char session[33];           // "-": not known
};

void names_init(struct names *n);
void names_fini(struct names *n);

// Takes what a record says of names. Every record that passes is shown.
void names_see(struct names *n, const struct hadron_record *r);

// The token of an instrument; `to` is used where nobody has said its name. known: whether somebody has.
const char *names_token(const struct names *n, uint32_t instrument, char to[TOKEN_SIZE], bool *known);

#endif
