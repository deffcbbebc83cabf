// Hadron SDK: what a peer signs when it says HELLO to a host on another machine. TLS has proved by then that it has a certificate; this proves to the
// session which one, for NNG does not tell. The host gives a nonce (REFUSED with "nonce"); the peer says HELLO again with its certificate and an
// ECDSA signature, SHA-256, by the certificate's key over this text, each line with its newline:
//
//   hadron hello 1
//   nonce: 64 hex digits, as the host gave them
//   server: the name that the peer expects the host's certificate to have; "-" without TLS
//   name: of the strategy
//   version: of the strategy
//   class: read, trade or admin
//   resume: SESSION EPOCH, decimal; "- -" for a new session
//
// So a signature is of no use for another connection, another host, another name or another class.
#ifndef HADRON_HELLO_H
#define HADRON_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "hadron/error.h"

#define HADRON_HELLO_TEXT_SIZE 1024
#define HADRON_HELLO_SIGNATURE_SIZE 128 // base64 of a DER signature, with its NUL: at most 97

struct hadron_hello_facts { // texts; borrowed(call)
  const char *nonce, *server, *name, *version, *class_name;
  const char *session, *epoch; // NULL or "": no resume
};

// The bytes of one line: "key: value\n". A value with a byte below 0x20, or none, fits in no line.
static inline size_t hadron_hello_line(char *to, size_t room, const char *key, const char *value) {
  size_t used = 0;
  for (; *key; key++)
    if (used < room) to[used++] = *key;
  for (const char *p = value; *p; p++) {
    if ((unsigned char)*p < 0x20) return room;
    if (used < room) to[used++] = *p;
  }
  if (used < room) to[used++] = '\n';
  return value[0] ? used : room;
}

// Writes the text, without a NUL. Returns its length; 0: a value is missing, too long, or has control characters.
static inline size_t hadron_hello_text(const struct hadron_hello_facts *facts, char to[HADRON_HELLO_TEXT_SIZE]) {
  const char *session = facts->session && facts->session[0] ? facts->session : "-", *epoch = facts->epoch && facts->epoch[0] ? facts->epoch : "-";
  const struct { const char *key, *value; } lines[] = {
      {"hadron hello ", "1"}, {"nonce: ", facts->nonce}, {"server: ", facts->server && facts->server[0] ? facts->server : "-"}, {"name: ", facts->name},
      {"version: ", facts->version}, {"class: ", facts->class_name}, {"resume: ", session}, {" ", epoch}};
  size_t used = 0;
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    if (!lines[i].value) return 0;
    if (i == 7) used--; // the epoch goes on in the session's line
    size_t n = hadron_hello_line(to + used, HADRON_HELLO_TEXT_SIZE - used, lines[i].key, lines[i].value);
    if (used + n >= HADRON_HELLO_TEXT_SIZE) return 0;
    used += n;
  }
  return used;
}

#endif
