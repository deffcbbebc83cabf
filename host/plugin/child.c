#include "plugin/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

// Descriptors are given to the child from numbers above those that it will know them by.
#define FD_ABOVE 16

static char program[PATH_MAX];

void hd_child_program(const char *path) { hd_text_copy(program, sizeof program, path); }

static bool runnable(char to[PATH_MAX], const char *folder, const char *rest) {
  int n = snprintf(to, PATH_MAX, "%s/%s", folder, rest);
  return n > 0 && n < PATH_MAX && access(to, X_OK) == 0;
}

static int32_t find_program(const struct hd_child *c, char to[PATH_MAX], struct hd_fault *fault) {
  const char *told = program[0] ? program : getenv("HADRON_PROGRAM");
  if (told != NULL && told[0]) return hd_text_copy(to, PATH_MAX, told) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_IO, "%s: the program's path is too long", c->name);
  char folder[PATH_MAX / 2];
  ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (n > 0) {
    folder[n] = 0;
    char *slash = strrchr(folder, '/');
    if (slash != NULL) *slash = 0;
    if (runnable(to, folder, "hadron") || runnable(to, folder, "../hadron")) return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "%s: expected the program hadron in %s or the folder above, found none; name it in the environment's HADRON_PROGRAM", c->name,
                      n > 0 ? folder : "the folder of this program");
}

static int set_files(const int *fds, int count, posix_spawn_file_actions_t *files) {
  int error = 0;
  for (int i = 0; i < count && !error; i++) error = posix_spawn_file_actions_adddup2(files, fds[i], i);
  return error ? error : posix_spawn_file_actions_addclosefrom_np(files, count);
}

static int set_attributes(posix_spawnattr_t *a) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (!error) error = posix_spawnattr_setpgroup(a, 0);
  if (!error) error = posix_spawnattr_setsigmask(a, &none);
  return error ? error : posix_spawnattr_setsigdefault(a, &all);
}

static void pick_environment(char **to, size_t room) {
  static const char *const names[] = {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
  size_t used = 0;
  for (char **e = environ; *e != NULL; e++)
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (strncmp(*e, names[i], strlen(names[i])) == 0 && used + 1 < room) to[used++] = *e;
  to[used] = NULL;
}

static int spawn(const char *path, char **arguments, const int *fds, int count, pid_t *out) {
  char *environment[8];
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  pick_environment(environment, sizeof environment / sizeof *environment);
  int error = posix_spawn_file_actions_init(&files);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    error = set_files(fds, count, &files);
    if (!error) error = set_attributes(&attributes);
    if (!error) error = posix_spawn(out, path, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&files);
  return error;
}

int32_t hd_child_start(const struct hd_child *c, pid_t *out, struct hd_fault *fault) {
  char path[PATH_MAX];
  char *arguments[8] = {(char[]){"hadron"}};
  int fds[HD_CHILD_FDS_MAX], above = 0, error = 0;
  HD_ASSERT(c->fd_count > STDERR_FILENO && c->fd_count <= HD_CHILD_FDS_MAX);
  int32_t err = find_program(c, path, fault);
  if (err) return err;
  for (size_t i = 0; c->words[i] != NULL && i + 2 < sizeof arguments / sizeof *arguments; i++) arguments[i + 1] = (char *)(uintptr_t)c->words[i]; // execve changes none
  for (; above < c->fd_count && !error; above++) {
    fds[above] = fcntl(c->fds[above], F_DUPFD_CLOEXEC, FD_ABOVE);
    if (fds[above] < 0) error = errno;
  }
  if (!error) error = spawn(path, arguments, fds, c->fd_count, out);
  for (int i = 0; i < above; i++)
    if (fds[i] >= 0) close(fds[i]);
  return error ? hd_fault_set(fault, HADRON_ERR_IO, "%s: running %s: %s", c->name, path, strerror(error)) : HADRON_OK;
}
