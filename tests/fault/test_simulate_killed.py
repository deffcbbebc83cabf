"""Promise: a simulator that is killed leaves nothing behind: no directory in /dev/shm, no process that goes on without it."""

import glob
import os
import subprocess
import sys

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from support.host import HADRON, until  # noqa: E402


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main():
    with subprocess.Popen([HADRON, "simulate", "--seeds", "20000", "--jobs", "2", "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        places = [f"/dev/shm/hadron-simulate-{process.pid}-*", f"/tmp/hadron-simulate-{process.pid}-*"]
        until("it is at work", lambda: len(children(process.pid)) >= 3)  # the janitor and two who work
        found = [path for place in places for path in glob.glob(place)]
        assert len(found) == 1, found
        workers = children(process.pid)
        process.kill()
    until("the directory is gone", lambda: not os.path.exists(found[0]))
    until("nobody goes on", lambda: not any(alive(pid) for pid in workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
