#include "registry/elf_check.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "plugin/mismatch.h"
#include "registry/elf_image.h"

#define ENTRY "hadron_plugin_v1"
#define NAME_SHOWN 48  // bytes of a symbol in a message
#define ENTRIES_MAX 64 // constructors that are looked at; more are refused unseen. A sanitizer adds one for each file of a plugin

// ---- imports

static const struct {
  const char *name, *why;
} denied[] = {
  {"exit", "ends the host"}, {"_exit", "ends the host"}, {"_Exit", "ends the host"}, {"quick_exit", "ends the host"},
  {"at_quick_exit", "is called when the host ends"}, {"on_exit", "is called when the host ends"},
  {"fork", "copies the host"}, {"_Fork", "copies the host"}, {"vfork", "copies the host"}, {"clone", "copies the host"}, {"daemon", "copies the host"},
  {"forkpty", "copies the host"}, {"pthread_atfork", "is called when the host forks"},
  {"execl", "replaces the host"}, {"execlp", "replaces the host"}, {"execle", "replaces the host"}, {"execv", "replaces the host"}, {"execvp", "replaces the host"},
  {"execvpe", "replaces the host"}, {"execve", "replaces the host"}, {"execveat", "replaces the host"}, {"fexecve", "replaces the host"},
  {"system", "starts a program"}, {"popen", "starts a program"}, {"posix_spawn", "starts a program"}, {"posix_spawnp", "starts a program"},
  {"signal", "changes the host's signals"}, {"bsd_signal", "changes the host's signals"}, {"sysv_signal", "changes the host's signals"},
  {"__sysv_signal", "changes the host's signals"}, {"ssignal", "changes the host's signals"}, {"sigaction", "changes the host's signals"},
  {"__sigaction", "changes the host's signals"}, {"sigset", "changes the host's signals"}, {"sigignore", "changes the host's signals"},
  {"siginterrupt", "changes the host's signals"}, {"sigvec", "changes the host's signals"}, {"sigprocmask", "changes the host's signals"},
  {"sigaltstack", "changes the host's signals"}, {"alarm", "sends the host a signal"}, {"setitimer", "sends the host a signal"},
  {"ualarm", "sends the host a signal"}, {"kill", "sends signals"}, {"killpg", "sends signals"}, {"tgkill", "sends signals"},
  {"setlocale", "changes how the host reads and writes numbers"}, {"chdir", "changes the host's directory"}, {"fchdir", "changes the host's directory"},
  {"chroot", "changes the host's directory"}, {"umask", "changes the rights of the host's files"}, {"setenv", "changes the host's environment"},
  {"unsetenv", "changes the host's environment"}, {"putenv", "changes the host's environment"}, {"clearenv", "changes the host's environment"},
  {"setrlimit", "changes the host's limits"}, {"setrlimit64", "changes the host's limits"}, {"prlimit", "changes the host's limits"},
  {"prlimit64", "changes the host's limits"}, {"setpriority", "changes the host's limits"}, {"nice", "changes the host's limits"},
  {"prctl", "changes the host's process"}, {"personality", "changes the host's process"}, {"unshare", "changes the host's process"},
  {"setns", "changes the host's process"}, {"setuid", "changes who the host is"}, {"setgid", "changes who the host is"}, {"seteuid", "changes who the host is"},
  {"setegid", "changes who the host is"}, {"setreuid", "changes who the host is"}, {"setregid", "changes who the host is"},
  {"setresuid", "changes who the host is"}, {"setresgid", "changes who the host is"}, {"setgroups", "changes who the host is"},
  {"initgroups", "changes who the host is"}, {"setsid", "changes who the host is"}, {"setpgid", "changes who the host is"},
  {"dlopen", "loads code that was not registered"}, {"dlmopen", "loads code that was not registered"}, {"dlclose", "unloads code that may be running"},
  {"dlsym", "finds functions that this list would name"}, {"dlvsym", "finds functions that this list would name"},
  {"__libc_dlopen_mode", "loads code that was not registered"}, {"__libc_dlsym", "finds functions that this list would name"},
  {"syscall", "calls the system around this list"}, {"ptrace", "looks into other programs"}, {"process_vm_readv", "looks into other programs"},
  {"process_vm_writev", "looks into other programs"}, {"mount", "changes the machine"}, {"umount", "changes the machine"}, {"umount2", "changes the machine"},
  {"reboot", "changes the machine"}, {"settimeofday", "changes the machine's clock"}, {"clock_settime", "changes the machine's clock"},
  {"adjtime", "changes the machine's clock"}, {"adjtimex", "changes the machine's clock"}, {"stime", "changes the machine's clock"},
};

