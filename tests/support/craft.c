#include "support/craft.h"

#include "base/hash.h"
#include "plugin/manifest.h"
#include "support/directory.h"
#include "support/test.h"

static const char *compiler(void) { return getenv("HADRON_CC") ? getenv("HADRON_CC") : "cc"; }

bool test_craft_possible(void) {
  char command[256];
  snprintf(command, sizeof command, "%.200s --version > /dev/null 2>&1", compiler());
  return system(command) == 0;
}

void test_craft(const char *to, const char *name, const char *version, const char *source, const char *flags) {
  char text[16384], file[TEST_PATH_SIZE + 8], command[4096];
  const char *root = getenv("HADRON_SOURCE_DIR");
  assert_non_null(root);
  int n = snprintf(text, sizeof text, "#define TINY_NAME \"%s\"\n#define TINY_VERSION \"%s\"\n%s\n#include \"tiny.h\"\n", name, version, source);
  assert_true(n > 0 && (size_t)n < sizeof text);
  snprintf(file, sizeof file, "%.500s.c", to);
  test_file_write(file, text, (size_t)n);
  snprintf(command, sizeof command, "%.100s -D_GNU_SOURCE -O1 -fPIC -shared -w -I'%.500s/tests/contract/plugins' -I'%.500s/sdk/include' %.1000s -o '%.500s' '%.510s' > '%.500s.log' 2>&1",
           compiler(), root, root, flags, to, file, to);
  if (system(command) != 0) fail_msg("%s", command);
}

void test_craft_sign(const char *path, const char *secret_key) {
  struct hd_fault fault = {0};
  struct hd_signatures s = {.count = 1};
  struct hadron_manifest m;
  enum hd_language language;
  char file[TEST_PATH_SIZE + 8];
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  if (hd_manifest_read(path, bytes, size, &m, &language, &fault)) fail_msg("%s", fault.text);
  s.claim = (struct hd_claim){.kind = m.kind, .abi_major = m.abi_major, .abi_minor = m.abi_minor, .size = size};
  memcpy(s.claim.name, m.name, sizeof s.claim.name);
  memcpy(s.claim.version, m.version, sizeof s.claim.version);
  hd_sha256(bytes, size, s.claim.digest);
  free(bytes);
  snprintf(file, sizeof file, "%.500s.sig", path);
  if (hd_claim_sign(&s.claim, secret_key, &s.rows[0], &fault) || hd_signatures_write(file, &s, &fault)) fail_msg("%s", fault.text);
}
