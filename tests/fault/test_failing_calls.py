"""Promise: whatever call of the system fails while a host starts, trades, records and stops (open, mmap, socket, epoll, eventfd, timerfd, threads,
memfd, pipes, children, randomness, directories, ...), the host ends with a status of the table and words that say what, or lives through it; it
does not crash or hang; its journal verifies afterwards, and the next start goes on from it.

A preloaded library (tests/support/preload) lets the Nth call of one name fail in the real `hadron run` of a short session. There are some hundred of
them: a few are drawn (the seed is printed; HADRON_TEST_SEED), all with HADRON_FAILING_ALL=1, one with HADRON_FAILING_AT=open:17:24. What the disk does
under the journal and what memory does is in test_session_failing.c."""

import concurrent.futures
import errno
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from support.host import HADRON, BUILD  # noqa: E402

SHIM = os.path.join(BUILD, "tests/failing_calls.so")
DRAWN = 16
HANGS_S = 60
CONFIG = """return {
  mode = "paper", account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 2000, seed = 7 } } },
  strategies = { sma = { params = { fast = 3, slow = 9, size = "5" } } },
  services = { recorder = { params = { url = "sqlite:rows.db" } } },
}
"""
# What the system says when it has no more of it; where nothing is said, the two that anything may say.
ERRORS = {"open": ("EMFILE", "EIO"), "openat": ("EMFILE", "EIO"), "mmap": ("ENOMEM",), "mprotect": ("ENOMEM",), "socket": ("EMFILE",), "bind": ("EADDRINUSE", "EACCES"), "listen": ("EADDRINUSE",),
          "epoll_create1": ("EMFILE",), "epoll_ctl": ("ENOMEM", "ENOSPC"), "eventfd": ("EMFILE",), "timerfd_create": ("EMFILE",), "timerfd_settime": ("ECANCELED",), "memfd_create": ("EMFILE",),
          "pipe": ("EMFILE",), "pipe2": ("EMFILE",), "fork": ("EAGAIN",), "posix_spawn": ("EAGAIN", "ENOMEM"), "pthread_create": ("EAGAIN",), "getrandom": ("ENOSYS",), "inotify_init1": ("EMFILE",),
          "inotify_add_watch": ("ENOSPC",), "mkdir": ("EACCES", "ENOSPC"), "flock": ("ENOLCK",), "fcntl": ("EMFILE",), "opendir": ("EMFILE",), "fopen": ("EMFILE",)}
# SQLite's own dealings with its file are its own tests' matter: a part of them is enough.
OWN = {"fcntl64", "pwrite64", "pread64", "open64", "ftruncate64", "fdatasync", "mmap64"}


def run(directory, environment, *words):
    """The exit status (negative: a signal; None: it hangs) and what it said."""
    process = subprocess.Popen([HADRON, *words], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=HANGS_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, ""
    return process.returncode, out.decode(errors="replace")


def session(directory, environment, duration="150ms"):
    return run(directory, environment, "run", "host.lua", "--duration", duration, "--quiet")


def make():
    directory = tempfile.mkdtemp(prefix="hdcalls", dir="/tmp")
    with open(os.path.join(directory, "host.lua"), "w", encoding="utf-8") as file:
        file.write(CONFIG)
    return directory


def counts():
    directory = make()
    status, out = session(directory, {"LD_PRELOAD": SHIM, "HADRON_CALLS_COUNT": os.path.join(directory, "counts")})
    assert status == 0, (status, out)
    with open(os.path.join(directory, "counts"), encoding="utf-8") as file:
        found = {name: int(count) for name, count in (line.split() for line in file)}
    shutil.rmtree(directory)
    return {name: count for name, count in found.items() if count}


def failures(found):
    for name, count in sorted(found.items()):
        for at in range(1, count + 1):
            if name in OWN and at > 8 and at % 97:
                continue
            for error in ERRORS.get(name.removesuffix("64"), ("EIO", "ENOSPC")):
                yield f"{name}:{at}:{getattr(errno, error)}"


# Where libuv itself calls abort(): its poll, its pool of threads and its global pipe cannot say no. The host writes its crash record and is gone as by a
# kill, and what holds then holds here: the journal verifies, and the next start goes on.
GIVES_UP = ("epoll_ctl", "pthread_create", "pipe2")
# A trace that the program leaves of its own death, whatever the exit status says.
DEATH = re.compile(r"assertion failed|SIGSEGV|SIGABRT|stack smashing|free\(\)|malloc\(\)|corrupted|terminated by", re.IGNORECASE)


def fails(what):
    """What was wrong with it, None: nothing; and whether it came to the call at all."""
    directory = make()
    try:
        met = os.path.join(directory, "met")
        status, out = session(directory, {"LD_PRELOAD": SHIM, "HADRON_CALLS_FAIL": what, "HADRON_CALLS_MET": met})
        came = os.path.exists(met)
        where = ""
        if came:
            with open(met, encoding="utf-8", errors="replace") as file:
                where = file.read().strip()
        said = out.strip()[-600:]
        if status is None:
            return f"{what} ({where}): it hangs", came
        gave_up = status == -6 and "libuv" in where and what.startswith(GIVES_UP)
        if not gave_up and (status not in (0, 1, 3, 4, 6) or DEATH.search(out)):
            return f"{what} ({where}): exit status {status}: {said}", came
        if status and len(said) < 40:
            return f"{what} ({where}): exit status {status} without words: {said!r}", came
        journal = os.path.join(directory, "data", "journal")
        if os.path.isdir(journal) and any(name.startswith("journal-") for name in os.listdir(journal)):
            verified, words = run(directory, {}, "journal", "verify", journal)
            if verified:
                return f"{what} ({where}): after exit status {status} the journal does not verify: {words.strip()[-400:]}", came
        again, words = session(directory, {}, "30ms")
        return (f"{what} ({where}): the start after it: exit status {again}: {words.strip()[-600:]}" if again else None), came
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    if os.environ.get("HADRON_SANITIZE"):
        print("a sanitizer wants to be loaded first")
        return 77
    alone = os.environ.get("HADRON_FAILING_AT")
    if alone:
        wrong, came = fails(alone)
        print(wrong or ("fine" if came else "it never came to it"))
        return 1 if wrong else 0
    seed = int(os.environ.get("HADRON_TEST_SEED", random.randrange(1 << 32)))
    found = counts()
    every = list(failures(found))
    chosen = every if os.environ.get("HADRON_FAILING_ALL") else random.Random(seed).sample(every, DRAWN)
    print(f"{sum(found.values())} calls by {len(found)} names, {len(every)} ways to fail, {len(chosen)} tried; HADRON_TEST_SEED={seed}")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(fails, chosen))
    for wrong, _ in results:
        if wrong:
            print(wrong)
    met = sum(came for _, came in results)
    print(f"{met} came to their call, {sum(wrong is not None for wrong, _ in results)} wrong")
    assert met >= len(chosen) // 2
    return 1 if any(wrong for wrong, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())
