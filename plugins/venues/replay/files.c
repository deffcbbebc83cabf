#include "files.h"

#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool files_add(struct files *f, const char *path) {
  if (f->count == f->capacity) {
    uint32_t capacity = f->capacity ? 2 * f->capacity : 16;
    struct file *larger = realloc(f->list, capacity * sizeof *larger);
    if (!larger) return false;
    f->list = larger;
    f->capacity = capacity;
  }
  char *copy = strdup(path);
  if (!copy) return false;
  f->list[f->count++] = (struct file){copy, NULL};
  return true;
}

void files_fini(struct files *f) {
  for (uint32_t i = 0; i < f->count; i++) {
    free(f->list[i].path);
    free(f->list[i].pair);
  }
  free(f->list);
  *f = (struct files){NULL, 0, 0};
}

// The path with its last "bid" turned to "ask"; NULL if there is none in the file's name. The caller frees it.
static char *files_twin(const char *path) {
  const char *base = strrchr(path, '/');
  base = base ? base + 1 : path;
  const char *at = NULL;
  for (const char *next = strstr(base, "bid"); next; next = strstr(next + 1, "bid")) at = next;
  char *twin = at ? strdup(path) : NULL;
  if (twin) memcpy(twin + (at - path), "ask", 3);
  return twin;
}

// Moves every ask file beside its bid file. Few files carry "bid" in their names, so the search is short.
static void files_pair(struct files *f) {
  for (uint32_t i = 0; i < f->count; i++) {
    char *twin = files_twin(f->list[i].path);
    if (!twin) continue;
    for (uint32_t j = 0; j < f->count && !f->list[i].pair; j++) {
      if (strcmp(f->list[j].path, twin) != 0) continue;
      f->list[i].pair = f->list[j].path;
      memmove(&f->list[j], &f->list[j + 1], (f->count - j - 1) * sizeof *f->list);
      f->count--;
      if (j < i) i--;
      break;
    }
    free(twin);
  }
}

static int32_t files_line(struct files *f, const char *line, struct fault *fault) {
  glob_t found;
  int result = glob(line, 0, NULL, &found);
  if (result == GLOB_NOMATCH)
    return fault_set(fault, HADRON_ERR_NOT_FOUND, "cannot open the recordings", line, "at least one file", "none",
                     "check `files`: each line is a path or a glob");
  if (result != 0)
    return fault_set(fault, HADRON_ERR_IO, "cannot open the recordings", line, "a readable folder", "an error",
                     "check the path and its permissions");
  bool fine = true;
  for (size_t i = 0; i < found.gl_pathc && fine && f->count < FILES_MAX; i++) fine = files_add(f, found.gl_pathv[i]);
  globfree(&found);
  if (fine && f->count < FILES_MAX) return HADRON_OK;
  return fault_set(fault, fine ? HADRON_ERR_FULL : HADRON_ERR_MEMORY, "cannot open the recordings", line, "fewer than 100,000 files",
                   fine ? "more" : "no memory", "split the run");
}

int32_t files_expand(struct files *f, const char *lines, struct fault *fault) {
  memset(f, 0, sizeof *f);
  int32_t result = HADRON_OK;
  for (const char *at = lines; *at && !result;) {
    char line[4096];
    size_t size = strcspn(at, "\n");
    text_copy(line, sizeof line, at, size);
    at += size + (at[size] == '\n');
    if (line[0]) result = files_line(f, line, fault);
  }
  if (!result && f->count == 0)
    result = fault_set(fault, HADRON_ERR_CONFIG, "cannot open the recordings", "parameter `files`", "at least one file", "none",
                       "set `files`, or give --data FILE");
  if (!result) files_pair(f);
  return result;
}
