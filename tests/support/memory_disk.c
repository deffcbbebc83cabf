#include "support/memory_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define DIR_HANDLE 1000

const char *const memory_calls[MEMORY_CALLS] = {"dir_open", "open", "size", "data_end", "truncate", "allocate", "map", "read", "write", "sync", "rename", "unlink", "sync_dir", "list", "lock", "space"};

// Counts the call; the error that it is to end with, or 0.
static int call(struct memory_disk *d, enum memory_call kind) {
  d->calls++;
  uint64_t number = d->fail_kind < 0 ? d->calls : d->by_kind[kind] + 1;
  d->by_kind[kind]++;
  if (!d->fail_at || (d->fail_kind >= 0 && d->fail_kind != (int)kind)) return 0;
  if (number < d->fail_at || number - d->fail_at >= d->fail_for) return 0; // fail_for may be all there are
  d->failed++;
  return d->fail_error;
}

static struct memory_dir *dir_of(struct memory_disk *d, int handle) {
  HD_ASSERT(handle >= DIR_HANDLE && handle < DIR_HANDLE + MEMORY_DIRS);
  return &d->dirs[handle - DIR_HANDLE];
}

static struct memory_name *name_find(struct memory_name *names, const char *name) {
  for (int i = 0; i < MEMORY_NAMES; i++)
    if (names[i].file >= 0 && strcmp(names[i].name, name) == 0) return &names[i];
  return NULL;
}

static void name_put(struct memory_name *names, const char *name, int file) {
  struct memory_name *n = name_find(names, name);
  for (int i = 0; !n && i < MEMORY_NAMES; i++)
    if (names[i].file < 0) n = &names[i];
  HD_ASSERT(n);
  snprintf(n->name, sizeof n->name, "%s", name);
  n->file = file;
}

static void change_note(struct memory_dir *m, const char *from, const char *to, int file) {
  if (m->change_count == MEMORY_CHANGES) { // the oldest have come through by now
    for (int i = 0; i < MEMORY_NAMES; i++) m->kept[i] = m->now[i];
    m->change_count = 0;
    return;
  }
  struct memory_change *c = &m->changes[m->change_count++];
  snprintf(c->from, sizeof c->from, "%s", from);
  snprintf(c->to, sizeof c->to, "%s", to);
  c->file = file;
}

static void change_apply(struct memory_name *names, const struct memory_change *c) {
  struct memory_name *from = c->from[0] ? name_find(names, c->from) : NULL;
  if (c->from[0] && !from) return; // what it was built on did not come through
  int file = from ? from->file : c->file;
  if (from) from->file = -1;
  if (c->to[0]) name_put(names, c->to, file);
}

static int disk_dir_open(void *self, const char *path, bool make) {
  struct memory_disk *d = self;
  int rc = call(d, MEMORY_DIR_OPEN), unused = -1;
  if (rc) return -rc;
  for (int i = 0; i < MEMORY_DIRS; i++) {
    if (strcmp(d->dirs[i].path, path) == 0) return DIR_HANDLE + i;
    if (!d->dirs[i].path[0] && unused < 0) unused = i;
  }
  if (!make) return -ENOENT;
  HD_ASSERT(unused >= 0);
  snprintf(d->dirs[unused].path, sizeof d->dirs[unused].path, "%s", path);
  return DIR_HANDLE + unused;
}

// Behind it both sides hold only zeros.
static uint64_t extent(const struct memory_file *f) { return f->size > f->kept_size ? f->size : f->kept_size; }

// A file that no name leads to, now or after a cut, may be used again.
static int file_take(struct memory_disk *d) {
  bool held[MEMORY_FILES] = {false};
  for (int i = 0; i < MEMORY_DIRS; i++) {
    for (int k = 0; k < MEMORY_NAMES; k++) {
      if (d->dirs[i].now[k].file >= 0) held[d->dirs[i].now[k].file] = true;
      if (d->dirs[i].kept[k].file >= 0) held[d->dirs[i].kept[k].file] = true;
    }
    for (uint32_t k = 0; k < d->dirs[i].change_count; k++)
      if (d->dirs[i].changes[k].file >= 0) held[d->dirs[i].changes[k].file] = true;
  }
  for (int i = 0; i < MEMORY_FILES; i++) {
    struct memory_file *f = &d->files[i];
    if (f->used || held[i]) continue;
    if (!f->now) f->now = calloc(2, d->room);
    HD_ASSERT(f->now);
    f->kept = f->now + d->room;
    memset(f->now, 0, extent(f));
    memset(f->kept, 0, extent(f));
    f->size = f->kept_size = 0;
    f->used = true;
    d->sync_failed[i] = false;
    return i;
  }
  bool room = false; // MEMORY_FILES are too few
  HD_ASSERT(room);
  return -1;
}

