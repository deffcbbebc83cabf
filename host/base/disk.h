// Files as the journal, snapshots and stores see them: a small table of functions, so that a test or a simulation can be the disk.
// hd_disk_system() is the real one. Nothing here is on the append path: records go into mapped memory.
//
// Directories and files are handles, small numbers >= 0 of the disk's own; names are relative to a directory's handle and hold no
// slash. Every function of the table returns 0 (or a handle) or a negative errno: -ENOENT, -EEXIST, -ENOSPC, -EDQUOT, -EIO, -EINTR ...
// and leaves its out-parameters alone when it fails. The wrappers below the table are what callers use.
//
// What a power cut leaves: of a file what was there at its last sync() and any part of what was changed since; of a directory the
// names as of its last sync_dir() and any part of the changes since. What a kill of the process leaves: everything.
#ifndef HD_BASE_DISK_H
#define HD_BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum hd_disk_mode {
  HD_DISK_READ = 0,   // an existing file, for reading
  HD_DISK_WRITE = 1,  // an existing file, for reading and writing
  HD_DISK_CREATE = 2, // a new, empty file, for both; -EEXIST if there is one
};

enum hd_disk_advice { // hints; a disk may do nothing
  HD_DISK_AHEAD_READ = 0,  // make these pages resident
  HD_DISK_AHEAD_WRITE = 1, // the same, writable without a fault
  HD_DISK_DONE = 2,        // these pages are not needed soon; what was stored stays stored
};

struct hd_disk_space {
  uint64_t free_bytes;  // that this process may still use
  uint64_t total_bytes; // of the file system
};

#define HD_DISK_OWNER_SIZE 192

struct hd_disk_api { // [any]
  // A directory's handle; made first if `make` and it is not there (its parent must be).
  int (*dir_open)(void *self, const char *path, bool make);
  int (*open)(void *self, int dir, const char *name, enum hd_disk_mode mode); // never follows a link
  void (*close)(void *self, int handle);                                      // of a file or a directory; maps stay

  int (*size)(void *self, int file, uint64_t *bytes);
  // Where data ends: behind it the file holds only zeros that were never written. A disk that cannot tell says its size.
  int (*data_end)(void *self, int file, uint64_t *offset);
  int (*truncate)(void *self, int file, uint64_t bytes);
  // Real space for [0, bytes); the file is at least so long afterwards, new bytes are zero.
  int (*allocate)(void *self, int file, uint64_t bytes);
  int (*map)(void *self, int file, uint64_t bytes, bool writable, void **base); // shared; bytes > 0
  void (*unmap)(void *self, void *base, uint64_t bytes);
  void (*advise)(void *self, void *base, uint64_t bytes, enum hd_disk_advice advice);
  // May move fewer bytes than asked, reading at the end of the file none.
  int (*read)(void *self, int file, void *to, size_t bytes, uint64_t offset, size_t *done);
  int (*write)(void *self, int file, const void *from, size_t bytes, uint64_t offset, size_t *done);
  // What was stored or written in this file, its size included, survives a power cut. Never called again on a file after it failed.
  int (*sync)(void *self, int file);

  int (*rename)(void *self, int dir, const char *from, const char *to); // replaces `to`
  int (*unlink)(void *self, int dir, const char *name);
  int (*sync_dir)(void *self, int dir); // the names
  // Calls `each` for every name; stops when it says other than 0, and returns that.
  int (*list)(void *self, int dir, int (*each)(void *context, const char *name), void *context);

  // Makes and locks the file `name`, and writes `owner` into it: for one process only, until the handle is closed or the process
  // ends. -EWOULDBLOCK: another holds it, and its words are in `other`. Else `other` has those of the last one, or none: an owner that
  // ends in peace leaves none (unlock).
  int (*lock)(void *self, int dir, const char *name, const char *owner, char other[HD_DISK_OWNER_SIZE]);
  void (*unlock)(void *self, int handle); // wipes the words, closes the handle

  int (*space)(void *self, int dir, struct hd_disk_space *space);

