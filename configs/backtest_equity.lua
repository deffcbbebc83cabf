-- A backtest of shares on your own data, or on a generated sample. Run it from the clone's top directory:
--
--   build/release/hadron backtest configs/backtest_equity.lua                             a sample is generated the first time
--   build/release/hadron backtest configs/backtest_equity.lua --data trades.csv           your own; docs/data.md lists the formats
--   build/release/hadron backtest configs/backtest_equity.lua --data 'days/*.csv' --from 2024-01-02 --to 2024-01-05
return {
  mode = "backtest",
  account = { currency = "USD", cash = "1000000" },

  -- Symbols that the data brings are taken as they come, as shares with a grid of one cent and a lot of one.
  universe = { open = true, max = 1024 },

  -- Used without data: twenty shares for one session, trades and quotes. Five days: --set sample.duration=7d.
  sample = { kind = "equity", instruments = 20, duration = "1d", seed = 1 },

  venues = {
    replay = { params = { files = {} } }, -- none: the sample; --data names yours
    -- Commission half a cent a share, at least one dollar an order, as brokers charge; 20 ms to the exchange and 5 ms back; market
    -- orders trade one cent worse than the touch.
    sim = { params = { fee_per_share = "0.005", fee_min = "1", entry_latency = "20ms", response_latency = "5ms", slippage_ticks = 1 } },
  },

  -- Round numbers; the sample is a random walk with a bounce, on which trend should lose its costs. That is the point of a baseline.
  strategies = {
    sma = { params = { fast = 50, slow = 500, size = "100" } },
    revert = { plugin = "mean_revert", params = { length = 500, k = 3, hold = "10m", size = "100" } },
  },

  risk = {
    order_quantity_max = "1000",  -- shares
    order_notional_max = "100000",
    position_max = "1000",
    gross_max = "2000000",        -- twice the cash: shorts count
    collar_bps = 500,
    daily_loss_max = "50000",
  },

  report = { equity_every = "1m" }, -- a session of minutes; daily samples want many days
}
