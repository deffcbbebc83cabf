#include "runtime/simulate/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/banned.h"

#define HANDLES 256
#define DIRECTORY 100000 // handles of directories begin here

// What the present process has open; it is gone with it.
static struct open_file {
  uint32_t file; // number + 1; 0: free
  bool lock;
} opened[HANDLES];
static uint32_t held[HD_SIM_FILES]; // handles and maps of a file

struct hd_sim_disk *hd_sim_disk_create(void) {
  void *p = mmap(NULL, sizeof(struct hd_sim_disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static unsigned char *live_of(struct hd_sim_disk *d, const struct hd_sim_file *f) { return d->live + f->extent * HD_GRANULE; }
static unsigned char *platter_of(struct hd_sim_disk *d, const struct hd_sim_file *f) { return d->platter + f->extent * HD_GRANULE; }
static uint64_t *given_up_of(struct hd_sim_disk *d, const struct hd_sim_file *f) { return d->given_up + f->extent * (HD_GRANULE / HD_SIM_PAGE); }

static void extent_free(struct hd_sim_disk *d, uint32_t extent, uint32_t granules) {
  memset(d->taken + extent, 0, granules);
  memset(d->live + extent * HD_GRANULE, 0, granules * HD_GRANULE);
  memset(d->platter + extent * HD_GRANULE, 0, granules * HD_GRANULE);
  memset(d->given_up + extent * (HD_GRANULE / HD_SIM_PAGE), 0, granules * (HD_GRANULE / HD_SIM_PAGE) * sizeof *d->given_up);
}

static void file_free(struct hd_sim_disk *d, struct hd_sim_file *f) {
  extent_free(d, f->extent, f->granules);
  *f = (struct hd_sim_file){0};
}

void hd_sim_disk_clear(struct hd_sim_disk *d, struct hd_world *w) {
  for (uint32_t i = 0; i < HD_SIM_FILES; i++)
    if (d->files[i].used) file_free(d, &d->files[i]);
  for (uint32_t i = 0; i < HD_SIM_DIRS; i++) {
    if (!d->directories[i].path[0]) continue;
    memset(&d->directories[i], 0, sizeof d->directories[i]);
  }
  d->full_until_ns = 0;
  d->boot = 0;
  d->world = w;
}

// ---- space -----------------------------------------------------------------------------------------------------------------------------

static bool extent_find(const struct hd_sim_disk *d, uint32_t granules, uint32_t *out) {
  for (uint32_t at = 0, run = 0; at < HD_GRANULES; at++) {
    run = d->taken[at] ? 0 : run + 1;
    if (run < granules) continue;
    *out = at + 1 - granules;
    return true;
  }
  return false;
}

// Room for so many bytes. A file that is mapped is not moved.
static int file_grow(struct hd_sim_disk *d, struct hd_sim_file *f, uint64_t bytes) {
  uint32_t wanted = (uint32_t)((bytes + HD_GRANULE - 1) / HD_GRANULE), extent;
  if (wanted <= f->granules) return 0;
  if (f->granules && wanted < f->granules * 2) wanted = f->granules * 2;
  if (!extent_find(d, wanted, &extent)) return -ENOSPC;
  memset(d->taken + extent, 1, wanted);
  if (f->granules) {
    HD_ASSERT(held[f - d->files] <= 1); // the handle itself
    memcpy(d->live + extent * HD_GRANULE, live_of(d, f), f->granules * HD_GRANULE);
    memcpy(d->platter + extent * HD_GRANULE, platter_of(d, f), f->granules * HD_GRANULE);
    memcpy(d->given_up + extent * (HD_GRANULE / HD_SIM_PAGE), given_up_of(d, f), f->granules * (HD_GRANULE / HD_SIM_PAGE) * sizeof *d->given_up);
    extent_free(d, f->extent, f->granules);
  }
  f->extent = extent;
  f->granules = wanted;
  return 0;
}

// Is the file still somebody's, in a directory or in what a power cut may bring back?
static bool reachable(const struct hd_sim_disk *d, uint32_t file) {
  for (uint32_t i = 0; i < HD_SIM_DIRS && d->directories[i].path[0]; i++) {
    const struct hd_sim_directory *dir = &d->directories[i];
    for (uint32_t k = 0; k < HD_SIM_NAMES; k++) {
      if (dir->names[k].name[0] && dir->names[k].file == file) return true;
      if (dir->durable[k].name[0] && dir->durable[k].file == file) return true;
    }
    for (uint32_t k = 0; k < dir->operation_count; k++)
      if (dir->operations[k].file == file) return true;
  }
  return false;
}

static void file_release(struct hd_sim_disk *d, uint32_t file) {
  if (!held[file] && d->files[file].used && !reachable(d, file)) file_free(d, &d->files[file]);
}

void hd_sim_disk_restart(struct hd_sim_disk *d) {
  memset(held, 0, sizeof held);
  for (uint32_t i = 0; i < HD_SIM_DIRS; i++)
    for (uint32_t k = 0; k < d->directories[i].operation_count; k++) d->directories[i].operations[k].given_up = false;
  for (uint32_t i = 0; i < HD_SIM_FILES; i++) file_release(d, i);
}

// ---- faults ------------------------------------------------------------------------------------------------------------------------------

static bool is_full(struct hd_sim_disk *d) {
  struct hd_world *w = d->world;
  if (!w->calm && w->now_ns < d->full_until_ns) return true;
  if (!hd_world_strikes(w, HD_FAULT_DISK_FULL)) return false;
  d->full_until_ns = w->now_ns + hd_world_between(&w->luck, 100, 5000) * HD_MS;
  hd_world_trace(w, "disk: full");
  return true;
}

static int strikes(struct hd_sim_disk *d, enum hd_world_fault fault, const char *what) {
  hd_world_call(d->world);
  if (!hd_world_strikes(d->world, fault)) return 0;
  hd_world_trace(d->world, "disk: %s fails", what);
  d->world->disk_faults++;
  return -EIO;
}

static int takes_space(struct hd_sim_disk *d, const char *what) {
  int error = strikes(d, HD_FAULT_DISK_WRITE, what);
  if (!error && is_full(d)) {
    d->world->disk_faults++;
    error = -ENOSPC;
  }
  return error;
}

// ---- names -------------------------------------------------------------------------------------------------------------------------------

static struct hd_sim_name *name_find(struct hd_sim_name *names, const char *name) {
  for (uint32_t i = 0; i < HD_SIM_NAMES; i++)
    if (strcmp(names[i].name, name) == 0) return &names[i];
  return NULL;
}

static void name_put(struct hd_sim_name *names, const char *name, uint32_t file) {
  struct hd_sim_name *at = name_find(names, name);
  if (!at) at = name_find(names, "");
  HD_ASSERT(at && strlen(name) < HD_SIM_NAME_SIZE);
  snprintf(at->name, sizeof at->name, "%s", name);
  at->file = file;
}

static void name_drop(struct hd_sim_name *names, const char *name) {
  struct hd_sim_name *at = name_find(names, name);
  if (at) at->name[0] = 0;
}

static void apply(struct hd_sim_name *names, const struct hd_sim_operation *o) {
  switch (o->kind) {
  case HD_SIM_CREATE: name_put(names, o->to, o->file); break;
  case HD_SIM_UNLINK: name_drop(names, o->from); break;
  default: // whole or not at all, and only if what it moves is there
    if (!name_find(names, o->from)) break;
    name_drop(names, o->from);
    name_put(names, o->to, o->file);
    break;
  }
}

static int operate(struct hd_sim_disk *d, int dir, uint32_t kind, uint32_t file, const char *from, const char *to) {
  struct hd_sim_directory *at = &d->directories[dir - DIRECTORY];
  if (at->operation_count == HD_SIM_OPERATIONS) { // the file system writes its own log now and then
    memcpy(at->durable, at->names, sizeof at->durable);
    at->operation_count = 0;
  }
  struct hd_sim_operation *o = &at->operations[at->operation_count++];
  *o = (struct hd_sim_operation){.kind = kind, .file = file, .given_up = false};
  snprintf(o->from, sizeof o->from, "%s", from);
  snprintf(o->to, sizeof o->to, "%s", to);
  apply(at->names, o);
  return 0;
}

static int disk_dir_open(void *self, const char *path, bool make) {
  struct hd_sim_disk *d = self;
  hd_world_call(d->world);
  for (uint32_t i = 0; i < HD_SIM_DIRS; i++) {
    struct hd_sim_directory *dir = &d->directories[i];
    if (strcmp(dir->path, path) == 0) return DIRECTORY + (int)i;
    if (dir->path[0]) continue;
    if (!make) return -ENOENT;
    snprintf(dir->path, sizeof dir->path, "%s", path);
    return DIRECTORY + (int)i;
  }
  return -ENOSPC;
}

// ---- files -------------------------------------------------------------------------------------------------------------------------------

static int handle_make(uint32_t file, bool lock) {
  for (int i = 0; i < HANDLES; i++) {
    if (opened[i].file) continue;
    opened[i] = (struct open_file){file + 1, lock};
    held[file]++;
    return i;
  }
  return -EMFILE;
}

static struct hd_sim_file *file_of(struct hd_sim_disk *d, int handle) {
  HD_ASSERT(handle >= 0 && handle < HANDLES && opened[handle].file);
  return &d->files[opened[handle].file - 1];
}

static int create(struct hd_sim_disk *d, int dir, const char *name, uint32_t *file) {
  int error = takes_space(d, "creating a file");
  if (error) return error;
  for (*file = 0; *file < HD_SIM_FILES && d->files[*file].used; ++*file) continue;
  if (*file == HD_SIM_FILES) return -ENOSPC;
  d->files[*file] = (struct hd_sim_file){.used = true};
  return operate(d, dir, HD_SIM_CREATE, *file, "", name);
}

static int disk_open(void *self, int dir, const char *name, enum hd_disk_mode mode) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_name *at = name_find(d->directories[dir - DIRECTORY].names, name);
  uint32_t file = at ? at->file : 0;
  int error = strikes(d, HD_FAULT_DISK_READ, "opening a file");
  if (!error && mode == HD_DISK_CREATE) error = at ? -EEXIST : create(d, dir, name, &file);
  else if (!error && !at) error = -ENOENT;
  return error ? error : handle_make(file, false);
}

static void disk_close(void *self, int handle) {
  struct hd_sim_disk *d = self;
  if (handle >= DIRECTORY) return;
  uint32_t file = opened[handle].file - 1;
  opened[handle].file = 0;
  held[file]--;
  file_release(d, file);
}

static int disk_size(void *self, int handle, uint64_t *bytes) {
  *bytes = file_of(self, handle)->size;
  return 0;
}

static int disk_data_end(void *self, int handle, uint64_t *offset) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_file *f = file_of(d, handle);
  const unsigned char *bytes = live_of(d, f);
  uint64_t end = f->size;
  while (end >= 8 && memcmp(bytes + end - 8, "\0\0\0\0\0\0\0\0", 8) == 0) end -= 8;
  *offset = end;
  return 0;
}

static int disk_truncate(void *self, int handle, uint64_t bytes) {
  struct hd_sim_disk *d = self;
  struct hd_sim_file *f = file_of(d, handle);
  int error = strikes(d, HD_FAULT_DISK_WRITE, "truncating a file");
  if (!error) error = file_grow(d, f, bytes);
  if (error) return error;
  if (bytes < f->size) memset(live_of(d, f) + bytes, 0, f->size - bytes);
  f->size = bytes;
  return 0;
}

static int disk_allocate(void *self, int handle, uint64_t bytes) {
  struct hd_sim_disk *d = self;
  struct hd_sim_file *f = file_of(d, handle);
  int error = takes_space(d, "allocating");
  if (!error) error = file_grow(d, f, bytes);
  if (!error && f->size < bytes) f->size = bytes;
  return error;
}

static int disk_map(void *self, int handle, uint64_t bytes, bool writable, void **base) {
  struct hd_sim_disk *d = self;
  struct hd_sim_file *f = file_of(d, handle);
  (void)writable;
  int error = strikes(d, HD_FAULT_DISK_READ, "mapping a file");
  if (!error) error = file_grow(d, f, bytes); // behind the end there is nothing, but there is an address
  if (error) return error;
  *base = live_of(d, f);
  held[f - d->files]++;
  return 0;
}

static void disk_unmap(void *self, void *base, uint64_t bytes) {
  struct hd_sim_disk *d = self;
  uint32_t granule = (uint32_t)((uint64_t)((unsigned char *)base - d->live) / HD_GRANULE);
  (void)bytes;
  for (uint32_t i = 0; i < HD_SIM_FILES; i++) {
    const struct hd_sim_file *f = &d->files[i];
    if (!f->used || granule < f->extent || granule >= f->extent + f->granules) continue;
    held[i]--;
    file_release(d, i);
    return;
  }
}

static void disk_advise(void *self, void *base, uint64_t bytes, enum hd_disk_advice advice) { (void)self, (void)base, (void)bytes, (void)advice; }

static int disk_read(void *self, int handle, void *to, size_t bytes, uint64_t offset, size_t *done) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_file *f = file_of(d, handle);
  int error = strikes(d, HD_FAULT_DISK_READ, "reading");
  if (error) return error;
  *done = offset >= f->size ? 0 : bytes < f->size - offset ? bytes : (size_t)(f->size - offset);
  memcpy(to, live_of(d, f) + offset, *done);
  return 0;
}

