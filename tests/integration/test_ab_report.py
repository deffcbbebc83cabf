"""Promise: every number of `hadron ab report` is right. Two versions whose decisions differ by a known rule and whose profits are known are
written into a journal by this test's own writer, with a swap in the middle that exchanges their seats; what the report must say
is worked out here from the rule and by slow statistics, not from the journal. A second journal comes from a real backtest and is read
back by this test's own reader. What is wrong with names, times and journals is refused with the right exit code."""
import hashlib
import itertools
import json
import math
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.environ["HADRON_SOURCE_DIR"]
BUILD = os.environ["HADRON_BUILD_DIR"]
sys.path.insert(0, os.path.join(ROOT, "tests"))
from support import journal_bytes as journal  # noqa: E402
from support import paired_reference as reference  # noqa: E402

SEED = int(os.environ.get("HADRON_TEST_SEED", "20"))
MINUTE = 60 * 10**9
START = 1_700_000_000 * 10**9
CAPITAL = {1: 1_000_000 * 10**6, 2: 250_000 * 10**6}  # by seat, micros
V1, V2 = "1.0.0", "1.1.0"
DIGEST = {V1: hashlib.sha256(b"one").digest(), V2: hashlib.sha256(b"two").digest()}


def run(*arguments):
    done = subprocess.run([os.path.join(BUILD, "hadron"), *arguments], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def near(found, expected, what, tolerance=1e-9):
    if expected is None or found is None:
        assert found is expected, f"{what}: expected {expected}, found {found}"
        return
    assert abs(found - expected) <= tolerance * max(1.0, abs(expected)), f"{what}: expected {expected!r}, found {found!r}"


def kind_of(cause):
    """The rule by which the second version differs from the first."""
    for every, kind in ((11, "side"), (13, "size"), (17, "price"), (19, "view"), (23, "only_a"), (29, "only_b")):
        if cause % every == 0:
            return kind
    return "same"


class Version:
    def __init__(self, version):
        self.version, self.decisions, self.pnl, self.fees, self.traded, self.wins, self.losses, self.allocations = version, 0, 0, 0, 0, 0, 0, 0
        self.returns = {}  # period -> return
        self.money = {}


class Made:
    """A journal and what is known about it."""

    def __init__(self, directory, periods, shift, rng):
        self.w, self.rng = journal.Writer(directory), rng
        self.versions = {V1: Version(V1), V2: Version(V2)}
        self.seat = {V1: 1, V2: 2}
        self.kinds = dict.fromkeys(("same", "side", "size", "price", "terms", "view", "only_a", "only_b"), 0)
        self.mixed, self.cause, self.number, self.session_start = 0, 0, 0, True
        self.book = {}
        self.period, self.time, self.noise = -1, START, {V1: 0.0, V2: 0.0}
        for session in range(2):
            self.begin(session)
            for k in range(periods):
                self.one_period(shift, swap=k == periods // 2)
            self.w.add(journal.SESSION, time_ns=self.time, flags=1)
        self.w.close()

    def begin(self, session):
        self.w.add(journal.SESSION, session=bytes([session]), shards=1, mode=2)
        for v, role in ((V1, 1), (V2, 3)):  # each session begins with the first version live
            self.seat[v] = 1 if v == V1 else 2
            self.define(v, role)
        self.w.add(journal.INSTRUMENT, instrument=1, listing=1, venue=1, asset=4, increment=10**7, lot=10**8, multiplier=50 * 10**8, name="FUT", symbol="FUT",
                   currency="USD")
        self.book = {seat: {"realized": 0, "fees": 0, "unrealized": 0} for seat in CAPITAL}
        self.cause, self.before = 0, dict(CAPITAL)

    def define(self, v, role):
        self.w.add(journal.ARM, arm=self.seat[v], revision=3, role=role, placement=1, weight=1.0 if role == 1 else 0.5, digest=DIGEST[v], name="rule",
                   version=v)

    def decide(self):
        self.cause += 1
        kind = kind_of(self.cause)
        self.kinds[kind] += 1
        base = {"cause": self.cause, "time_ns": self.time, "limit": 100 * 10**9, "quantity": 10**8, "instrument": 1, "kind": 1, "side": 1, "order_type": 2,
                "time_in_force": 1, "confidence": 0.5}
        change = {"side": {"side": 2}, "size": {"quantity": 2 * 10**8}, "price": {"limit": 101 * 10**9}, "view": {"mean_return": 0.01}}.get(kind, {})
        for v, fields in ((V1, base), (V2, {**base, **change})):
            if kind == ("only_b" if v == V1 else "only_a"):
                continue
            self.number += 1
            self.versions[v].decisions += 1
            self.w.add(journal.DECISION, id=self.number, arm=self.seat[v], **fields)

    def trade(self, v):
        """A closing sale of one contract with a known result."""
        fee, realized = self.rng.randrange(1, 2 * 10**6), self.rng.randrange(-10**7, 10**7)
        price, me, book = self.rng.randrange(90, 110) * 10**9, self.versions[v], self.book[self.seat[v]]
        self.w.add(journal.ALLOCATION, id=1, time_ns=self.time, price=price, quantity=10**8, fee=fee, realized=realized, position=10**8, instrument=1,
                   arm=self.seat[v], side=2)
        book["realized"] += realized
        book["fees"] += fee
        me.allocations += 1
        me.fees += fee
        me.traded += price // 1000 * 50
        me.wins += realized - fee > 0
        me.losses += realized - fee < 0

    def swap(self, revision):
        self.w.add(journal.SWAP, time_ns=self.time, last_sequence=self.cause, revision=revision, arm=1, other=2, stage=1, kind=1, from_digest=DIGEST[V1],
                   digest=DIGEST[V2], name="rule", from_version=V1, version=V2)
        self.seat = {V1: 2, V2: 1}
        self.define(V2, 1)
        self.define(V1, 3)

    def one_period(self, shift, swap):
        self.period += 1
        self.time += MINUTE
        for _ in range(5):
            self.decide()
        for v in (V1, V2):
            if self.rng.random() < 0.5:
                self.trade(v)
        if swap:
            self.swap(4)
            self.mixed += 2
        common = self.rng.gauss(0, 0.002)  # the market moves both
        for v in (V1, V2):
            self.noise[v] = 0.3 * self.noise[v] + self.rng.gauss(0, 0.0004)
            seat = self.seat[v]
            goal = common + self.noise[v] + (shift if v == V2 else 0)
            book = self.book[seat]
            book["unrealized"] += int(goal * CAPITAL[seat])
            equity = CAPITAL[seat] + book["realized"] + book["unrealized"] - book["fees"]
            # Cash and cost as a book with an open position has them.
            cost = 7 * 10**6
            self.w.add(journal.EQUITY, time_ns=self.time, cash=CAPITAL[seat] + book["realized"] - book["fees"] - cost, cost=cost, realized=book["realized"],
                       unrealized=book["unrealized"], fees=book["fees"], gross=cost, arm=seat)
            pnl = equity - self.before[seat]
            self.before[seat] = equity
            if not swap:
                self.versions[v].money[self.period] = pnl
                self.versions[v].returns[self.period] = pnl / CAPITAL[seat]


def drawdown(returns):
    level = peak = deepest = 0.0
    for x in returns:
        level += x
        peak = max(peak, level)
        deepest = min(deepest, level - peak)
    return deepest


def sharpe(returns, periods):
    if len(returns) < 20:
        return None
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in returns) / (len(returns) - 1))
    return mean / deviation * math.sqrt(periods) if deviation else None


