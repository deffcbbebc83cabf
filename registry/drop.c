#include "registry/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "registry/drop_name.h"
#include "registry/file.h"

#define PATH_SIZE 1200

// What a file looks like from outside; equal: nobody has touched it.
struct face {
  struct stat_face {
    uint64_t inode, size;
    int64_t modified_ns, changed_ns;
  } file, signature; // inode 0: none
};

enum progress { GROWING, DONE, LATER };

struct entry {
  char name[NAME_MAX + 1];
  struct face face;
  int64_t since_ns;  // the face is as it is
  int64_t retry_ns;  // LATER
  enum progress progress;
  bool writing;      // written to, and not closed since, as far as the system told
  bool linked;       // has another name: nobody need write it here
  bool seen;         // in this look
};

struct hd_drop {
  struct hd_drop_options o;
  char directory[HD_STORE_DIRECTORY_SIZE], rejected[HD_STORE_DIRECTORY_SIZE + 16];
  int fd;              // inotify; -1: none
  bool overfull;
  uint32_t count;
  struct entry *entries; // owned; [HD_DROP_FILES_MAX]
};

// ---- open and close

int32_t hd_drop_open(const struct hd_drop_options *o, struct hd_drop **out, struct hd_fault *fault) {
  struct stat st;
  int error = hd_directory_make(o->directory, 0755);
  if (error) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making the drop folder: %s", o->directory, strerror(error));
  if (stat(o->directory, &st) != 0 || !S_ISDIR(st.st_mode)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a directory to drop plugins into", o->directory);
  if (st.st_mode & 002)
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: expected a drop folder that not everybody may write to, found mode %04o; `chmod o-w` it", o->directory, st.st_mode & 07777u);
  struct hd_drop *d = calloc(1, sizeof *d);
  if (d) d->entries = calloc(HD_DROP_FILES_MAX, sizeof *d->entries);
  if (!d || !d->entries || !hd_text_copy(d->directory, sizeof d->directory, o->directory)) {
    free(d ? d->entries : NULL);
    free(d);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "%.400s: out of memory, or the path is too long", o->directory);
  }
  d->o = *o;
  snprintf(d->rejected, sizeof d->rejected, "%s/rejected", d->directory);
  d->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (d->fd >= 0 && inotify_add_watch(d->fd, d->directory, IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM) < 0) {
    close(d->fd);
    d->fd = -1;
  }
  *out = d;
  return HADRON_OK;
}

void hd_drop_close(struct hd_drop *d) {
  if (!d) return;
  if (d->fd >= 0) close(d->fd);
  free(d->entries);
  free(d);
}

int hd_drop_fd(const struct hd_drop *d) { return d->fd; }

// ---- what there is

static struct entry *entry_find(struct hd_drop *d, const char *name) {
  for (uint32_t i = 0; i < d->count; i++)
    if (strcmp(d->entries[i].name, name) == 0) return &d->entries[i];
  return NULL;
}

static struct entry *entry_place(struct hd_drop *d, const char *name) {
  struct entry *e = entry_find(d, name);
  if (e) return e;
  if (d->count == HD_DROP_FILES_MAX) {
    d->overfull = true;
    return NULL;
  }
  e = &d->entries[d->count++];
  *e = (struct entry){.seen = true};
  hd_text_copy(e->name, sizeof e->name, name);
  return e;
}

// Who is writing: told by the system, file by file.
static void notices_read(struct hd_drop *d) {
  char room[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t n;
  while (d->fd >= 0 && (n = read(d->fd, room, sizeof room)) > 0)
    for (char *p = room; p < room + n;) {
      const struct inotify_event *i = (const struct inotify_event *)(void *)p;
      p += sizeof *i + i->len;
      if (i->mask & IN_Q_OVERFLOW) // nothing is known any more: the two looks decide
        for (uint32_t k = 0; k < d->count; k++) d->entries[k].writing = false;
      if (!i->len || hd_drop_name(i->name) == HD_DROP_IGNORED) continue;
      struct entry *e = entry_place(d, i->name);
      if (e && (i->mask & (IN_MODIFY | IN_CREATE))) e->writing = true;
      if (e && (i->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))) e->writing = false;
    }
}

static bool face_read(const char *path, struct stat_face *f, struct stat *st) {
  if (lstat(path, st) != 0) return false;
  *f = (struct stat_face){st->st_ino, (uint64_t)st->st_size, st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
                          st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec};
  return true;
}

static bool face_same(const struct face *a, const struct face *b) { return memcmp(a, b, sizeof *a) == 0; }

