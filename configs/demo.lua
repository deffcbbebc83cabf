-- The demo: an exchange of its own with twenty made-up shares, seven strategies in C and Lua, limits, and a recorder. Paper money, no
-- network, no files from outside. From the clone's top directory:
--
--   script/run                                           builds and starts it
--   build/release/hadron run configs/demo.lua            starts it; --duration 30s ends it by itself
--   build/release/hadron status --watch                  in another terminal
--
-- Everything it writes is below `data_dir`: the journal, data/hadron.sqlite (SQLite), the control socket.
return {
  mode = "paper",
  data_dir = "data",

  -- Of every random stream; with a virtual clock the same seed makes the same market.
  seed = 42,

  account = { currency = "USD", cash = "1000000" },

  venues = {
    -- The exchange. `flow = "random"` makes it a market of its own: people (made of dice) post, cancel and take around a fair value that
    -- wanders; our orders stand in the same book as theirs. docs/sim.md says what it shows of real markets, and what not.
    sim = {
      params = {
        flow = "random",
        symbols = {
          "ALDR", "BEXA", "CORV", "DUNE", "ELMS", "FJRD", "GRVL", "HAZE", "IRIS", "JUNO",
          "KELP", "LUPA", "MOSS", "NOVA", "OPAL", "PINE", "QUIL", "REED", "SAGE", "TEAL",
        },
        price = "120",          -- of ALDR; the others get theirs by the seed: a quarter to almost three times as much
        tick_size = "0.01",
        lot = "1",
        size = "100",           -- shares, the usual order
        volatility = 0.35,      -- a year: a lively share
        rate = 50,              -- orders and cancels a second and share on average; a few shares are busy, most are quiet
        spread = 2,             -- cents, about
        entry_latency = "2ms",  -- our orders on their way there
        response_latency = "1ms",
        fee_per_share = "0.003",
        fee_max = "10",
      },
    },
  },

  -- Some share their shares: what they want is netted before it goes to the market (the allocator `net`).
  -- They are quick so that there is something to see in the first seconds; nobody should pay fees for such trends.
  strategies = {
    -- C: trends by two moving averages of the last trades.
    sma_fast = { plugin = "sma", universe = { "ALDR", "BEXA", "CORV", "DUNE", "ELMS" }, params = { fast = 10, slow = 50, size = "20" } },
    sma_slow = { plugin = "sma", universe = { "ALDR", "BEXA", "FJRD", "GRVL" }, params = { fast = 50, slow = 200, size = "40" } },
    -- C and Lua: the same rules twice; on the same shares they decide the same, which the tables show.
    zero_cross = { universe = { "HAZE", "IRIS" }, params = { length = 50, band = 100, size = "20" } },
    zero_cross_lua = { universe = { "HAZE", "IRIS" }, params = { length = 50, band = 100, size = "20" } },
    -- Lua: against moves of more than two standard deviations, for at most a minute.
    mean_revert = { universe = { "JUNO", "KELP", "LUPA", "MOSS" }, params = { length = 100, k = 2, hold = "1m", size = "20" } },
    -- C, two shares at once: the ratio of their prices comes back, or so it hopes.
    pairs = { universe = { "NOVA", "OPAL" }, params = { window = 20, sample = "1s", entry = 2, leave = 0.5, stop = 6, size = "20" } },
    -- C: rests on both sides of the market and earns the spread, or loses it to those who know more.
    market_maker = {
      universe = { "PINE", "QUIL", "REED" },
      params = { size = "100", position_max = "500", half_spread_bps = 1, skew_bps = 1 },
      risk = { position_max = "1000" }, -- a strategy's own limit comes on top of the account's
    },
  },

  -- Limits of the account. Each order passes all of them, or is denied with the numbers that were compared. They change while it runs:
  -- `hadron set risk.gross_max=500000`.
  risk = {
    order_quantity_max = "1000",
    order_notional_max = "200000",
    position_max = "2000",
    gross_max = "1000000",      -- no more than the cash
    net_max = "500000",
    collar_bps = 300,           -- a limit price 3 % off the market is a mistake
    order_rate_max = 200,
    open_orders_max = 500,
    stale_ms = 30000,           -- a share that has not ticked for half a minute is not traded
    daily_loss_max = "50000",   -- of a million; then nothing but reducing
    drawdown_max = "80000",
  },

  -- A shard is an engine with its own share of the instruments; with threads = true each has a thread of its own.
  engine = { shards = 1, threads = false },

  services = {
    -- Each record of the journal becomes a row, exactly once. `sqlite3 data/hadron.sqlite 'SELECT * FROM positions'` looks at it.
    recorder = { params = { url = "sqlite:data/hadron.sqlite" } },
  },

  -- The journal grows by the ticks; the oldest segments go once the recorder has them.
  journal = { ticks = true, keep = "1GiB" },
}