static int disk_write(void *self, int handle, const void *from, size_t bytes, uint64_t offset, size_t *done) {
  struct hd_sim_disk *d = self;
  struct hd_sim_file *f = file_of(d, handle);
  int error = offset + bytes > f->size ? takes_space(d, "writing") : strikes(d, HD_FAULT_DISK_WRITE, "writing");
  if (!error) error = file_grow(d, f, offset + bytes);
  if (error) return error;
  memcpy(live_of(d, f) + offset, from, bytes);
  if (offset + bytes > f->size) f->size = offset + bytes;
  for (uint64_t page = offset / HD_SIM_PAGE; page * HD_SIM_PAGE < offset + bytes; page++) given_up_of(d, f)[page] = 0;
  *done = bytes;
  return 0;
}

static uint64_t page_hash(const unsigned char *page) {
  uint64_t hash = 1, word;
  for (size_t i = 0; i < HD_SIM_PAGE; i += 8) {
    memcpy(&word, page + i, 8);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 31;
  }
  return hash ? hash : 1;
}

static void write_back(struct hd_sim_disk *d, struct hd_sim_file *f, bool fails) {
  unsigned char *live = live_of(d, f), *platter = platter_of(d, f);
  uint64_t *given_up = given_up_of(d, f), pages = f->granules * (HD_GRANULE / HD_SIM_PAGE);
  for (uint64_t i = 0; i < pages; i++) {
    unsigned char *page = live + i * HD_SIM_PAGE;
    if (memcmp(page, platter + i * HD_SIM_PAGE, HD_SIM_PAGE) == 0) continue;
    if (fails) given_up[i] = page_hash(page);
    else if (!given_up[i] || given_up[i] != page_hash(page)) {
      memcpy(platter + i * HD_SIM_PAGE, page, HD_SIM_PAGE);
      given_up[i] = 0;
    }
  }
  if (!fails) f->durable_size = f->size;
}