// ---- refusing

// Moves within the directory: a name that is taken gets a number.
static bool move_aside(const char *from, const char *to_directory, const char *name, char to[PATH_SIZE]) {
  for (int i = 0; i < 1000; i++) {
    if (i == 0) snprintf(to, PATH_SIZE, "%s/%s", to_directory, name);
    else snprintf(to, PATH_SIZE, "%s/%s.%d", to_directory, name, i);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

static void reason_write(const struct hd_drop *d, const char *shown, const char *moved, const struct hd_fault *why) {
  char path[PATH_SIZE + 16], time[40], text[HD_FAULT_SIZE + 512];
  hd_time_format(time, sizeof time, hd_clock_wall_ns(), 0);
  int n = snprintf(text, sizeof text, "%s\nwhen    %s\ncode    %s: %s\nreason  %s\nto do   %s. Then put the file into %.200s again.\n", shown, time, hadron_error_name(why->code),
                   hadron_error_text(why->code), why->text, hadron_error_hint(why->code), d->directory);
  snprintf(path, sizeof path, "%s.reason.txt", moved);
  if (n > 0) hd_file_replace(path, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, 0644, NULL);
}

static void reject(struct hd_drop *d, struct entry *e, const struct hd_fault *why) {
  char from[PATH_SIZE], signature[PATH_SIZE], safe[NAME_MAX + 1], moved[PATH_SIZE], moved_signature[PATH_SIZE];
  hd_drop_name_safe(e->name, safe, sizeof safe);
  snprintf(from, sizeof from, "%s/%s", d->directory, e->name);
  snprintf(signature, sizeof signature, "%s/%s.sig", d->directory, e->name);
  e->progress = DONE; // if it cannot be moved it is not tried again until it changes
  if (hd_directory_make(d->rejected, 0755) == 0 && move_aside(from, d->rejected, safe, moved)) {
    reason_write(d, safe, moved, why);
    snprintf(moved_signature, sizeof moved_signature, "%.1100s.sig", moved);
    if (e->face.signature.inode) rename(signature, moved_signature);
  }
  if (d->o.rejected) d->o.rejected(d->o.user, safe, why);
}

// What can be said without reading. True: refused.
static bool refuse_outside(struct hd_drop *d, struct entry *e, const struct stat *st) {
  struct hd_fault why = {0};
  char safe[NAME_MAX + 1];
  const char *kind = S_ISLNK(st->st_mode) ? "a symbolic link" : S_ISDIR(st->st_mode) ? "a directory" : S_ISFIFO(st->st_mode) ? "a FIFO" : S_ISSOCK(st->st_mode) ? "a socket"
                   : S_ISREG(st->st_mode) ? NULL : "a device";
  hd_drop_name_safe(e->name, safe, sizeof safe);
  if (hd_drop_name(e->name) == HD_DROP_ODD)
    hd_fault_set(&why, HADRON_ERR_ARGUMENT, "%s: expected a name of letters, digits, dot, - and _, beginning with a letter or digit, of at most %d bytes; rename it", safe, HD_DROP_NAME_MAX);
  else if (kind) hd_fault_set(&why, HADRON_ERR_ARGUMENT, "%s: expected a regular file, found %s; put the file itself here", safe, kind);
  else if ((st->st_mode & 002) || (st->st_uid != geteuid() && st->st_uid != 0))
    hd_fault_set(&why, HADRON_ERR_PERMISSION, "%s: expected a file of user %u or root that not everybody may write to, found user %u, mode %04o; `chown` and `chmod o-w` it", safe, geteuid(),
                 st->st_uid, st->st_mode & 07777u);
  else if (e->face.file.size > hd_source_max(e->name))
    hd_fault_set(&why, HADRON_ERR_RANGE, "%s: expected a file of at most %llu bytes, found %llu; strip it or split it", safe, (unsigned long long)hd_source_max(e->name),
                 (unsigned long long)e->face.file.size);
  if (why.code) reject(d, e, &why);
  return why.code != HADRON_OK;
}

// ---- taking

static bool of_the_file(int32_t code) {
  switch (code) {
  case HADRON_ERR_IO: case HADRON_ERR_DATABASE: case HADRON_ERR_MEMORY: case HADRON_ERR_AGAIN: case HADRON_ERR_DEPENDENCY: case HADRON_ERR_INTERNAL: case HADRON_ERR_NOT_FOUND: return false;
  default: return true;
  }
}

static int32_t take(struct hd_drop *d, struct entry *e, int64_t now_ns, struct hd_fault *fault) {
  char path[PATH_SIZE];
  struct hd_version v;
  struct hd_registry_added added;
  struct hd_fault why = {0};
  snprintf(path, sizeof path, "%s/%s", d->directory, e->name);
  int32_t code = hd_registry_add(d->o.registry, path, &(struct hd_registry_add){.who = d->o.who, .source = e->name, .keep_rejection = true}, &v, &added, &why);
  // A file that lacks a manifest is at fault, one that is gone is not.
  bool gone = code == HADRON_ERR_NOT_FOUND && access(path, F_OK) != 0;
  if (code && !gone && (of_the_file(code) || code == HADRON_ERR_NOT_FOUND)) {
    reject(d, e, &why);
  } else if (code) {
    e->progress = LATER;
    e->retry_ns = now_ns + HD_DROP_RETRY_NS;
    return gone || code == HADRON_ERR_AGAIN ? HADRON_OK : hd_fault_set(fault, code, "%s", why.text);
  } else {
    e->progress = DONE;
    if (added.fresh && d->o.arrived) d->o.arrived(d->o.user, e->name, &v, &added);
  }
  return HADRON_OK;
}

// When it may be taken; now or earlier: now.
static int64_t ready_at(const struct hd_drop *d, const struct entry *e) {
  if (e->progress == LATER) return e->retry_ns;
  if (e->writing && !e->linked) return e->since_ns + HD_DROP_OPEN_NS;
  bool waits = hd_registry_policy(d->o.registry) == HD_REGISTRY_REQUIRE && !e->face.signature.inode;
  return e->since_ns + (waits ? HD_DROP_SIGNATURE_NS : HD_DROP_LOOK_NS);
}

static int32_t look(struct hd_drop *d, struct entry *e, int64_t now_ns, int64_t *next_ns, struct hd_fault *fault) {
  struct face face = {0};
  struct stat st, signature;
  char path[PATH_SIZE];
  snprintf(path, sizeof path, "%s/%s.sig", d->directory, e->name);
  face_read(path, &face.signature, &signature);
  snprintf(path, sizeof path, "%s/%s", d->directory, e->name);
  if (!face_read(path, &face.file, &st)) {
    e->seen = false; // gone between the two
    return HADRON_OK;
  }
  if (!face_same(&face, &e->face)) {
    e->face = face;
    e->since_ns = now_ns;
    e->progress = GROWING;
    e->linked = st.st_nlink > 1;
    if (refuse_outside(d, e, &st)) return HADRON_OK;
  }
  if (e->progress == DONE) return HADRON_OK;
  int64_t at = ready_at(d, e);
  int32_t code = at <= now_ns ? take(d, e, now_ns, fault) : HADRON_OK;
  if (e->progress != DONE) {
    at = ready_at(d, e);
    if (at < *next_ns) *next_ns = at;
  }
  return code;
}

static int32_t directory_read(struct hd_drop *d, struct hd_fault *fault) {
  DIR *dir = opendir(d->directory);
  if (!dir) return hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the drop folder: %s", d->directory, strerror(errno));
  for (uint32_t i = 0; i < d->count; i++) d->entries[i].seen = false;
  for (struct dirent *f; (f = readdir(dir)) != NULL;) {
    struct entry *e = hd_drop_name(f->d_name) == HD_DROP_IGNORED ? NULL : entry_place(d, f->d_name);
    if (e) e->seen = true;
  }
  closedir(dir);
  return HADRON_OK;
}

int32_t hd_drop_tick(struct hd_drop *d, int64_t now_ns, int64_t *next_ns, struct hd_fault *fault) {
  *next_ns = INT64_MAX;
  d->overfull = false;
  notices_read(d);
  int32_t code = directory_read(d, fault);
  if (code) return code;
  for (uint32_t i = 0; i < d->count; i++) {
    struct hd_fault own = {0};
    int32_t one = d->entries[i].seen ? look(d, &d->entries[i], now_ns, next_ns, &own) : HADRON_OK;
    if (one && !code) code = hd_fault_set(fault, one, "%s", own.text); // the others are looked at all the same
  }
  for (uint32_t i = 0; i < d->count;)
    if (d->entries[i].seen) i++;
    else d->entries[i] = d->entries[--d->count];
  if (!code && d->overfull) code = hd_fault_set(fault, HADRON_ERR_FULL, "%s: expected at most %d plugins in the drop folder, found more; move some away", d->directory, HD_DROP_FILES_MAX);
  return code;
}