static int disk_open(void *self, int dir, const char *name, enum hd_disk_mode mode) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = call(d, MEMORY_OPEN);
  if (rc) return -rc;
  struct memory_name *n = name_find(m->now, name);
  if (mode != HD_DISK_CREATE) return n ? n->file : -ENOENT;
  if (n) return -EEXIST;
  int file = file_take(d);
  name_put(m->now, name, file);
  change_note(m, "", name, file);
  return file;
}

static void disk_close(void *self, int handle) { (void)self, (void)handle; }

static int disk_size(void *self, int file, uint64_t *bytes) {
  struct memory_disk *d = self;
  int rc = call(d, MEMORY_SIZE);
  if (!rc) *bytes = d->files[file].size;
  return -rc;
}

static int disk_data_end(void *self, int file, uint64_t *offset) {
  struct memory_disk *d = self;
  int rc = call(d, MEMORY_DATA_END);
  if (rc) return -rc;
  const struct memory_file *f = &d->files[file];
  uint64_t end = f->size, word;
  for (; end >= 8; end -= 8) {
    memcpy(&word, f->now + (end - 8), sizeof word);
    if (word) break;
  }
  *offset = f->size % 8 ? f->size : end;
  return 0;
}

static uint64_t all_bytes(const struct memory_disk *d) {
  uint64_t sum = 0;
  for (int i = 0; i < MEMORY_DIRS; i++)
    for (int k = 0; k < MEMORY_NAMES; k++)
      if (d->dirs[i].now[k].file >= 0) sum += d->files[d->dirs[i].now[k].file].size;
  return sum;
}

static int file_grow(struct memory_disk *d, struct memory_file *f, uint64_t bytes) {
  if (bytes > d->room) return -EFBIG;
  if (bytes <= f->size) return 0;
  if (d->full_after && all_bytes(d) + bytes - f->size > d->full_after) return -ENOSPC;
  f->size = bytes;
  return 0;
}

static int disk_truncate(void *self, int file, uint64_t bytes) {
  struct memory_disk *d = self;
  struct memory_file *f = &d->files[file];
  int rc = call(d, MEMORY_TRUNCATE);
  if (rc) return -rc;
  if (bytes < f->size) memset(f->now + bytes, 0, f->size - bytes), f->size = bytes;
  return file_grow(d, f, bytes);
}

static int disk_allocate(void *self, int file, uint64_t bytes) {
  struct memory_disk *d = self;
  int rc = call(d, MEMORY_ALLOCATE);
  return rc ? -rc : file_grow(d, &d->files[file], bytes);
}

static int disk_map(void *self, int file, uint64_t bytes, bool writable, void **base) {
  struct memory_disk *d = self;
  (void)writable;
  int rc = call(d, MEMORY_MAP);
  if (rc) return -rc;
  HD_ASSERT(bytes <= d->room);
  *base = d->files[file].now;
  return 0;
}
static void disk_unmap(void *self, void *base, uint64_t bytes) { (void)self, (void)base, (void)bytes; }
static void disk_advise(void *self, void *base, uint64_t bytes, enum hd_disk_advice advice) { (void)self, (void)base, (void)bytes, (void)advice; }

static int disk_read(void *self, int file, void *to, size_t bytes, uint64_t offset, size_t *done) {
  struct memory_disk *d = self;
  const struct memory_file *f = &d->files[file];
  int rc = call(d, MEMORY_READ);
  if (rc) return -rc;
  size_t n = offset >= f->size ? 0 : f->size - offset < bytes ? (size_t)(f->size - offset) : bytes;
  memcpy(to, f->now + offset, n);
  *done = n;
  return 0;
}

