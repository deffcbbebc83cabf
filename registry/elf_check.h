// What a shared object must not do or ask for, found without running any of it. The file's structure comes first (elf_image.h); then what
// the system's loader would do with it, and what code of it would run before anybody asked for it:
//
//   libraries from where it likes (RPATH, RUNPATH, a path in NEEDED, FILTER, AUXILIARY, AUDIT), symbols for everybody (DF_1_GLOBAL, _INTERPOSE)
//   an executable stack, segments writable and executable at once, relocations of code (TEXTREL)
//   thread-local memory of the static kind: a few such plugins, and no more load
//   STB_GNU_UNIQUE symbols: two versions would share their state; IFUNC: code that runs while symbols are bound
//   constructors and destructors other than the C runtime's own
//   functions of the process, not of a plugin: exit, fork, signal, setlocale, chdir, dlopen, ... (hd_elf_denied)
//
// Constructors: the array may name the C runtime's `frame_dummy` (destructors: `__do_global_dtors_aux`), and functions that the compiler adds
// by itself (the feature test behind __builtin_cpu_supports, a sanitizer's registration), told by the file's symbol table. Where that was
// stripped, one entry may be left, and on x86-64 its code must be frame_dummy's, a bare jump. DT_INIT must be the C runtime's `_init`: on
// x86-64 by its code, elsewhere by its name. That is hygiene, not a wall: a plugin's entry point is code too. The wall is the signature.
#ifndef HD_REGISTRY_ELF_CHECK_H
#define HD_REGISTRY_ELF_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

// HADRON_ERR_CORRUPT: damaged. HADRON_ERR_UNSUPPORTED: no shared object for this machine. HADRON_ERR_PERMISSION: whole, and refused; the
// fault names all reasons at once.
int32_t hd_elf_check(const char *path, const void *bytes, size_t size, struct hd_fault *fault);

// Why a plugin must not import a function of this name; NULL: it may.
const char *hd_elf_denied(const char *name);

#endif
