#include "registry/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/library.h"
#include "base/text.h"
#include "plugin/loader.h"
#include "registry/registry_internal.h"

// libarchive brings XML, ICU and C++ with it: several MB and milliseconds of every start, for a command that few starts are about. It is opened
// when an archive is.
#define FUNCTIONS(X) \
  X(archive_entry_filetype) \
  X(archive_entry_free) \
  X(archive_entry_hardlink) \
  X(archive_entry_new) \
  X(archive_entry_pathname) \
  X(archive_entry_set_filetype) \
  X(archive_entry_set_mtime) \
  X(archive_entry_set_pathname) \
  X(archive_entry_set_perm) \
  X(archive_entry_set_size) \
  X(archive_entry_size) \
  X(archive_entry_size_is_set) \
  X(archive_entry_symlink) \
  X(archive_error_string) \
  X(archive_read_data) \
  X(archive_read_free) \
  X(archive_read_new) \
  X(archive_read_next_header) \
  X(archive_read_open_filename) \
  X(archive_read_support_filter_zstd) \
  X(archive_read_support_format_tar) \
  X(archive_write_add_filter_zstd) \
  X(archive_write_close) \
  X(archive_write_data) \
  X(archive_write_free) \
  X(archive_write_header) \
  X(archive_write_new) \
  X(archive_write_open_filename) \
  X(archive_write_set_format_pax_restricted)

static struct {
  HD_LIBRARY_MEMBERS(FUNCTIONS)
} library;
static struct hd_library libarchive = HD_LIBRARY(FUNCTIONS, library, "libarchive.so.13", "archives", "install the package libarchive13, version 3.6 or later");

#define INDEX "hadron-registry.json"
#define NAME_SIZE 192

static int32_t archive_fault(struct archive *a, const char *path, const char *what, int32_t code, struct hd_fault *fault) {
  const char *words = library.archive_error_string(a);
  return hd_fault_set(fault, code, "%s: %s: %s", path, what, words ? words : "no reason given");
}

// ---- out

struct out {
  struct hd_registry *r;
  const char *path;
  struct archive *a;
  json_t *versions;
  struct hd_archive_result result;
};

// Same bytes for the same content: no owner, no time of the file.
static int32_t entry_write(struct out *o, const char *name, const void *bytes, size_t size, struct hd_fault *fault) {
  struct archive_entry *e = library.archive_entry_new();
  library.archive_entry_set_pathname(e, name);
  library.archive_entry_set_size(e, (la_int64_t)size);
  library.archive_entry_set_filetype(e, AE_IFREG);
  library.archive_entry_set_perm(e, 0444);
  library.archive_entry_set_mtime(e, 0, 0);
  bool done = library.archive_write_header(o->a, e) == ARCHIVE_OK && library.archive_write_data(o->a, bytes, size) == (la_ssize_t)size;
  library.archive_entry_free(e);
  return done ? HADRON_OK : archive_fault(o->a, o->path, "writing the archive", HADRON_ERR_IO, fault);
}

static int32_t signatures_write(struct out *o, const struct hd_version *v, struct hd_fault *fault) {
  struct hd_signatures s;
  char name[NAME_SIZE], text[HD_SIGNATURE_FILE_MAX];
  int32_t code = hd_registry_signatures(o->r, v, &s, fault);
  if (code || s.count == 0) return code;
  snprintf(name, sizeof name, "signatures/%s@%s.sig", v->name, v->version);
  return entry_write(o, name, text, hd_signatures_format(&s, text), fault);
}

static int32_t version_write(void *user, const struct hd_version *v, struct hd_fault *fault) {
  struct out *o = user;
  struct hd_source file;
  char name[NAME_SIZE];
  const char *language = v->language == HD_LANGUAGE_LUA ? "lua" : "so";
  if (v->state == HD_VERSION_COLLECTED) return HADRON_OK; // there is no file to carry
  int32_t code = hd_store_read(&o->r->store, v->digest, (enum hd_language)v->language, &file, fault);
  if (code) return code;
  snprintf(name, sizeof name, "artifacts/%s.%s", v->digest_text, language);
  code = entry_write(o, name, file.bytes, file.size, fault);
  hd_source_free(&file);
  if (!code) code = signatures_write(o, v, fault);
  json_array_append_new(o->versions, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "name", v->name, "version", v->version, "digest", v->digest_text, "language", language, "kind",
                                               hd_kind_name(v->kind), "state", hd_version_state_name(v->state), "added_ns", (json_int_t)v->added_ns, "added_by", v->added_by));
  o->result.versions++;
  o->result.bytes += v->size;
  return code;
}

