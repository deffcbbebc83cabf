// A shared object as the system's loader will see it, read from bytes that may be hostile: segments, the dynamic section and the tables
// that it names. Every address is checked against the segments, every count against the bytes that hold it, every chain for its end, so
// that whoever walks the tables afterwards needs no further check, and the loader finds nothing that could lead it astray. [any]
#ifndef HD_REGISTRY_ELF_IMAGE_H
#define HD_REGISTRY_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define HD_ELF_SEGMENTS_MAX 32               // program headers; compilers write about ten
#define HD_ELF_LOADS_MAX 16
#define HD_ELF_SPAN_MAX (UINT64_C(1) << 30)  // bytes of address space
#define HD_ELF_NEEDED_MAX 64                 // libraries that it asks for
#define HD_ELF_SYMBOLS_MAX 100000u
#define HD_ELF_RELOCATIONS_MAX 2000000u
#define HD_ELF_PAGE 4096u

// A table that a pair of dynamic entries names.
struct hd_elf_table {
  uint64_t address, size; // size in bytes; 0: there is none
};

struct hd_elf_image {
  const char *path; // for messages
  const unsigned char *bytes;
  size_t size;
  Elf64_Ehdr header;
  Elf64_Phdr loads[HD_ELF_LOADS_MAX]; // ascending
  uint32_t load_count;
  Elf64_Phdr dynamic, tls;            // p_type PT_NULL: there is none
  bool stack_named, stack_executable;
  // From the dynamic section.
  uint64_t flags, flags_1;            // DT_FLAGS, DT_FLAGS_1
  bool text_relocations;
  uint64_t init, fini;                // addresses; 0: none
  struct hd_elf_table strings, symbols, rela, jump, relr, init_array, fini_array, preinit_array;
  uint64_t hash, gnu_hash, versions, needs, defines; // addresses; 0: none
  uint64_t need_count, define_count;
  uint64_t needed[HD_ELF_NEEDED_MAX]; // in the string table
  uint32_t needed_count;
  uint64_t run_path;                  // DT_RPATH or DT_RUNPATH in the string table
  const char *run_path_tag;           // NULL: none
  const char *foreign_tag;            // an entry that makes the loader load or interpose something else; NULL: none
  uint32_t symbol_count;
};

// HADRON_ERR_UNSUPPORTED (no shared object for this machine), HADRON_ERR_CORRUPT.
int32_t hd_elf_image_read(struct hd_elf_image *image, const char *path, const void *bytes, size_t size, struct hd_fault *fault);

// The bytes of `size` at an address, if one segment has them all in the file; else NULL.
const unsigned char *hd_elf_at(const struct hd_elf_image *image, uint64_t address, uint64_t size);
// Are they in memory, in one segment with these rights (PF_R, PF_W, PF_X)?
bool hd_elf_mapped(const struct hd_elf_image *image, uint64_t address, uint64_t size, uint32_t rights);
// A string of the string table; NULL if it begins beyond it.
const char *hd_elf_string(const struct hd_elf_image *image, uint64_t offset);
Elf64_Sym hd_elf_symbol(const struct hd_elf_image *image, uint32_t i); // i < symbol_count

#endif
