-- The demo's exchange, and a bridge that publishes the host's journal into a NATS JetStream: every record once, in order, for consumers
-- of yours in any language, on any machine (docs/bridge.md). In another terminal, before or after:
--
--   nats-server -a 127.0.0.1 -js -sd data/nats-server
--   build/release/hadron run configs/paper_nats.lua
--   build/release/hadron status            "bridge connected, 0 bytes behind"
--
-- Without a server it trades all the same: the records come later, each exactly once. configs/paper_nats_follow.lua is a second host
-- that trades on this one's ticks.
return {
  mode = "paper",
  data_dir = "data/nats", -- its own journal: two configurations never share one
  account = { currency = "USD", cash = "1000000" },

  venues = {
    sim = { params = { flow = "random", instruments = 10, price = "120", volatility = 0.35, rate = 100, entry_latency = "2ms", response_latency = "1ms" } },
  },

  strategies = {
    sma = { universe = { "SIM00", "SIM01", "SIM02", "SIM03" }, params = { fast = 10, slow = 50, size = "20" } },
    mean_revert = { universe = { "SIM04", "SIM05", "SIM06" }, params = { length = 100, k = 2, hold = "1m", size = "20" } },
    market_maker = { universe = { "SIM07", "SIM08" }, params = { size = "100", position_max = "500", half_spread_bps = 1, skew_bps = 1 } },
  },

  risk = { order_quantity_max = "1000", position_max = "2000", gross_max = "1000000", collar_bps = 300, daily_loss_max = "50000" },

  services = {
    bridge = {
      plugin = "nats_out",
      params = {
        servers = "nats://127.0.0.1:4222", -- another machine: tls://HOST:4222
        stream = "HADRON",                 -- belongs to this host's journal alone
        prefix = "hadron",                 -- hadron.tick.SIM00, hadron.execution.SIM03, ...
        create = true,                     -- with what follows; false: somebody else makes the stream
        max_age = "30d",                   -- what is older leaves the stream
      },
    },
  },

  journal = { keep = "4GiB" }, -- room for a server that is away for a while
}
