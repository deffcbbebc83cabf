// A disk in memory that remembers what is durable: a power cut keeps of each file what was synced and any part, in grains, of what was changed
// since; of each directory the names as of its last sync and any of the changes since. A kill keeps everything. Single calls can be made to
// fail. One thread at a time, but for mapped stores.
#ifndef TEST_SUPPORT_MEMORY_DISK_H
#define TEST_SUPPORT_MEMORY_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/random.h"

#define MEMORY_FILES 96
#define MEMORY_NAMES 48
#define MEMORY_DIRS 4
#define MEMORY_CHANGES 96
#define MEMORY_NAME_SIZE 64

struct memory_file {
  unsigned char *now, *kept; // room bytes each; kept: as of the last sync
  uint64_t size, kept_size;
  bool used, locked;
};
struct memory_name {
  char name[MEMORY_NAME_SIZE];
  int file; // -1: none
};
struct memory_change { // of names, since the last sync_dir
  char from[MEMORY_NAME_SIZE], to[MEMORY_NAME_SIZE]; // create: to; unlink: from; rename: both
  int file;
};
struct memory_dir {
  char path[128];
  struct memory_name now[MEMORY_NAMES], kept[MEMORY_NAMES];
  struct memory_change changes[MEMORY_CHANGES];
  uint32_t change_count;
};

enum memory_call {
  MEMORY_DIR_OPEN, MEMORY_OPEN, MEMORY_SIZE, MEMORY_DATA_END, MEMORY_TRUNCATE, MEMORY_ALLOCATE, MEMORY_MAP, MEMORY_READ, MEMORY_WRITE, MEMORY_SYNC,
  MEMORY_RENAME, MEMORY_UNLINK, MEMORY_SYNC_DIR, MEMORY_LIST, MEMORY_LOCK, MEMORY_SPACE, MEMORY_CALLS
};
extern const char *const memory_calls[MEMORY_CALLS];

struct memory_disk {
  struct hd_disk disk;
  struct memory_file files[MEMORY_FILES];
  struct memory_dir dirs[MEMORY_DIRS];
  uint64_t room;        // bytes of a file at most
  uint64_t boot;
  // What is to fail: the call number fail_at (from 1; 0: none) of all, or of one kind. fail_for: so many in a row.
  uint64_t calls, by_kind[MEMORY_CALLS];
  uint64_t fail_at, fail_for;
  int fail_kind;        // enum memory_call; -1: any
  int fail_error;       // a positive errno; 0 with a write: it takes one byte and no more
  uint64_t failed;      // how many did
  uint64_t sync_again;  // syncs of a file after one of it had failed: must never be
  bool sync_failed[MEMORY_FILES];
  uint64_t full_after;  // bytes that all files together may take; 0: no bound
};

void memory_disk_init(struct memory_disk *d, uint64_t room);
void memory_disk_fini(struct memory_disk *d);
void memory_disk_copy(struct memory_disk *to, const struct memory_disk *from); // `to` was initialised with the same room
void memory_disk_kill(struct memory_disk *d);                                 // the process ended: its locks go
// The machine lost its power. grain: bytes that go to the medium at once; names_luck: of 256, how probable a change of a name that was not
// synced has come through.
void memory_disk_cut(struct memory_disk *d, struct hd_random *random, uint64_t grain, uint32_t names_luck);
unsigned char *memory_disk_file(struct memory_disk *d, const char *name, uint64_t **size); // the contents by name, in the first directory; NULL: none

#endif
