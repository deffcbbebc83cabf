"""Promise: the Python package says what the schema says, keeps prices exact, is typed throughout (where mypy is there), and tells a newcomer what is
wrong with a file, a token or an address."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
PACKAGE = f"{ROOT}/sdk/python"
sys.path.insert(0, PACKAGE)
sys.path.insert(0, f"{ROOT}/tests/support")
import sanitized  # noqa: E402

sanitized.preload()
os.environ["HADRON_LIBRARY"] = f"{BUILD}/lib/libhadron.so"
import hadron  # noqa: E402
from hadron import messages  # noqa: E402


def fails(kind, call, *words):
    try:
        call()
    except kind as fault:
        for word in words:
            assert word in str(fault), (word, str(fault))
        return
    raise AssertionError(f"expected {kind.__name__}")


def units():
    assert hadron.price("101.25") == 101_250_000_000 and hadron.price(3) == 3_000_000_000 and hadron.price("-0.000000001") == -1
    assert hadron.quantity("0.5") == 50_000_000 and hadron.money("1.5") == 1_500_000
    assert str(hadron.price_decimal(101_250_000_000)) == "101.250000000"
    fails(TypeError, lambda: hadron.price(1.5), "float", "1.5")
    fails(ValueError, lambda: hadron.price("0.0000000001"), "finer")
    fails(OverflowError, lambda: hadron.price("9223372037"), "64 bits")
    for nanos in (0, 1, -1, 2**63 - 1, -(2**63) + 1, 123456789):
        assert hadron.price(hadron.price_decimal(nanos)) == nanos


def layouts():
    done = subprocess.run([sys.executable, f"{ROOT}/script/python_messages.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert messages.SIZES[1] == 64 and messages.SIZES[3] == 128
    raw = bytes(range(64))
    tick = hadron.Tick.unpack(raw)
    assert tick.price == tick.bid == int.from_bytes(raw[32:40], "little")
    assert tick.sequence == int.from_bytes(raw[16:24], "little") and tick.kind == 30 and tick.side == 56 and tick.action == 57
    try:
        import numpy
    except ImportError:
        return
    row = numpy.frombuffer(raw, dtype=numpy.dtype(messages.DTYPES[1]))[0]
    for name in ("event_ns", "recv_ns", "sequence", "instrument", "venue", "kind", "flags", "price", "quantity", "bid", "ask", "bid_size", "ask_size", "side", "action"):
        assert int(row[name]) == getattr(tick, name), name
    for template, dtype in messages.DTYPES.items():
        assert numpy.dtype(dtype).itemsize == messages.SIZES[template]


def decisions():
    class S(hadron.Strategy):
        name = "s"
    s = S()
    s.cause = 7
    s.target(3, hadron.quantity("-2"), confidence=0.5)
    fails(TypeError, lambda: s.buy(3, 1.5), "whole units")
    (block,) = s._take()
    d = messages.Decision.unpack(block)
    assert (d.cause, d.instrument, d.kind, d.quantity, d.confidence) == (7, 3, hadron.DecisionKind.TARGET, -200_000_000, 0.5) and len(block) == 128


def run(directory, *words, **environment):
    return subprocess.run([sys.executable, "-m", "hadron", "run", *words], capture_output=True, text=True, timeout=60, check=False, cwd=directory,
                          env={**os.environ, "PYTHONPATH": PACKAGE, **environment})


def command(directory):
    def file(name, text, mode=0o600):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(os.path.join(directory, name), mode)

    file("two.py", "import hadron\nclass A(hadron.Strategy):\n  name='a'\nclass B(hadron.Strategy):\n  name='b'\n")
    file("none.py", "x = 1\n")
    file("token", "secret\n", 0o644)
    for words, status, text in (
            (("missing.py", "--connect", "ipc:///tmp/x"), 1, "missing.py: no Python file"),
            (("none.py", "--connect", "ipc:///tmp/x"), 1, "found none"),
            (("two.py", "--connect", "ipc:///tmp/x"), 1, "--class NAME"),
            (("two.py",), 2, "--connect URL is missing"),
            (("two.py", "--class", "A", "--connect", "ipc:///tmp/x", "--token-file", "token"), 1, "chmod 600"),
            (("two.py", "--class", "A", "--connect", "ipc:///tmp/x", "--set", "y=1"), 1, "no parameter y"),
            (("two.py", "--class", "A", "--connect", f"ipc://{directory}/nobody", "--connect-timeout", "0.2"), 1, "hadron run:")):
        done = run(directory, *words)
        assert done.returncode == status and text in done.stderr and "Traceback" not in done.stderr, (words, done.returncode, done.stderr)


def typed():
    mypy = shutil.which("mypy")
    if not mypy:
        print("mypy is not installed (Debian: mypy): types are not checked")
        return
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run([mypy, "--strict", "--cache-dir", cache, "hadron"], cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


units()
layouts()
decisions()
typed()
with tempfile.TemporaryDirectory(prefix="hd", dir="/tmp") as directory:
    command(directory)
print("the package holds")
