// The first words of a session, and the host's: JSON texts, read with every field checked, and written.
//
// bound  HD_HELLO_GLOBS patterns, texts as long as their fields
// thread [bus]
#ifndef HD_BUS_HELLO_H
#define HD_BUS_HELLO_H

#include <stdbool.h>

#include "base/fault.h"
#include "hadron/hello.h"
#include "hadron/wire.h"

#define HD_HELLO_GLOBS 64
#define HD_HELLO_TOKEN_SIZE 129
#define HD_HELLO_PEM_SIZE 8192

struct hd_hello {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE];
  uint32_t rights;              // enum hd_bus_class that it asks for
  char token[HD_HELLO_TOKEN_SIZE]; // "": none
  bool is_worker;
  uint8_t worker[32];           // the token of a worker
  uint32_t pid;
  bool exact;                   // cause 0 of its decisions is one of its own: no tick of that instrument yet
  char universe[HD_HELLO_GLOBS][HADRON_SYMBOL_SIZE];
  uint32_t universe_count;      // 0: all
  uint32_t resume;              // session to go on with; 0: none
  uint64_t resume_epoch, resume_next;
  // A signed one (hadron/hello.h): PEM, hex, base64, and the host that it is meant for. "": none
  char certificate[HD_HELLO_PEM_SIZE], nonce[65], signature[HADRON_HELLO_SIGNATURE_SIZE], server[256];
  char session_text[24], epoch_text[24]; // of `resume`, as they were signed; "": none
};

// HADRON_ERR_PARSE, HADRON_ERR_ARGUMENT or HADRON_ERR_UNSUPPORTED (another protocol), with words for the peer.
int32_t hd_hello_read(const void *json, size_t size, struct hd_hello *out, struct hd_fault *fault);

struct hd_welcome {
  uint32_t session, rights, arm, instruments, window, mode;
  uint64_t epoch, next, decided;
  int64_t heartbeat_ns, stale_after_ns;
  const char *role, *host, *params, *bars; // params: JSON object, bars: JSON array, or NULL
};
// A text from malloc; NULL: no memory.
char *hd_welcome_write(const struct hd_welcome *w);
// {"code":"HADRON_ERR_…","text":…}, with the nonce that is to be signed (NULL: none). A text from malloc.
char *hd_refused_write(const struct hd_fault *fault, const char *nonce);

const char *hd_bus_class_name(uint32_t rights);

#endif
