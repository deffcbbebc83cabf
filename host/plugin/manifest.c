#include "plugin/manifest.h"

#include <elf.h>

#include "base/banned.h"
#include "base/text.h"
#include "plugin/capability.h"
#include "plugin/mismatch.h"

// ---- words

static const char *const kinds[] = {"invalid", "strategy", "venue", "allocator", "service"};

const char *hd_kind_name(uint32_t kind) { return kind < sizeof kinds / sizeof *kinds ? kinds[kind] : kinds[0]; }

uint32_t hd_kind_parse(const char *name) {
  for (uint32_t i = 1; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i], name) == 0) return i;
  return HADRON_KIND_INVALID;
}

// A number without leading zeros.
static const char *version_number(const char *p) {
  size_t digits = strspn(p, "0123456789");
  return digits == 0 || (digits > 1 && *p == '0') ? NULL : p + digits;
}

// Identifiers separated by dots; in a prerelease, one of digits alone has no leading zero.
static const char *version_identifiers(const char *p, bool prerelease) {
  for (;; p++) {
    size_t length = strspn(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");
    if (length == 0) return NULL;
    if (prerelease && length > 1 && *p == '0' && strspn(p, "0123456789") == length) return NULL;
    p += length;
    if (*p != '.') return p;
  }
}

bool hd_version_valid(const char *version) {
  const char *p = version_number(version);
  for (int i = 0; i < 2; i++) {
    if (p == NULL || *p != '.') return false;
    p = version_number(p + 1);
  }
  if (p != NULL && *p == '-') p = version_identifiers(p + 1, true);
  if (p != NULL && *p == '+') p = version_identifiers(p + 1, false);
  return p != NULL && *p == 0 && strlen(version) < HADRON_VERSION_SIZE;
}

// ---- ELF

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#endif

struct file {
  const char *path;
  const unsigned char *bytes;
  size_t size;
  struct hd_fault *fault;
};

// Are `size` bytes at `offset` inside the file? No sum is made that could wrap.
static bool inside(const struct file *f, uint64_t offset, uint64_t size) { return offset <= f->size && size <= f->size - offset; }

static const char *machine_name(uint32_t machine) {
  static const struct {
    uint32_t machine;
    const char *name;
  } names[] = {{EM_386, "x86, 32 bit"}, {EM_ARM, "ARM, 32 bit"}, {EM_X86_64, "x86-64"}, {EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"}, {EM_PPC64, "PowerPC 64"}, {EM_S390, "S/390"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].machine == machine) return names[i].name;
  return "unknown";
}

static int32_t check_elf_header(const struct file *f, const Elf64_Ehdr *h) {
  if (h->e_ident[EI_CLASS] != ELFCLASS64)
    return hd_fault_set(f->fault, HADRON_ERR_UNSUPPORTED, "%s: expected a 64-bit shared object, found a %s one; build it for this machine", f->path,
                        h->e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit" : "damaged");
  if (h->e_ident[EI_DATA] != ELFDATA2LSB)
    return hd_fault_set(f->fault, HADRON_ERR_UNSUPPORTED, "%s: expected a little-endian shared object, found byte order %u", f->path, h->e_ident[EI_DATA]);
  if (h->e_machine != HOST_MACHINE)
    return hd_fault_set(f->fault, HADRON_ERR_UNSUPPORTED, "%s: expected machine %u (%s), found %u (%s); build it for this machine", f->path, HOST_MACHINE,
                        machine_name(HOST_MACHINE), h->e_machine, machine_name(h->e_machine));
  if (h->e_type != ET_DYN)
    return hd_fault_set(f->fault, HADRON_ERR_UNSUPPORTED, "%s: expected a shared object (ELF type %d), found ELF type %u; link it with -shared", f->path, ET_DYN, h->e_type);
  if (h->e_phnum == 0 || h->e_phentsize != sizeof(Elf64_Phdr))
    return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: damaged: %u program headers of %u bytes, expected at least one of %zu bytes", f->path, h->e_phnum,
                        h->e_phentsize, sizeof(Elf64_Phdr));
  return HADRON_OK;
}

static int32_t truncated(const struct file *f, const char *what, uint64_t offset, uint64_t size) {
  return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: truncated: %s should be %llu bytes at offset %llu, the file has %zu bytes; fetch or build it again",
                      f->path, what, (unsigned long long)size, (unsigned long long)offset, f->size);
}

// Every segment and section table must lie in the file: what a cut copy lacks first is its end, where the sections are.
static int32_t check_elf_extent(const struct file *f, const Elf64_Ehdr *h) {
  uint64_t programs = (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), sections = (uint64_t)h->e_shnum * h->e_shentsize;
  if (!inside(f, h->e_phoff, programs)) return truncated(f, "the program headers", h->e_phoff, programs);
  if (h->e_shoff != 0 && !inside(f, h->e_shoff, sections)) return truncated(f, "the section headers", h->e_shoff, sections);
  for (unsigned i = 0; i < h->e_phnum; i++) {
    Elf64_Phdr p;
    memcpy(&p, f->bytes + h->e_phoff + i * sizeof p, sizeof p);
    if ((p.p_type == PT_LOAD || p.p_type == PT_NOTE || p.p_type == PT_DYNAMIC) && !inside(f, p.p_offset, p.p_filesz))
      return truncated(f, "a segment", p.p_offset, p.p_filesz);
  }
  return HADRON_OK;
}

struct note {
  const unsigned char *bytes;
  uint64_t size;
  unsigned count; // how many Hadron notes were seen; bytes and size are the first one's
};

// Walks the notes of one segment. False if a note reaches beyond it.
static bool walk_notes(const struct file *f, uint64_t offset, uint64_t size, uint64_t align, struct note *found) {
  if (align < 4) align = 4;
  if (align != 4 && align != 8) return false;
  while (size >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr n;
    memcpy(&n, f->bytes + offset, sizeof n);
    uint64_t owner = sizeof n, content = (owner + n.n_namesz + align - 1) & ~(align - 1);
    uint64_t end = content + n.n_descsz, next = (end + align - 1) & ~(align - 1);
    if (end > size) return false;
    bool ours = n.n_namesz == sizeof HADRON_NOTE_OWNER && memcmp(f->bytes + offset + owner, HADRON_NOTE_OWNER, n.n_namesz) == 0;
    if (ours && n.n_type == HADRON_NOTE_TYPE && found->count++ == 0) {
      found->bytes = f->bytes + offset + content;
      found->size = n.n_descsz;
    }
    if (next > size) break; // the last one need not be padded
    offset += next;
    size -= next;
  }
  return true;
}

static int32_t find_note(const struct file *f, const Elf64_Ehdr *h, struct note *found) {
  for (unsigned i = 0; i < h->e_phnum; i++) {
    Elf64_Phdr p;
    memcpy(&p, f->bytes + h->e_phoff + i * sizeof p, sizeof p);
    if (p.p_type == PT_NOTE && !walk_notes(f, p.p_offset, p.p_filesz, p.p_align, found))
      return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: damaged: a note reaches beyond its segment of %llu bytes at offset %llu", f->path,
                          (unsigned long long)p.p_filesz, (unsigned long long)p.p_offset);
  }
  if (found->count == 0)
    return hd_fault_set(f->fault, HADRON_ERR_NOT_FOUND,
                        "%s: a shared object, but not a Hadron plugin: no note with owner \"%s\" and type %d; use the HADRON_PLUGIN(...) macro once", f->path,
                        HADRON_NOTE_OWNER, HADRON_NOTE_TYPE);
  if (found->count > 1)
    return hd_fault_set(f->fault, HADRON_ERR_DUPLICATE, "%s: expected one manifest note, found %u; use the HADRON_PLUGIN(...) macro once per shared object", f->path,
                        found->count);
  return HADRON_OK;
}

static bool text_whole(const char *field, size_t size) { return memchr(field, 0, size) != NULL; }

static int32_t read_native(const struct file *f, struct hadron_manifest *out) {
  Elf64_Ehdr h;
  if (f->size < sizeof h) return truncated(f, "the ELF header", 0, sizeof h);
  memcpy(&h, f->bytes, sizeof h);
  struct note note = {0};
  int32_t err = check_elf_header(f, &h);
  if (!err) err = check_elf_extent(f, &h);
  if (!err) err = find_note(f, &h, &note);
  if (err) return err;
  struct hadron_manifest m;
  // A newer SDK may have appended fields: what this host knows is the front part.
  if (note.size < sizeof m)
    return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: manifest: expected at least %zu bytes, found %llu", f->path, sizeof m, (unsigned long long)note.size);
  memcpy(&m, note.bytes, sizeof m);
  if (m.magic != HADRON_PLUGIN_MAGIC)
    return hd_fault_set(f->fault, HADRON_ERR_ABI, "%s: manifest: magic: expected 0x%08x, found 0x%08x; rebuild it with this host's SDK headers", f->path,
                        HADRON_PLUGIN_MAGIC, m.magic);
  if (m.struct_size < sizeof m || m.struct_size > note.size)
    return hd_fault_set(f->fault, HADRON_ERR_ABI, "%s: manifest: struct_size: expected %zu to %llu, found %u", f->path, sizeof m, (unsigned long long)note.size,
                        m.struct_size);
  if (!text_whole(m.name, sizeof m.name) || !text_whole(m.version, sizeof m.version) || !text_whole(m.description, sizeof m.description) ||
      !text_whole(m.requires_, sizeof m.requires_))
    return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: manifest: a text fills its field and has no end; names have at most %d bytes, versions %d, descriptions %zu, requirements %zu",
                        f->path, HADRON_NAME_SIZE - 1, HADRON_VERSION_SIZE - 1, sizeof m.description - 1, sizeof m.requires_ - 1);
  *out = m;
  return HADRON_OK;
}

