#include "registry/elf_image.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#endif

__attribute__((format(printf, 3, 4))) static int32_t damaged(const struct hd_elf_image *m, struct hd_fault *fault, const char *format, ...) {
  char words[512];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: damaged: %s; build or fetch it again", m->path, words);
}

// Are `size` bytes at `offset` among `limit`? No sum is made that could wrap.
static bool within(uint64_t offset, uint64_t size, uint64_t limit) { return offset <= limit && size <= limit - offset; }

const unsigned char *hd_elf_at(const struct hd_elf_image *m, uint64_t address, uint64_t size) {
  for (uint32_t i = 0; i < m->load_count; i++) {
    const Elf64_Phdr *p = &m->loads[i];
    if (address >= p->p_vaddr && within(address - p->p_vaddr, size, p->p_filesz)) return m->bytes + p->p_offset + (address - p->p_vaddr);
  }
  return NULL;
}

bool hd_elf_mapped(const struct hd_elf_image *m, uint64_t address, uint64_t size, uint32_t rights) {
  for (uint32_t i = 0; i < m->load_count; i++) {
    const Elf64_Phdr *p = &m->loads[i];
    if (address >= p->p_vaddr && within(address - p->p_vaddr, size, p->p_memsz)) return (p->p_flags & rights) == rights;
  }
  return false;
}

const char *hd_elf_string(const struct hd_elf_image *m, uint64_t offset) {
  return offset < m->strings.size ? (const char *)hd_elf_at(m, m->strings.address, m->strings.size) + offset : NULL;
}

Elf64_Sym hd_elf_symbol(const struct hd_elf_image *m, uint32_t i) {
  Elf64_Sym s;
  HD_ASSERT(i < m->symbol_count);
  memcpy(&s, hd_elf_at(m, m->symbols.address + (uint64_t)i * sizeof s, sizeof s), sizeof s);
  return s;
}

// ---- header and segments

static int32_t header_read(struct hd_elf_image *m, struct hd_fault *fault) {
  if (m->size < sizeof m->header) return damaged(m, fault, "expected an ELF header of %zu bytes, found %zu bytes in all", sizeof m->header, m->size);
  memcpy(&m->header, m->bytes, sizeof m->header);
  const Elf64_Ehdr *h = &m->header;
  if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_type != ET_DYN ||
      h->e_machine != HOST_MACHINE || h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: expected a 64-bit little-endian shared object (type %d) for machine %d, found class %u, byte order %u, type %u, "
                        "machine %u, version %u; build it for this machine with -shared", m->path, ET_DYN, HOST_MACHINE, h->e_ident[EI_CLASS], h->e_ident[EI_DATA],
                        h->e_type, h->e_machine, h->e_version);
  if (h->e_ident[EI_OSABI] != ELFOSABI_SYSV && h->e_ident[EI_OSABI] != ELFOSABI_GNU)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: expected a shared object for Linux (OS ABI 0 or 3), found OS ABI %u", m->path, h->e_ident[EI_OSABI]);
  if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > HD_ELF_SEGMENTS_MAX)
    return damaged(m, fault, "expected 1 to %d program headers of %zu bytes, found %u of %u bytes", HD_ELF_SEGMENTS_MAX, sizeof(Elf64_Phdr), h->e_phnum, h->e_phentsize);
  if (h->e_phoff % 8 != 0 || !within(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), m->size))
    return damaged(m, fault, "the program headers at offset %llu are not inside the file of %zu bytes", (unsigned long long)h->e_phoff, m->size);
  uint64_t sections = (uint64_t)h->e_shnum * h->e_shentsize; // the loader does not read them; what a cut copy lacks first is its end
  if (h->e_shoff != 0 && !within(h->e_shoff, sections, m->size))
    return damaged(m, fault, "the section headers at offset %llu are not inside the file of %zu bytes: it is cut", (unsigned long long)h->e_shoff, m->size);
  return HADRON_OK;
}

static bool power_of_two(uint64_t x) { return x != 0 && (x & (x - 1)) == 0; }

