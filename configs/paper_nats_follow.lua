-- A host that trades on the ticks of another one: configs/paper_nats.lua publishes them, this one takes them out of the JetStream
-- (docs/bridge.md). Start the other one first: its instruments are then known from the start.
--
--   build/release/hadron run configs/paper_nats_follow.lua
return {
  mode = "paper",
  data_dir = "data/nats_follow",
  account = { currency = "USD", cash = "1000000" },

  venues = {
    feed = { plugin = "nats_in", params = { servers = "nats://127.0.0.1:4222", stream = "HADRON", prefix = "hadron", symbols = { "SIM00", "SIM01", "SIM02" } } },
    sim = { params = { flow = "none", entry_latency = "2ms", response_latency = "1ms" } }, -- fills orders against those ticks
  },

  strategies = { trend = { plugin = "sma", universe = { "SIM00", "SIM01", "SIM02" }, params = { fast = 20, slow = 100, size = "20" } } },

  risk = { order_quantity_max = "1000", position_max = "2000", gross_max = "1000000", collar_bps = 300, stale_ms = 30000, daily_loss_max = "50000" },
}
