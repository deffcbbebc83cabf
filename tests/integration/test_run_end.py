"""Promise: the first SIGINT ends a host cleanly; a second one, or a SIGTERM, ends it at once, with a word and the status 128 + the signal's number,
also while the host waits for a database that is away; and the next start finds the journal whole. Values of --set are taken up to what a
parameter may hold, and what is longer is refused with both numbers.

How: a host whose recorder has a server that is not there and all the patience of the world: its clean end would take ten minutes."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import WAIT_S, Host, until

CONFIG = """return {
  mode = "paper",
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 200, seed = 7 } } },
  strategies = { sma = { params = { fast = 2, slow = 4, size = 1 } } },
  services = { recorder = { params = { url = "%s", patience = "10m" } } },
}
"""
AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


def at_once(first, second):
    with Host({"host.lua": CONFIG % AWAY}) as host:
        host.start("--quiet")
        until("it trades", lambda: host.ask("status")["executions"] > 2)
        host.process.send_signal(first)
        until("it has heard", lambda: host.command("status").returncode == 5)  # nobody answers there any more
        assert not host.died(), host.text("err")
        host.process.send_signal(second)
        assert host.process.wait(WAIT_S) == 128 + second, host.text("err")
        assert "a second signal: ended at once" in host.text("err"), host.text("err")
        host.write("host.lua", CONFIG % "sqlite:rows.sqlite")
        host.start("--quiet")
        until("it trades", lambda: host.ask("status")["executions"] > 2)
        host.stop()


def long_values():
    with Host({"host.lua": CONFIG % "sqlite:rows.sqlite"}) as host:
        symbols = "\n".join(f"NAME{i:04d}" for i in range(300))
        good = host.command("run", "host.lua", "--check", "--set", f"venues.sim.params.symbols={symbols}")
        assert good.returncode == 0 or "symbols: expected" in good.stderr, good.stderr  # the plugin's own bound, by its name
        long = host.command("run", "host.lua", "--check", "--set", "data_dir=" + "x" * 5000)
        assert long.returncode == 3 and "data_dir: expected at most 4095 bytes, found 5000" in long.stderr, long.stderr
        long = host.command("run", "host.lua", "--check", "--set", "venues.sim.params.symbols=" + "x" * 70000)
        assert long.returncode == 3 and "expected a value of at most 65535 bytes, found 70000" in long.stderr, long.stderr
        long = host.command("run", "host.lua", "--check", "--set", "k" * 300 + "=1")
        assert long.returncode == 3 and "expected a key of at most 255 bytes, found 300" in long.stderr, long.stderr


def main():
    at_once(signal.SIGINT, signal.SIGINT)
    at_once(signal.SIGTERM, signal.SIGINT)
    at_once(signal.SIGINT, signal.SIGTERM)
    long_values()
    print("a second signal ends it at once")
    return 0


sys.exit(main())
