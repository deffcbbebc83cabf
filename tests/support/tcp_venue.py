"""A venue of its own: a TCP server with a market, an order book of its own and the truth, in a file. It takes orders while it misbehaves: it
drops connections before and after it took an order, is silent about what it took, answers late, tells fills twice, loses cancels, refuses
connections for a while; and its market goes on, and fills, while no host is there. What it took it wrote down first: killed and started
again it knows everything.

    python3 tcp_venue.py DIRECTORY SEED [PORT]

prints its port, takes commands on standard input (one line each, one line of JSON answered): freeze, thaw, truth, quit.

Lines of words, both ways. Prices in 1e-9, quantities in 1e-8, sides 1 buy and 2 sell, times in ns.
  host   SUBMIT id symbol side quantity limit type tif | CANCEL id symbol side | QUERY id symbol side | LIST since
  venue  QUOTE symbol sequence ns bid ask bid_size ask_size | TRADE symbol sequence ns price quantity | POSITION symbol quantity average | END
         ACCEPT|REJECT|CANCELED|CANCEL_REJECT|ABSENT id venue_id symbol side flag filled | FILL ... flag filled execution price quantity ns"""

import json
import os
import random
import selectors
import socket
import sys
import time

SYMBOLS = ("AAA", "BBB", "CCC")
CENT, LOT = 10_000_000, 100_000_000
EVERY_S = 0.002  # a step of the market
LIMIT, IOC_FOK = 2, (3, 4)
OPEN = "open"