static int32_t load_add(struct hd_elf_image *m, const Elf64_Phdr *p, uint32_t i, struct hd_fault *fault) {
  if (m->load_count == HD_ELF_LOADS_MAX) return damaged(m, fault, "more than %d segments to load", HD_ELF_LOADS_MAX);
  if (p->p_memsz == 0 || p->p_filesz > p->p_memsz || !within(p->p_vaddr, p->p_memsz, HD_ELF_SPAN_MAX))
    return damaged(m, fault, "segment %u has %llu bytes in the file and %llu in memory at address 0x%llx; expected as many or fewer in the file, below 0x%llx", i,
                   (unsigned long long)p->p_filesz, (unsigned long long)p->p_memsz, (unsigned long long)p->p_vaddr, (unsigned long long)HD_ELF_SPAN_MAX);
  if (!power_of_two(p->p_align) || p->p_align < HD_ELF_PAGE || p->p_align > HD_ELF_SPAN_MAX || (p->p_vaddr - p->p_offset) % p->p_align != 0)
    return damaged(m, fault, "segment %u at offset 0x%llx and address 0x%llx does not keep its alignment of 0x%llx", i, (unsigned long long)p->p_offset,
                   (unsigned long long)p->p_vaddr, (unsigned long long)p->p_align);
  if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: segment %u is writable and executable at once; link it without -z text=off, -N and the like", m->path, i);
  if (!(p->p_flags & PF_R)) return damaged(m, fault, "segment %u is not readable", i);
  const Elf64_Phdr *last = m->load_count ? &m->loads[m->load_count - 1] : NULL;
  // Pages are mapped whole: two segments that share one would lie on each other.
  uint64_t begin = p->p_vaddr & ~(uint64_t)(HD_ELF_PAGE - 1), end = last ? (last->p_vaddr + last->p_memsz + HD_ELF_PAGE - 1) & ~(uint64_t)(HD_ELF_PAGE - 1) : 0;
  if (last && begin < end)
    return damaged(m, fault, "segment %u at address 0x%llx overlaps the one before it, which ends at 0x%llx", i, (unsigned long long)p->p_vaddr, (unsigned long long)end);
  if (!last && (p->p_vaddr != 0 || p->p_offset != 0)) // the loader finds the headers there
    return damaged(m, fault, "the first segment begins at offset 0x%llx and address 0x%llx; expected 0 and 0", (unsigned long long)p->p_offset, (unsigned long long)p->p_vaddr);
  m->loads[m->load_count++] = *p;
  return HADRON_OK;
}

static int32_t segment_read(struct hd_elf_image *m, const Elf64_Phdr *p, uint32_t i, struct hd_fault *fault) {
  bool in_file = p->p_type == PT_LOAD || p->p_type == PT_NOTE || p->p_type == PT_DYNAMIC || p->p_type == PT_TLS || p->p_type == PT_GNU_PROPERTY ||
                 p->p_type == PT_GNU_EH_FRAME;
  if (in_file && !within(p->p_offset, p->p_filesz, m->size))
    return damaged(m, fault, "segment %u of %llu bytes at offset %llu is not inside the file of %zu bytes: it is cut", i, (unsigned long long)p->p_filesz,
                   (unsigned long long)p->p_offset, m->size);
  switch (p->p_type) {
  case PT_LOAD: return load_add(m, p, i, fault);
  case PT_INTERP: return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: a program, not a plugin: it names an interpreter; link it with -shared", m->path);
  case PT_DYNAMIC:
    if (m->dynamic.p_type) return damaged(m, fault, "two dynamic sections");
    m->dynamic = *p;
    return HADRON_OK;
  case PT_TLS:
    if (m->tls.p_type || p->p_filesz > p->p_memsz || p->p_memsz > HD_ELF_SPAN_MAX || p->p_align > HD_ELF_PAGE || (p->p_align && !power_of_two(p->p_align)))
      return damaged(m, fault, "thread-local segment %u is not as a linker writes it", i);
    m->tls = *p;
    return HADRON_OK;
  case PT_GNU_STACK:
    m->stack_named = true;
    m->stack_executable = m->stack_executable || (p->p_flags & PF_X);
    return HADRON_OK;
  default: return HADRON_OK;
  }
}

