// Promise: no text of a configuration makes the host crash, hang, leak or abort: it becomes a tree, or errors with words; and what
// loads can be printed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/config.h"
#include "runtime/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *path_of(void) {
  static char path[64];
  if (!path[0]) {
    char directory[] = "/tmp/hadron-fuzz-XXXXXX";
    if (!mkdtemp(directory)) abort();
    snprintf(path, sizeof path, "%s/c.lua", directory);
  }
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  static struct hd_config config;
  static char printed[65536];
  struct hd_value *root = NULL;
  struct hd_fault fault = {0};
  int line = 0;
  if (size > 16384) return 0;
  char *text = malloc(size + 1); // no byte behind the text may be read
  if (!text) return 0;
  memcpy(text, data, size);
  int32_t err = hd_lua_config_evaluate(path_of(), text, size, &root, &line, &fault);
  if (err ? root != NULL || !fault.text[0] || line < 0 : root == NULL) abort();
  hd_value_free(root);
  FILE *file = fopen(path_of(), "we");
  if (!file) abort();
  fwrite(data, 1, size, file);
  fclose(file);
  memset(&config, 0, sizeof config);
  uint32_t wrong = hd_config_load(&config, path_of(), NULL, 0, errors);
  if (err && !wrong) abort();
  if (wrong && !errors[0].text[0]) abort();
  if (!wrong) hd_config_print(&config, printed, sizeof printed);
  hd_config_fini(&config);
  free(text);
  return 0;
}
