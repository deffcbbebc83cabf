// Promise: a plugin as a compiler makes it passes the static checks, stripped or not; each thing that no plugin may do is refused with words
// that name it, and of several all are named; a file cut at any byte, or with any byte of its structure changed, is refused or passes,
// and never crashes the checker. Every refusal is shown on a real shared object made by the compiler.
#include "support/test.h"

#include <elf.h>

#include "registry/elf_check.h"
#include "support/craft.h"
#include "support/directory.h"
#include "support/plugin.h"

static char root[TEST_PATH_SIZE];

struct row {
  const char *what, *source, *flags, *words; // words NULL: passes
};

static const struct row rows[] = {
  {"plain", "", "", NULL},
  {"stripped", "", "-s", NULL},
  {"optimised", "", "-O3 -g -fstack-protector-strong -Wl,-z,relro -Wl,-z,now", NULL},
  {"sysv_hash", "", "-Wl,--hash-style=sysv", NULL},
  {"both_hashes", "", "-Wl,--hash-style=both", NULL},
  {"packed_relocations", "", "-Wl,-z,pack-relative-relocs", NULL},
  {"maths", "#include <math.h>\n double wave(double x) { return sin(x) + pow(x, 1.5); }", "-lm", NULL},
  {"threads", "#include <pthread.h>\n static pthread_t t; int go(void *(*f)(void *)) { return pthread_create(&t, 0, f, 0); }", "", NULL},
  {"feature_test", "int wide(void) { return __builtin_cpu_supports(\"sse4.2\") != 0; }", "", NULL},
  {"dynamic_tls", "__thread int mine; int *where(void) { return &mine; }", "-ftls-model=global-dynamic", NULL},
  {"descriptor_tls", "__thread int mine; int *where(void) { return &mine; }", "-mtls-dialect=gnu2", NULL},
  {"run_path", "", "-Wl,-rpath,/tmp/lib -Wl,--enable-new-dtags", "RUNPATH: expected none, found \"/tmp/lib\""},
  {"old_run_path", "", "-Wl,-rpath,'$ORIGIN' -Wl,--disable-new-dtags", "RPATH: expected none"},
  {"stack", "", "-z execstack", "stack: expected one that is not executable, found an executable one"},
  {"static_tls", "__thread int mine; int *where(void) { return &mine; }", "-ftls-model=initial-exec", "thread-local memory: is of the static kind"},
  {"constructor", "__attribute__((constructor)) static void early(void) { volatile int x = 1; (void)x; }", "", "constructors: expected none but the C runtime's own frame_dummy, found 2"},
  {"constructor_stripped", "__attribute__((constructor)) static void early(void) { volatile int x = 1; (void)x; }", "-s", "constructors: expected none but"},
  {"destructor", "__attribute__((destructor)) static void late(void) { volatile int x = 1; (void)x; }", "", "destructors: expected none but the C runtime's own"},
  {"init", "void early(void) {}", "-Wl,-init,early", "INIT: expected the C runtime's own _init"},
  {"no_runtime", "__attribute__((constructor)) static void early(void) { volatile int x = 1; (void)x; }", "-nostartfiles", "constructors: expected none but"},
  {"ifunc", "static int one(void) { return 1; } static int (*pick(void))(void) { return one; } int f(void) __attribute__((ifunc(\"pick\")));", "", "IFUNC: a function chosen by code"},
  {"unique", "__asm__(\".type shared,@gnu_unique_object\\n.globl shared\\n.data\\nshared: .quad 1\\n.size shared,8\\n.text\\n\");", "", "symbol shared: is unique in the process"},
  {"text_relocations", "__asm__(\".text\\n.globl tr\\ntr: .quad printf\\n\");", "-Wl,-z,notext", "code: has relocations"},
  {"global", "", "-Wl,-z,global", "flags: DF_1"},
  {"interpose", "", "-Wl,-z,interpose", "flags: DF_1"},
  {"filter", "", "-Wl,-F,libother.so", "FILTER: expected none"},
  {"auxiliary", "", "-Wl,-f,libother.so", "AUXILIARY: expected none"},
  {"audit", "", "-Wl,--audit,libother.so", "AUDIT: expected none"},
  {"several", "#include <stdlib.h>\n#include <unistd.h>\n int a(int x) { if (x) exit(1); return fork(); }", "-z execstack -Wl,-rpath,/x", "exit, which ends the host"},
};

// Imports that must be refused, each alone.
static const char *const imports[] = {"exit", "_exit", "fork", "vfork", "execve", "execvp", "system", "popen", "signal", "sigaction", "setlocale", "chdir", "umask", "setrlimit", "dlopen", "dlclose",
                                      "dlsym", "ptrace", "kill", "prctl", "setuid", "syscall", "posix_spawn", "on_exit", "setenv", "clone", "sigprocmask"};

static void must_say(const char *what, int32_t code, const struct hd_fault *fault, const char *words) {
  if (!words && code) fail_msg("%s: expected to pass, found: %s", what, fault->text);
  if (words && !code) fail_msg("%s: expected \"%s\", found: passed", what, words);
  if (words && !strstr(fault->text, words)) fail_msg("%s: expected \"%s\", found: %s", what, words, fault->text);
}

static int32_t check_file(const char *path, struct hd_fault *fault) {
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  int32_t code = hd_elf_check(path, bytes, size, fault);
  free(bytes);
  return code;
}

