#include "plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "plugin/capability.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u // Linux 6.3: asked for by name where vm.memfd_noexec forbids it by default
#endif

#define ENTRY "hadron_plugin_v1"

// All plugins of the process, newest first.
static struct {
  pthread_mutex_t mutex;
  struct hd_plugin *first;
} plugins = {.mutex = PTHREAD_MUTEX_INITIALIZER};

// ---- reading

struct content {
  unsigned char *bytes; // owned; a NUL follows the last byte
  size_t size;
  int sealed;           // a memory file with these bytes that nobody can change, borrowed(call); 0: none
};

static int32_t io_fault(struct hd_fault *fault, const char *path, const char *what, int error) {
  return hd_fault_set(fault, error == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: %s: %s", path, what, strerror(error));
}

static int32_t read_all(int fd, const char *path, struct content *c, struct hd_fault *fault) {
  struct stat st;
  if (fstat(fd, &st) != 0) return io_fault(fault, path, "reading the file's size", errno);
  if (!S_ISREG(st.st_mode)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a regular file, found %s", path, S_ISDIR(st.st_mode) ? "a directory" : "something else");
  if (st.st_size < 0 || (uint64_t)st.st_size > HD_PLUGIN_FILE_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a file of at most %llu bytes, found %lld", path, (unsigned long long)HD_PLUGIN_FILE_MAX, (long long)st.st_size);
  size_t size = (size_t)st.st_size, used = 0;
  unsigned char *bytes = malloc(size + 1);
  if (bytes == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for its %zu bytes", path, size);
  while (used < size) {
    ssize_t n = pread(fd, bytes + used, size - used, (off_t)used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = errno;
      free(bytes);
      return io_fault(fault, path, "reading the file", error);
    }
    if (n == 0) break; // it was cut while being read; the manifest's checks see that
    used += (size_t)n;
  }
  bytes[used] = 0;
  *c = (struct content){bytes, used, 0};
  return HADRON_OK;
}

static int32_t read_file(const char *path, struct content *c, struct hd_fault *fault) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hold us up
  if (fd < 0) return io_fault(fault, path, "opening the plugin", errno);
  int32_t err = read_all(fd, path, c, fault);
  close(fd);
  return err;
}

// ---- the sealed copy

static bool write_whole(int fd, const unsigned char *bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static bool is_sealed(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & SEALS) == SEALS;
}

static int32_t seal_copy(const struct hd_plugin *p, const struct content *c, int *out, struct hd_fault *fault) {
  if (c->sealed > 0) {
    *out = fcntl(c->sealed, F_DUPFD_CLOEXEC, 3);
    return *out < 0 ? io_fault(fault, p->path, "keeping the sealed file open", errno) : HADRON_OK;
  }
  char name[HADRON_NAME_SIZE + 16];
  snprintf(name, sizeof name, "hadron:%s", p->manifest.name);
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return io_fault(fault, p->path, "making a private copy (memfd_create)", errno);
  if (!write_whole(fd, c->bytes, c->size) || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
    int error = errno;
    close(fd);
    return io_fault(fault, p->path, "writing and sealing the private copy", error);
  }
  *out = fd;
  return HADRON_OK;
}

// ---- shared objects

static const void *offer(const struct hd_plugin *p, const char *name) { return p->capability ? p->capability(name) : NULL; }

static int32_t resolve_native(struct hd_plugin *p, struct hd_fault *fault) {
  void *symbol = dlsym(p->handle, ENTRY);
  if (symbol == NULL)
    return hd_fault_set(fault, HADRON_ERR_ABI, "%s: expected an exported function %s, found none; use the HADRON_PLUGIN(...) macro", p->path, ENTRY);
  hadron_plugin_entry entry;
  memcpy(&entry, &symbol, sizeof entry); // ISO C has no cast from a data to a function pointer
  const struct hadron_plugin *descriptor = entry();
  int32_t err = hd_descriptor_check(p->path, &p->manifest, descriptor, fault);
  if (!err) err = hd_api_check(p->path, p->manifest.kind, descriptor->api, fault);
  if (err) return err;
  p->api = descriptor->api;
  p->capability = descriptor->capability;
  p->params = offer(p, HADRON_CAP_PARAMS);
  p->state = offer(p, HADRON_CAP_STATE);
  p->timer = p->manifest.kind == HADRON_KIND_STRATEGY ? offer(p, HADRON_CAP_TIMER) : NULL;
  p->inspect = p->manifest.kind == HADRON_KIND_VENUE ? offer(p, HADRON_CAP_INSPECT) : NULL;
  return hd_offers_check(p->path, p, fault);
}

static int32_t open_native(struct hd_plugin *p, const struct content *c, struct hd_fault *fault) {
  int32_t err = seal_copy(p, c, &p->fd, fault);
  if (err) return err;
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", p->fd);
  // RTLD_NOW: a missing symbol is an error here and not a crash in a callback. RTLD_LOCAL: plugins never see each other.
  p->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (p->handle == NULL) {
    const char *words = dlerror();
    hd_fault_set(fault, HADRON_ERR_PLUGIN, "%s: the system's loader refused it: %s; link the libraries it needs, and only those", p->path, words ? words : "no reason given");
    close(p->fd);
    return HADRON_ERR_PLUGIN;
  }
  // From here on the code is in the process for good, even if it is refused: constructors have run.
  return resolve_native(p, fault);
}

// ---- scripts

static int32_t open_script(struct hd_plugin *p, struct content *c, const struct hd_plugin_language *lua, struct hd_fault *fault) {
  if (lua == NULL) return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: Lua plugins are not run here; use a shared object", p->path);
  if (c->size > HD_PLUGIN_SCRIPT_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a script of at most %llu bytes, found %zu", p->path, (unsigned long long)HD_PLUGIN_SCRIPT_MAX, c->size);
  p->source = (const char *)c->bytes;
  p->source_size = c->size;
  int32_t err = lua->open(p, fault);
  if (err) return err;
  err = hd_api_check(p->path, p->manifest.kind, p->api, fault);
  if (!err) err = hd_offers_check(p->path, p, fault);
  if (!err) err = seal_copy(p, c, &p->fd, fault); // for a probe
  if (err) lua->close(p);
  else c->bytes = NULL; // the plugin keeps it
  return err;
}

// ---- both

static struct hd_plugin *find_by_digest(const uint8_t digest[32]) {
  for (struct hd_plugin *p = plugins.first; p != NULL; p = p->next)
    if (memcmp(p->digest, digest, 32) == 0) return p;
  return NULL;
}

const struct hd_plugin *hd_plugin_loaded(const uint8_t digest[32]) {
  pthread_mutex_lock(&plugins.mutex);
  const struct hd_plugin *p = find_by_digest(digest);
  pthread_mutex_unlock(&plugins.mutex);
  return p;
}

// Makes the plugin of a content that is not loaded yet. The mutex is held.
static int32_t open_content(const char *path, struct content *c, const uint8_t digest[32], const struct hd_plugin_language *lua, struct hd_plugin **out,
                            struct hd_fault *fault) {
  struct hadron_manifest manifest;
  enum hd_language language;
  int32_t err = hd_manifest_read(path, c->bytes, c->size, &manifest, &language, fault);
  if (!err) err = hd_manifest_check(path, &manifest, fault);
  if (err) return err;
  struct hd_plugin *p = calloc(1, sizeof *p);
  if (p == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for the plugin's description", path);
  p->manifest = manifest;
  p->language = language;
  p->fd = -1;
  memcpy(p->digest, digest, 32);
  hd_hex_format(p->digest_text, digest, 32);
  hd_text_copy(p->path, sizeof p->path, path);
  err = language == HD_LANGUAGE_NATIVE ? open_native(p, c, fault) : open_script(p, c, lua, fault);
  if (err) {
    // The loaded image stays, as does its file descriptor; only the description goes.
    free(p);
    return err;
  }
  *out = p;
  return HADRON_OK;
}

// Frees the content.
static int32_t open_once(const char *path, struct content *c, const uint8_t digest[32], const struct hd_plugin_language *lua, const struct hd_plugin **out,
                         struct hd_fault *fault) {
  int32_t err = HADRON_OK;
  pthread_mutex_lock(&plugins.mutex);
  struct hd_plugin *p = find_by_digest(digest);
  if (p == NULL) {
    err = open_content(path, c, digest, lua, &p, fault);
    if (!err) p->next = plugins.first, plugins.first = p;
  }
  pthread_mutex_unlock(&plugins.mutex);
  free(c->bytes);
  if (err) return err;
  *out = p;
  return HADRON_OK;
}

int32_t hd_plugin_open(const char *path, const struct hd_plugin_language *lua, const struct hd_plugin **out, struct hd_fault *fault) {
  struct content content = {0};
  uint8_t digest[32];
  int32_t err = read_file(path, &content, fault);
  if (err) return err;
  hd_sha256(content.bytes, content.size, digest);
  return open_once(path, &content, digest, lua, out, fault);
}

int32_t hd_plugin_open_bytes(const char *path, const void *bytes, size_t size, const struct hd_plugin_language *lua, const struct hd_plugin **out,
                             struct hd_fault *fault) {
  struct content content = {.bytes = malloc(size + 1), .size = size};
  uint8_t digest[32];
  if (!content.bytes) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
  memcpy(content.bytes, bytes, size);
  content.bytes[size] = 0;
  hd_sha256(content.bytes, size, digest);
  return open_once(path, &content, digest, lua, out, fault);
}

bool hd_plugin_external(const struct hd_plugin *plugin) { return hd_capability_named(plugin->manifest.requires_, HD_CAP_EXTERNAL); }

int32_t hd_plugin_open_digest(int fd, const char *path, const uint8_t expected[32], const struct hd_plugin_language *lua, const struct hd_plugin **out,
                              struct hd_fault *fault) {
  struct content content = {0};
  uint8_t digest[32];
  char want[65], found[65];
  bool sealed = is_sealed(fd); // asked before the bytes are read: what is hashed is what runs
  int32_t err = read_all(fd, path, &content, fault);
  if (err) return err;
  hd_sha256(content.bytes, content.size, digest);
  if (memcmp(digest, expected, 32) != 0) {
    free(content.bytes);
    hd_hex_format(want, expected, 32);
    hd_hex_format(found, digest, 32);
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: SHA-256: expected %s, found %s; the file was damaged or exchanged: fetch the artifact again", path, want, found);
  }
  content.sealed = sealed ? fd : 0;
  return open_once(path, &content, digest, lua, out, fault);
}

int32_t hd_plugin_expect_kind(const struct hd_plugin *p, uint32_t expected, struct hd_fault *fault) {
  if (p->manifest.kind == expected) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: plugin %s %s: expected a %s, found a %s; move it to the config's section for its kind", p->path, p->manifest.name,
                      p->manifest.version, hd_kind_name(expected), hd_kind_name(p->manifest.kind));
}
