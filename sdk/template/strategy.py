"""A starter: copy it, change `name`, change what on_tick does. It runs outside the host:

    hadron backtest CONFIG --strategy my_strategy.py          over recorded or generated data (docs/python.md)
    python3 -m hadron run my_strategy.py --connect URL        in a running host
    hadron registry add my_strategy.py                        as a version that `hadron ab`, `promote` and `rollback` know

docs/python.md tells the rest. Prices are whole numbers of 1e-9, quantities of 1e-8: exact, so write them as texts, not as floats."""
from collections import deque

import hadron


class MyStrategy(hadron.Strategy):
    """Holds a position above a moving average, and the opposite one below it."""
    name = "my_strategy"  # the section of the host's configuration: strategies.my_strategy = { external = true, ... }
    version = "0.1.0"
    params = {"length": 20, "size": "10"}  # what the configuration says under params is put on top

    def on_start(self):
        # After every join: instruments and positions are there. What the host holds for this strategy is the truth, not what it remembers.
        self.prices = {number: deque(maxlen=int(self.params["length"])) for number in self.instruments}
        self.side = {number: (self.position(number) > 0) - (self.position(number) < 0) for number in self.instruments}

    def on_tick(self, tick):
        if tick.kind != hadron.TickKind.TRADE:
            return
        prices = self.prices[tick.instrument]
        prices.append(tick.price)
        if len(prices) < prices.maxlen:
            return
        side = 1 if tick.price * len(prices) > sum(prices) else -1
        if side == self.side[tick.instrument]:
            return  # the view has not changed
        self.side[tick.instrument] = side
        # Hold this position from now on. Also: self.buy(instrument, quantity), self.sell(...), self.work(instrument, slot, side, quantity, limit).
        self.target(tick.instrument, side * hadron.quantity(self.params["size"]), confidence=0.5)
