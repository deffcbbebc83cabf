"""Promise: a version that takes over in a worker process and does not stay up there is gone back from, once and by itself, before it is given up: the version before
it, still warm, has the live seat again, trades on, and the revision says why. The other strategy has noticed nothing.

How: two versions of one plugin, the second of which crashes after some ticks, in a host of the built program. Waiting is asking again."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import PLUGINS, Host, until

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, engine = { threads = %s },
  venues = { sim = { plugin = "sim", params = { flow = "random", symbols = { "AAA" }, rate = 300, seed = 7 } } },
  strategies = { good = { plugin = "sma", params = { fast = 2, slow = 4, size = 10 } },
    away = { plugin = "%s", placement = "process", deployment = { warm = "10m" } } },
}
"""

def seats(host):
    return [(row["version"], row["role"], row["warm"]) for row in host.strategies("away")]


def turnover(host):
    return host.strategies("good")[0]["turnover"]


def goes_back(threads):
    with Host({}) as host:
        host.write("host.lua", CONFIG % (threads, os.path.join(PLUGINS, "stays_up.so")))
        host.start("--quiet")
        until("the worker is there", lambda: seats(host) == [("1.0.0", "live", False)])
        host.ask("registry", "add", os.path.join(PLUGINS, "falls_down.so"))
        until("the second version takes over", lambda: host.command("reload", "away").returncode == 0)
        assert ("1.1.0", "live", False) in seats(host), seats(host)
        until("it is gone back from", lambda: ("1.0.0", "live", False) in seats(host))
        why = host.revisions("away")
        assert any("its worker ended" in str(row.get("why", "")) for row in why), why
        before = turnover(host)
        until("the other one trades on", lambda: turnover(host) > before)
        count = len(host.revisions("away"))
        before = host.ask("status")["ticks"]
        until("time passes", lambda: host.ask("status")["ticks"] > before + 1000)
        assert len(host.revisions("away")) == count and ("1.0.0", "live", False) in seats(host), "once is enough"
        host.stop()
        print(f"threads {threads}: {[row.get('why') for row in why][-1]}")


goes_back("false")
goes_back("true")
