"""Promise: docs/wire.md is enough to write a client from. One in Perl, made of what that page says and of nothing else of this project
(support/wire_client.pl), joins over tcp://, follows its stream, decides, is killed with -9, and goes on with its session: no message is missing, and each of its
decisions was taken once. Nothing waits for time: it goes on by what the client has printed and what the host says."""
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support.host import Host, until  # noqa: E402

CLIENT = os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests/support/wire_client.pl")
CONFIG = """return {
  mode = "paper", account = { cash = "10000000" },
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 2000, seed = 7 } } },
  strategies = { far = { external = true, on_silent = "hold" } },
  bus = { stale_after = "10s", decisions_per_second = 100000, sessions = { { url = "tcp://127.0.0.1:%d" } } },
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(host, port, file, decisions):
    """One life: until so many decisions were taken in it; then it is killed."""
    with open(host.path(file), "w") as out:
        client = subprocess.Popen(["perl", CLIENT, "127.0.0.1", str(port), "far", host.path("state")], stdout=out, stderr=out)
    try:
        until(f"{decisions} decisions of the client", lambda: client.poll() is not None or host.text(file).count("TAKEN") >= decisions)
        assert client.poll() is None, host.text(file)
    finally:
        client.send_signal(signal.SIGKILL)
        client.wait()
    told = host.text(file)
    assert "LOST" not in told and "NOT TAKEN" not in told and "REFUSED" not in told.replace("REFUSED HADRON_ERR_EXISTS", ""), told
    joined = re.search(r"^JOINED (\w+) next (\d+) decided (\d+)$", told, re.M)
    return joined[1], int(joined[2]), int(joined[3]), [int(n) for n in re.findall(r"^TAKEN (\d+)$", told, re.M)], told


def main():
    port = free_port()
    with Host({"host.lua": CONFIG % port}) as host:
        host.start("--quiet")
        how, following, decided, taken, told = run(host, port, "first", 5)
        assert (how, following, decided) == ("anew", 1, 0) and taken == list(range(1, len(taken) + 1)), told
        assert "POSITION" in told and "FILL" in told, told
        for life in ("second", "third"):
            how, following, decided, more, told = run(host, port, life, 5)
            # One may have been under way when it was killed: WELCOME says whether it was taken.
            assert how == "resumed" and following > 1 and decided - taken[-1] in (0, 1), (how, following, decided, taken, told)
            assert more == list(range(decided + 1, decided + 1 + len(more))), (decided, more)
            taken = more

        def counted():
            return host.strategies("far")[0]["placed"]["decisions"]

        until("the host has counted them", lambda: counted() >= taken[-1])
        assert counted() - taken[-1] in (0, 1) and host.strategies("far")[0]["placed"]["refused"] == 0, (counted(), taken)
        host.stop()
    print(f"{taken[-1]} decisions in three lives")


main()