static int disk_write(void *self, int file, const void *from, size_t bytes, uint64_t offset, size_t *done) {
  struct memory_disk *d = self;
  struct memory_file *f = &d->files[file];
  uint64_t failed = d->failed;
  int rc = call(d, MEMORY_WRITE);
  if (rc) return -rc;
  size_t n = d->failed != failed && bytes ? 1 : bytes; // a short one
  rc = file_grow(d, f, offset + n);
  if (rc) return rc;
  memcpy(f->now + offset, from, n);
  *done = n;
  return 0;
}

static int disk_sync(void *self, int file) {
  struct memory_disk *d = self;
  struct memory_file *f = &d->files[file];
  if (d->sync_failed[file]) d->sync_again++;
  int rc = call(d, MEMORY_SYNC);
  if (rc) {
    d->sync_failed[file] = true;
    return -rc;
  }
  memcpy(f->kept, f->now, extent(f));
  f->kept_size = f->size;
  return 0;
}

static int disk_rename(void *self, int dir, const char *from, const char *to) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = call(d, MEMORY_RENAME);
  if (rc) return -rc;
  struct memory_name *n = name_find(m->now, from);
  if (!n) return -ENOENT;
  int file = n->file;
  n->file = -1;
  struct memory_name *old = name_find(m->now, to);
  if (old) d->files[old->file].used = false;
  name_put(m->now, to, file);
  change_note(m, from, to, file);
  return 0;
}

static int disk_unlink(void *self, int dir, const char *name) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = call(d, MEMORY_UNLINK);
  if (rc) return -rc;
  struct memory_name *n = name_find(m->now, name);
  if (!n) return -ENOENT;
  d->files[n->file].used = false; // whoever has it open or mapped still may: file_take waits for the names
  change_note(m, name, "", n->file);
  n->file = -1;
  return 0;
}

static int disk_sync_dir(void *self, int dir) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = call(d, MEMORY_SYNC_DIR);
  if (rc) return -rc;
  memcpy(m->kept, m->now, sizeof m->kept);
  m->change_count = 0;
  return 0;
}

static int disk_list(void *self, int dir, int (*each)(void *context, const char *name), void *context) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = -call(d, MEMORY_LIST);
  for (int i = 0; i < MEMORY_NAMES && !rc; i++)
    if (m->now[i].file >= 0) rc = each(context, m->now[i].name);
  return rc;
}

static int disk_lock(void *self, int dir, const char *name, const char *owner, char other[HD_DISK_OWNER_SIZE]) {
  struct memory_disk *d = self;
  struct memory_dir *m = dir_of(d, dir);
  int rc = call(d, MEMORY_LOCK);
  if (rc) return -rc;
  struct memory_name *n = name_find(m->now, name);
  int file = n ? n->file : file_take(d);
  if (!n) name_put(m->now, name, file), change_note(m, "", name, file);
  struct memory_file *f = &d->files[file];
  memcpy(other, f->now, HD_DISK_OWNER_SIZE);
  other[HD_DISK_OWNER_SIZE - 1] = 0;
  if (f->locked) return -EWOULDBLOCK;
  f->locked = true;
  memset(f->now, 0, HD_DISK_OWNER_SIZE);
  snprintf((char *)f->now, HD_DISK_OWNER_SIZE, "%s", owner);
  f->size = strlen(owner);
  return file;
}

static void disk_unlock(void *self, int handle) {
  struct memory_disk *d = self;
  d->files[handle].locked = false;
  d->files[handle].size = 0;
  memset(d->files[handle].now, 0, HD_DISK_OWNER_SIZE);
}

static int disk_space(void *self, int dir, struct hd_disk_space *space) {
  struct memory_disk *d = self;
  (void)dir;
  int rc = call(d, MEMORY_SPACE);
  if (rc) return -rc;
  uint64_t used = all_bytes(d), total = d->full_after ? d->full_after : UINT64_C(1) << 40;
  *space = (struct hd_disk_space){used < total ? total - used : 0, total};
  return 0;
}

static void disk_boot(void *self, uint8_t id[16]) {
  const struct memory_disk *d = self;
  memset(id, 0, 16);
  memcpy(id, &d->boot, sizeof d->boot);
}

