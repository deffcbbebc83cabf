-- hadron: strategy sma 1.0.0
-- description: moving-average cross of trades: the arithmetic of plugins/strategies/sma.c, for measuring
-- requires: hadron.strategy/1

return hadron.strategy {
  params = {
    fast = { type = "integer", default = 10, min = 1, max = 4095, unit = "ticks", help = "trades in the fast average" },
    slow = { type = "integer", default = 50, min = 2, max = 4096, unit = "ticks", help = "trades in the slow average" },
    size = { type = "quantity", default = 100, unit = "units", live = true, help = "position to hold" },
  },

  on_start = function(self)
    local prices = {}
    for i = 1, self.params.slow do prices[i] = 0 end
    self.prices, self.at, self.count, self.side = prices, 1, 0, 0
    self.sum_fast, self.sum_slow = 0, 0
    self.fast, self.slow = self.params.fast, self.params.slow
  end,

  on_trade = function(self, price)
    local prices, at, fast, slow = self.prices, self.at, self.fast, self.slow
    local sum_slow = self.sum_slow + price - prices[at]
    local sum_fast = self.sum_fast + price - prices[at > fast and at - fast or at + slow - fast]
    prices[at] = price
    self.at = at == slow and 1 or at + 1
    self.sum_slow, self.sum_fast = sum_slow, sum_fast
    if self.count < slow then
      self.count = self.count + 1
      if self.count < slow then return end
    end
    local side = sum_fast * slow > sum_slow * fast and 1 or -1
    if side == self.side then return end
    self.side = side
    self:target(side * self.params.size, { confidence = 0.5 })
  end,
}