def check_version(row, v, capital, periods):
    returns = [v.returns[k] for k in sorted(v.returns)]
    for key, expected in (("decisions", v.decisions), ("allocations", v.allocations), ("wins", v.wins), ("losses", v.losses), ("periods", len(returns))):
        assert row[key] == expected, f"{v.version} {key}: expected {expected}, found {row[key]}"
    near(row["pnl"], sum(v.money.values()) / 1e6, "pnl")
    near(row["fees"], v.fees / 1e6, "fees")
    near(row["traded"], v.traded / 1e6, "traded")
    near(row["capital"], capital / 1e6, "capital")
    near(row["return"], sum(v.money.values()) / capital, "return")
    near(row["turnover"], v.traded / capital, "turnover")
    near(row["hit_rate"], v.wins / (v.wins + v.losses) if v.wins + v.losses else None, "hit_rate")
    near(row["drawdown"], drawdown(returns) if returns else None, "drawdown")
    near(row["sharpe"], sharpe(returns, periods), "sharpe", 1e-7)


def check_tests(pair, d, alpha, seed, resamples):
    b, s = reference.bootstrap(d, alpha, resamples, seed), reference.sequential(d, alpha)
    for key, name in (("mean", "mean"), ("error", "error"), ("low", "low"), ("high", "high"), ("p", "p"), ("block", "block"), ("count", "periods")):
        near(pair["bootstrap"][name], b[key], f"bootstrap {name}", 1e-10)
    for key, name in (("warm", "warm"), ("block", "block"), ("blocks", "blocks"), ("better_at", "better_at"), ("worse_at", "worse_at")):
        assert pair["sequential"][name] == s[key], f"sequential {name}: expected {s[key]}, found {pair['sequential'][name]}"
    near(pair["sequential"]["e_better"], s["better_max"], "e_better", 1e-6)
    near(pair["sequential"]["e_worse"], s["worse_max"], "e_worse", 1e-6)
    near(pair["sequential"]["p_better"], min(1, 1 / s["better_max"]), "p_better", 1e-6)
    return b, s


