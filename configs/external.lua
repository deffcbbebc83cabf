-- Strategies from outside, on paper: a made-up exchange with four shares, and seats for strategies that join over a socket: in Python, JavaScript, C or
-- whatever speaks the wire (docs/wire.md). From the clone's top directory:
--
--   build/release/hadron run configs/external.lua
--   PYTHONPATH=sdk/python python3 -m hadron run sdk/template/strategy.py --connect ipc:///tmp/hadron-external.ipc      another terminal
--   NODE_PATH=/usr/share/nodejs node sdk/template/client.js ws://127.0.0.1:7008/bus                                     instead of it
--   build/release/hadron status --watch --data-dir data/external                                                       who is there, and what it did
--
-- Everything it writes is below `data_dir`.
return {
  mode = "paper",
  data_dir = "data/external",
  seed = 42,
  account = { currency = "USD", cash = "1000000" },

  venues = {
    sim = { params = { flow = "random", symbols = { "ALDR", "BEXA", "CORV", "DUNE" }, price = "120", tick_size = "0.01", lot = "1", size = "100", volatility = 0.35, rate = 50, spread = 2 } },
  },

  -- No plugin: whoever registers under this name decides, whatever its version; `hadron registry add FILE.py` makes versions of them (docs/remote.md). When it falls silent, its open orders are cancelled; its positions stay.
  strategies = {
    my_strategy = { external = true, on_silent = "cancel", params = { length = 20, size = "10" }, risk = { position_max = "100" } },
  },

  -- Where it may come. Both are this machine alone; docs/remote.md for another one, `hadron token --help` for more than one user of this one.
  bus = {
    sessions = {
      { url = "ipc:///tmp/hadron-external.ipc" },
      { url = "ws://127.0.0.1:7008/bus" },
    },
  },
}
