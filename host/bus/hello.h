// The first words of a session, and the host's: JSON texts, read with every field checked, and written.
//
// bound  HD_HELLO_GLOBS patterns, texts as long as their fields
// thread [bus]
#ifndef HD_BUS_HELLO_H
#define HD_BUS_HELLO_H

#include <stdbool.h>

#include "base/bar.h"
#include "base/fault.h"
#include "base/limits.h"
#include "hadron/hello.h"
#include "hadron/wire.h"

#define HD_HELLO_GLOBS 64
#define HD_HELLO_PARAMS 256
#define HD_HELLO_TOKEN_SIZE 129
#define HD_HELLO_PEM_SIZE 8192

struct hd_hello {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE];
  uint32_t rights;              // enum hd_bus_class that it asks for
  char token[HD_HELLO_TOKEN_SIZE]; // "": none
  bool is_worker;
  uint8_t worker[32];           // the token of a worker
  uint32_t pid;
  bool packed;                  // it can read packed messages, and wants them
  bool exact;                   // cause 0 of its decisions is one of its own: no tick of that instrument yet
  char universe[HD_HELLO_GLOBS][HADRON_SYMBOL_SIZE];
  uint32_t universe_count;      // 0: all
  char *params;                 // JSON object of what it has, by name; NULL: it did not say; owned: hd_hello_fini
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX]; // that it wants besides ticks
  uint32_t bar_count;
  uint32_t resume;              // session to go on with; 0: none
  uint64_t resume_epoch, resume_next;
  // A signed one (hadron/hello.h): PEM, hex, base64, and the host that it is meant for. "": none
  char certificate[HD_HELLO_PEM_SIZE], nonce[65], signature[HADRON_HELLO_SIGNATURE_SIZE], server[256];
  char session_text[24], epoch_text[24]; // of `resume`, as they were signed; "": none
};

// HADRON_ERR_PARSE, HADRON_ERR_ARGUMENT or HADRON_ERR_UNSUPPORTED (another protocol), with words for the peer.
int32_t hd_hello_read(const void *json, size_t size, struct hd_hello *out, struct hd_fault *fault);
void hd_hello_fini(struct hd_hello *h); // also after a failure

// Does it fit what the host has for it? The values that the host has hold, whatever the HELLO says; but a parameter that one side has and the
// other does not know, and bars that are not made, are a mistake of somebody's. params: JSON object of texts; NULL: none. declared: they are all
// that there may be. HADRON_ERR_ARGUMENT: which, expected and found.
int32_t hd_hello_fits(const struct hd_hello *h, const char *params, bool declared, const struct hadron_bar_request *bars, uint32_t bar_count, struct hd_fault *fault);

struct hd_welcome {
  uint32_t session, rights, arm, instruments, window, mode;
  uint64_t epoch, next, decided;
  int64_t heartbeat_ns, stale_after_ns;
  const char *role, *host, *params; // params: JSON object, or NULL
  const struct hadron_bar_request *bars;
  uint32_t bar_count;
  bool packed;
};
// A text from malloc; NULL: no memory.
char *hd_welcome_write(const struct hd_welcome *w);
// {"code":"HADRON_ERR_…","text":…}, with the nonce that is to be signed (NULL: none). A text from malloc.
char *hd_refused_write(const struct hd_fault *fault, const char *nonce);

const char *hd_bus_class_name(uint32_t rights);

#endif
