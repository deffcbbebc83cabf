#!/usr/bin/env bash
# Promise: splits and dividends of a recording reach the books. How: ten shares of AAPL, bought in May 2014 and held until August, with
# the factor file applied: 3.29 a share in May on 10 shares, then 7 for 1, then 0.47 a share on 70: 32.90 + 32.90 = 65.80.
# Needs the shared data; skipped without it.
set -euo pipefail
data=${HADRON_SHARED_DIR:-$HADRON_SOURCE_DIR/../shared}/data/lean/equity/usa
[ -d "$data" ] || { echo "corporate_actions: $data is not here: skipped" >&2; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > hold.lua <<'LUA'
-- hadron: strategy hold 1.0.0
-- description: buys once and holds
local done = false
return hadron.strategy {
  triggers = { "trade" },
  on_trade = function(self, price, size, market)
    if done then return end
    done = true
    self:buy(10 * 100000000)
  end,
}
LUA
cat > config.lua <<LUA
return {
  normalize = { outlier_bps = 0 },
  venues = { replay = { params = { files = { "$data/daily/aapl.zip" }, adjust = "full", factor_files = "$data/factor_files", from = "2014-05-01", to = "2014-08-20" } }, sim = {} },
  strategies = { hold = { plugin = here("hold.lua") } },
}
LUA
"$HADRON_BUILD_DIR/hadron" backtest config.lua --json --no-progress > report.json
python3 - <<'PY'
import json
report = json.load(open("report.json"))
assert report["executions"] == 1, report["executions"]
assert report["dividends_micros"] == 65_800_000, report["dividends_micros"]
PY
