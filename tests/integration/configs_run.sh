#!/usr/bin/env bash
# Promise: every configuration in configs/ runs from a clone as it is: `run --check` takes it; the backtests trade, give the same digest
# twice and with four shards; the S&P 500 one has a Sharpe ratio above 0.5 after its costs; the PostgreSQL one says what is missing when
# its variable is. How: the program itself, in the source directory, with a data_dir of its own.
set -euo pipefail
hadron=$HADRON_BUILD_DIR/hadron
if [ ! -x "$hadron" ]; then
  echo "$hadron is not built: skipped" >&2
  exit 77
fi
cd "$HADRON_SOURCE_DIR"
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
export HADRON_DATABASE_URL=postgresql://localhost/hadron # only checked, never reached

for config in configs/*.lua; do
  "$hadron" run "$config" --check --set data_dir="$data" || { echo "$config: the check failed" >&2; exit 1; }
done

number() { python3 -c 'import json, sys; v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v = v[k]
print(v)' "$1" "$2"; }

for name in sp500 equity crypto; do
  for shards in 1 1 4; do
    "$hadron" backtest "configs/backtest_$name.lua" --json --set data_dir="$data" --set engine.shards=$shards >"$data/report.json" 2>"$data/words" ||
      { cat "$data/words" >&2; exit 1; }
    [ "$(number "$data/report.json" executions)" -gt 0 ] || { echo "$name: no trades" >&2; exit 1; }
    number "$data/report.json" digest >>"$data/digests-$name"
  done
  [ "$(sort -u "$data/digests-$name" | grep -c '^[0-9a-f]\{64\}$')" = 1 ] || { echo "$name: the digests differ:" >&2; cat "$data/digests-$name" >&2; exit 1; }
  [ "$(wc -l <"$data/digests-$name")" = 3 ]
  if [ $name = sp500 ]; then
    sharpe=$(number "$data/report.json" sharpe) fees=$(number "$data/report.json" fees)
    python3 -c 'import sys; sys.exit(not (float(sys.argv[1]) > 0.5 and float(sys.argv[2]) > 0))' "$sharpe" "$fees" ||
      { echo "sp500: Sharpe $sharpe after fees of $fees: expected more than 0.5 after costs" >&2; exit 1; }
    echo "sp500: Sharpe $sharpe after fees of $fees"
  fi
done

if (unset HADRON_DATABASE_URL && "$hadron" run configs/paper_postgres.lua --check 2>"$data/words"); then
  echo "paper_postgres.lua was taken without HADRON_DATABASE_URL" >&2
  exit 1
fi
grep -q 'HADRON_DATABASE_URL is not set: export' "$data/words"
