#include "support/postgres.h"

#include <glob.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/directory.h"
#include "support/test.h"

// Runs a shell command as a user who is not root: PostgreSQL refuses root. Output goes to ROOT/command.log.
__attribute__((format(printf, 2, 3))) static int run(const struct test_postgres *p, const char *format, ...) {
  char command[2048], whole[4096];
  va_list args;
  va_start(args, format);
  vsnprintf(command, sizeof command, format, args);
  va_end(args);
  snprintf(whole, sizeof whole, "cd '%s' && %s sh -c \"%s\" >> '%s/command.log' 2>&1 < /dev/null", p->root,
           getuid() == 0 ? "runuser -u postgres --" : "", command, p->root);
  int status = system(whole);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The newest installed version's programs.
static bool programs_find(char *to, size_t size) {
  glob_t g;
  bool found = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) == 0 && g.gl_pathc > 0;
  if (found) snprintf(to, size, "%.*s", (int)(strrchr(g.gl_pathv[g.gl_pathc - 1], '/') - g.gl_pathv[g.gl_pathc - 1]), g.gl_pathv[g.gl_pathc - 1]);
  globfree(&g);
  return found;
}

bool test_postgres_make(struct test_postgres *p, const char *settings, char *why, size_t why_size) {
  memset(p, 0, sizeof *p);
  p->settings = settings;
  struct passwd *owner = getuid() == 0 ? getpwnam("postgres") : getpwuid(getuid());
  if (!programs_find(p->programs, sizeof p->programs)) {
    snprintf(why, why_size, "PostgreSQL is not installed (package postgresql)");
    return false;
  }
  if (!owner) {
    snprintf(why, why_size, "running as root, and there is no user postgres to run the server as");
    return false;
  }
  char path[TEST_PATH_SIZE];
  test_directory_make(path);
  snprintf(p->root, sizeof p->root, "%.250s", path);
  if (chmod(p->root, 0711) != 0 || (getuid() == 0 && chown(p->root, owner->pw_uid, owner->pw_gid) != 0))
    fail_msg("cannot hand %s to %s", p->root, owner->pw_name);
  if (run(p, "'%s/initdb' -D '%s/data' -U hadron -A trust -E UTF8 --no-locale --no-sync", p->programs, p->root) != 0)
    fail_msg("initdb failed, see %s/command.log", p->root);
  snprintf(p->url, sizeof p->url, "postgresql://hadron@/postgres?host=%s", p->root);
  test_postgres_start(p);
  return true;
}

void test_postgres_start(struct test_postgres *p) {
  if (run(p, "'%s/pg_ctl' -D '%s/data' -w -t 60 -l '%s/server.log' -o '-c listen_addresses= -c unix_socket_directories=%s %s' start",
          p->programs, p->root, p->root, p->root, p->settings ? p->settings : "") != 0)
    fail_msg("the server did not start, see %s/server.log", p->root);
  p->running = true;
}

void test_postgres_stop(struct test_postgres *p, const char *mode) {
  if (p->running && run(p, "'%s/pg_ctl' -D '%s/data' -w -t 60 -m %s stop", p->programs, p->root, mode) != 0)
    fail_msg("the server did not stop, see %s/server.log", p->root);
  p->running = false;
}

int test_postgres_pid(const struct test_postgres *p) {
  char path[TEST_PATH_SIZE];
  int pid = 0;
  test_path(path, p->root, "data/postmaster.pid");
  FILE *f = fopen(path, "r");
  if (!f || fscanf(f, "%d", &pid) != 1) fail_msg("no process id in %s", path);
  fclose(f);
  return pid;
}

void test_postgres_remove(struct test_postgres *p) {
  test_postgres_stop(p, "immediate");
  test_directory_remove(p->root);
}