const char *hd_elf_denied(const char *name) {
  for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
    if (strcmp(denied[i].name, name) == 0) return denied[i].why;
  return NULL;
}

// ---- relocations, by machine

enum relocation { BAD = 0, RELATIVE, SYMBOL, MODULE, OFFSET, DESCRIPTOR, STATIC_TLS, IFUNC_RELATIVE, NOTHING };

static enum relocation relocation_kind(uint64_t type) {
  switch (type) {
#if defined(__x86_64__)
  case R_X86_64_NONE: return NOTHING;
  case R_X86_64_RELATIVE: return RELATIVE;
  case R_X86_64_64: case R_X86_64_GLOB_DAT: case R_X86_64_JUMP_SLOT: return SYMBOL;
  case R_X86_64_DTPMOD64: return MODULE;
  case R_X86_64_DTPOFF64: return OFFSET;
  case R_X86_64_TLSDESC: return DESCRIPTOR;
  case R_X86_64_TPOFF64: case R_X86_64_TPOFF32: return STATIC_TLS;
  case R_X86_64_IRELATIVE: return IFUNC_RELATIVE;
#elif defined(__aarch64__)
  case R_AARCH64_NONE: return NOTHING;
  case R_AARCH64_RELATIVE: return RELATIVE;
  case R_AARCH64_ABS64: case R_AARCH64_GLOB_DAT: case R_AARCH64_JUMP_SLOT: return SYMBOL;
  case R_AARCH64_TLS_DTPMOD: return MODULE;
  case R_AARCH64_TLS_DTPREL: return OFFSET;
  case R_AARCH64_TLSDESC: return DESCRIPTOR;
  case R_AARCH64_TLS_TPREL: return STATIC_TLS;
  case R_AARCH64_IRELATIVE: return IFUNC_RELATIVE;
#endif
  default: return BAD;
  }
}

struct check {
  struct hd_elf_image m;
  struct hd_mismatch found;
  struct hd_fault *fault;
  uint64_t init[ENTRIES_MAX], fini[ENTRIES_MAX]; // where the relocations of constructors and destructors lead
  uint32_t init_count, fini_count;               // may be more than there is room for
  bool static_tls, ifunc, bad_entry;
  bool entry;          // it exports hadron_plugin_v1
};

static int32_t damaged(const struct check *c, const char *what, uint64_t at) {
  return hd_fault_set(c->fault, HADRON_ERR_CORRUPT, "%s: damaged: %s 0x%llx; build or fetch it again", c->m.path, what, (unsigned long long)at);
}

static bool is_inside(const struct hd_elf_table *t, uint64_t address) { return address >= t->address && address - t->address < t->size; }

// A word that a constructor or destructor is called by.
static void entry_note(struct check *c, uint64_t address, enum relocation kind, uint64_t target) {
  bool init = is_inside(&c->m.init_array, address), fini = is_inside(&c->m.fini_array, address);
  if (!init && !fini) return;
  if (kind != RELATIVE) c->bad_entry = true; // bound by name: another library's function would be called
  uint64_t *to = init ? c->init : c->fini;
  uint32_t *count = init ? &c->init_count : &c->fini_count;
  if (*count < ENTRIES_MAX) to[*count] = target;
  ++*count;
}

static int32_t relocation_check(struct check *c, const Elf64_Rela *r) {
  enum relocation kind = relocation_kind(ELF64_R_TYPE(r->r_info));
  uint64_t written = kind == DESCRIPTOR ? 16 : 8;
  if (kind == NOTHING) return HADRON_OK;
  if (kind == BAD) return damaged(c, "a relocation has type", ELF64_R_TYPE(r->r_info));
  if (!hd_elf_mapped(&c->m, r->r_offset, written, PF_R | PF_W))
    return hd_elf_mapped(&c->m, r->r_offset, written, PF_R) ? (c->m.text_relocations = true, HADRON_OK) : damaged(c, "a relocation writes to address", r->r_offset);
  // The loader reads its own tables while it relocates: they must stay as they were checked.
  if (kind == RELATIVE && !hd_elf_mapped(&c->m, (uint64_t)r->r_addend, 0, PF_R)) return damaged(c, "a relocation points to address", (uint64_t)r->r_addend);
  if ((kind == MODULE || kind == OFFSET || kind == DESCRIPTOR) && ELF64_R_SYM(r->r_info) == 0 && !c->m.tls.p_type)
    return damaged(c, "no thread-local memory, but a relocation for it at address", r->r_offset);
  if (r->r_offset < c->m.dynamic.p_vaddr + c->m.dynamic.p_filesz && r->r_offset + written > c->m.dynamic.p_vaddr)
    return damaged(c, "a relocation writes into the dynamic section at address", r->r_offset);
  c->static_tls |= kind == STATIC_TLS;
  c->ifunc |= kind == IFUNC_RELATIVE;
  entry_note(c, r->r_offset, kind, (uint64_t)r->r_addend);
  return HADRON_OK;
}

