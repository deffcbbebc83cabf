// The database of a world: the real recorder writes into a real SQLite file in memory (tmpfs), and the file system that SQLite sees is a hostile
// one. It is away for seconds, has no room, loses the answer to a COMMIT that it has carried out; the host dies in the middle of a write.
// What stays is looked at when a seed is over: each record of the journal is there exactly once.
#ifndef HD_RUNTIME_SIMULATE_DATABASE_H
#define HD_RUNTIME_SIMULATE_DATABASE_H

#include "runtime/simulate/disk.h"

struct hd_sim_database {
  char dir[64];   // made by open; "": there is none
  int guard;      // the end of a pipe that all processes of the simulator hold; when the last one is gone, however it went, so is the directory
  long janitor;   // the process that waits for it
  char url[128];  // sqlite:PATH, of the present process
};

// A directory for all worlds of this process and its children. [parent]
int32_t hd_sim_database_open(struct hd_sim_database *d, struct hd_fault *fault);
void hd_sim_database_close(struct hd_sim_database *d);
void hd_sim_database_clear(struct hd_sim_database *d); // a new world: an empty one; names the file of this process [parent of lives]
// From here on every database of this process is the world's. [child]
void hd_sim_database_live(struct hd_world *w);
// Holds the rows against the journal in `dir` of the disk. [parent]
void hd_sim_database_audit(const struct hd_sim_database *d, struct hd_world *w, struct hd_sim_disk *disk, const char *dir);

#endif