def advice(b, s, alpha, trades):
    if s["worse_max"] >= 1 / alpha:
        return "demote" if trades else "keep"
    if s["better_max"] >= 1 / alpha and b["low"] > 0:
        return "promote"
    return "continue"


def made_journal(folder, periods, shift, expected):
    directory = os.path.join(folder, f"made{shift}")
    made = Made(directory, periods, shift, random.Random(SEED))
    code, out, err = run("ab", "report", "rule", "--journal", directory, "--json", "--seed", "5", "--resamples", "199", "--baseline", V1)
    assert code == 0, err
    report = json.loads(out)
    assert report["sessions"] == 2 and report["swaps"] == 2 and report["mixed"] == made.mixed, report
    assert report["periods"] == 2 * periods, report
    per_year = 365.25 * 86400e9 / MINUTE
    near(report["periods_per_year"], per_year, "periods a year")
    rows = {row["version"]: row for row in report["versions"]}
    check_version(rows[V1], made.versions[V1], CAPITAL[2], per_year)
    check_version(rows[V2], made.versions[V2], CAPITAL[1], per_year)
    assert rows[V2]["role"] == "live" and rows[V1]["role"] == "shadow" and rows[V2]["seat"] == 1 and rows[V2]["revision"] == 3
    assert rows[V1]["digest"] == DIGEST[V1].hex()
    pair, = report["comparisons"]
    assert pair["version"] == V2 and pair["baseline"] == V1
    for kind, count in made.kinds.items():
        assert pair["decisions"]["kinds"][kind] == count, f"{kind}: expected {count}, found {pair['decisions']['kinds'][kind]}"
    near(pair["decisions"]["agreement"], made.kinds["same"] / sum(made.kinds.values()), "agreement")
    first = next(k for k in range(1, 1000) if kind_of(k) != "same")
    assert pair["decisions"]["differences"][0]["cause"] == first and pair["decisions"]["differences"][0]["kind"] == kind_of(first)
    assert pair["decisions"]["differences"][0]["instrument"] == "FUT"
    a, b = made.versions[V1], made.versions[V2]
    d = [b.returns[k] - a.returns[k] for k in sorted(a.returns)]
    near(pair["pnl"], (sum(b.money.values()) - sum(a.money.values())) / 1e6, "pnl of the pair")
    found, s = check_tests(pair, d, 0.05, 5, 199)
    assert pair["recommendation"] == advice(found, s, 0.05, True) == expected, (pair["recommendation"], pair["why"])
    # The terminal's form has the same facts and fits.
    code, out, err = run("ab", "report", "rule", "--journal", directory, "--baseline", V1)
    assert code == 0 and expected.upper() in out and V2 in out, out + err
    assert max(map(len, out.splitlines()[:25])) <= 200
    return directory, made


def cut_by_time(directory, made):
    """--from and --to: only what lies between, and the first period's change is from the sample before it."""
    begin, end = START + 11 * MINUTE, START + 21 * MINUTE
    at = lambda ns: f"{ns // 10**9}"  # noqa: E731
    code, out, err = run("ab", "report", "rule", "--journal", directory, "--json", "--from", at(begin), "--to", at(end), "--baseline", V1)
    assert code == 0, err
    report = json.loads(out)
    wanted = [k for k in range(10, 20) if k in made.versions[V1].returns]
    for row in report["versions"]:
        v = made.versions[row["version"]]
        assert row["periods"] == len(wanted), row
        near(row["pnl"], sum(v.money[k] for k in wanted) / 1e6, "pnl of the cut")
    assert report["comparisons"][0]["bootstrap"]["p"] is None  # ten periods say nothing
    assert report["comparisons"][0]["recommendation"] == "continue"


SAID = ("kind side quantity limit stop order_type time_in_force expire_ns flags key mean_return uncertainty confidence horizon_ns "
        "regime").split()
