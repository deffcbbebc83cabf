#!/usr/bin/env bash
# Promise: the same input gives the same bytes out, in every build (release, asan, tsan) and with any number of shards. How: the committed
# digests of backtests over daily bars and, where the shared data is there, over real recordings, are met by this build. A change that is meant to change decisions or
# orders rewrites them: HADRON_WRITE_GOLDEN=1 bash tests/integration/golden_digest.sh
set -euo pipefail
source_dir=${HADRON_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build_dir=${HADRON_BUILD_DIR:-$source_dir/build/release}
golden=$source_dir/tests/data/golden_digests.txt
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

digest() { # CONFIG [OPTION...]
  "$build_dir/hadron" backtest "$@" --json --no-progress | python3 -c 'import json, sys; print(json.load(sys.stdin)["digest"])'
}

# Strategies whose decisions hang on +, -, *, / and square roots alone: these are the same on every processor.
cat > real.lua <<'LUA'
return {
  normalize = { skew = "0s", crossed = true },
  venues = { replay = {}, sim = { params = { entry_latency = "2ms", response_latency = "1ms", taker_bps = "1", seed = 7 } } },
  strategies = { sma = { params = { size = "1" } }, market_maker = { params = { size = "1", position_max = "10" } },
                 zero_cross = {}, zero_cross_lua = {}, mean_revert = {} },
}
LUA

both() { # NAME CONFIG [OPTION...]
  local name=$1 shards
  shift
  for shards in 1 3; do printf '%s shards=%s %s\n' "$name" "$shards" "$(digest "$@" --set engine.shards="$shards")"; done
}

found=$dir/found
both sp500 "$source_dir/configs/backtest_sp500.lua" > "$found"
data=${HADRON_SHARED_DIR:-$source_dir/../shared}/data
if [ -d "$data" ]; then
  both equity_ticks real.lua --data "$data"/lean/equity/usa/tick/ibm/20131007_{trade,quote}.zip
  both forex_ticks real.lua --data "$data/lean/forex/fxcm/tick/eurusd/20140502_quote.zip"
  both crypto_depth real.lua --data "$data/hftbacktest/usdm/btcusdt_20240808.gz"
  both dbn_orders real.lua --set strategies.sma.params.fast=2 --set strategies.sma.params.slow=5 \
    --data "$data/nautilus/databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst"
else
  echo "golden_digest: $data is not here: the digests over real recordings are skipped" >&2
fi >> "$found"

if [ -n "${HADRON_WRITE_GOLDEN:-}" ]; then
  cp "$found" "$golden"
  exit 0
fi
[ -d "$data" ] || grep '^sp500' "$golden" > committed
[ -f committed ] || cp "$golden" committed
diff -u committed "$found" || {
  echo "golden_digest: the digests differ from $golden (< committed, > this build). If decisions or orders were meant to change, rewrite it as the head of this script says." >&2
  exit 1
}
echo "golden_digest: $(wc -l < "$found") digests as committed"