static int32_t relocations_check(struct check *c, const struct hd_elf_table *t) {
  const unsigned char *p = hd_elf_at(&c->m, t->address, t->size);
  int32_t code = HADRON_OK;
  for (uint64_t at = 0; at < t->size && !code; at += sizeof(Elf64_Rela)) {
    Elf64_Rela r;
    memcpy(&r, p + at, sizeof r);
    code = relocation_check(c, &r);
  }
  return code;
}

static int32_t packed_word(struct check *c, uint64_t where) {
  uint64_t target;
  if (!hd_elf_mapped(&c->m, where, 8, PF_R | PF_W) || !hd_elf_at(&c->m, where, 8)) return damaged(c, "a packed relocation writes to address", where);
  if (where < c->m.dynamic.p_vaddr + c->m.dynamic.p_filesz && where + 8 > c->m.dynamic.p_vaddr) return damaged(c, "a packed relocation writes into the dynamic section at address", where);
  memcpy(&target, hd_elf_at(&c->m, where, 8), 8);
  if (!hd_elf_mapped(&c->m, target, 0, PF_R)) return damaged(c, "a packed relocation points to address", target);
  entry_note(c, where, RELATIVE, target);
  return HADRON_OK;
}

// An even word is an address; an odd one a bit for each of the 63 words after the last.
static int32_t packed_check(struct check *c) {
  const unsigned char *p = hd_elf_at(&c->m, c->m.relr.address, c->m.relr.size);
  uint64_t word, base = 0;
  int32_t code = HADRON_OK;
  for (uint64_t at = 0; at < c->m.relr.size && !code; at += 8) {
    memcpy(&word, p + at, 8);
    if (!(word & 1)) {
      code = packed_word(c, word);
      base = word + 8;
      continue;
    }
    for (uint32_t bit = 0; bit < 63 && !code; bit++)
      if (word >> (bit + 1) & 1) code = packed_word(c, base + bit * 8);
    base += 63 * 8;
  }
  return code;
}

// ---- symbols

static int32_t symbol_check(struct check *c, uint32_t i) {
  Elf64_Sym s = hd_elf_symbol(&c->m, i);
  const char *name = hd_elf_string(&c->m, s.st_name);
  unsigned type = ELF64_ST_TYPE(s.st_info), binding = ELF64_ST_BIND(s.st_info);
  char shown[NAME_SHOWN], field[NAME_SHOWN + 16];
  if (!name) return damaged(c, "the name of a symbol is beyond the string table at", s.st_name);
  hd_text_copy(shown, sizeof shown, name);
  hd_text_printable(shown);
  snprintf(field, sizeof field, "symbol %s", shown);
  if (binding == STB_GNU_UNIQUE)
    hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, field, "is unique in the process, so that two versions of the plugin would share it; compile with -fno-gnu-unique");
  c->ifunc |= type == STT_GNU_IFUNC;
  if (s.st_shndx == SHN_UNDEF) {
    const char *why = binding == STB_LOCAL ? NULL : hd_elf_denied(name);
    if (why) hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, "import", "%s, which %s", shown, why);
    return HADRON_OK;
  }
  if (type == STT_TLS && s.st_value > c->m.tls.p_memsz) return damaged(c, "a thread-local symbol is at", s.st_value);
  if (type != STT_TLS && s.st_shndx != SHN_ABS && binding != STB_LOCAL && !hd_elf_mapped(&c->m, s.st_value, 0, PF_R)) return damaged(c, "a symbol is at address", s.st_value);
  if (strcmp(name, ENTRY) == 0 && type == STT_FUNC && binding == STB_GLOBAL && hd_elf_mapped(&c->m, s.st_value, 1, PF_X)) c->entry = true;
  return HADRON_OK;
}

// ---- constructors

