"""Promise: whatever write, sync, rename, link or truncation fails while a version is registered, and with whatever error, nothing is half
registered: either the version is there, whole, or it is not there at all, the database is sound, and adding it again works. So does
signing it.

How: a library in front of the C library's, compiled here, lets the Nth such call of the program on a regular file or directory fail (EIO, ENOSPC)
and counts them; the test runs `hadron registry add` once for each N."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import HADRON, Host

SANITIZED = os.environ.get("HADRON_SANITIZE", "") != ""

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long seen;

static int counts(int fd) {
  struct stat st;
  return fd > 2 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

// 1: this one is to fail.
static int hit(void) {
  const char *at = getenv("FAIL_AT"), *error = getenv("FAIL_WITH");
  if (!at || ++seen != atol(at)) return 0;
  errno = error && error[0] == 'n' ? ENOSPC : EIO;
  return 1;
}

__attribute__((destructor)) static void tell(void) {
  FILE *file = getenv("FAIL_COUNT") ? fopen(getenv("FAIL_COUNT"), "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld\n", seen);
  fclose(file);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OF_FD(type, name, declared, ...) \
  type name declared { return counts(fd) && hit() ? -1 : NEXT(name)(__VA_ARGS__); }
#define OF_PATH(type, name, declared, ...) \
  type name declared { return hit() ? -1 : NEXT(name)(__VA_ARGS__); }
OF_FD(ssize_t, write, (int fd, const void *bytes, size_t size), fd, bytes, size)
OF_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), fd, bytes, size, at)
OF_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size, at)
OF_FD(int, fsync, (int fd), fd)
OF_FD(int, fdatasync, (int fd), fd)
OF_FD(int, ftruncate, (int fd, off_t size), fd, size)
OF_FD(int, ftruncate64, (int fd, off64_t size), fd, size)
OF_FD(int, fchmod, (int fd, mode_t mode), fd, mode)
OF_PATH(int, rename, (const char *a, const char *b), a, b)
OF_PATH(int, renameat, (int x, const char *a, int y, const char *b), x, a, y, b)
OF_PATH(int, renameat2, (int x, const char *a, int y, const char *b, unsigned flags), x, a, y, b, flags)
OF_PATH(int, link, (const char *a, const char *b), a, b)
OF_PATH(int, linkat, (int x, const char *a, int y, const char *b, int flags), x, a, y, b, flags)
"""

SCRIPT = """-- hadron: strategy quiet 1.0.0
-- description: does nothing
-- requires: hadron.strategy/1
return hadron.strategy { on_trade = function(self) end }
"""


class Place(Host):
    def shimmed(self, at, error, *words):
        """The command with its Nth write failing (0: none): how it ended, and how many there were."""
        environment = {**os.environ, "LD_PRELOAD": self.path("shim.so"), "FAIL_AT": str(at), "FAIL_WITH": error, "FAIL_COUNT": self.path("count")}
        done = subprocess.run([HADRON, *words], cwd=self.directory, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode >= 0 and "assertion" not in done.stderr, (at, done.returncode, done.stderr)
        with open(self.path("count")) as file:
            return done, int(file.read())

    def fresh(self):
        shutil.rmtree(self.path("data"), ignore_errors=True)

    def versions(self):
        done = self.command("registry", "list", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        rows = said if isinstance(said, list) else next(v for v in said.values() if isinstance(v, list))
        return [(row["name"], row["version"]) for row in rows]

    def leftovers(self):
        """Files of the store that are no artifact."""
        return [name for _, _, names in os.walk(self.path("data", "artifacts")) for name in names if not name.endswith((".lua", ".so"))]


def is_whole(place, n, said):
    """Registered or not, nothing between."""
    there = place.versions()
    assert there in ([], [("quiet", "1.0.0")]), (n, there)
    if there:
        assert place.command("registry", "verify").returncode == 0, (n, said.stderr)
    again = place.command("registry", "add", "quiet.lua")
    assert again.returncode == 0, (n, there, said.stderr, again.stderr)
    assert place.versions() == [("quiet", "1.0.0")], n
    assert place.command("registry", "verify").returncode == 0, n
    return bool(there)


def main():
    if SANITIZED:
        print("skipped: the sanitizer wants to be the first library")
        return 77
    with Place({"quiet.lua": SCRIPT, "shim.c": SHIM}) as place:
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", place.path("shim.so"), place.path("shim.c"), "-ldl"], check=True)
        failed = survived = late = 0
        for error in ("eio", "nospace"):
            place.fresh()
            whole, count = place.shimmed(0, error, "registry", "add", "quiet.lua")
            assert whole.returncode == 0 and count > 10, (count, whole.stderr)
            for n in range(1, count + 1, 1 if error == "eio" else 3):
                place.fresh()
                done, _ = place.shimmed(n, error, "registry", "add", "quiet.lua")
                there = is_whole(place, n, done)
                assert done.returncode != 0 or there, (n, done.stdout)  # who says that it is done has done it
                if done.returncode:
                    assert done.stderr.strip(), n
                failed += done.returncode != 0
                survived += done.returncode == 0
                late += there and done.returncode != 0
        # A second version into a registry that is there: the first one is not touched.
        place.fresh()
        assert place.command("registry", "add", "quiet.lua").returncode == 0
        shutil.copytree(place.path("data"), place.path("kept"))
        place.write("next.lua", SCRIPT.replace("1.0.0", "1.1.0"))
        _, count = place.shimmed(0, "eio", "registry", "add", "next.lua")
        for n in range(1, count + 1):
            place.fresh()
            shutil.copytree(place.path("kept"), place.path("data"))
            place.shimmed(n, "eio", "registry", "add", "next.lua")
            assert place.versions() in ([("quiet", "1.0.0")], [("quiet", "1.0.0"), ("quiet", "1.1.0")], [("quiet", "1.1.0"), ("quiet", "1.0.0")]), (n, place.versions())
            assert place.command("registry", "verify").returncode == 0, n
        print(f"{failed} failures left nothing half registered ({late} were told after the version was in), {survived} were survived; {count} of a second version")
    return 0


sys.exit(main())