  // Identity of the time since unsynced data was last lost: another one after every power cut or restart of the machine, the same after a
  // kill. All zero, or no function: not known.
  void (*boot)(void *self, uint8_t id[16]);
};

struct hd_disk {
  void *self;
  const struct hd_disk_api *api;
};

// The real one. static.
const struct hd_disk *hd_disk_system(void);
static inline const struct hd_disk *hd_disk_or_system(const struct hd_disk *d) { return d ? d : hd_disk_system(); }

// ---- What callers use. A call that was interrupted is made again, but for sync: after a failure nobody knows what was kept. ----

int hd_disk_read(const struct hd_disk *d, int file, void *to, size_t bytes, uint64_t offset, size_t *done); // short only at the end
int hd_disk_write(const struct hd_disk *d, int file, const void *from, size_t bytes, uint64_t offset);      // all of it
int hd_disk_allocate(const struct hd_disk *d, int file, uint64_t bytes);
int hd_disk_open(const struct hd_disk *d, int dir, const char *name, enum hd_disk_mode mode);

// Writes `name` whole, so that after any cut it is the old one or the new one: `name` with a dot in front, sync, rename, sync_dir.
int hd_disk_replace(const struct hd_disk *d, int dir, const char *name, const void *bytes, size_t size);

static inline int hd_disk_dir_open(const struct hd_disk *d, const char *path, bool make) { return d->api->dir_open(d->self, path, make); }
static inline void hd_disk_close(const struct hd_disk *d, int handle) { d->api->close(d->self, handle); }
static inline int hd_disk_size(const struct hd_disk *d, int file, uint64_t *bytes) { return d->api->size(d->self, file, bytes); }
static inline int hd_disk_data_end(const struct hd_disk *d, int file, uint64_t *offset) { return d->api->data_end(d->self, file, offset); }
static inline int hd_disk_truncate(const struct hd_disk *d, int file, uint64_t bytes) { return d->api->truncate(d->self, file, bytes); }
static inline int hd_disk_map(const struct hd_disk *d, int file, uint64_t bytes, bool writable, void **base) {
  return d->api->map(d->self, file, bytes, writable, base);
}
static inline void hd_disk_unmap(const struct hd_disk *d, void *base, uint64_t bytes) { d->api->unmap(d->self, base, bytes); }
static inline void hd_disk_advise(const struct hd_disk *d, void *base, uint64_t bytes, enum hd_disk_advice advice) {
  d->api->advise(d->self, base, bytes, advice);
}
static inline int hd_disk_sync(const struct hd_disk *d, int file) { return d->api->sync(d->self, file); }
static inline int hd_disk_rename(const struct hd_disk *d, int dir, const char *from, const char *to) {
  return d->api->rename(d->self, dir, from, to);
}
static inline int hd_disk_unlink(const struct hd_disk *d, int dir, const char *name) { return d->api->unlink(d->self, dir, name); }
static inline int hd_disk_sync_dir(const struct hd_disk *d, int dir) { return d->api->sync_dir(d->self, dir); }
static inline int hd_disk_list(const struct hd_disk *d, int dir, int (*each)(void *context, const char *name), void *context) {
  return d->api->list(d->self, dir, each, context);
}
static inline int hd_disk_lock(const struct hd_disk *d, int dir, const char *name, const char *owner, char other[HD_DISK_OWNER_SIZE]) {
  return d->api->lock(d->self, dir, name, owner, other);
}
static inline void hd_disk_unlock(const struct hd_disk *d, int handle) { d->api->unlock(d->self, handle); }
static inline int hd_disk_space(const struct hd_disk *d, int dir, struct hd_disk_space *space) { return d->api->space(d->self, dir, space); }
void hd_disk_boot(const struct hd_disk *d, uint8_t id[16]);

// A negative errno as a code of ours: NOT_FOUND, EXISTS, FULL (no space, over quota, too large), MEMORY, else IO.
int32_t hd_disk_code(int error);

// "journal: renaming x failed: No space left on device; free some space on its disk". Returns hd_disk_code(error).
int32_t hd_disk_fault(struct hd_fault *fault, int error, const char *room, const char *what, const char *where);

#endif