// What is named by address must lie in a segment, and the address must lead to the same bytes as the offset.
static int32_t segment_place(const struct hd_elf_image *m, const Elf64_Phdr *p, uint32_t i, struct hd_fault *fault) {
  if (p->p_type == PT_GNU_RELRO) { // the loader takes write access from these pages
    return hd_elf_mapped(m, p->p_vaddr, p->p_memsz, PF_R | PF_W) ? HADRON_OK : damaged(m, fault, "segment %u (RELRO) is not inside a writable segment", i);
  }
  bool named = p->p_type == PT_DYNAMIC || p->p_type == PT_GNU_PROPERTY || p->p_type == PT_GNU_EH_FRAME || p->p_type == PT_PHDR ||
               (p->p_type == PT_TLS && p->p_filesz > 0);
  if (named && hd_elf_at(m, p->p_vaddr, p->p_filesz) != m->bytes + p->p_offset)
    return damaged(m, fault, "segment %u (type 0x%x) at address 0x%llx is not inside a segment that is loaded", i, p->p_type, (unsigned long long)p->p_vaddr);
  if (p->p_type == PT_PHDR && p->p_offset != m->header.e_phoff) return damaged(m, fault, "segment %u names other program headers", i);
  return HADRON_OK;
}

static int32_t segments_read(struct hd_elf_image *m, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  Elf64_Phdr p;
  for (uint32_t pass = 0; pass < 2; pass++)
    for (uint32_t i = 0; i < m->header.e_phnum && !code; i++) {
      memcpy(&p, m->bytes + m->header.e_phoff + i * sizeof p, sizeof p);
      code = pass == 0 ? segment_read(m, &p, i, fault) : segment_place(m, &p, i, fault);
    }
  if (!code && m->load_count == 0) code = damaged(m, fault, "no segment to load");
  if (!code && !m->dynamic.p_type) code = damaged(m, fault, "no dynamic section; link it with -shared");
  return code;
}

// ---- the dynamic section

// One entry. Entries that are not named here need no care: the loader ignores them or only prints them.
static int32_t entry_read(struct hd_elf_image *m, const Elf64_Dyn *d, struct hd_fault *fault) {
  uint64_t v = d->d_un.d_val;
  switch (d->d_tag) {
  case DT_NEEDED:
    if (m->needed_count == HD_ELF_NEEDED_MAX) return damaged(m, fault, "it asks for more than %d libraries", HD_ELF_NEEDED_MAX);
    m->needed[m->needed_count++] = v;
    break;
  case DT_STRTAB: m->strings.address = v; break;
  case DT_STRSZ: m->strings.size = v; break;
  case DT_SYMTAB: m->symbols.address = v; break;
  case DT_RELA: m->rela.address = v; break;
  case DT_RELASZ: m->rela.size = v; break;
  case DT_JMPREL: m->jump.address = v; break;
  case DT_PLTRELSZ: m->jump.size = v; break;
  case DT_RELR: m->relr.address = v; break;
  case DT_RELRSZ: m->relr.size = v; break;
  case DT_INIT_ARRAY: m->init_array.address = v; break;
  case DT_INIT_ARRAYSZ: m->init_array.size = v; break;
  case DT_FINI_ARRAY: m->fini_array.address = v; break;
  case DT_FINI_ARRAYSZ: m->fini_array.size = v; break;
  case DT_PREINIT_ARRAY: m->preinit_array.address = v; break;
  case DT_PREINIT_ARRAYSZ: m->preinit_array.size = v; break;
  case DT_INIT: m->init = v; break;
  case DT_FINI: m->fini = v; break;
  case DT_HASH: m->hash = v; break;
  case DT_GNU_HASH: m->gnu_hash = v; break;
  case DT_VERSYM: m->versions = v; break;
  case DT_VERNEED: m->needs = v; break;
  case DT_VERNEEDNUM: m->need_count = v; break;
  case DT_VERDEF: m->defines = v; break;
  case DT_VERDEFNUM: m->define_count = v; break;
  case DT_FLAGS: m->flags = v; break;
  case DT_FLAGS_1: m->flags_1 = v; break;
  case DT_TEXTREL: m->text_relocations = true; break;
  case DT_RPATH: m->run_path = v, m->run_path_tag = "RPATH"; break;
  case DT_RUNPATH: m->run_path = v, m->run_path_tag = "RUNPATH"; break;
  case DT_AUXILIARY: m->foreign_tag = "AUXILIARY"; break;
  case DT_FILTER: m->foreign_tag = "FILTER"; break;
  case DT_AUDIT: m->foreign_tag = "AUDIT"; break;
  case DT_DEPAUDIT: m->foreign_tag = "DEPAUDIT"; break;
  case DT_SYMENT: if (v != sizeof(Elf64_Sym)) return damaged(m, fault, "symbols of %llu bytes, expected %zu", (unsigned long long)v, sizeof(Elf64_Sym)); break;
  case DT_RELAENT: if (v != sizeof(Elf64_Rela)) return damaged(m, fault, "relocations of %llu bytes, expected %zu", (unsigned long long)v, sizeof(Elf64_Rela)); break;
  case DT_RELRENT: if (v != sizeof(Elf64_Xword)) return damaged(m, fault, "packed relocations of %llu bytes, expected %zu", (unsigned long long)v, sizeof(Elf64_Xword)); break;
  case DT_PLTREL: if (v != DT_RELA) return damaged(m, fault, "procedure linkage by relocations of type %llu, expected %d", (unsigned long long)v, DT_RELA); break;
  case DT_REL: case DT_RELSZ: return damaged(m, fault, "relocations without addends, which this machine does not have");
  // An address that the loader writes or jumps by, and that no linker leaves in a shared object of today.
  case DT_GNU_CONFLICT: case DT_GNU_CONFLICTSZ: case DT_GNU_LIBLIST: case DT_GNU_LIBLISTSZ: case DT_GNU_PRELINKED: case DT_MOVETAB: case DT_SYMINFO:
    return damaged(m, fault, "a dynamic entry 0x%llx that no plugin has", (unsigned long long)d->d_tag);
  default: break;
  }
  return HADRON_OK;
}

