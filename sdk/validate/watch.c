// Which functions of the C library a plugin's own code calls. Its calls go through slots that the dynamic linker filled; the slots
// of the watched names are pointed at functions that count and pass on. Code of libraries that the plugin links is not seen.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/banned.h"
#include "sdk/validate/trial.h"

enum watch_class { ALLOCATION, CLOCK, RANDOM, BLOCK };

static struct watch_counts *watching; // NULL: calls pass uncounted

void watch_start(struct watch_counts *counts) { watching = counts; }
void watch_stop(void) { watching = NULL; }

static void count(enum watch_class class, const char *name) {
  if (watching == NULL) return;
  uint64_t *counters[] = {&watching->allocations, &watching->clocks, &watching->randoms, &watching->blocks};
  ++*counters[class];
  if (watching->first[class] == NULL) watching->first[class] = name;
}

// PASS(class, result, name, (parameters), (arguments)): a function that counts and calls the real one.
#define PASS(class, result, name, parameters, arguments) \
  static result watched_##name parameters {              \
    count(class, #name);                                 \
    return name arguments;                               \
  }

PASS(ALLOCATION, void *, malloc, (size_t n), (n))
PASS(ALLOCATION, void *, calloc, (size_t n, size_t size), (n, size))
PASS(ALLOCATION, void *, realloc, (void *p, size_t n), (p, n))
PASS(ALLOCATION, void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
PASS(ALLOCATION, void *, aligned_alloc, (size_t align, size_t n), (align, n))
PASS(ALLOCATION, int, posix_memalign, (void **p, size_t align, size_t n), (p, align, n))
PASS(ALLOCATION, void, free, (void *p), (p))
PASS(CLOCK, time_t, time, (time_t *t), (t))
PASS(CLOCK, int, clock_gettime, (clockid_t id, struct timespec *t), (id, t))
PASS(CLOCK, int, gettimeofday, (struct timeval *tv, void *zone), (tv, zone))
PASS(RANDOM, int, rand, (void), ())
PASS(RANDOM, long, random, (void), ())
PASS(RANDOM, double, drand48, (void), ())
PASS(RANDOM, ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags))
PASS(BLOCK, unsigned, sleep, (unsigned s), (s))
PASS(BLOCK, int, usleep, (useconds_t us), (us))
PASS(BLOCK, int, nanosleep, (const struct timespec *t, struct timespec *rest), (t, rest))
PASS(BLOCK, int, pthread_mutex_lock, (pthread_mutex_t *m), (m))
PASS(BLOCK, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
PASS(BLOCK, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
PASS(BLOCK, int, puts, (const char *text), (text))
PASS(BLOCK, size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f))

#define ROW(name) {#name, (void (*)(void))watched_##name}
static const struct {
  const char *name;
  void (*function)(void);
} watched[] = {ROW(malloc), ROW(calloc), ROW(realloc),   ROW(reallocarray), ROW(aligned_alloc), ROW(posix_memalign), ROW(free),  ROW(time),
               ROW(clock_gettime), ROW(gettimeofday),    ROW(rand),         ROW(random),        ROW(drand48),        ROW(getrandom), ROW(sleep), ROW(usleep),
               ROW(nanosleep), ROW(pthread_mutex_lock),  ROW(write),        ROW(read),          ROW(puts),           ROW(fwrite)};

#if defined(__x86_64__)
#define SLOT_JUMP R_X86_64_JUMP_SLOT
#define SLOT_DATA R_X86_64_GLOB_DAT
#else
#define SLOT_JUMP R_AARCH64_JUMP_SLOT
#define SLOT_DATA R_AARCH64_GLOB_DAT
#endif

struct tables {
  const Elf64_Sym *symbols;
  const char *strings;
  const Elf64_Rela *rows[2];
  size_t counts[2];
};

// The linker has made the addresses of the dynamic section absolute.
static struct tables tables_of(const struct link_map *map) {
  struct tables t = {0};
  for (const Elf64_Dyn *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    const void *address;
    memcpy(&address, &d->d_un.d_ptr, sizeof address);
    switch (d->d_tag) {
    case DT_SYMTAB: t.symbols = address; break;
    case DT_STRTAB: t.strings = address; break;
    case DT_JMPREL: t.rows[0] = address; break;
    case DT_PLTRELSZ: t.counts[0] = d->d_un.d_val / sizeof(Elf64_Rela); break;
    case DT_RELA: t.rows[1] = address; break;
    case DT_RELASZ: t.counts[1] = d->d_un.d_val / sizeof(Elf64_Rela); break;
    default: break;
    }
  }
  return t;
}

static bool point_slot(uintptr_t slot, void (*function)(void)) {
  uintptr_t page = slot & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
  void *at;
  memcpy(&at, &page, sizeof at);
  // RELRO made it read-only; it stays writable in this process, which will not live long.
  if (mprotect(at, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE) != 0) return false;
  memcpy(&at, &slot, sizeof at);
  memcpy(at, &function, sizeof function);
  return true;
}

bool watch_install(void *handle) {
  struct link_map *map;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return false;
  struct tables t = tables_of(map);
  if (t.symbols == NULL || t.strings == NULL) return false;
  for (int table = 0; table < 2; table++)
    for (size_t i = 0; t.rows[table] != NULL && i < t.counts[table]; i++) {
      const Elf64_Rela *row = &t.rows[table][i];
      if (ELF64_R_TYPE(row->r_info) != SLOT_JUMP && ELF64_R_TYPE(row->r_info) != SLOT_DATA) continue;
      const char *name = t.strings + t.symbols[ELF64_R_SYM(row->r_info)].st_name;
      for (size_t w = 0; w < sizeof watched / sizeof *watched; w++)
        if (strcmp(watched[w].name, name) == 0 && !point_slot((uintptr_t)(map->l_addr + row->r_offset), watched[w].function)) return false;
    }
  return true;
}
