-- Twenty years of daily bars of the S&P 500 index, one long-only trend strategy, costs included. Run it from the clone's top directory:
--
--   build/release/hadron backtest configs/backtest_sp500.lua
--
-- The index itself cannot be bought; a fund on it can. The data is in configs/data with a NOTICE of where it is from: prices without
-- dividends, so that both the strategy and holding the index are shown a little worse than they were.
return {
  mode = "backtest",

  -- One million to begin with, all of it the one strategy's.
  account = { currency = "USD", cash = "1000000" },

  -- The index in units; a cent is its price grid.
  universe = { open = false, instruments = { { name = "SPX", asset = "equity", increment = "0.01", lot = "1", currency = "USD" } } },

  -- One day to the next may move more than a tick does: 12 % was the worst here, the check for outliers allows 20 %.
  normalize = { outlier_bps = 2000 },

  venues = {
    -- The header date,open,high,low,close,... is understood by itself. As `asset = equity` says, a daily bar is a session from 09:30 to
    -- 16:00 in New York: open, extremes and close become four ticks at their places in the day.
    replay = { params = { files = { here("data/sp500-2000.csv") }, symbol = "SPX", columns = { "asset=equity" } } },

    -- Costs: 1 basis point of commission, and market orders trade 2 basis points worse than the last price; 3 in all, each way. A large
    -- fund on the index costs less today and cost about this in 2000.
    sim = { params = { taker_bps = "1", slippage_bps = "2" } },
  },

  strategies = {
    -- The textbook's round numbers, not fitted: 50 against 200 days, volatility of the last 20 days, 15 % a year as the target. It
    -- decides on the close of a day and trades on the next day's open. At most 98 % of equity is in the market, so that costs and the
    -- night's move never lead to leverage; changes of less than 10 % of equity are left alone, entering and leaving are not.
    trend = {
      cash = "1000000",
      params = { fast = 50, slow = 200, volatility_bars = 20, target_bps = 1500, invested_max_bps = 9800, band_bps = 1000, capital = "1000000" },
    },
  },

  -- Far above what the strategy asks for, and in the way of a mistake.
  risk = { order_notional_max = "5000000", gross_max = "5000000" },

  -- One sample of equity a day is what Sharpe and drawdown are made of.
  report = { equity_every = "1d" },
}
