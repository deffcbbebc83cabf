#!/usr/bin/env bash
# Promise: the report can be recomputed by anyone from the recorded rows. A backtest over a generated sample writes journal and SQLite;
# plain SQL (the sqlite3 program, no Hadron code) works out P&L, fees, trades, win rate, drawdown, Sharpe and more again, counts rows, and
# all of it equals what --json printed. Two runs of it have the same digest.
set -euo pipefail

hadron=$HADRON_BUILD_DIR/hadron
for program in sqlite3 python3; do
  command -v $program >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
[ -x "$hadron" ] || { echo "$hadron is not built"; exit 1; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# Two strategies that trade at cross purposes, a shadow, a limit that denies, samples of a minute.
cat >config.lua <<'LUA'
return {
  mode = "backtest", data_dir = "data",
  account = { currency = "USD", cash = "1000000" },
  sample = { kind = "equity", instruments = 4, duration = "1d", seed = 5 },
  venues = {
    replay = { params = { files = {} } },
    sim = { params = { fee_per_share = "0.005", fee_min = "1", entry_latency = "20ms", response_latency = "5ms", slippage_ticks = 1 } },
  },
  strategies = {
    fast = { plugin = "sma", params = { fast = 20, slow = 100, size = "100" } },
    slow = { plugin = "sma", params = { fast = 50, slow = 500, size = "100" } },
    shade = { plugin = "sma", role = "shadow", params = { fast = 5, slow = 50, size = "10" } },
  },
  risk = { position_max = "150", collar_bps = 500 },
  services = { recorder = { params = { url = "sqlite:rows.db" } } },
  report = { equity_every = "1m" },
}
LUA

"$hadron" backtest config.lua --journal --json --results sqlite:results.db >first.json
mv rows.db first.db
mv results.db first_results.db
rm -rf data/journal
"$hadron" backtest config.lua --journal --json --results sqlite:results.db >second.json

cat >figures.sql <<'SQL'
.separator '|'
ATTACH 'first_results.db' AS kept;
-- The live arms; shadows are no part of the sums.
CREATE TEMP VIEW live AS SELECT arm FROM deployments WHERE role <> 3;
-- Each share, with what the arm held before it.
CREATE TEMP TABLE share AS
  SELECT a.arm, a.realized, a.flags & 1 AS back, a.fee * (1 - 2 * (a.flags & 1)) AS fee, a.quantity, a.price,
         CASE a.side WHEN 1 THEN 1 ELSE -1 END * a.quantity AS moved, a.held FROM hadron_allocations a;
CREATE TEMP TABLE closing AS SELECT arm, realized - fee AS result FROM share WHERE NOT back AND (held - moved) * 1.0 * moved < 0;
-- The series: the account's cash, then the last sample of each moment.
CREATE TEMP TABLE series AS
  SELECT 0 AS n, 1000000000000 AS equity, 0 AS gross
  UNION ALL
  SELECT row_number() OVER (ORDER BY time_ns), cash + cost + unrealized, gross FROM hadron_equity e
  WHERE arm = 0 AND position = (SELECT max(position) FROM hadron_equity x WHERE x.arm = 0 AND x.time_ns = e.time_ns);
CREATE TEMP TABLE change AS
  SELECT a.n, a.equity * 1.0 / b.equity - 1 AS r FROM series a JOIN series b ON a.n = b.n + 1;
CREATE TEMP TABLE moments AS SELECT avg(r) AS mean, count(*) AS n FROM change;
CREATE TEMP TABLE spread AS SELECT sqrt(sum((r - mean) * (r - mean)) / (max(m.n) - 1)) AS deviation,
  sqrt(sum(min(r, 0) * min(r, 0)) / max(m.n)) AS downside FROM change, moments m;

SELECT 'decisions', count(*) FROM hadron_strategy_decisions WHERE NOT flags & 128;
SELECT 'intents', count(*) FROM hadron_order_intents WHERE NOT flags & 128;
SELECT 'executions', count(*) FROM hadron_order_executions WHERE NOT flags & 128;
SELECT 'allocations', count(*) FROM hadron_allocations WHERE NOT flags & 128;
SELECT 'orders', count(*) FROM order_events WHERE change = 2 AND NOT flags & 128;
SELECT 'denied_orders', count(*) FROM order_events WHERE change = 1 AND NOT flags & 128;
SELECT 'filled', count(*) FROM order_events WHERE state = 9 AND from_state <> 9 AND NOT flags & 128;
SELECT 'accepted_ticks', count(*) FROM hadron_ticks;
SELECT 'samples', count(*) - 1 FROM series;
SELECT 'pnl_micros', (SELECT equity FROM series ORDER BY n DESC LIMIT 1) - 1000000000000;
SELECT 'fees_micros', sum(fee) FROM share WHERE arm IN live;
SELECT 'executed_fees_micros', sum(fee * (1 - 2 * (flags & 1))) FROM hadron_order_executions WHERE NOT flags & 128;
SELECT 'shadow executions', count(*) > 0 FROM hadron_order_executions WHERE flags & 128 AND id > 4611686018427387904;
SELECT 'realized_micros', sum(realized) FROM share WHERE arm IN live;
SELECT 'traded_micros', sum(round(price * 1.0 / 1e9 * quantity / 1e8 * 1e6)) FROM share WHERE arm IN live;
SELECT 'trades', count(*) FROM closing WHERE arm IN live;
SELECT 'wins', sum(result > 0) FROM closing WHERE arm IN live;
SELECT 'losing_trades', sum(result < 0) FROM closing WHERE arm IN live;
SELECT 'win_rate', sum(result > 0) * 1.0 / sum(result <> 0) FROM closing WHERE arm IN live;
SELECT 'profit_factor', sum(max(result, 0)) * 1.0 / -sum(min(result, 0)) FROM closing WHERE arm IN live;
SELECT 'gains_micros', sum(max(result, 0)) FROM closing WHERE arm IN live;
SELECT 'max_drawdown', min(equity * 1.0 / peak - 1) FROM (SELECT equity, max(equity) OVER (ORDER BY n) AS peak FROM series);
SELECT 'total_return', (SELECT equity FROM series ORDER BY n DESC LIMIT 1) / 1e12 - 1;
SELECT 'sharpe', mean / deviation * sqrt(365.25 * 1440) FROM moments, spread;
SELECT 'sortino', mean * 365.25 * 1440 / (downside * sqrt(365.25 * 1440)) FROM moments, spread;
SELECT 'volatility', deviation * sqrt(365.25 * 1440) FROM spread;
SELECT 'in_market', avg(gross <> 0) FROM series WHERE n > 0;
SELECT 'exposure', avg(gross * 1.0 / equity) FROM series WHERE n > 0;
SELECT 'turnover', (SELECT sum(price / 1e9 * quantity / 1e8) FROM share WHERE arm IN live) / (SELECT avg(equity) / 1e6 FROM series WHERE n > 0);
SELECT 'trades of ' || name, (SELECT count(*) FROM closing c WHERE c.arm = d.arm) FROM deployments d;
SELECT 'fees_micros of ' || name, (SELECT coalesce(sum(fee), 0) FROM share s WHERE s.arm = d.arm) FROM deployments d;
SELECT 'pnl_micros of ' || name, (SELECT cash + cost + unrealized - (cash + cost - realized + fees) FROM hadron_equity e WHERE e.arm = d.arm
  ORDER BY position DESC LIMIT 1) FROM deployments d;
-- No order was filled beyond what was asked, no execution without its shares.
SELECT 'overfilled', count(*) FROM order_events WHERE filled > quantity;
SELECT 'overfilled by executions', count(*) FROM (SELECT o.quantity, (SELECT sum(x.quantity * (1 - 2 * (x.flags & 1))) FROM
  hadron_order_executions x WHERE x.client_order_id = o.client_order_id) AS filled FROM orders o) WHERE filled > quantity;
SELECT 'unshared', count(*) FROM hadron_order_executions x WHERE x.quantity <> (SELECT coalesce(sum(a.quantity), 0) FROM hadron_allocations a
  WHERE a.execution = x.id);
-- The row that the run left behind.
SELECT 'rows of results', count(*) FROM kept.backtest_results;
SELECT 'result ' || 'pnl_micros', pnl FROM kept.backtest_results;
SELECT 'result ' || 'fees_micros', fees FROM kept.backtest_results;
SELECT 'result ' || 'sharpe', sharpe FROM kept.backtest_results;
SELECT 'result ' || 'orders', orders FROM kept.backtest_results;
SELECT 'result ' || 'digest', digest FROM kept.backtest_results;
SELECT 'result ' || 'name', name FROM kept.backtest_results;
SELECT 'result of this journal', count(*) FROM kept.backtest_results b JOIN hadron_journals j ON j.journal = b.journal;
SQL
sqlite3 -batch -init /dev/null first.db <figures.sql >figures.txt

cat >compare.py <<'PYTHON'
import json
import sys

report, second = json.load(open("first.json")), json.load(open("second.json"))
rows = dict(line.rstrip("\n").split("|") for line in open("figures.txt"))
strategies = {s["name"]: s for s in report["strategies"]}
expected = {
    "accepted_ticks": report["ticks"] - report["rejected_ticks"] - report["conflated_ticks"] - report["dropped_ticks"],
    "executed_fees_micros": report["fees_micros"], "shadow executions": 1, "overfilled": 0, "overfilled by executions": 0, "unshared": 0, "rows of results": 1,
    "result name": "config", "result of this journal": 1,
}
wrong = []
for key, text in rows.items():
    if key in expected:
        want = expected[key]
    elif key.startswith("result "):
        want = report[key[len("result "):]]
    elif " of " in key:
        figure, name = key.split(" of ")
        want = strategies[name][figure]
    else:
        want = report[key]
    if isinstance(want, str):
        same = text == want
    elif isinstance(want, int):
        same = float(text) == want
    else:
        same = abs(float(text) - want) <= 1e-9 * max(1, abs(want))
    if not same:
        wrong.append(f"{key}: the rows say {text}, the report says {want}")
if len(rows) < 45:
    wrong.append(f"only {len(rows)} figures were compared")
for key in ("trades", "executions", "denied_orders", "wins", "losing_trades", "fees_micros"):
    if not report[key] > 0:
        wrong.append(f"{key} is {report[key]}: the run shows nothing")
for key in ("digest", "pnl_micros", "sharpe", "executions", "ticks"):
    if report[key] != second[key]:
        wrong.append(f"{key}: {report[key]} in the first run, {second[key]} in the second")
print("\n".join(wrong) if wrong else f"{len(rows)} figures agree")
sys.exit(bool(wrong))
PYTHON
python3 compare.py
