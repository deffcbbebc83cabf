-- hadron.ta: streaming indicators. Every object takes one value per push in constant time and gives nil until it is full.
-- seal(methods) makes a metatable that no script can reach, bless(object, metatable) sets it: the methods are shared by the
-- instances of a state, which must not be able to change them. size_by_risk is the host's: it needs 128 bits.
local seal, bless, size_by_risk = ...
local LENGTH_MAX <const> = 10000
local sqrt, type, error = math.sqrt, type, error

-- Level 3: the line of the script, not one of this file.
local function length_of(name, n, min)
  if math.type(n) ~= "integer" or n < min or n > LENGTH_MAX then
    error("hadron.ta." .. name .. ": expected an integer from " .. min .. " to " .. LENGTH_MAX .. " as length, found " .. tostring(n), 3)
  end
  return n
end

-- Integers become floats here, so that no sum of prices wraps; one NaN would stay in a sum for good.
local function number(x)
  if type(x) ~= "number" or x - x ~= 0 then error("hadron.ta: push: expected a finite number, found " .. tostring(x), 3) end
  return x + 0.0
end

local ring_methods = {}
local Ring = seal(ring_methods)

local function ring_push(self, x)
  local at = self.last % self.length + 1
  local old = self[at]
  self[at] = x
  self.last = at
  if self.count < self.length then self.count = self.count + 1 end
  return old
end

-- The value that fell out; nil until the ring is full.
function ring_methods:push(x)
  if x == nil then error("hadron.ta.ring: push: expected a value, found nil", 2) end
  return ring_push(self, x)
end

-- at(1): the newest.
function ring_methods:at(i)
  if math.type(i) ~= "integer" or i < 1 or i > self.count then return nil end
  return self[(self.last - i) % self.length + 1]
end

function ring_methods:full() return self.count == self.length end

local function ring_new(n) return bless({ length = n, last = 0, count = 0 }, Ring) end

-- Moving sums, relative to a base near the values. While the ring makes a lap, the sums of that lap are made afresh to a base of its
-- own; at its end they are those of the whole window and take over. So rounding never adds up, and no push is longer than another.
local function window_new(n)
  return { ring = ring_new(n), length = n, base = 0.0, next = 0.0, sum = 0.0, squares = 0.0, fresh = 0.0, fresh_squares = 0.0 }
end

-- Mean and variance of the population; nil until full.
local function window_push(w, x)
  local ring, n = w.ring, w.length
  if ring.count == 0 then w.base, w.next = x, x end
  local old, base, from_next = ring_push(ring, x), w.base, x - w.next
  local add, drop = x - base, old and old - base or 0.0
  w.sum = w.sum + add - drop
  w.squares = w.squares + add * add - drop * drop
  w.fresh = w.fresh + from_next
  w.fresh_squares = w.fresh_squares + from_next * from_next
  if ring.last == n then
    base = w.next
    w.base, w.sum, w.squares = base, w.fresh, w.fresh_squares
    w.next, w.fresh, w.fresh_squares = base + w.sum / n, 0.0, 0.0
  end
  if ring.count < n then return nil end
  local offset = w.sum / n
  local variance = w.squares / n - offset * offset
  return base + offset, variance > 0 and variance or 0.0
end

local sma_methods = {}
local Sma = seal(sma_methods)
function sma_methods:push(x)
  local mean = window_push(self, number(x))
  return mean
end

local stddev_methods = {}
local Stddev = seal(stddev_methods)
function stddev_methods:push(x)
  local mean, variance = window_push(self, number(x))
  if not mean then return nil end
  return sqrt(variance), mean
end

local zscore_methods = {}
local Zscore = seal(zscore_methods)
function zscore_methods:push(x)
  x = number(x)
  local mean, variance = window_push(self, x)
  if not mean then return nil end
  return variance > 0 and (x - mean) / sqrt(variance) or 0.0
end

local bollinger_methods = {}
local Bollinger = seal(bollinger_methods)
function bollinger_methods:push(x)
  local mean, variance = window_push(self, number(x))
  if not mean then return nil end
  local width = self.k * sqrt(variance)
  return mean - width, mean, mean + width
end

-- Seeded with the mean of the first n, as is usual.
local smooth_methods = {}
local Smooth = seal(smooth_methods)
local function smooth_push(self, x)
  if self.count < self.length then
    self.count = self.count + 1
    self.value = self.value + (x - self.value) / self.count
    return self.count == self.length and self.value or nil
  end
  self.value = self.value + self.alpha * (x - self.value)
  return self.value
end
function smooth_methods:push(x) return smooth_push(self, number(x)) end
local function smooth_new(n, alpha) return bless({ length = n, alpha = alpha, count = 0, value = 0.0 }, Smooth) end

-- A queue in which each value is better than those behind it: what a newer and better one covers can never be the extreme again.
local extreme_methods = {}
local Extreme = seal(extreme_methods)
function extreme_methods:push(x)
  x = number(x)
  local n, sign, values, times = self.length, self.sign, self.values, self.times
  local first, last, now = self.first, self.last, self.now + 1
  if last >= first and times[first % n] <= now - n then first = first + 1 end -- before the new one takes its place
  while last >= first and sign * values[last % n] <= sign * x do last = last - 1 end
  last = last + 1
  values[last % n], times[last % n] = x, now
  self.first, self.last, self.now = first, last, now
  if now < n then return nil end
  return values[first % n]
end
local function extreme_new(n, sign) return bless({ length = n, sign = sign, values = {}, times = {}, first = 1, last = 0, now = 0 }, Extreme) end

