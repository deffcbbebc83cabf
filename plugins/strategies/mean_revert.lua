-- hadron: strategy mean_revert 1.0.0
-- description: Fades moves of more than k standard deviations from a rolling mean
-- requires: hadron.strategy/1 hadron.timer/1

-- The window is a ring of prices as numbers relative to the first one, so that the sums of squares stay small and exact enough; they
-- are summed anew on every lap of the ring, so that rounding never adds up.
local STOP <const> = 1 -- the timer's id

local function push(self, x)
  local ring, length = self.ring, self.params.length
  local at = self.at % length + 1
  local old = ring[at] or 0
  ring[at] = x
  self.at = at
  if self.count < length then self.count = self.count + 1 end
  if at == length then
    local sum, squares = 0.0, 0.0
    for i = 1, length do
      local v = ring[i]
      sum, squares = sum + v, squares + v * v
    end
    self.sum, self.squares = sum, squares
  else
    self.sum, self.squares = self.sum + x - old, self.squares + x * x - old * old
  end
end

local function leave(self, z)
  self.side = 0
  self:cancel_timer(STOP)
  self:target(0, { mean = 0.0, confidence = 0.5, uncertainty = z < 0 and -z or z })
end

return hadron.strategy {
  params = {
    length = { type = "integer", default = 100, min = 10, max = 5000, unit = "ticks", help = "trades in the window" },
    k = { type = "real", default = 2.0, min = 0.1, max = 20, live = true, help = "standard deviations from the mean at which a position is taken" },
    hold = { type = "duration", default = "5m", min = "1ms", live = true, help = "longest time in a position" },
    size = { type = "quantity", default = 100, min = "0.00000001", unit = "units", live = true, help = "position to take" },
  },

  on_start = function(self)
    self.ring, self.at, self.count, self.sum, self.squares, self.side = {}, 0, 0, 0.0, 0.0, 0
  end,

  on_trade = function(self, price)
    local base = self.base
    if not base then
      base = price
      self.base = base
    end
    local x = hadron.to_number(price - base)
    push(self, x)
    local n = self.count
    if n < self.params.length then return end
    local mean = self.sum / n
    local variance = self.squares / n - mean * mean
    if variance <= 1e-18 then return end
    local z = (x - mean) / math.sqrt(variance)
    local side = self.side
    if side ~= 0 then
      if side * z >= 0 then leave(self, z) end -- back at the mean, or beyond it
      return
    end
    local k = self.params.k
    if z > -k and z < k then return end
    side = z < 0 and 1 or -1
    self.side = side
    self:after(self.params.hold, STOP)
    self:target(side * self.params.size, { mean = -(x - mean) / hadron.to_number(price), uncertainty = math.sqrt(variance) / hadron.to_number(price), confidence = 0.5 })
  end,

  on_timer = function(self, id)
    if id == STOP and self.side ~= 0 then leave(self, 0.0) end
  end,
}