static int disk_sync(void *self, int handle) {
  struct hd_sim_disk *d = self;
  struct hd_world *w = d->world;
  hd_world_call(w);
  if (hd_world_strikes(w, HD_FAULT_DISK_SLOW)) w->now_ns += hd_world_between(&w->luck, 1000, 5000) * HD_MS;
  bool fails = hd_world_strikes(w, HD_FAULT_SYNC_FAILED);
  write_back(d, file_of(d, handle), fails);
  if (!fails) return 0;
  w->disk_faults++;
  hd_world_trace(w, "disk: a sync fails");
  return -EIO;
}

static int disk_rename(void *self, int dir, const char *from, const char *to) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_name *at = name_find(d->directories[dir - DIRECTORY].names, from);
  if (!at) return -ENOENT;
  int error = strikes(d, HD_FAULT_DISK_WRITE, "renaming");
  return error ? error : operate(d, dir, HD_SIM_RENAME, at->file, from, to);
}

static int disk_unlink(void *self, int dir, const char *name) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_name *at = name_find(d->directories[dir - DIRECTORY].names, name);
  hd_world_call(d->world);
  return at ? operate(d, dir, HD_SIM_UNLINK, at->file, name, "") : -ENOENT;
}

static int disk_sync_dir(void *self, int dir) {
  struct hd_sim_disk *d = self;
  struct hd_sim_directory *at = &d->directories[dir - DIRECTORY];
  int error = strikes(d, HD_FAULT_DISK_WRITE, "syncing a directory");
  uint32_t given_up = 0;
  for (uint32_t i = 0; error && i < at->operation_count; i++) at->operations[i].given_up = true;
  if (error) return error;
  for (uint32_t i = 0; i < at->operation_count; i++) {
    if (at->operations[i].given_up) at->operations[given_up++] = at->operations[i];
    else apply(at->durable, &at->operations[i]);
  }
  at->operation_count = given_up;
  for (uint32_t i = 0; i < HD_SIM_FILES; i++) file_release(d, i);
  return 0;
}