static int32_t dynamic_read(struct hd_elf_image *m, struct hd_fault *fault) {
  const Elf64_Phdr *p = &m->dynamic;
  if (!hd_elf_mapped(m, p->p_vaddr, p->p_filesz, PF_R | PF_W)) return damaged(m, fault, "the dynamic section is not in a writable segment");
  uint64_t count = p->p_filesz / sizeof(Elf64_Dyn), seen[DT_NUM] = {0};
  for (uint64_t i = 0; i < count; i++) {
    Elf64_Dyn d;
    memcpy(&d, m->bytes + p->p_offset + i * sizeof d, sizeof d);
    if (d.d_tag == DT_NULL) return HADRON_OK;
    if (d.d_tag > 0 && d.d_tag < DT_NUM && d.d_tag != DT_NEEDED && seen[d.d_tag]++)
      return damaged(m, fault, "the dynamic section has entry %lld twice", (long long)d.d_tag);
    int32_t code = entry_read(m, &d, fault);
    if (code) return code;
  }
  return damaged(m, fault, "the dynamic section has no end");
}

static int32_t table_check(const struct hd_elf_image *m, const char *what, const struct hd_elf_table *t, uint64_t entry, uint64_t max, struct hd_fault *fault) {
  if (t->size == 0) return HADRON_OK;
  if (t->size % entry != 0 || t->size / entry > max || t->address % (entry > 8 ? 8 : entry) != 0 || !hd_elf_at(m, t->address, t->size))
    return damaged(m, fault, "%s: %llu bytes at address 0x%llx; expected whole entries of %llu bytes, at most %llu, inside a segment", what, (unsigned long long)t->size,
                   (unsigned long long)t->address, (unsigned long long)entry, (unsigned long long)max);
  return HADRON_OK;
}

static int32_t tables_check(struct hd_elf_image *m, struct hd_fault *fault) {
  const struct {
    const char *what;
    const struct hd_elf_table *table;
    uint64_t entry, max;
  } rows[] = {{"string table", &m->strings, 1, HD_ELF_SPAN_MAX}, {"relocations", &m->rela, sizeof(Elf64_Rela), HD_ELF_RELOCATIONS_MAX},
              {"procedure linkage", &m->jump, sizeof(Elf64_Rela), HD_ELF_SYMBOLS_MAX}, {"packed relocations", &m->relr, 8, HD_ELF_RELOCATIONS_MAX},
              {"constructors", &m->init_array, 8, HD_ELF_SYMBOLS_MAX}, {"destructors", &m->fini_array, 8, HD_ELF_SYMBOLS_MAX}};
  int32_t code = HADRON_OK;
  for (size_t i = 0; i < sizeof rows / sizeof *rows && !code; i++) code = table_check(m, rows[i].what, rows[i].table, rows[i].entry, rows[i].max, fault);
  if (code) return code;
  if (m->strings.size == 0 || *hd_elf_string(m, m->strings.size - 1) != 0) return damaged(m, fault, "the string table has no end");
  if (m->symbols.address == 0 || m->symbols.address % 8 != 0) return damaged(m, fault, "no symbol table");
  for (uint32_t i = 0; i < m->needed_count; i++)
    if (!hd_elf_string(m, m->needed[i])) return damaged(m, fault, "the name of a library that it asks for is beyond the string table");
  if (m->run_path_tag && !hd_elf_string(m, m->run_path)) return damaged(m, fault, "%s is beyond the string table", m->run_path_tag);
  return HADRON_OK;
}

