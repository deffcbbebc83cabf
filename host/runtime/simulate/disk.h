// The disk of a world, in shared memory: files that a dead host leaves behind, and what of them a power cut takes. Two images of each
// file: as the processes see it, and as it is on the platters since the last sync. Names likewise, with the list of what was done to
// them since their directory was synced.
//
// A failed sync marks the pages that it should have written as clean, as Linux does: a second sync says yes and writes none of
// them, unless they were written again. So does one of a directory with what was done to its
// names, until somebody starts anew: a file system that could not write its log is mounted again before that.
#ifndef HD_RUNTIME_SIMULATE_DISK_H
#define HD_RUNTIME_SIMULATE_DISK_H

#include "base/disk.h"
#include "runtime/simulate/world.h"

#define HD_GRANULE UINT64_C(16384)
#define HD_GRANULES 2048 // 32 MiB
#define HD_SIM_FILES 512
#define HD_SIM_NAMES 512
#define HD_SIM_DIRS 8
#define HD_SIM_OPERATIONS 512
#define HD_SIM_NAME_SIZE 64
#define HD_SIM_PAGE UINT64_C(4096)
#define HD_SIM_PAGES (HD_GRANULES * HD_GRANULE / HD_SIM_PAGE)

struct hd_sim_file {
  bool used;
  uint64_t size, durable_size;
  uint32_t extent, granules; // of both images
};

struct hd_sim_name {
  char name[HD_SIM_NAME_SIZE]; // "": free
  uint32_t file;
};

enum hd_sim_operation_kind { HD_SIM_CREATE = 1, HD_SIM_RENAME, HD_SIM_UNLINK };
struct hd_sim_operation {
  uint32_t kind, file;
  bool given_up; // a sync of the directory has failed since: no later one writes it
  char from[HD_SIM_NAME_SIZE], to[HD_SIM_NAME_SIZE];
};

struct hd_sim_directory {
  char path[256]; // "": free
  struct hd_sim_name names[HD_SIM_NAMES], durable[HD_SIM_NAMES];
  struct hd_sim_operation operations[HD_SIM_OPERATIONS]; // since the last sync_dir
  uint32_t operation_count;
};

struct hd_sim_disk {
  struct hd_world *world;
  struct hd_sim_directory directories[HD_SIM_DIRS];
  struct hd_sim_file files[HD_SIM_FILES];
  uint8_t taken[HD_GRANULES];
  uint64_t given_up[HD_SIM_PAGES]; // hash of a page whose sync has failed; 0: none has
  int64_t full_until_ns;
  uint64_t boot; // how often the power has gone
  _Alignas(4096) unsigned char live[HD_GRANULES * HD_GRANULE];
  _Alignas(4096) unsigned char platter[HD_GRANULES * HD_GRANULE];
};

struct hd_sim_disk *hd_sim_disk_create(void); // shared memory; NULL: none
void hd_sim_disk_clear(struct hd_sim_disk *d, struct hd_world *w);
void hd_sim_disk_power_cut(struct hd_sim_disk *d); // no process has anything open
void hd_sim_disk_restart(struct hd_sim_disk *d);   // what nobody can reach any more is free again
extern const struct hd_disk_api hd_sim_disk_api;   // self: the disk

#endif