static int disk_list(void *self, int dir, int (*each)(void *context, const char *name), void *context) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_directory *at = &d->directories[dir - DIRECTORY];
  int error = strikes(d, HD_FAULT_DISK_READ, "listing a directory");
  for (uint32_t i = 0; !error && i < HD_SIM_NAMES; i++)
    if (at->names[i].name[0]) error = each(context, at->names[i].name);
  return error;
}

static int disk_lock(void *self, int dir, const char *name, const char *owner, char other[HD_DISK_OWNER_SIZE]) {
  struct hd_sim_disk *d = self;
  const struct hd_sim_name *at = name_find(d->directories[dir - DIRECTORY].names, name);
  uint32_t file = at ? at->file : 0;
  int error = at ? 0 : create(d, dir, name, &file);
  if (!error) error = file_grow(d, &d->files[file], HD_DISK_OWNER_SIZE);
  if (error) return error;
  char *words = (char *)live_of(d, &d->files[file]);
  memcpy(other, words, HD_DISK_OWNER_SIZE);
  other[HD_DISK_OWNER_SIZE - 1] = 0;
  for (int i = 0; i < HANDLES; i++)
    if (opened[i].lock && opened[i].file == file + 1) return -EWOULDBLOCK;
  snprintf(words, HD_DISK_OWNER_SIZE, "%s", owner);
  d->files[file].size = HD_DISK_OWNER_SIZE;
  return handle_make(file, true);
}