static void compiled(void **state) {
  (void)state;
  if (!test_craft_possible()) skip();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char path[TEST_PATH_SIZE];
    struct hd_fault fault = {0};
    test_path(path, root, rows[i].what);
    test_craft(path, "crafted", "1.0.0", rows[i].source, rows[i].flags);
    int32_t code = check_file(path, &fault);
    must_say(rows[i].what, code, &fault, rows[i].words);
    if (strcmp(rows[i].what, "several") == 0) { // all at once
      must_say(rows[i].what, code, &fault, "fork, which copies the host");
      must_say(rows[i].what, code, &fault, "RUNPATH");
      must_say(rows[i].what, code, &fault, "stack:");
    }
    if (rows[i].words) assert_int_equal(code, HADRON_ERR_PERMISSION);
  }
}

static void denied_imports(void **state) {
  (void)state;
  if (!test_craft_possible()) skip();
  for (size_t i = 0; i < sizeof imports / sizeof *imports; i++) {
    char path[TEST_PATH_SIZE], source[256], words[128];
    struct hd_fault fault = {0};
    test_path(path, root, "import");
    snprintf(source, sizeof source, "__asm__(\".globl hidden_call\\nhidden_call: call %s@PLT\\n\");", imports[i]);
    test_craft(path, "crafted", "1.0.0", source, "");
    snprintf(words, sizeof words, "import: %s, which", imports[i]);
    must_say(imports[i], check_file(path, &fault), &fault, words);
    assert_non_null(hd_elf_denied(imports[i]));
  }
  assert_null(hd_elf_denied("malloc"));
  assert_null(hd_elf_denied("exits"));
}

// Every plugin of the house would be registered.
static void house(void **state) {
  (void)state;
  static const char *const names[] = {"sma", "trend", "market_maker", "pairs", "zero_cross", "net", "sim", "replay", "recorder", "nats_out", "nats_in"};
  const char *directory = getenv("HADRON_PLUGIN_DIR");
  assert_non_null(directory);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[TEST_PATH_SIZE], file[64];
    struct hd_fault fault = {0};
    snprintf(file, sizeof file, "%s.so", names[i]);
    test_path(path, directory, file);
    must_say(names[i], check_file(path, &fault), &fault, NULL);
  }
  struct hd_fault fault = {0};
  must_say("no_entry", check_file(test_plugin_path("no_entry"), &fault), &fault, "entry: expected an exported function");
}

static void other_files(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  struct test_file f = test_read_file(test_plugin_path("good_strategy"));
  Elf64_Ehdr *h = (Elf64_Ehdr *)f.bytes;
  const struct { size_t at; unsigned char value; const char *words; } changes[] = {
    {EI_CLASS, ELFCLASS32, "found class 1"}, {EI_DATA, ELFDATA2MSB, "byte order 2"}, {16, ET_EXEC, "type 2"}, {18, EM_ARM, "machine 40"}, {EI_OSABI, ELFOSABI_FREEBSD, "OS ABI 9"}};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    unsigned char old = f.bytes[changes[i].at];
    f.bytes[changes[i].at] = changes[i].value;
    must_say(changes[i].words, hd_elf_check("x.so", f.bytes, f.size, &fault), &fault, changes[i].words);
    f.bytes[changes[i].at] = old;
  }
  Elf64_Phdr *p = (Elf64_Phdr *)(f.bytes + h->e_phoff);
  for (int i = 0; i < h->e_phnum; i++)
    if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X)) p[i].p_flags |= PF_W;
  must_say("writable code", hd_elf_check("x.so", f.bytes, f.size, &fault), &fault, "writable and executable at once");
  assert_int_equal(hd_elf_check("x.so", "\177ELF", 4, &fault), HADRON_ERR_CORRUPT);
  // A program is no plugin.
  char self[TEST_PATH_SIZE];
  test_path(self, getenv("HADRON_BUILD_DIR"), "hadron");
  FILE *there = fopen(self, "r");
  if (there) {
    fclose(there);
    assert_int_equal(check_file(self, &fault), HADRON_ERR_UNSUPPORTED);
  }
  free(f.bytes);
}

// Every cut, in memory of exactly that size, so that the sanitizer sees a byte too far.
static void every_cut(void **state) {
  (void)state;
  struct test_file f = test_read_file(test_plugin_path("good_strategy"));
  for (size_t size = 0; size < f.size; size++) {
    unsigned char *part = malloc(size ? size : 1);
    assert_non_null(part);
    memcpy(part, f.bytes, size);
    struct hd_fault fault = {0};
    if (hd_elf_check("cut.so", part, size, &fault) == HADRON_OK) fail_msg("cut at %zu of %zu passes", size, f.size);
    free(part);
  }
  free(f.bytes);
}

static void mutations(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct test_file f = test_read_file(test_plugin_path("good_strategy"));
  Elf64_Ehdr h;
  memcpy(&h, f.bytes, sizeof h);
  uint32_t refused = 0, count = 20000;
  unsigned char *copy = malloc(f.size);
  assert_non_null(copy);
  for (uint32_t i = 0; i < count; i++) {
    memcpy(copy, f.bytes, f.size);
    for (uint64_t k = hd_random_below(&random, 4) + 1; k > 0; k--) { // the front has headers, symbols, hashes, relocations
      uint64_t at = hd_random_below(&random, hd_random_below(&random, 2) ? 4096 : f.size);
      copy[at] = (unsigned char)hd_random_next(&random);
    }
    struct hd_fault fault = {0};
    refused += hd_elf_check("mutated.so", copy, f.size, &fault) != HADRON_OK;
  }
  print_message("%u of %u mutated files refused by the static checks alone\n", refused, count);
  assert_true(refused > count / 10);
  free(copy);
  free(f.bytes);
}

static int make(void **state) {
  (void)state;
  test_directory_make(root);
  return 0;
}

static int drop(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(compiled), cmocka_unit_test(denied_imports), cmocka_unit_test(house), cmocka_unit_test(other_files), cmocka_unit_test(every_cut),
                                     cmocka_unit_test(mutations)};
  return cmocka_run_group_tests(tests, make, drop);
}
