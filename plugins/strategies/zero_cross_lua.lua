-- hadron: strategy zero_cross_lua 1.0.0
-- description: Zero crossings of a detrended price, in Lua
-- requires: hadron.strategy/1

-- zero_cross.c in Lua: the same integers, the same decisions.
local BAND_SCALE <const> = 1000000

return hadron.strategy {
  params = {
    length = { type = "integer", default = 50, min = 2, max = 100000, unit = "ticks", help = "trades in the trend" },
    band = { type = "integer", default = 200, min = 0, max = 100000, unit = "ppm", live = true, help = "how far beyond the trend a crossing counts" },
    size = { type = "quantity", default = 100, min = "0.00000001", unit = "units", live = true, help = "position to hold" },
    long_only = { type = "bool", default = false, live = true, help = "flat instead of short" },
  },

  state = { "trend:int64", "count:int64", "side:int32" }, -- the bytes of zero_cross.c's state: either takes over from the other

  on_start = function(self)
    if self.trend then return end -- a state was loaded
    self.trend, self.count, self.side = 0, 0, 0
  end,

  on_trade = function(self, price)
    local params, count, trend = self.params, self.count, self.trend
    local length = params.length
    trend = count == 0 and price or trend + (price - trend) // length
    self.trend = trend
    if count < length then
      count = count + 1
      self.count = count
      if count < length then return end
    end
    local gap, band = price - trend, trend // BAND_SCALE * params.band
    local side = gap > band and 1 or gap < -band and -1 or self.side -- within the band the old view holds
    if side == self.side then return end
    self.side = side
    local mean = gap / trend
    local quantity = side > 0 and params.size or params.long_only and 0 or -params.size
    self:target(quantity, { mean = mean, uncertainty = mean < 0 and -mean or mean, confidence = 0.5 })
  end,
}
