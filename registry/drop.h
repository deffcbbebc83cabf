// The drop folder: files put into a directory become versions of the registry, without a command. Nothing is loaded from it: a file is read
// once it is whole, and goes the way of hd_registry_add.
//
// takes  NAME.so and NAME.lua, with NAME.so.sig beside if signed. Names: a letter or digit, then letters, digits, dot, - and _, at most 128
//        bytes. Names that begin with a dot or end in ~, .tmp, .part, .new, .swp are somebody's work in progress and, like names with any
//        other ending, left alone
// gives  `arrived` for each version that was not known before; files that are not taken lie in DIR/rejected afterwards, with
//        NAME.reason.txt beside
// whole  the same inode, size and times (of the signature too) at two looks HD_DROP_LOOK_NS apart, and closed by its writer where the system
//        tells; under the policy `require` a file without a signature waits HD_DROP_SIGNATURE_NS for one
// bound  HD_DROP_FILES_MAX files; more are left alone and said so  full  an error of the tick
// thread one at a time, the registry's
//
// An accepted file stays where it is; put another one over it and that is registered too. What is no fault of the file (the database is
// away, the disk is full) is tried again.
#ifndef HD_REGISTRY_DROP_H
#define HD_REGISTRY_DROP_H

#include "registry/registry.h"

#define HD_DROP_LOOK_NS INT64_C(500000000)
#define HD_DROP_SIGNATURE_NS INT64_C(5000000000)
#define HD_DROP_OPEN_NS INT64_C(60000000000) // a writer that never closes is no longer waited for
#define HD_DROP_RETRY_NS INT64_C(5000000000)
#define HD_DROP_FILES_MAX 1024
#define HD_DROP_NAME_MAX 128

struct hd_drop; // drop.c

// All borrowed(until the drop folder is closed), the registry too.
struct hd_drop_options {
  struct hd_registry *registry;
  const char *directory;       // made if it is not there
  const char *who;             // "drop folder"
  void *user;
  void (*arrived)(void *user, const char *file, const struct hd_version *version, const struct hd_registry_added *added); // may be NULL
  void (*rejected)(void *user, const char *file, const struct hd_fault *fault);                                         // may be NULL
};

// HADRON_ERR_PERMISSION: anybody may write to the directory.
int32_t hd_drop_open(const struct hd_drop_options *options, struct hd_drop **out, struct hd_fault *fault);
void hd_drop_close(struct hd_drop *d); // NULL is fine

// Readable when something moved in the directory: tick then. -1: the system has no notices; tick by time alone.
int hd_drop_fd(const struct hd_drop *d);
// One look. now_ns: monotonic, the caller's. next_ns: when to look again even if the descriptor stays quiet; INT64_MAX: not before it rings,
// or, if there is no descriptor, in HD_DROP_LOOK_NS. A tick that registers something takes as long as a probe.
int32_t hd_drop_tick(struct hd_drop *d, int64_t now_ns, int64_t *next_ns, struct hd_fault *fault);

#endif
