"""The Python end of bench_python: python_reader.py URL batch|tick."""
import sys

import hadron
from hadron.run import Runner


class Batch(hadron.Strategy):
    name = "alpha"
    total = 0

    def on_batch(self, ticks):
        self.total += int(ticks["sequence"].sum()) + int(ticks["price"].sum())


class Tick(hadron.Strategy):
    name = "alpha"
    total = 0

    def on_tick(self, tick):
        self.total += tick.sequence + tick.price


runner = Runner({"batch": Batch, "tick": Tick}[sys.argv[2]](), sys.argv[1])
while runner.closed is None:
    runner.step(1000)