class Truth:
    """Every order, every fill; written to a file before anybody hears of it."""

    def __init__(self, path):
        self.orders, self.fills, self.duplicates, self.vid = {}, [], [], 0
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if line.endswith("\n"):
                        self.apply(json.loads(line))
        self.file = open(path, "a", encoding="utf-8")

    def write(self, entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
        self.apply(entry)

    def apply(self, entry):
        kind = entry["kind"]
        if kind == "order":
            self.vid += 1
            self.orders[entry["id"]] = {**entry, "vid": f"v{self.vid}", "filled": 0, "state": OPEN}
        elif kind == "fill":
            self.fills.append(entry)
            order = self.orders[entry["id"]]
            order["filled"] += entry["quantity"]
            if order["filled"] == order["quantity"]:
                order["state"] = "filled"
        elif kind == "duplicate":
            self.duplicates.append(entry["id"])
        else:
            self.orders[entry["id"]]["state"] = kind

    def positions(self):
        held = dict.fromkeys(SYMBOLS, 0)
        for fill in self.fills:
            held[fill["symbol"]] += fill["quantity"] if fill["side"] == 1 else -fill["quantity"]
        return held


class Client:
    def __init__(self, sock):
        self.sock, self.inbox, self.out, self.last = sock, b"", [], 0.0

    def say(self, text, delay=0.0):
        """In order, whatever the delays are."""
        self.last = max(self.last, time.monotonic() + delay)
        self.out.append((self.last, text.encode() + b"\n"))


class Venue:
    def __init__(self, directory, seed, port):
        self.random, self.truth = random.Random(seed), Truth(os.path.join(directory, "truth"))
        self.selector, self.listener, self.client = selectors.DefaultSelector(), socket.create_server(("127.0.0.1", port)), None
        self.listener.setblocking(False)
        self.mid = {symbol: 100_00 + 1000 * i for i, symbol in enumerate(SYMBOLS)}  # cents
        self.sequence = int(time.time() * 1000) * 1000
        self.frozen, self.refuse_until, self.faults, self.mix = False, 0.0, {}, {}
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print(self.listener.getsockname()[1], flush=True)

    def fault(self, name, chance):
        """Each seed has its own mix: some faults never come, some come often."""
        factor = self.mix.setdefault(name, self.random.choice((0, 1, 1, 5)))
        happens = not self.frozen and self.random.random() < chance * factor
        if happens:
            self.faults[name] = self.faults.get(name, 0) + 1
        return happens

    # ---- connections

    def accept(self):
        sock = self.listener.accept()[0]
        if time.monotonic() < self.refuse_until:
            sock.close()
            return
        self.drop()  # one host at a time: a new connection ends the old one
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = Client(sock)
        self.selector.register(sock, selectors.EVENT_READ)

    def drop(self, refuse=False):
        if self.client:
            self.selector.unregister(self.client.sock)
            self.client.sock.close()
            self.client = None
        if refuse:
            self.refuse_until = time.monotonic() + self.random.random() * 0.15

    def read(self):
        try:
            data = self.client.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.drop()
            return
        *lines, self.client.inbox = (self.client.inbox + data).split(b"\n")
        for line in lines:
            if self.client is None:
                return
            verb, *words = line.decode().split()
            getattr(self, "on_" + verb.lower())(*words)

    def send(self):
        now = time.monotonic()
        try:
            while self.client and self.client.out and self.client.out[0][0] <= now:
                sent = self.client.sock.send(self.client.out[0][1])
                if sent < len(self.client.out[0][1]):
                    self.client.out[0] = (0.0, self.client.out[0][1][sent:])
                    return
                self.client.out.pop(0)
        except BlockingIOError:
            pass
        except OSError:
            self.drop()

    # ---- orders

    def say(self, text, delay=0.0):
        if self.client:
            self.client.say(text, delay)

    def late(self):
        return self.random.random() * 0.08 if self.fault("answer late", 0.05) else 0.0

    def state(self, word, order, flag=0, more=""):
        self.say(f"{word} {order['id']} {order['vid']} {order['symbol']} {order['side']} {flag} {order['filled']}{more}", self.late())

    def tell_fill(self, fill, flag):
        order = self.truth.orders[fill["id"]]
        self.say(f"FILL {fill['id']} {order['vid']} {fill['symbol']} {fill['side']} {flag} {fill['filled']} {fill['execution']} {fill['price']} {fill['quantity']} {fill['ns']}")

    def fill(self, order, quantity, price):
        entry = {"kind": "fill", "id": order["id"], "symbol": order["symbol"], "side": order["side"], "quantity": quantity, "price": price,
                 "filled": order["filled"] + quantity, "execution": f"x{len(self.truth.fills) + 1}", "ns": time.time_ns()}
        self.truth.write(entry)
        if self.client is None:
            self.faults["fill while away"] = self.faults.get("fill while away", 0) + 1
        for _ in range(2 if self.fault("fill told twice", 0.05) else 1):
            self.tell_fill(entry, 0)

    def on_submit(self, name, symbol, side, quantity, limit, kind, tif):
        if name in self.truth.orders:
            self.truth.write({"kind": "duplicate", "id": name})
            self.tell_state(name, 0)
            return
        if self.fault("cut before taking", 0.02):
            self.drop(refuse=True)
            return
        self.truth.write({"kind": "order", "id": name, "symbol": symbol, "side": int(side), "quantity": int(quantity), "limit": int(limit), "ns": time.time_ns()})
        order = self.truth.orders[name]
        if self.fault("rejected", 0.02):
            self.truth.write({"kind": "rejected", "id": name})
            self.state("REJECT", order)
            return
        cut, silent = self.fault("cut after taking", 0.02), self.fault("silent about taking", 0.02)
        if cut:
            self.drop(refuse=True)
        elif not silent:
            self.state("ACCEPT", order)
        self.match(order, int(kind) != LIMIT)
        if order["state"] == OPEN and (int(kind) != LIMIT or int(tif) in IOC_FOK):
            self.truth.write({"kind": "canceled", "id": name})
            self.state("CANCELED", order)

    def on_cancel(self, name, symbol, side):
        order = self.truth.orders.get(name)
        if self.fault("cancel lost", 0.05):
            return
        if order is None or order["state"] != OPEN:
            self.say(f"CANCEL_REJECT {name} {order['vid'] if order else '-'} {symbol} {side} 0 {order['filled'] if order else 0}")
            return
        self.truth.write({"kind": "canceled", "id": name})
        if self.fault("cut after cancel", 0.02):
            self.drop(refuse=True)
        else:
            self.state("CANCELED", order)

    def tell_state(self, name, flag):
        order = self.truth.orders[name]
        for fill in self.truth.fills:
            if fill["id"] == name:
                self.tell_fill(fill, flag)
        words = {OPEN: "ACCEPT", "canceled": "CANCELED", "rejected": "REJECT"}
        if order["state"] in words:
            self.state(words[order["state"]], order, flag)

    def on_query(self, name, symbol, side):
        if self.fault("query unanswered", 0.05):
            return
        if name in self.truth.orders:
            self.tell_state(name, 1)
        else:
            self.say(f"ABSENT {name} - {symbol} {side} 1 0")

    def on_list(self, since):
        for order in self.truth.orders.values():
            if order["state"] == OPEN:
                self.state("ACCEPT", order, 1)
        for fill in self.truth.fills:
            if fill["ns"] >= int(since):
                self.tell_fill(fill, 1)
        for symbol, held in self.truth.positions().items():
            if held:
                self.say(f"POSITION {symbol} {held} 0")
        self.say("END")

    # ---- the market

    def match(self, order, market=False):
        bid, ask = (self.mid[order["symbol"]] - 1) * CENT, (self.mid[order["symbol"]] + 1) * CENT
        price = ask if order["side"] == 1 else bid
        if not market and (order["limit"] < price if order["side"] == 1 else order["limit"] > price):
            return
        left = (order["quantity"] - order["filled"]) // LOT
        lots = self.random.randint(1, left) if left > 1 and self.random.random() < 0.3 else left
        self.fill(order, lots * LOT if left else order["quantity"] - order["filled"], price if market else order["limit"])

    def step(self):
        symbol = self.random.choice(SYMBOLS)
        self.mid[symbol] = max(1000, self.mid[symbol] + self.random.choice((-3, -2, -1, 1, 2, 3)))
        self.sequence += 1
        mid, now = self.mid[symbol], time.time_ns()
        if self.random.random() < 0.3:
            self.say(f"TRADE {symbol} {self.sequence} {now} {mid * CENT} {LOT}")
        else:
            self.say(f"QUOTE {symbol} {self.sequence} {now} {(mid - 1) * CENT} {(mid + 1) * CENT} {50 * LOT} {50 * LOT}")
        for order in [o for o in self.truth.orders.values() if o["state"] == OPEN and o["symbol"] == symbol]:
            self.match(order)
        if self.client and self.fault("cut", 0.0005):
            self.drop(refuse=True)

    # ---- its own life

    def command(self):
        line = sys.stdin.readline().strip()
        if line in ("", "quit"):
            sys.exit(0)
        if line == "truth":
            t = self.truth
            answer = {"orders": t.orders, "fills": t.fills, "positions": t.positions(), "duplicates": t.duplicates, "faults": self.faults, "connected": self.client is not None}
        else:
            self.frozen, answer = line == "freeze", {}
            self.refuse_until = 0.0
        print(json.dumps(answer), flush=True)

    def run(self):
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                due = max(due + EVERY_S, now - 0.1)
                if not self.frozen:
                    self.step()
            self.send()
            wait = due - time.monotonic()
            for key, _ in self.selector.select(max(0.0, min(wait, 0.002))):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj == sys.stdin.fileno():
                    self.command()
                elif self.client and key.fileobj is self.client.sock:
                    self.read()


if __name__ == "__main__":
    Venue(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0).run()
