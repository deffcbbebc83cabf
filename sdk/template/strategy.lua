-- hadron: strategy my_strategy 0.1.0
-- description: buys above a moving average, sells below it
-- requires: hadron.strategy/1

-- A starter: copy it, rename it in the first line, change what on_trade does. Then
--   hadron validate my_strategy.lua
--   hadron backtest CONFIG        (a configuration that names it under `strategies`)
-- docs/lua.md tells the rest. Prices are integers of 1e-9, quantities of 1e-8: exact, so write them as texts, not as floats.

return hadron.strategy {
  -- Set in the configuration, under strategies.NAME.params; `live` ones may change while it runs. Read them in self.params.
  params = {
    length = { type = "integer", default = 20, min = 2, max = 1000, unit = "ticks", help = "trades in the average" },
    size = { type = "quantity", default = 10, unit = "units", live = true, help = "position to hold" },
  },

  -- One instance per instrument; each has a `self` of its own. Keep everything that must last in it: globals cannot be written.
  on_start = function(self)
    if self.prices then return end -- `load` comes before: keep what it took over
    self.prices, self.at, self.sum, self.side = {}, 0, 0, 0
  end,

  -- Called for every trade. `market` has the rest: market.bid, market.ask, market.position, ...
  on_trade = function(self, price, size, market)
    local length = self.params.length
    self.at = self.at % length + 1
    self.sum = self.sum + price - (self.prices[self.at] or 0)
    self.prices[self.at] = price
    if #self.prices < length then return end

    local side = price * length > self.sum and 1 or -1
    if side == self.side then return end -- the view has not changed
    self.side = side
    -- Hold this position from now on. Also: self:buy(quantity), self:sell(quantity), self:work(slot, "buy", quantity, limit).
    self:target(side * self.params.size, { confidence = 0.5 })
  end,

  -- What a new version, or the next run, takes over.
  save = function(self)
    return { prices = self.prices, at = self.at, sum = self.sum, side = self.side }
  end,
  load = function(self, saved, schema)
    self.prices, self.at, self.sum, self.side = saved.prices, saved.at, saved.sum, saved.side
  end,
}