static void disk_unlock(void *self, int handle) {
  struct hd_sim_disk *d = self;
  memset(live_of(d, file_of(d, handle)), 0, HD_DISK_OWNER_SIZE);
  disk_close(self, handle);
}

static int disk_space(void *self, int dir, struct hd_disk_space *space) {
  struct hd_sim_disk *d = self;
  uint64_t granules = 0;
  (void)dir;
  for (uint32_t i = 0; i < HD_GRANULES; i++) granules += !d->taken[i];
  bool full = !d->world->calm && d->world->now_ns < d->full_until_ns;
  *space = (struct hd_disk_space){full ? 0 : granules * HD_GRANULE, HD_GRANULES * HD_GRANULE};
  return 0;
}

static void disk_boot(void *self, uint8_t id[16]) {
  const struct hd_sim_disk *d = self;
  const uint64_t words[2] = {d->world->seed + 1, d->boot + 1};
  memcpy(id, words, sizeof words);
}

const struct hd_disk_api hd_sim_disk_api = {
    .dir_open = disk_dir_open, .open = disk_open, .close = disk_close, .size = disk_size, .data_end = disk_data_end, .truncate = disk_truncate,
    .allocate = disk_allocate, .map = disk_map, .unmap = disk_unmap, .advise = disk_advise, .read = disk_read, .write = disk_write, .sync = disk_sync,
    .rename = disk_rename, .unlink = disk_unlink, .sync_dir = disk_sync_dir, .list = disk_list, .lock = disk_lock, .unlock = disk_unlock, .space = disk_space, .boot = disk_boot};