// ---- hash tables: they say how many symbols there are, and the loader walks their chains

static uint32_t word_at(const unsigned char *p, uint64_t i) {
  uint32_t w;
  memcpy(&w, p + i * 4, 4);
  return w;
}

static int32_t sysv_hash_check(const struct hd_elf_image *m, uint32_t *symbols, struct hd_fault *fault) {
  const unsigned char *p = hd_elf_at(m, m->hash, 8);
  if (!p || m->hash % 4 != 0) return damaged(m, fault, "the hash table is not inside a segment");
  uint64_t buckets = word_at(p, 0), chains = word_at(p, 1);
  if (buckets == 0 || buckets > HD_ELF_SYMBOLS_MAX || chains > HD_ELF_SYMBOLS_MAX || !(p = hd_elf_at(m, m->hash, (2 + buckets + chains) * 4)))
    return damaged(m, fault, "a hash table of %llu buckets and %llu symbols is not inside a segment", (unsigned long long)buckets, (unsigned long long)chains);
  for (uint64_t b = 0; b < buckets; b++) {
    uint64_t steps = 0;
    for (uint32_t s = word_at(p, 2 + b); s != 0; s = word_at(p, 2 + buckets + s))
      if (s >= chains || ++steps > chains) return damaged(m, fault, "a chain of the hash table has no end");
  }
  *symbols = (uint32_t)chains;
  return HADRON_OK;
}

// header: buckets, first symbol, words of the filter, shift; filter; buckets; chains: one word per symbol from the first on, the last of
// a chain is odd.
static int32_t gnu_hash_check(const struct hd_elf_image *m, uint32_t *symbols, struct hd_fault *fault) {
  const unsigned char *p = hd_elf_at(m, m->gnu_hash, 16);
  if (!p || m->gnu_hash % 8 != 0) return damaged(m, fault, "the GNU hash table is not inside a segment");
  uint64_t buckets = word_at(p, 0), first = word_at(p, 1), filter = word_at(p, 2), head = 4 + filter * 2;
  if (buckets == 0 || buckets > HD_ELF_SYMBOLS_MAX || first > HD_ELF_SYMBOLS_MAX || !power_of_two(filter) || filter > HD_ELF_SYMBOLS_MAX || word_at(p, 3) > 63 ||
      !hd_elf_at(m, m->gnu_hash, (head + buckets) * 4))
    return damaged(m, fault, "a GNU hash table of %llu buckets from symbol %llu with %llu words of filter is not as a linker writes it", (unsigned long long)buckets,
                   (unsigned long long)first, (unsigned long long)filter);
  uint64_t end = first; // one past the last symbol
  for (uint64_t b = 0; b < buckets; b++) {
    uint64_t s = word_at(p, head + b);
    if (s == 0) continue;
    if (s < first || s > HD_ELF_SYMBOLS_MAX) return damaged(m, fault, "a bucket of the GNU hash table names symbol %llu", (unsigned long long)s);
    for (;; s++) { // buckets ascend, so that each chain is walked once, in a file as linkers write it; a bound holds for any other
      const unsigned char *chain = hd_elf_at(m, m->gnu_hash + (head + buckets + s - first) * 4, 4);
      if (!chain || s > HD_ELF_SYMBOLS_MAX) return damaged(m, fault, "a chain of the GNU hash table has no end");
      if (s + 1 <= end) return damaged(m, fault, "two chains of the GNU hash table meet");
      end = s + 1;
      if (word_at(chain, 0) & 1) break;
    }
  }
  *symbols = (uint32_t)end;
  return HADRON_OK;
}

// Relocations may name symbols that no hash table has: those that are only imported.
static void relocations_count(const struct hd_elf_image *m, const struct hd_elf_table *t, uint64_t *symbols) {
  const unsigned char *p = hd_elf_at(m, t->address, t->size);
  for (uint64_t at = 0; p && at < t->size; at += sizeof(Elf64_Rela)) {
    Elf64_Rela r;
    memcpy(&r, p + at, sizeof r);
    if (ELF64_R_SYM(r.r_info) >= *symbols) *symbols = ELF64_R_SYM(r.r_info) + 1;
  }
}