// The name of the function at an address, from the table that stripping removes; "" if there is none. It is of use for words and for
// telling a compiler's own constructors from a plugin's; who lies there gains nothing that the entry point does not give him.
static const char *function_name(const struct hd_elf_image *m, uint64_t address) {
  const Elf64_Ehdr *h = &m->header;
  if (h->e_shoff == 0 || h->e_shentsize != sizeof(Elf64_Shdr)) return "";
  for (uint32_t i = 0; i < h->e_shnum; i++) {
    Elf64_Shdr t, s;
    memcpy(&t, m->bytes + h->e_shoff + (uint64_t)i * sizeof t, sizeof t);
    if (t.sh_type != SHT_SYMTAB || t.sh_entsize != sizeof(Elf64_Sym) || t.sh_link >= h->e_shnum) continue;
    memcpy(&s, m->bytes + h->e_shoff + (uint64_t)t.sh_link * sizeof s, sizeof s);
    if (t.sh_offset > m->size || t.sh_size > m->size - t.sh_offset || s.sh_offset > m->size || s.sh_size > m->size - s.sh_offset || s.sh_size == 0 ||
        m->bytes[s.sh_offset + s.sh_size - 1] != 0)
      continue;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= t.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym y;
      memcpy(&y, m->bytes + t.sh_offset + at, sizeof y);
      if (ELF64_ST_TYPE(y.st_info) == STT_FUNC && y.st_value == address && y.st_name < s.sh_size) return (const char *)m->bytes + s.sh_offset + y.st_name;
    }
  }
  return "";
}

// What the compiler adds by itself: the feature test behind __builtin_cpu_supports, and a sanitizer's own for each file.
static bool of_compiler(const char *name) {
  static const char *const prefixes[] = {"__cpu_indicator_init", "init_have_lse_atomics", "__init_cpu_features", "asan.module_", "tsan.module_", "_sub_I_00", "_sub_D_00", "sancov.module_"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
  return false;
}

#if defined(__x86_64__)
static const unsigned char *past_marker(const unsigned char *p) { return memcmp(p, "\xf3\x0f\x1e\xfa", 4) == 0 ? p + 4 : p; } // endbr64

// crtbeginS.o's frame_dummy jumps to register_tm_clones and does nothing else.
static bool bare_jump(const struct hd_elf_image *m, uint64_t address) {
  const unsigned char *p = hd_elf_at(m, address, 16);
  return p && *past_marker(p) == 0xe9;
}

// crti.o's and crtn.o's _init: calls __gmon_start__ if there is one.
static bool runtime_init(const struct hd_elf_image *m, uint64_t address) {
  static const unsigned char before[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0x8b, 0x05}, after[] = {0x48, 0x85, 0xc0, 0x74, 0x02, 0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3};
  const unsigned char *p = hd_elf_at(m, address, 32);
  if (!p) return false;
  p = past_marker(p);
  return memcmp(p, before, sizeof before) == 0 && memcmp(p + sizeof before + 4, after, sizeof after) == 0;
}
#else
static bool bare_jump(const struct hd_elf_image *m, uint64_t address) { (void)m, (void)address; return false; }
static bool runtime_init(const struct hd_elf_image *m, uint64_t address) { return strcmp(function_name(m, address), "_init") == 0; }
#endif

// own: the C runtime's. by_code: what tells it where names were stripped; NULL: it cannot be told.
static void array_check(struct check *c, const char *what, const struct hd_elf_table *t, const uint64_t *entries, uint32_t seen, const char *own,
                        bool (*by_code)(const struct hd_elf_image *, uint64_t)) {
  uint64_t count = t->size / 8;
  char shown[NAME_SHOWN] = "bound by name";
  bool fits = seen == count && seen <= ENTRIES_MAX && !c->bad_entry;
  for (uint32_t i = 0; i < seen && fits; i++) {
    const char *name = function_name(&c->m, entries[i]);
    fits = *name ? strcmp(name, own) == 0 || of_compiler(name) : count == 1 && (!by_code || by_code(&c->m, entries[i]));
    hd_text_copy(shown, sizeof shown, *name ? name : "without a name");
  }
  hd_text_printable(shown);
  if (count > 0 && !fits)
    hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, what, "expected none but the C runtime's own %s, found %llu, one of them %s; do that work in create and destroy", own,
                    (unsigned long long)count, shown);
}

static void constructors_check(struct check *c) {
  const struct hd_elf_image *m = &c->m;
  array_check(c, "constructors", &m->init_array, c->init, c->init_count, "frame_dummy", bare_jump);
  array_check(c, "destructors", &m->fini_array, c->fini, c->fini_count, "__do_global_dtors_aux", NULL);
  if (m->preinit_array.size) hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, "constructors", "expected no PREINIT_ARRAY, found one of %llu bytes", (unsigned long long)m->preinit_array.size);
  if (m->init && !runtime_init(m, m->init))
    hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, "INIT", "expected the C runtime's own _init, found another function at 0x%llx; link it without -init", (unsigned long long)m->init);
}

