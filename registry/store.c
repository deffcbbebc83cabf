#include "registry/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "plugin/loader.h"
#include "registry/file.h"

#define NEW_PREFIX ".new-"

static int32_t io_fault(struct hd_fault *fault, const char *path, const char *what, int error) {
  return hd_fault_set(fault, error == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: %s: %s", path, what, strerror(error));
}

static const char *suffix_of(enum hd_language language) { return language == HD_LANGUAGE_LUA ? ".lua" : ".so"; }

int32_t hd_store_open(struct hd_store *s, const char *directory, struct hd_fault *fault) {
  struct stat st;
  if (!*directory || !hd_text_copy(s->directory, sizeof s->directory, directory))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "registry.store: expected a path of 1 to %zu bytes, found %zu", sizeof s->directory - 1, strlen(directory));
  int error = hd_directory_make(directory, 0755);
  if (error) return io_fault(fault, directory, "making the artifacts' directory", error);
  if (stat(directory, &st) != 0) return io_fault(fault, directory, "the artifacts' directory", errno);
  if (!S_ISDIR(st.st_mode)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a directory for artifacts, found a file", directory);
  if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: expected the artifacts' directory to be writable by its owner alone, and that to be user %u or root; found user %u, "
                        "mode %04o; `chmod go-w` it", directory, geteuid(), st.st_uid, st.st_mode & 07777u);
  return HADRON_OK;
}

void hd_store_path(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, char path[HD_STORE_PATH_SIZE]) {
  char hex[65];
  hd_hex_format(hex, digest, 32);
  snprintf(path, HD_STORE_PATH_SIZE, "%s/%.2s/%s%s", s->directory, hex, hex, suffix_of(language));
}

// ---- writing

// The new name must not be there: nothing is written over.
static int file_rename(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(from, to) != 0) return errno; // a file system without that flag
  return unlink(from) == 0 ? 0 : errno;
}

static int32_t put_new(const char *directory, const char *path, const void *bytes, size_t size, struct hd_fault *fault) {
  char folder[HD_STORE_PATH_SIZE], fresh[HD_STORE_PATH_SIZE + 64];
  static uint32_t serial;
  hd_directory_of(path, folder, sizeof folder);
  int error = hd_directory_make(folder, 0755);
  if (!error) error = hd_directory_sync(directory);
  if (error) return io_fault(fault, path, "making the artifact's directory", error);
  snprintf(fresh, sizeof fresh, "%s/" NEW_PREFIX "%ld-%u", folder, (long)getpid(), __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
  unlink(fresh); // of a process of the same number that crashed
  int32_t code = hd_file_create(fresh, bytes, size, 0444, fault);
  if (code) return code;
  error = file_rename(fresh, path);
  if (error) unlink(fresh);
  if (error == EEXIST) error = 0; // somebody else stored the same content just now
  if (!error) error = hd_directory_sync(folder);
  return error ? io_fault(fault, path, "storing the artifact", error) : HADRON_OK;
}

int32_t hd_store_put(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, const void *bytes, size_t size, struct hd_fault *fault) {
  char path[HD_STORE_PATH_SIZE], aside[HD_STORE_PATH_SIZE + 16];
  hd_store_path(s, digest, language, path);
  int32_t code = hd_store_read(s, digest, language, NULL, NULL);
  if (!code) return HADRON_OK;
  if (code == HADRON_ERR_CORRUPT) {
    snprintf(aside, sizeof aside, "%s.damaged", path);
    if (rename(path, aside) != 0) return io_fault(fault, path, "putting a damaged artifact aside", errno);
  }
  code = put_new(s->directory, path, bytes, size, fault);
  return code ? code : hd_store_read(s, digest, language, NULL, fault);
}

// ---- reading

int32_t hd_store_read(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, struct hd_source *out, struct hd_fault *fault) {
  char path[HD_STORE_PATH_SIZE], expected[65], found[65];
  struct hd_source source;
  struct hd_fault own = {0};
  uint8_t now[32];
  hd_store_path(s, digest, language, path);
  int32_t code = hd_source_read(path, HD_PLUGIN_FILE_MAX, &source, &own);
  if (code == HADRON_ERR_RANGE || code == HADRON_ERR_ARGUMENT) code = HADRON_ERR_CORRUPT; // nobody stored that
  if (code) return hd_fault_set(fault, code, "%s", own.text);
  hd_sha256(source.bytes, source.size, now);
  if (memcmp(now, digest, 32) != 0) {
    hd_hex_format(expected, digest, 32);
    hd_hex_format(found, now, 32);
    hd_source_free(&source);
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected SHA-256 %s, found %s: the stored artifact was changed; add the file again, or import it", path, expected, found);
  }
  if (out) *out = source;
  else hd_source_free(&source);
  return HADRON_OK;
}

int32_t hd_store_remove(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, struct hd_fault *fault) {
  char path[HD_STORE_PATH_SIZE];
  hd_store_path(s, digest, language, path);
  return unlink(path) == 0 || errno == ENOENT ? HADRON_OK : io_fault(fault, path, "removing the artifact", errno);
}

// ---- walking

static bool name_parse(const char *name, uint8_t digest[32], enum hd_language *language) {
  char hex[65];
  if (strlen(name) <= 64) return false;
  memcpy(hex, name, 64);
  hex[64] = 0;
  *language = strcmp(name + 64, ".so") == 0 ? HD_LANGUAGE_NATIVE : strcmp(name + 64, ".lua") == 0 ? HD_LANGUAGE_LUA : HD_LANGUAGE_INVALID;
  return *language != HD_LANGUAGE_INVALID && hd_hex_parse(digest, hex, 32);
}

static int32_t folder_walk(const char *folder, hd_store_take take, void *user, struct hd_fault *fault) {
  DIR *d = opendir(folder);
  if (!d) return io_fault(fault, folder, "reading the directory", errno);
  int32_t code = HADRON_OK;
  for (struct dirent *e; !code && (e = readdir(d));) {
    char path[HD_STORE_PATH_SIZE + 260];
    uint8_t digest[32];
    enum hd_language language;
    struct stat st;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    bool named = name_parse(e->d_name, digest, &language);
    if (lstat(path, &st) != 0) continue; // gone meanwhile
    code = take(user, path, named ? digest : NULL, named ? language : HD_LANGUAGE_INVALID, (uint64_t)st.st_size, fault);
  }
  closedir(d);
  return code;
}

int32_t hd_store_walk(const struct hd_store *s, hd_store_take take, void *user, struct hd_fault *fault) {
  DIR *d = opendir(s->directory);
  if (!d) return io_fault(fault, s->directory, "reading the artifacts' directory", errno);
  int32_t code = HADRON_OK;
  for (struct dirent *e; !code && (e = readdir(d));) {
    char folder[HD_STORE_DIRECTORY_SIZE + 260];
    uint8_t byte;
    if (strlen(e->d_name) != 2 || !hd_hex_parse(&byte, e->d_name, 1)) continue; // nothing of ours
    snprintf(folder, sizeof folder, "%s/%s", s->directory, e->d_name);
    code = folder_walk(folder, take, user, fault);
  }
  closedir(d);
  return code;
}
