-- A backtest of coins on your own data, or on a generated sample. Run it from the clone's top directory:
--
--   build/release/hadron backtest configs/backtest_crypto.lua                       a sample is generated the first time
--   build/release/hadron backtest configs/backtest_crypto.lua --data BTCUSDT-trades.csv
return {
  mode = "backtest",
  account = { currency = "USD", cash = "1000000" },

  -- Coins are traded in parts. Files of coins seldom say how small, and instruments that are not listed get a lot of one: list yours
  -- here. Those of the sample are listed below it.
  universe = {
    open = true,
    instruments = {
      { name = "AAA-USD", asset = "crypto", increment = "0.5", lot = "0.0001" },
      { name = "BBB-USD", asset = "crypto", increment = "0.5", lot = "0.0001" },
      { name = "CCC-USD", asset = "crypto", increment = "0.5", lot = "0.0001" },
      { name = "DDD-USD", asset = "crypto", increment = "0.5", lot = "0.0001" },
      { name = "BTCUSDT", asset = "crypto", increment = "0.01", lot = "0.00001" },
      { name = "ETHUSDT", asset = "crypto", increment = "0.01", lot = "0.0001" },
    },
  },

  -- Used without data: four made-up coins for a day, trades and quotes around the clock.
  sample = { kind = "crypto", names = "AAA-USD,BBB-USD,CCC-USD,DDD-USD", duration = "1d", seed = 1 },

  venues = {
    replay = { params = { files = {} } }, -- none: the sample; --data names yours
    -- Fees of a large exchange: 2 basis points for resting orders, 5 for taking ones; 50 ms to the exchange and 20 ms back.
    sim = { params = { maker_bps = "2", taker_bps = "5", entry_latency = "50ms", response_latency = "20ms" } },
  },

  strategies = {
    zero_cross = { params = { length = 2000, band = 1000, size = "0.5" } },
    revert = { plugin = "mean_revert", params = { length = 1000, k = 3, hold = "30m", size = "0.5" } },
  },

  risk = { order_notional_max = "200000", gross_max = "2000000", collar_bps = 500, daily_loss_max = "100000" },

  report = { equity_every = "10m" },
}
