-- The function of sma.lua without a host: what bench_backtest_lua calls for its baseline.
local Strategy = {}
Strategy.__index = Strategy

function Strategy.new(fast, slow, size)
  local prices = {}
  for i = 1, slow do prices[i] = 0 end
  return setmetatable({ prices = prices, at = 1, count = 0, side = 0, sum_fast = 0, sum_slow = 0, fast = fast, slow = slow,
                        params = { size = size } }, Strategy)
end

function Strategy:target(quantity) self.decisions = (self.decisions or 0) + 1 end

function Strategy.on_trade(self, price)
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
end

return Strategy