// ---- Lua

#define LUA_LINE_SIZE 512

struct lua_head {
  struct hadron_manifest manifest;
  bool seen_hadron, seen_description, seen_requires;
};

static int32_t lua_fault(const struct file *f, unsigned line, const char *words, const char *found) {
  return hd_fault_set(f->fault, HADRON_ERR_PARSE, "%s:%u: manifest: %s, found \"%.120s\"", f->path, line, words, found);
}

static int32_t lua_identity(const struct file *f, unsigned line, const char *value, struct lua_head *head) {
  char kind[32], name[128], version[64], rest[2];
  if (head->seen_hadron) return lua_fault(f, line, "expected one line \"-- hadron: ...\"", value);
  if (sscanf(value, "%31s %127s %63s %1s", kind, name, version, rest) != 3)
    return lua_fault(f, line, "expected \"-- hadron: KIND NAME VERSION\"", value);
  head->manifest.kind = (uint16_t)hd_kind_parse(kind);
  if (head->manifest.kind == HADRON_KIND_INVALID) return lua_fault(f, line, "expected kind strategy, venue, allocator or service", kind);
  if (!hd_text_copy(head->manifest.name, sizeof head->manifest.name, name)) return lua_fault(f, line, "expected a name of at most 63 bytes", name);
  if (!hd_text_copy(head->manifest.version, sizeof head->manifest.version, version)) return lua_fault(f, line, "expected a version of at most 31 bytes", version);
  head->seen_hadron = true;
  return HADRON_OK;
}