REAL = """return {
  mode = "backtest", data_dir = "%s", journal = { segment = "1MiB" },
  account = { cash = 100000 }, universe = { open = true },
  sample = { kind = "equity", instruments = 3, duration = "1d", seed = 3 },
  venues = { replay = { params = { files = {} } }, sim = { params = { fee_per_share = "0.005" } } },
  strategies = {
    one = { plugin = "sma", params = { fast = 20, slow = 100, size = "10" } },
    two = { plugin = "sma", params = { fast = 21, slow = 100, size = "10" } },
  },
  report = { equity_every = "1m" },
}"""


def real_journal(folder):
    data, path = os.path.join(folder, "real"), os.path.join(folder, "real.lua")
    with open(path, "w", encoding="ascii") as f:
        f.write(REAL % data)
    code, out, err = run("backtest", path, "--journal", "--json", "--no-progress")
    assert code == 0, err
    books = {s["name"]: s for s in json.loads(out).get("strategies", [])}
    code, out, err = run("ab", "report", "one", "two", "--data-dir", data, "--json", "--resamples", "99")
    assert code == 0, err
    report = json.loads(out)
    names, decisions, equity, traded = {}, {"one": {}, "two": {}}, {"one": [], "two": []}, {"one": 0, "two": 0}
    for template, f in journal.read(os.path.join(data, "journal")):
        if template == journal.ARM:
            names[f["arm"]] = f["name"]
        elif template == journal.DECISION:
            decisions[names[f["arm"]]].setdefault((f["cause"], f["instrument"]), []).append(tuple(f[k] for k in SAID))
        elif template == journal.EQUITY and f["arm"]:
            series, value = equity[names[f["arm"]]], f["cash"] + f["cost"] + f["unrealized"]
            if series and series[-1][0] == f["time_ns"]:
                series[-1] = (f["time_ns"], value)
            else:
                series.append((f["time_ns"], value))
        elif template == journal.ALLOCATION:
            traded[names[f["arm"]]] += round(f["price"] * f["quantity"] / 10**11)
    pair, = report["comparisons"]
    one, two = decisions["one"], decisions["two"]
    assert len(one) > 50 and len(two) > 50
    turns = [pair_up for k in one.keys() | two.keys() for pair_up in itertools.zip_longest(one.get(k, ()), two.get(k, ()))]
    expected = {"same": sum(a == b for a, b in turns), "only_a": sum(b is None for _, b in turns), "only_b": sum(a is None for a, _ in turns)}
    for kind, count in expected.items():
        assert pair["decisions"]["kinds"][kind] == count, f"real {kind}: expected {count}, found {pair['decisions']['kinds']}"
    cash = 50000 * 10**6
    returns = {}
    for row in report["versions"]:
        series = [cash] + [v for _, v in equity[row["name"]]]
        returns[row["name"]] = [(b - a) / cash for a, b in zip(series, series[1:])]
        near(row["pnl"], (series[-1] - cash) / 1e6, "pnl")
        near(row["drawdown"], drawdown(returns[row["name"]]), "drawdown")
        near(row["traded"], traded[row["name"]] / 1e6, "traded")
        if row["name"] in books and "pnl" in books[row["name"]]:
            near(row["pnl"], books[row["name"]]["pnl"], "pnl of the backtest's own report")
    check_tests(pair, [b - a for a, b in zip(returns["one"], returns["two"])], 0.05, 1, 99)


def refusals(folder, directory):
    for arguments, code, words in (((), 2, "expected the name"), (("rule", "--alpha", "0.9"), 2, "--alpha"), (("rule", "--from", "yesterday"), 2, "--from"),
                                   (("rule", "--wrong"), 2, "--wrong"), (("rule", "--journal", os.path.join(folder, "none")), 4, "none"),
                                   (("nobody", "--journal", directory), 4, "no arm of nobody"),
                                   (("rule", "--journal", directory, "--baseline", "9.9.9"), 4, "no such version")):
        found, out, err = run("ab", "report", *arguments)
        assert found == code and words in err and not out, (arguments, found, err)


def main():
    print(f"HADRON_TEST_SEED={SEED}")
    with tempfile.TemporaryDirectory(prefix="hd") as folder:
        directory, made = made_journal(folder, 120, 0.0, "continue")
        cut_by_time(directory, made)
        made_journal(folder, 120, 0.0004, "promote")
        made_journal(folder, 120, -0.0004, "demote")
        real_journal(folder)
        refusals(folder, directory)
    print("every number of the report is right")


if __name__ == "__main__":
    sys.exit(main())
