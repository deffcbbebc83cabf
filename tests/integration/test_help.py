"""Promise: `hadron --help` lists every command; each has --help with a usage, an example whose options the help itself explains, and the exit
statuses; all of it fits a terminal of 80 columns and one of 60, whose width is asked for, and 80 where there is none. A command that is not there
exits with 2 and names the nearest, an unknown option with 2 and where it is explained."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

HADRON = f"{os.environ['HADRON_BUILD_DIR']}/hadron"


def run(*words):
    return subprocess.run([HADRON, *words], capture_output=True, text=True, timeout=60)


def on_terminal(columns, *words):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([HADRON, *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux: the other side was closed
            piece = b""
        if not piece:
            break
        text += piece
    os.close(ours)
    assert child.wait(60) == 0, (words, text)
    return text.decode().replace("\r", "")


def fits(text, columns, words):
    for line in text.splitlines():
        # An example is there to be copied, a block of Lua as well: neither is broken. Nor is one long word.
        copied = line.lstrip().startswith("hadron ") or "{" in line or "--" in line
        assert len(line) <= columns or copied or " " not in line.strip()[:-1], f"{words}: {len(line)} of {columns} columns: {line}"


def check(name):
    text = run(*name.split(), "--help").stdout
    assert text.startswith(f"Usage: hadron {name} "), text
    fits(text, 80, name)
    examples = re.findall(r"^  hadron (.*)$", text.split("\nExample:\n")[1], re.M)
    assert examples, text
    explained = text.split("\nExample:\n")[0]
    for example in examples:
        assert example.startswith(name), (name, example)
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", example):
            assert re.search(rf"{option}(?![a-z-])", explained), f"hadron {name} --help: its example has {option}, which it does not explain"
    assert "7 differs." in text, text
    wrong = run(*name.split(), "--no-such-option")
    assert wrong.returncode == 2 and "--help` explains it" in wrong.stderr, (name, wrong)


def main():
    overview = run("--help").stdout
    fits(overview, 80, "--help")
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?) {2,}", overview, re.M)
    assert len(names) > 50 and len(set(names)) == len(names), names
    for name in names:
        check(name)
    for name in ("replay", "cert issue", "deploy", "explain"):
        fits(on_terminal(60, *name.split(), "--help"), 60, name)
        wide = on_terminal(200, *name.split(), "--help")
        assert max(len(line) for line in wide.splitlines()) > 80, wide
    wrong = run("stats")
    assert wrong.returncode == 2 and '"status"' in wrong.stderr, wrong
    wrong = run("cert", "isue")
    assert wrong.returncode == 2 and "isue" in wrong.stderr and "cert issue" in wrong.stderr, wrong
    print(f"{len(names)} commands")


sys.exit(main())
