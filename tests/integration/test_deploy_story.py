"""Promise: docs/versions.md can be followed word by word. How: its blocks marked `sh` are run in their order in one shell, in a directory
that looks like the top of a fresh checkout that was built; every line of a block marked `text` must be in what the block before it
wrote, in order, where "..." stands for anything. A block marked `sh build` is what the test found done."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.environ["HADRON_SOURCE_DIR"]
BUILD = os.environ["HADRON_BUILD_DIR"]
WAIT_S = 120


def blocks(text):
    """(words after the fence, lines) of every fenced block."""
    for match in re.finditer(r"^```(.*?)\n(.*?)^```$", text, re.M | re.S):
        yield match[1].strip(), match[2]


def expect(wanted, output):
    rows, at = output.splitlines(), 0
    for line in filter(None, wanted.splitlines()):
        if line.strip() == "...":
            continue
        pattern = ".*".join(re.escape(part.strip()).replace(r"\ ", r"\s+") for part in line.split("..."))
        while at < len(rows) and not re.search(pattern, rows[at]):
            at += 1
        assert at < len(rows), f"expected {line!r} in:\n{output}"
        at += 1


def main():
    text = open(f"{ROOT}/docs/versions.md").read()
    top = tempfile.mkdtemp(prefix="hd", dir="/tmp")
    os.makedirs(f"{top}/build")
    os.symlink(BUILD, f"{top}/build/release")
    for name in ("sdk", "configs", "plugins", "script"):
        os.symlink(f"{ROOT}/{name}", f"{top}/{name}")
    script, count = ["set -e -o pipefail"], 0
    for words, body in blocks(text):
        if words == "sh":
            script += [f"echo '=== {count}'", body]
            count += 1
    shell = subprocess.Popen(["bash"], cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = shell.communicate("\n".join(script) + "\n", timeout=WAIT_S)
        told = re.split(r"^=== \d+\n", output, flags=re.M)[1:]
        log = open(f"{top}/story/host.log").read() if os.path.exists(f"{top}/story/host.log") else ""
        assert shell.returncode == 0, f"exit code {shell.returncode}:\n{output}\n{log}"
        assert len(told) == count > 8, (len(told), count)
        at = -1
        for words, body in blocks(text):
            at += words == "sh"
            if words == "text":
                expect(body, told[at])
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        shutil.rmtree(top, ignore_errors=True)
    # The check bites.
    for wrong in ("nothing like it", "2 ... 1"):
        try:
            expect(wrong, "1 x 2\n")
        except AssertionError:
            continue
        raise AssertionError(f"{wrong!r} was found")
    print(f"{count} blocks")
    return 0


sys.exit(main())