// ---- the dynamic section

static void libraries_check(struct check *c) {
  const struct hd_elf_image *m = &c->m;
  char shown[128];
  for (uint32_t i = 0; i < m->needed_count; i++) {
    const char *name = hd_elf_string(m, m->needed[i]);
    hd_text_copy(shown, sizeof shown, name);
    hd_text_printable(shown);
    if (strchr(name, '/') || strchr(name, '$') || !*name)
      hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, "library", "expected a bare name such as libm.so.6, found \"%s\"; link it by -l and not by a path", shown);
  }
  if (m->run_path_tag) {
    hd_text_copy(shown, sizeof shown, hd_elf_string(m, m->run_path));
    hd_text_printable(shown);
    hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, m->run_path_tag, "expected none, found \"%s\": whoever can write there would choose its libraries; link it without -rpath", shown);
  }
  if (m->foreign_tag) hd_mismatch_add(&c->found, HADRON_ERR_PERMISSION, m->foreign_tag, "expected none: another library would stand in for this one");
}

static void flags_check(struct check *c) {
  const struct hd_elf_image *m = &c->m;
  struct hd_mismatch *d = &c->found;
  if (!m->stack_named || m->stack_executable)
    hd_mismatch_add(d, HADRON_ERR_PERMISSION, "stack", "expected one that is not executable, found %s; link it with -z noexecstack",
                    m->stack_named ? "an executable one" : "no PT_GNU_STACK, which means an executable one");
  if (m->text_relocations || (m->flags & DF_TEXTREL)) hd_mismatch_add(d, HADRON_ERR_PERMISSION, "code", "has relocations (TEXTREL) and would have to be writable; compile it with -fPIC");
  if (c->static_tls || (m->flags & DF_STATIC_TLS))
    hd_mismatch_add(d, HADRON_ERR_PERMISSION, "thread-local memory", "is of the static kind (initial-exec), of which a process has a few hundred bytes; compile with -ftls-model=global-dynamic");
  if (c->ifunc) hd_mismatch_add(d, HADRON_ERR_PERMISSION, "IFUNC", "a function chosen by code that runs while symbols are bound; choose it in create");
  if (m->flags_1 & (DF_1_GLOBAL | DF_1_INTERPOSE | DF_1_LOADFLTR | DF_1_INITFIRST | DF_1_GLOBAUDIT | DF_1_PIE))
    hd_mismatch_add(d, HADRON_ERR_PERMISSION, "flags", "DF_1 0x%llx: expected none of GLOBAL, INTERPOSE, LOADFLTR, INITFIRST, GLOBAUDIT, PIE; link it with -shared and no -z options", (unsigned long long)m->flags_1);
  if (!c->entry) hd_mismatch_add(d, HADRON_ERR_PERMISSION, "entry", "expected an exported function " ENTRY ", found none; use the HADRON_PLUGIN(...) macro");
}

int32_t hd_elf_check(const char *path, const void *bytes, size_t size, struct hd_fault *fault) {
  struct check c = {.fault = fault};
  char what[512];
  int32_t code = hd_elf_image_read(&c.m, path, bytes, size, fault);
  if (!code) code = relocations_check(&c, &c.m.rela);
  if (!code) code = relocations_check(&c, &c.m.jump);
  if (!code) code = packed_check(&c);
  for (uint32_t i = 1; i < c.m.symbol_count && !code; i++) code = symbol_check(&c, i);
  if (!code && c.m.init && !hd_elf_mapped(&c.m, c.m.init, 1, PF_X)) code = damaged(&c, "INIT is not code at address", c.m.init);
  if (!code && c.m.fini && !hd_elf_mapped(&c.m, c.m.fini, 1, PF_X)) code = damaged(&c, "FINI is not code at address", c.m.fini);
  for (uint32_t i = 0; i < ENTRIES_MAX && !code; i++)
    if ((i < c.init_count && !hd_elf_mapped(&c.m, c.init[i], 1, PF_X)) || (i < c.fini_count && !hd_elf_mapped(&c.m, c.fini[i], 1, PF_X)))
      code = damaged(&c, "a constructor or destructor is not code: number", i);
  if (code) return code;
  constructors_check(&c);
  libraries_check(&c);
  flags_check(&c);
  snprintf(what, sizeof what, "%.400s: what no plugin may do", path);
  return hd_mismatch_end(&c.found, what, "docs/registry.md says why.", fault);
}
