// Promise: no words of a HELLO make the host crash, overrun or leak; what is taken has a name, a version and a class that it may have, and its texts end.
// The input is the JSON, with no byte behind it.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "bus/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes) {
  if (!yes) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct hd_hello h;
  struct hd_fault fault = {0};
  uint8_t *json = malloc(size ? size : 1);
  if (!json) return 0;
  memcpy(json, data, size);
  memset(&h, 0xa5, sizeof h);
  if (hd_hello_read(json, size, &h, &fault) == HADRON_OK) {
    check(hd_name_valid(h.name) || h.is_worker);
    check(memchr(h.version, 0, sizeof h.version) && memchr(h.token, 0, sizeof h.token) && memchr(h.certificate, 0, sizeof h.certificate));
    check(memchr(h.nonce, 0, sizeof h.nonce) && memchr(h.signature, 0, sizeof h.signature) && memchr(h.server, 0, sizeof h.server));
    check(h.universe_count <= HD_HELLO_GLOBS);
    for (uint32_t i = 0; i < h.universe_count; i++) check(memchr(h.universe[i], 0, sizeof h.universe[i]) != NULL);
    check(strcmp(hd_bus_class_name(h.rights), "none") != 0);
  } else {
    check(fault.code && fault.text[0]);
    char *words = hd_refused_write(&fault, NULL); // what was said comes back in it
    check(words != NULL);
    free(words);
  }
  free(json);
  return 0;
}
