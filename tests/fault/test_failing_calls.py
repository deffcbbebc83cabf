"""Promise: whatever call of the system fails while a host starts, trades, records and stops, with strategies inline, in a thread and in a worker, and a bus that
is heard and publishes (open, mmap, socket, epoll, eventfd, timerfd, threads, memfd, pipes, children, randomness, directories, ...), the host ends with a
status of the table and words that say what, or lives through it; it does not crash or hang; its journal verifies afterwards, and the next start goes on from it.

A preloaded library (tests/support/preload) lets the Nth call of one name fail in the real `hadron run` of a short session. There are thousands of
them: a few are drawn, each name as often as another (the seed is printed; HADRON_TEST_SEED), all with HADRON_FAILING_ALL=1, or =open,mmap - of each name N = 1, 2, ... until a
session passes untouched, of those that go on as long as a session does every 97th behind the first 64 -, one with HADRON_FAILING_AT=open:17:24. What the disk
does under the journal and what memory does is in test_session_failing.c."""

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
  strategies = { sma = { params = { fast = 3, slow = 9, size = "5" } }, beside = { plugin = "sma", placement = "thread" }, apart = { plugin = "sma", placement = "process" },
                 far = { external = true } },
  bus = { sessions = { { url = "ipc://s.ipc", class = "trade" } }, feeds = { { url = "ipc://f.ipc" } } },
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
FIRST = 64  # of a name each; behind them, and of SQLite's own behind the first 8, every 97th


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


def errors_of(name):
    return ERRORS.get(name.removesuffix("64"), ("EIO", "ENOSPC"))


def drawn(found, chance):
    for _ in range(DRAWN):
        name = chance.choice(sorted(found))
        yield f"{name}:{1 + chance.randrange(found[name])}:{getattr(errno, chance.choice(errors_of(name)))}"


def every(name, error):
    """All of one name and error, until a session does not come to it. What was wrong, and how many were met."""
    wrong, met, at = [], 0, 1
    while True:
        if at > (8 if name in OWN else FIRST) and at % 97:
            at += 1
            continue
        said, came = fails(f"{name}:{at}:{getattr(errno, error)}")
        if not came:
            return wrong + ([said] if said else []), met
        met, at = met + 1, at + 1
        if said:
            wrong.append(said)
            print(said, flush=True)


# Where libuv and NNG themselves call abort(): their polls and pools of threads, libuv's global pipe and NNG's random numbers cannot say no. The host writes
# its crash record and is gone as by a kill, and what holds then holds here: the journal verifies, and the next start goes on.
GIVES_UP = {"libuv": ("epoll_ctl", "pthread_create", "pipe2"), "libnng": ("epoll_ctl", "pthread_create", "getrandom")}
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
        gave_up = status == -6 and any(library in where and what.startswith(calls) for library, calls in GIVES_UP.items())
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
    print(f"{sum(found.values())} calls by {len(found)} names; HADRON_TEST_SEED={seed}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wanted = os.environ.get("HADRON_FAILING_ALL", "")
        if wanted:
            results = list(pool.map(lambda one: every(*one), [(name, error) for name in sorted(found) if wanted == "1" or name in wanted.split(",") for error in errors_of(name)]))
            wrong, met = [said for some, _ in results for said in some], sum(met for _, met in results)
        else:
            results = list(pool.map(fails, drawn(found, random.Random(seed))))
            wrong, met = [said for said, _ in results if said], sum(came for _, came in results)
            for said in wrong:
                print(said)
            assert met >= DRAWN // 2
    print(f"{met} came to their call, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