// One comment line without its dashes. Lines that are no manifest keys are the author's own words.
static int32_t lua_head_line(const struct file *f, unsigned line, const char *text, struct lua_head *head) {
  struct {
    const char *key;
    char *field;
    size_t size;
    bool *seen;
  } rows[] = {{"hadron:", NULL, 0, &head->seen_hadron},
              {"description:", head->manifest.description, sizeof head->manifest.description, &head->seen_description},
              {"requires:", head->manifest.requires_, sizeof head->manifest.requires_, &head->seen_requires}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t key = strlen(rows[i].key);
    if (strncmp(text, rows[i].key, key) != 0) continue;
    const char *value = text + key + strspn(text + key, " \t");
    if (rows[i].field == NULL) return lua_identity(f, line, value, head);
    if (!head->seen_hadron) return HADRON_OK; // words of a comment above the manifest
    if (*rows[i].seen) return lua_fault(f, line, "expected this key once", text);
    if (!hd_text_copy(rows[i].field, rows[i].size, value)) return lua_fault(f, line, "value is too long", value);
    *rows[i].seen = true;
  }
  return HADRON_OK;
}

// The head is the comment and blank lines up to the first line of code.
static int32_t read_lua_lines(const struct file *f, struct lua_head *head) {
  const char *p = (const char *)f->bytes, *end = p + f->size;
  for (unsigned line = 1; p < end; line++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
    char text[LUA_LINE_SIZE];
    size_t length = (size_t)(stop - p) < sizeof text ? (size_t)(stop - p) : sizeof text - 1;
    memcpy(text, p, length);
    text[length] = 0;
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL) text[--length] = 0;
    const char *t = text + strspn(text, " \t");
    bool shebang = line == 1 && *t == '#', comment = strncmp(t, "--", 2) == 0 && strncmp(t, "--[", 3) != 0;
    if (*t != 0 && !comment && !shebang) break;
    int32_t err = comment ? lua_head_line(f, line, t + 2 + strspn(t + 2, " \t"), head) : HADRON_OK;
    if (err) return err;
    p = newline ? newline + 1 : end;
  }
  return HADRON_OK;
}

