-- The demo's exchange with a recorder that writes to PostgreSQL. The address of the database is not written here; it comes from the
-- environment, and what comes from there is never printed:
--
--   createdb hadron
--   export HADRON_DATABASE_URL=postgresql://localhost/hadron
--   build/release/hadron doctor configs/paper_postgres.lua
--   build/release/hadron run configs/paper_postgres.lua
--
-- Without the variable the start fails here, with these words. Tables are made on the first start (docs/storage.md). While the database
-- is away trading goes on: the rows come later, each exactly once.
local url = env("HADRON_DATABASE_URL", "")
if url == "" then
  error("HADRON_DATABASE_URL is not set: export HADRON_DATABASE_URL=postgresql://USER@HOST/DATABASE and start again", 0)
end

return {
  mode = "paper",
  data_dir = "data/postgres", -- its own journal: two configurations never share one
  account = { currency = "USD", cash = "1000000" },

  venues = {
    sim = { params = { flow = "random", instruments = 10, price = "120", volatility = 0.35, rate = 100, entry_latency = "2ms", response_latency = "1ms" } },
  },

  -- Quick ones, as in the demo: there is something to see in the first seconds.
  strategies = {
    sma = { universe = { "SIM00", "SIM01", "SIM02", "SIM03" }, params = { fast = 10, slow = 50, size = "20" } },
    mean_revert = { universe = { "SIM04", "SIM05", "SIM06" }, params = { length = 100, k = 2, hold = "1m", size = "20" } },
    market_maker = { universe = { "SIM07", "SIM08" }, params = { size = "100", position_max = "500", half_spread_bps = 1, skew_bps = 1 } },
  },

  risk = { order_quantity_max = "1000", position_max = "2000", gross_max = "1000000", collar_bps = 300, daily_loss_max = "50000" },

  services = {
    -- A batch is a transaction: at most so many rows, at most so old.
    recorder = { params = { url = url, flush_interval = "250ms" } },
  },

  journal = { keep = "4GiB" }, -- room for a database that is away for a while
}
