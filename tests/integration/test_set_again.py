"""Promise: what an operator sets while the host runs (limits, rules, parameters of a strategy, a venue, a service) holds over `disable` and `enable`, a SIGKILL, a clean end
and its snapshot, until somebody says something newer: another `set`, the configuration with another value of the key, a revision of the deployment
that names the parameter. What is set once and for all is not set twice, and such a run verifies byte for byte.

A real host on a simulated market; what it decides and what it says is looked at."""

import os
import sys

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from host import Host, until  # noqa: E402
import journal_bytes as journal  # noqa: E402

SIZED = """-- hadron: strategy sized 1.0.0
-- description: wants its size with every trade
-- requires: hadron.strategy/1
return hadron.strategy {
  params = { size = { type = "integer", default = 1, min = 1, max = 100, live = true, help = "what it holds" },
             other = { type = "integer", default = 1, min = 1, max = 100, live = true, help = "nothing" } },
  on_trade = function(self, price, size, market) self:target(hadron.quantity(tostring(self.params.size))) end,
}
"""

SHADOW = 128  # a replaced version stays on as one for a while

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, journal = { segment = "4MiB" }, %s
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 300 } } },
  strategies = { sized = { plugin = "./sized.lua", params = { size = 2 } } },
  services = { recorder = { plugin = "recorder", params = { url = "sqlite:data/hadron.sqlite" } } },
}
"""


def decided(host):
    """Sizes that the newest run has decided, in the order in which they changed."""
    sizes = []
    for template, r in journal.read(host.path("data", "journal")):
        if template == journal.SESSION and not r["flags"] & 1:
            sizes = []
        if template == journal.DECISION and not r["flags"] & SHADOW and sizes[-1:] != [r["quantity"] // 10**8]:
            sizes.append(r["quantity"] // 10**8)
    return sizes


def more(host):
    first = host.ask("status")["ticks"]
    until("it trades", lambda: host.ask("status")["ticks"] > first + 200)


def limits(host):
    return host.ask("status")["limits"]


def main():
    with Host({"host.lua": CONFIG % "", "sized.lua": SIZED}) as host:
        host.start()
        more(host)
        host.ask("set", "risk.order_quantity_max=30", "strategies.sized.params.size=5", 'router.rules=[{"when":"position","lane":"fast"}]', "gateway.query_every=3s",
                 "venues.sim.params.reject_rate=0.25")
        more(host)
        host.ask("set", "strategies.sized.params.size=7")
        host.ask("set", "risk.order_quantity_max=40")
        host.ask("set", "services.recorder.params.alert_after=77s")
        more(host)
        # whoever is disabled and enabled, or moved, is the same version; what was refused is not written down
        assert "1 to 100" in host.refused("set", "strategies.sized.params.size=101")
        for change in (("disable", "sized"), ("enable", "sized"), ("enable", "sized", "--placement", "thread"), ("enable", "sized", "--placement", "inline")):
            host.ask(*change)
        more(host)
        assert decided(host) == [2, 5, 7], decided(host)
        host.kill()
        # after a crash
        host.start()
        more(host)
        assert limits(host) == {"order_quantity_max": 40.0}, limits(host)
        assert decided(host) == [7], decided(host)
        assert host.text("err").count("SET_AGAIN") == 6, host.text("err")
        host.stop()
        verified = host.ask("replay", "data", "--verify")
        assert verified["same"] and verified["difference"] is None, verified
        # after a clean end, by the snapshot; the file says something newer of one key, and of another that was never set
        host.write("host.lua", CONFIG % "risk = { order_quantity_max = 60, position_max = 900 },")
        host.start()
        more(host)
        assert limits(host) == {"order_quantity_max": 60.0, "position_max": 900.0}, limits(host)
        assert decided(host) == [7], decided(host)
        assert "SET_ENDS" in host.text("err") and "order_quantity_max=40" in host.text("err"), host.text("err")
        host.kill()
        # what has ended does not come back
        host.write("host.lua", CONFIG % "")
        host.start()
        more(host)
        assert limits(host) == {}, limits(host)
        assert decided(host) == [7], decided(host)
        # a newer revision names the parameter
        host.ask("set", "strategies.sized.params.other=5")
        host.write("d.lua", 'return { name = "sized", plugin = "sized", arms = { { version = "1.0.0", params = { size = 9 } } } }\n')
        host.ask("deploy", "d.lua")
        more(host)
        assert decided(host) == [7, 9], decided(host)
        host.kill()
        host.start()
        more(host)
        assert decided(host) == [9], decided(host)
        assert "a newer revision" in host.text("err") and "other=5: it was set" in host.text("err"), host.text("err")
        host.stop()
        verified = host.ask("replay", "data", "--verify")
        assert verified["same"] and verified["difference"] is None, verified


if __name__ == "__main__":
    main()