// ---- the power goes ------------------------------------------------------------------------------------------------------------------------

// Of what was not synced every grain is kept or lost by itself: torn, and in no order.
static void cut_file(struct hd_sim_disk *d, struct hd_sim_file *f, uint64_t grain, uint64_t kept) {
  struct hd_world *w = d->world;
  unsigned char *live = live_of(d, f), *platter = platter_of(d, f);
  uint64_t bytes = f->granules * HD_GRANULE;
  if (f->size != f->durable_size && hd_random_below(&w->luck, 100) < kept) f->durable_size = f->size;
  for (uint64_t at = 0; at < bytes; at += HD_SIM_PAGE) {
    if (memcmp(live + at, platter + at, HD_SIM_PAGE) == 0) continue;
    for (uint64_t g = at; g < at + HD_SIM_PAGE; g += grain)
      if (memcmp(live + g, platter + g, grain) != 0 && hd_random_below(&w->luck, 100) < kept) memcpy(platter + g, live + g, grain);
  }
  if (f->durable_size < bytes) memset(platter + f->durable_size, 0, bytes - f->durable_size);
  memcpy(live, platter, bytes);
  f->size = f->durable_size;
  memset(given_up_of(d, f), 0, f->granules * (HD_GRANULE / HD_SIM_PAGE) * sizeof *d->given_up);
}

static void cut_directory(struct hd_sim_disk *d, struct hd_sim_directory *dir, uint64_t kept) {
  struct hd_world *w = d->world;
  bool in_order = hd_random_below(&w->luck, 2) == 0;
  for (uint32_t i = 0; i < dir->operation_count; i++) {
    bool keeps = hd_random_below(&w->luck, 100) < kept;
    if (dir->operations[i].given_up) continue;
    if (keeps) apply(dir->durable, &dir->operations[i]);
    else if (in_order) break;
  }
  dir->operation_count = 0;
  memcpy(dir->names, dir->durable, sizeof dir->names);
}

void hd_sim_disk_power_cut(struct hd_sim_disk *d) {
  static const uint64_t grains[] = {16, 512, 4096}, chances[] = {0, 20, 50, 80, 95};
  struct hd_world *w = d->world;
  uint64_t grain = grains[hd_random_below(&w->luck, 3)], kept = chances[hd_random_below(&w->luck, 5)];
  hd_world_trace(w, "the power goes; of what was not synced %u %% stays, in grains of %u bytes", (unsigned)kept, (unsigned)grain);
  for (uint32_t i = 0; i < HD_SIM_FILES; i++)
    if (d->files[i].used) cut_file(d, &d->files[i], grain, kept);
  for (uint32_t i = 0; i < HD_SIM_DIRS; i++)
    if (d->directories[i].path[0]) cut_directory(d, &d->directories[i], kept);
  d->boot++;
  hd_sim_disk_restart(d);
}