static int32_t symbols_count(struct hd_elf_image *m, struct hd_fault *fault) {
  uint32_t sysv = 0, gnu = 0;
  if (!m->hash && !m->gnu_hash) return damaged(m, fault, "no hash table of its symbols");
  int32_t code = m->hash ? sysv_hash_check(m, &sysv, fault) : HADRON_OK;
  if (!code && m->gnu_hash) code = gnu_hash_check(m, &gnu, fault);
  if (code) return code;
  uint64_t count = sysv > gnu ? sysv : gnu;
  relocations_count(m, &m->rela, &count);
  relocations_count(m, &m->jump, &count);
  m->symbols.size = count * sizeof(Elf64_Sym);
  if (count > HD_ELF_SYMBOLS_MAX || !hd_elf_at(m, m->symbols.address, m->symbols.size))
    return damaged(m, fault, "%llu symbols at address 0x%llx are not inside a segment", (unsigned long long)count, (unsigned long long)m->symbols.address);
  m->symbol_count = (uint32_t)count;
  return HADRON_OK;
}

// ---- versions of symbols

// Both chains go forward only: each step is at least as long as its entry. highest: of the version numbers in it.
static int32_t needs_check(const struct hd_elf_image *m, uint32_t *highest, struct hd_fault *fault) {
  uint64_t at = m->needs;
  for (uint64_t i = 0; m->needs && i < m->need_count; i++) {
    Elf64_Verneed n;
    const unsigned char *p = hd_elf_at(m, at, sizeof n);
    if (!p || at % 4 != 0) return damaged(m, fault, "the versions that it needs are not inside a segment");
    memcpy(&n, p, sizeof n);
    if (n.vn_version != 1 || !hd_elf_string(m, n.vn_file)) return damaged(m, fault, "a version that it needs is of no library");
    uint64_t aux = at + n.vn_aux;
    for (uint32_t k = 0; k < n.vn_cnt; k++) {
      Elf64_Vernaux a;
      const unsigned char *q = hd_elf_at(m, aux, sizeof a);
      if (!q || aux % 4 != 0) return damaged(m, fault, "a version that it needs is not inside a segment");
      memcpy(&a, q, sizeof a);
      if (!hd_elf_string(m, a.vna_name) || (k + 1 < n.vn_cnt) != (a.vna_next >= sizeof a)) return damaged(m, fault, "the versions that it needs have no end");
      if ((a.vna_other & 0x7fffu) > *highest) *highest = a.vna_other & 0x7fffu;
      aux += a.vna_next;
    }
    if ((i + 1 < m->need_count) != (n.vn_next >= sizeof n)) return damaged(m, fault, "the versions that it needs have no end");
    at += n.vn_next;
  }
  return HADRON_OK;
}

static int32_t versions_check(const struct hd_elf_image *m, struct hd_fault *fault) {
  if (m->versions && (m->versions % 2 != 0 || !hd_elf_at(m, m->versions, (uint64_t)m->symbol_count * 2)))
    return damaged(m, fault, "the versions of its symbols are not inside a segment");
  if (m->defines) return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: it defines versions of symbols; a plugin has one symbol and no version script with versions", m->path);
  if (m->needs && !m->versions) return damaged(m, fault, "it needs versions, but no symbol has one");
  uint32_t highest = 1; // 0: local, 1: global
  int32_t code = needs_check(m, &highest, fault);
  // The loader makes a list as long as the highest number, and looks symbols' numbers up in it.
  for (uint32_t i = 0; m->versions && i < m->symbol_count && !code; i++) {
    uint16_t v;
    memcpy(&v, hd_elf_at(m, m->versions + (uint64_t)i * 2, 2), 2);
    if ((v & 0x7fffu) > highest) code = damaged(m, fault, "symbol %u has version %u, which is not in its list", i, v & 0x7fffu);
  }
  return code;
}

int32_t hd_elf_image_read(struct hd_elf_image *m, const char *path, const void *bytes, size_t size, struct hd_fault *fault) {
  *m = (struct hd_elf_image){.path = path, .bytes = bytes, .size = size};
  int32_t code = header_read(m, fault);
  if (!code) code = segments_read(m, fault);
  if (!code) code = dynamic_read(m, fault);
  if (!code) code = tables_check(m, fault);
  if (!code) code = symbols_count(m, fault);
  return code ? code : versions_check(m, fault);
}