static int32_t read_lua(const struct file *f, struct hadron_manifest *out) {
  struct lua_head head = {.manifest = {.magic = HADRON_PLUGIN_MAGIC,
                                       .struct_size = sizeof(struct hadron_manifest),
                                       .abi_major = HADRON_ABI_MAJOR,
                                       .abi_minor = HADRON_ABI_MINOR}};
  if (f->size > 0 && f->bytes[0] == 0x1b)
    return hd_fault_set(f->fault, HADRON_ERR_UNSUPPORTED, "%s: expected Lua text, found precompiled Lua, which is never loaded; use the source", f->path);
  int32_t err = read_lua_lines(f, &head);
  if (err) return err;
  if (!head.seen_hadron)
    return hd_fault_set(f->fault, HADRON_ERR_NOT_FOUND, "%s: a Lua script without a manifest: expected a line \"-- hadron: strategy NAME VERSION\" at its top", f->path);
  if (memchr(f->bytes, 0, f->size) != NULL)
    return hd_fault_set(f->fault, HADRON_ERR_CORRUPT, "%s: expected Lua text, found a NUL byte at offset %zu", f->path,
                        (size_t)((const unsigned char *)memchr(f->bytes, 0, f->size) - f->bytes));
  *out = head.manifest;
  return HADRON_OK;
}

// ---- both

static bool suffix_is(const char *path, const char *suffix) {
  size_t length = strlen(path), size = strlen(suffix);
  return length > size && strcmp(path + length - size, suffix) == 0;
}

int32_t hd_manifest_read(const char *path, const void *bytes, size_t size, struct hadron_manifest *out, enum hd_language *language,
                         struct hd_fault *fault) {
  struct file f = {path, bytes, size, fault};
  enum hd_language found = HD_LANGUAGE_INVALID;
  if (size == 0) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: the file is empty; fetch or build it again", path);
  if (size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0) found = HD_LANGUAGE_NATIVE;
  else if (suffix_is(path, ".lua")) found = HD_LANGUAGE_LUA;
  else {
    char hex[9];
    hd_hex_format(hex, bytes, size < 4 ? size : 4);
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: not a plugin: expected a shared object (first bytes 7f454c46) or a script named *.lua, found first bytes %s", path, hex);
  }
  int32_t err = found == HD_LANGUAGE_NATIVE ? read_native(&f, out) : read_lua(&f, out);
  if (err) return err;
  hd_text_printable(out->description); // listings print it as it is
  if (language != NULL) *language = found;
  return HADRON_OK;
}

static void check_requirements(const struct hadron_manifest *m, struct hd_mismatch *d) {
  const char *cursor = m->requires_;
  char name[HD_CAPABILITY_NAME_SIZE], offered[256];
  while (hd_capability_next(&cursor, name)) {
    if (hd_capability_offered(name, m->kind)) continue;
    hd_capability_list(offered, sizeof offered, m->kind);
    hd_text_printable(name);
    hd_mismatch_add(d, HADRON_ERR_CAPABILITY, "capability", "required \"%s\", offered to a %s: %s", name, hd_kind_name(m->kind), offered);
  }
}

int32_t hd_manifest_check(const char *path, const struct hadron_manifest *m, struct hd_fault *fault) {
  struct hd_mismatch d = {0};
  char printable[HADRON_NAME_SIZE], what[512];
  if (m->abi_major != HADRON_ABI_MAJOR) hd_mismatch_add(&d, HADRON_ERR_ABI, "ABI major", "expected %u, found %u", HADRON_ABI_MAJOR, m->abi_major);
  if (m->minor_required > HADRON_ABI_MINOR)
    hd_mismatch_add(&d, HADRON_ERR_ABI, "ABI minor required", "expected at most %u, found %u", HADRON_ABI_MINOR, m->minor_required);
  bool kind_known = m->kind != HADRON_KIND_INVALID && m->kind < sizeof kinds / sizeof *kinds;
  if (!kind_known)
    hd_mismatch_add(&d, HADRON_ERR_ABI, "kind", "expected 1 strategy, 2 venue, 3 allocator or 4 service, found %u", m->kind);
  hd_text_copy(printable, sizeof printable, m->name);
  hd_text_printable(printable);
  if (!hd_name_valid(m->name)) hd_mismatch_add(&d, HADRON_ERR_ARGUMENT, "name", "expected [a-z0-9_-]{1,63}, found \"%s\"", printable);
  hd_text_copy(printable, sizeof printable, m->version);
  hd_text_printable(printable);
  if (!hd_version_valid(m->version)) hd_mismatch_add(&d, HADRON_ERR_ARGUMENT, "version", "expected a semantic version such as 1.2.3, found \"%s\"", printable);
  // The requirements of another ABI major, or of an unknown kind, could mean anything.
  if (m->abi_major == HADRON_ABI_MAJOR && kind_known) check_requirements(m, &d);
  snprintf(what, sizeof what, "%.400s: the plugin does not fit this host", path);
  return hd_mismatch_end(&d, what, d.code == HADRON_ERR_CAPABILITY ? "Use a host that offers it, or drop the requirement." : "Rebuild it with this host's SDK headers (sdk/include/hadron).",
                         fault);
}