local cross_methods = {}
local Cross = seal(cross_methods)
function cross_methods:push(a, b)
  local gap = self.sign * (number(a) - number(b))
  local before = self.gap
  self.gap = gap
  if not before then return nil end
  return before <= 0 and gap > 0
end

local rsi_methods = {}
local Rsi = seal(rsi_methods)
function rsi_methods:push(x)
  x = number(x)
  local before = self.before
  self.before = x
  if not before then return nil end
  local move = x - before
  local up = smooth_push(self.up, move > 0 and move or 0.0)
  local down = smooth_push(self.down, move < 0 and -move or 0.0)
  if not up then return nil end
  if up + down == 0 then return 50.0 end
  return 100.0 * up / (up + down)
end

local atr_methods = {}
local Atr = seal(atr_methods)
function atr_methods:push(high, low, close)
  high, low, close = number(high), number(low), number(close)
  if high < low then error("hadron.ta.atr: push: expected high at or above low, found " .. high .. " and " .. low, 2) end
  local range, before = high - low, self.before
  self.before = close
  if before then range = math.max(range, high - before, before - low) end
  return smooth_push(self.mean, range)
end

local macd_methods = {}
local Macd = seal(macd_methods)
function macd_methods:push(x)
  x = number(x)
  local fast, slow = smooth_push(self.fast, x), smooth_push(self.slow, x)
  if not fast or not slow then return nil end
  local line = fast - slow
  local signal = smooth_push(self.signal, line)
  if not signal then return nil end
  return line, signal, line - signal
end

local vwap_methods = {}
local Vwap = seal(vwap_methods)
function vwap_methods:push(price, size)
  price, size = number(price), number(size)
  if size < 0 then error("hadron.ta.vwap: push: expected a size of 0 or more, found " .. size, 2) end
  if self.size + size == 0 then return nil end
  self.size = self.size + size
  self.mean = self.mean + (price - self.mean) * (size / self.size)
  return self.mean
end
function vwap_methods:reset() self.mean, self.size = 0.0, 0.0 end

-- Least squares over the last n, x being 0 to n-1; the sums are renewed every lap as a window's are.
local slope_methods = {}
local Slope = seal(slope_methods)
function slope_methods:push(y)
  y = number(y)
  local ring, n = self.ring, self.length
  if ring.count == 0 then self.base, self.next = y, y end
  local place, old = ring.count, ring_push(ring, y)
  local add = y - self.base
  if old then
    local rest = self.sum - (old - self.base)
    self.products = self.products - rest + (n - 1) * add
    self.sum = rest + add
  else
    self.products = self.products + place * add
    self.sum = self.sum + add
  end
  local from_next = y - self.next
  self.fresh = self.fresh + from_next
  self.fresh_products = self.fresh_products + (ring.last - 1) * from_next
  if ring.last == n then
    self.base, self.sum, self.products = self.next, self.fresh, self.fresh_products
    self.next, self.fresh, self.fresh_products = self.base + self.sum / n, 0.0, 0.0
  end
  if ring.count < n then return nil end
  return (self.products - (n - 1) / 2 * self.sum) * 12.0 / (n * (n * n - 1.0))
end

local function factor(name, k)
  if type(k) ~= "number" or not (k > 0 and k < math.huge) then error("hadron.ta." .. name .. ": expected a number above 0 as width, found " .. tostring(k), 3) end
  return k + 0.0
end

local ta = { size_by_risk = size_by_risk }
function ta.ring(n) return ring_new(length_of("ring", n, 1)) end
function ta.sma(n) return bless(window_new(length_of("sma", n, 1)), Sma) end
function ta.stddev(n) return bless(window_new(length_of("stddev", n, 2)), Stddev) end
function ta.zscore(n) return bless(window_new(length_of("zscore", n, 2)), Zscore) end
function ta.bollinger(n, k)
  local w = window_new(length_of("bollinger", n, 2))
  w.k = factor("bollinger", k)
  return bless(w, Bollinger)
end
function ta.ema(n)
  length_of("ema", n, 1)
  return smooth_new(n, 2.0 / (n + 1))
end
function ta.wilder(n)
  length_of("wilder", n, 1)
  return smooth_new(n, 1.0 / n)
end
function ta.highest(n) return extreme_new(length_of("highest", n, 1), 1) end
function ta.lowest(n) return extreme_new(length_of("lowest", n, 1), -1) end
function ta.crossover() return bless({ sign = 1 }, Cross) end
function ta.crossunder() return bless({ sign = -1 }, Cross) end
function ta.rsi(n)
  length_of("rsi", n, 1)
  return bless({ up = smooth_new(n, 1.0 / n), down = smooth_new(n, 1.0 / n) }, Rsi)
end
function ta.atr(n)
  length_of("atr", n, 1)
  return bless({ mean = smooth_new(n, 1.0 / n) }, Atr)
end
function ta.macd(fast, slow, signal)
  length_of("macd", fast, 1)
  length_of("macd", slow, 2)
  length_of("macd", signal, 1)
  if fast >= slow then error("hadron.ta.macd: expected a fast length below the slow one, found " .. fast .. " and " .. slow, 2) end
  return bless({ fast = smooth_new(fast, 2.0 / (fast + 1)), slow = smooth_new(slow, 2.0 / (slow + 1)), signal = smooth_new(signal, 2.0 / (signal + 1)) }, Macd)
end
function ta.vwap() return bless({ mean = 0.0, size = 0.0 }, Vwap) end
function ta.slope(n)
  length_of("slope", n, 2)
  return bless({ ring = ring_new(n), length = n, base = 0.0, next = 0.0, sum = 0.0, products = 0.0, fresh = 0.0, fresh_products = 0.0 }, Slope)
end
return ta