static int32_t spec_write(struct out *o, const char *spec, struct hd_fault *fault) {
  struct hd_version v;
  char name[HADRON_NAME_SIZE];
  int32_t code = hd_registry_find_spec(o->r, spec, &v, fault);
  if (code) return code;
  if (strchr(spec, '@')) return version_write(o, &v, fault);
  hd_text_copy(name, sizeof name, v.name);
  return hd_registry_list(o->r, name, version_write, o, fault); // all of that name
}

static int32_t index_write(struct out *o, struct hd_fault *fault) {
  json_t *index = json_pack("{s:i, s:O}", "format", 1, "versions", o->versions);
  char *text = index ? json_dumps(index, JSON_INDENT(1)) : NULL;
  int32_t code = text ? entry_write(o, INDEX, text, strlen(text), fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", o->path);
  free(text);
  json_decref(index);
  return code;
}

int32_t hd_registry_export(struct hd_registry *r, const char *path, const char *const *specs, uint32_t count, struct hd_archive_result *out, struct hd_fault *fault) {
  int32_t code = hd_library_open(&libarchive, fault);
  if (code) return code;
  struct out o = {.r = r, .path = path, .a = library.archive_write_new(), .versions = json_array()};
  struct stat st;
  char fresh[HD_STORE_PATH_SIZE];
  if (lstat(path, &st) == 0 || (size_t)snprintf(fresh, sizeof fresh, "%s.new-%ld", path, (long)getpid()) >= sizeof fresh) {
    library.archive_write_free(o.a);
    json_decref(o.versions);
    return hd_fault_set(fault, HADRON_ERR_EXISTS, "%.400s: expected a name for a new archive, found a file; choose another name", path);
  }
  library.archive_write_set_format_pax_restricted(o.a);
  library.archive_write_add_filter_zstd(o.a);
  code = library.archive_write_open_filename(o.a, fresh) == ARCHIVE_OK ? HADRON_OK : archive_fault(o.a, path, "opening the archive", HADRON_ERR_IO, fault);
  for (uint32_t i = 0; i < count && !code; i++) code = spec_write(&o, specs[i], fault);
  if (!code && count == 0) code = hd_registry_list(r, NULL, version_write, &o, fault);
  if (!code) code = index_write(&o, fault); // last: a cut archive has none
  if (library.archive_write_close(o.a) != ARCHIVE_OK && !code) code = archive_fault(o.a, path, "closing the archive", HADRON_ERR_IO, fault);
  library.archive_write_free(o.a);
  json_decref(o.versions);
  if (!code && rename(fresh, path) != 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: naming the archive: %s", path, strerror(errno));
  if (code) unlink(fresh);
  else *out = o.result;
  return code;
}

// ---- in

struct carried {
  char digest[65];
  struct hd_source file;
};

struct in {
  const char *path;
  struct archive *a;
  struct carried *artifacts;      // owned
  uint32_t artifact_count, artifact_room;
  struct hd_signatures *signatures; // owned
  uint32_t signature_count, signature_room;
  json_t *index;                  // owned
  uint64_t bytes;
};

static int32_t strange(const struct in *in, const char *name, struct hd_fault *fault) {
  char shown[128];
  hd_text_copy(shown, sizeof shown, name);
  hd_text_printable(shown);
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected " INDEX ", artifacts/DIGEST.so or .lua and signatures/NAME@VERSION.sig, regular files within their bounds, found \"%s\"", in->path, shown);
}

static int32_t entry_read(struct in *in, struct archive_entry *e, uint64_t max, struct hd_source *out, struct hd_fault *fault) {
  const char *name = library.archive_entry_pathname(e);
  la_int64_t size = library.archive_entry_size(e);
  if (!library.archive_entry_size_is_set(e) || size <= 0 || (uint64_t)size > max || in->bytes + (uint64_t)size > HD_ARCHIVE_BYTES_MAX) return strange(in, name, fault);
  struct hd_source s = {malloc((size_t)size + 1), (size_t)size};
  if (!s.bytes) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for %lld bytes", in->path, (long long)size);
  for (size_t at = 0; at < s.size;) {
    la_ssize_t n = library.archive_read_data(in->a, s.bytes + at, s.size - at);
    if (n <= 0) {
      hd_source_free(&s);
      return archive_fault(in->a, in->path, "reading the archive: it is damaged or cut", HADRON_ERR_CORRUPT, fault);
    }
    at += (size_t)n;
  }
  s.bytes[s.size] = 0;
  in->bytes += s.size;
  *out = s;
  return HADRON_OK;
}

static void *grow(void *rows, uint32_t count, uint32_t *room, size_t size) {
  if (count < *room) return rows;
  uint32_t more = *room ? *room * 2 : 16;
  void *grown = realloc(rows, more * size);
  if (grown) *room = more;
  return grown;
}

static int32_t artifact_take(struct in *in, struct archive_entry *e, const char *digest, struct hd_fault *fault) {
  struct carried *grown = grow(in->artifacts, in->artifact_count, &in->artifact_room, sizeof *grown);
  if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", in->path);
  in->artifacts = grown;
  struct carried *c = &grown[in->artifact_count];
  snprintf(c->digest, sizeof c->digest, "%.64s", digest);
  int32_t code = entry_read(in, e, HD_PLUGIN_FILE_MAX, &c->file, fault);
  in->artifact_count += !code;
  return code;
}

static int32_t signature_take(struct in *in, struct archive_entry *e, struct hd_fault *fault) {
  struct hd_signatures *grown = grow(in->signatures, in->signature_count, &in->signature_room, sizeof *grown);
  struct hd_source file;
  if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", in->path);
  in->signatures = grown;
  int32_t code = entry_read(in, e, HD_SIGNATURE_FILE_MAX, &file, fault);
  if (code) return code;
  code = hd_signatures_parse(in->path, (const char *)file.bytes, file.size, &grown[in->signature_count], fault);
  hd_source_free(&file);
  in->signature_count += !code;
  return code;
}

static int32_t index_take(struct in *in, struct archive_entry *e, struct hd_fault *fault) {
  struct hd_source file;
  json_error_t error;
  if (in->index) return strange(in, INDEX " twice", fault);
  int32_t code = entry_read(in, e, HD_ARCHIVE_INDEX_MAX, &file, fault);
  if (code) return code;
  in->index = json_loadb((const char *)file.bytes, file.size, JSON_REJECT_DUPLICATES, &error);
  hd_source_free(&file);
  return in->index ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: " INDEX ":%d: %s", in->path, error.line, error.text);
}

static bool hex_named(const char *name, const char *suffix) {
  return strspn(name, "0123456789abcdef") == 64 && strcmp(name + 64, suffix) == 0;
}

static int32_t entry_take(struct in *in, struct archive_entry *e, struct hd_fault *fault) {
  const char *name = library.archive_entry_pathname(e);
  if (!name) name = "";
  if (library.archive_entry_filetype(e) != AE_IFREG || library.archive_entry_hardlink(e) || library.archive_entry_symlink(e)) return strange(in, name, fault);
  if (in->artifact_count + in->signature_count > 2 * HD_ARCHIVE_VERSIONS_MAX) return strange(in, "too many entries", fault);
  if (strcmp(name, INDEX) == 0) return index_take(in, e, fault);
  if (strncmp(name, "artifacts/", 10) == 0 && (hex_named(name + 10, ".so") || hex_named(name + 10, ".lua"))) return artifact_take(in, e, name + 10, fault);
  if (strncmp(name, "signatures/", 11) == 0 && !strchr(name + 11, '/') && hd_source_suffix(name, ".sig")) return signature_take(in, e, fault);
  return strange(in, name, fault);
}

static int32_t archive_load(struct in *in, struct hd_fault *fault) {
  struct archive_entry *e;
  int status = ARCHIVE_OK;
  library.archive_read_support_format_tar(in->a);
  library.archive_read_support_filter_zstd(in->a);
  if (library.archive_read_open_filename(in->a, in->path, 65536) != ARCHIVE_OK) return archive_fault(in->a, in->path, "opening the archive", access(in->path, F_OK) ? HADRON_ERR_NOT_FOUND : HADRON_ERR_CORRUPT, fault);
  int32_t code = HADRON_OK;
  while (!code && (status = library.archive_read_next_header(in->a, &e)) == ARCHIVE_OK) code = entry_take(in, e, fault);
  if (!code && status != ARCHIVE_EOF) code = archive_fault(in->a, in->path, "reading the archive: it is damaged or cut", HADRON_ERR_CORRUPT, fault);
  if (!code && (!in->index || json_integer_value(json_object_get(in->index, "format")) != 1))
    code = hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected " INDEX " of format 1, found %s: the archive is cut, or of a newer hadron", in->path, in->index ? "another format" : "none");
  return code;
}

static const struct carried *carried_find(const struct in *in, const char *digest) {
  for (uint32_t i = 0; i < in->artifact_count; i++)
    if (strcmp(in->artifacts[i].digest, digest) == 0) return &in->artifacts[i];
  return NULL;
}

static const struct hd_signatures *signatures_find(const struct in *in, const char *name, const char *version) {
  for (uint32_t i = 0; i < in->signature_count; i++)
    if (strcmp(in->signatures[i].claim.name, name) == 0 && strcmp(in->signatures[i].claim.version, version) == 0) return &in->signatures[i];
  return NULL;
}

// A version of the index, as if its file had been added; what the archive calls it must be what it calls itself.
static int32_t version_take(struct hd_registry *r, const struct in *in, const json_t *row, const char *who, struct hd_registry_added *added, struct hd_fault *fault) {
  const char *name = json_string_value(json_object_get(row, "name")), *version = json_string_value(json_object_get(row, "version"));
  const char *digest = json_string_value(json_object_get(row, "digest")), *language = json_string_value(json_object_get(row, "language"));
  char source[NAME_SIZE];
  if (!name || !version || !digest || !language || !hd_name_valid(name) || !hd_version_valid(version))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: " INDEX ": expected name, version, digest and language, found another row", in->path);
  const struct carried *c = carried_find(in, digest);
  if (!c) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: the artifact of %s@%s is not in the archive", in->path, name, version);
  const struct hd_signatures *s = signatures_find(in, name, version);
  snprintf(source, sizeof source, "%s@%s.%s", name, version, strcmp(language, "lua") == 0 ? "lua" : "so");
  const struct hd_registry_add options = {.who = who, .source = source, .keep_rejection = true, .name = name, .version = version};
  return hd_registry_add_bytes(r, &c->file, s, &options, NULL, added, fault);
}

int32_t hd_registry_import(struct hd_registry *r, const char *path, const char *who, hd_archive_fn tell, void *user, struct hd_archive_result *out, struct hd_fault *fault) {
  int32_t code = hd_library_open(&libarchive, fault);
  if (code) return code;
  struct in in = {.path = path, .a = library.archive_read_new()};
  struct hd_archive_result result = {0};
  size_t i;
  json_t *row;
  code = archive_load(&in, fault);
  library.archive_read_free(in.a);
  if (!code)
    json_array_foreach(json_object_get(in.index, "versions"), i, row) {
      struct hd_registry_added added = {0};
      struct hd_fault own = {0};
      int32_t err = version_take(r, &in, row, who, &added, &own);
      const char *name = json_string_value(json_object_get(row, "name")), *version = json_string_value(json_object_get(row, "version"));
      result.versions++, result.fresh += added.fresh, result.refused += err != HADRON_OK;
      if (tell) tell(user, name ? name : "?", version ? version : "?", added.fresh, err, err ? own.text : added.warning);
    }
  result.bytes = in.bytes;
  for (uint32_t k = 0; k < in.artifact_count; k++) hd_source_free(&in.artifacts[k].file);
  free(in.artifacts);
  free(in.signatures);
  json_decref(in.index);
  if (!code) *out = result;
  return code;
}