void memory_disk_init(struct memory_disk *d, uint64_t room) {
  static const struct hd_disk_api api = {
      .dir_open = disk_dir_open, .open = disk_open, .close = disk_close, .size = disk_size, .data_end = disk_data_end,
      .truncate = disk_truncate, .allocate = disk_allocate, .map = disk_map, .unmap = disk_unmap, .advise = disk_advise,
      .read = disk_read, .write = disk_write, .sync = disk_sync, .rename = disk_rename, .unlink = disk_unlink,
      .sync_dir = disk_sync_dir, .list = disk_list, .lock = disk_lock, .unlock = disk_unlock, .space = disk_space, .boot = disk_boot};
  memset(d, 0, sizeof *d);
  d->disk = (struct hd_disk){d, &api};
  d->room = room;
  d->boot = 1;
  d->fail_kind = -1;
  d->fail_for = 1;
  for (int i = 0; i < MEMORY_DIRS; i++)
    for (int k = 0; k < MEMORY_NAMES; k++) d->dirs[i].now[k].file = d->dirs[i].kept[k].file = -1;
}

void memory_disk_fini(struct memory_disk *d) {
  for (int i = 0; i < MEMORY_FILES; i++) free(d->files[i].now);
  memset(d, 0, sizeof *d);
}

void memory_disk_copy(struct memory_disk *to, const struct memory_disk *from) {
  HD_ASSERT(to->room == from->room);
  struct memory_file old[MEMORY_FILES];
  memcpy(old, to->files, sizeof old);
  *to = *from;
  to->disk.self = to;
  for (int i = 0; i < MEMORY_FILES; i++) {
    struct memory_file *f = &to->files[i];
    f->now = old[i].now;
    f->kept = old[i].kept;
    uint64_t end = extent(f), before = f->now ? extent(&old[i]) : 0;
    if (!f->now && !from->files[i].now) continue;
    if (!f->now) f->now = calloc(2, to->room);
    HD_ASSERT(f->now);
    f->kept = f->now + to->room;
    if (end) memcpy(f->now, from->files[i].now, end), memcpy(f->kept, from->files[i].kept, end);
    if (before > end) memset(f->now + end, 0, before - end), memset(f->kept + end, 0, before - end);
  }
}

void memory_disk_kill(struct memory_disk *d) {
  for (int i = 0; i < MEMORY_FILES; i++) d->files[i].locked = d->sync_failed[i] = false;
}

static void file_cut(struct memory_file *f, struct hd_random *random, uint64_t grain) {
  uint64_t size = hd_random_next(random) & 1 ? f->size : f->kept_size, end = f->size > f->kept_size ? f->size : f->kept_size;
  uint32_t luck = (uint32_t)hd_random_below(random, 257); // this time much comes through, or little
  for (uint64_t at = 0; at < end; at += grain) {
    uint64_t n = end - at < grain ? end - at : grain;
    if (memcmp(f->now + at, f->kept + at, n) == 0) continue;
    if (hd_random_below(random, 256) >= luck) memcpy(f->now + at, f->kept + at, n);
  }
  if (size < end) memset(f->now + size, 0, end - size);
  f->size = size;
}

void memory_disk_cut(struct memory_disk *d, struct hd_random *random, uint64_t grain, uint32_t names_luck) {
  for (int i = 0; i < MEMORY_DIRS; i++) {
    struct memory_dir *m = &d->dirs[i];
    for (uint32_t k = 0; k < m->change_count; k++)
      if (hd_random_below(random, 256) < names_luck) change_apply(m->kept, &m->changes[k]);
    memcpy(m->now, m->kept, sizeof m->now);
    m->change_count = 0;
  }
  for (int i = 0; i < MEMORY_FILES; i++) {
    struct memory_file *f = &d->files[i];
    f->used = false;
    f->locked = false;
    d->sync_failed[i] = false;
    for (int k = 0; k < MEMORY_DIRS && !f->used; k++)
      for (int n = 0; n < MEMORY_NAMES; n++) f->used |= d->dirs[k].now[n].file == i;
    if (!f->used) continue;
    file_cut(f, random, grain);
    memcpy(f->kept, f->now, extent(f));
    f->kept_size = f->size;
  }
  d->boot++;
}

unsigned char *memory_disk_file(struct memory_disk *d, const char *name, uint64_t **size) {
  struct memory_name *n = name_find(d->dirs[0].now, name);
  if (!n) return NULL;
  if (size) *size = &d->files[n->file].size;
  return d->files[n->file].now;
}
