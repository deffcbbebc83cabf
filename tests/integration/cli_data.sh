#!/usr/bin/env bash
# Promise: `hadron data` and `hadron validate` keep their exit codes and their JSON: good files 0, broken or missing ones 4, wrong usage 2;
# bad rows are named by their lines; a plugin that fails a check exits with 1. How: files made here, the program itself.
set -euo pipefail
hadron=$HADRON_BUILD_DIR/hadron
if [ ! -x "$hadron" ]; then
  echo "$hadron is not built: skipped" >&2
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

expect() { # expect CODE WORDS COMMAND...: the exit code, and words in what it prints
  local code=$1 words=$2 got=0
  shift 2
  "$@" >out 2>&1 || got=$?
  [ "$got" = "$code" ] || { echo "$*: expected exit code $code, found $got:" >&2; cat out >&2; exit 1; }
  grep -qF -- "$words" out || { echo "$*: expected \"$words\" in:" >&2; cat out >&2; exit 1; }
}

printf 'time,price,size\n2024-01-02T00:00:00Z,1.5,3\nxx,1,2\n2024-01-02T00:00:01Z,abc,3\n2024-01-02T00:05:00Z,1.6,3\n' >some-bad.csv
expect 0 'line 3: the time' "$hadron" data inspect some-bad.csv
expect 0 '1 of more than a minute' "$hadron" data inspect some-bad.csv
expect 4 'nowhere.csv' "$hadron" data inspect nowhere.csv some-bad.csv
expect 0 '2 ticks' "$hadron" data convert some.hdt some-bad.csv
expect 0 'native ticks' "$hadron" data inspect some.hdt
head -c 100 some.hdt >cut.hdt
expect 4 'cut.hdt' "$hadron" data inspect cut.hdt
printf 'time,price\nx,1\ny,2\n' >all-bad.csv
expect 4 'all-bad.csv' "$hadron" data inspect all-bad.csv
for ((i = 0; i < 30; i++)); do echo "x$i,1,2"; done | cat some-bad.csv - >many-bad.csv
expect 0 'and 12 more' "$hadron" data inspect many-bad.csv
"$hadron" data inspect --json some-bad.csv >inspect.json
python3 -c 'import json
f = json.load(open("inspect.json"))["files"][0]
assert (f["rows"], f["ticks"], f["bad_rows"], f["pauses"]) == (4, 2, 2, 1), f
assert [b["row"] for b in f["bad"]] == [3, 4], f'

expect 0 '3 instruments' "$hadron" data generate a.csv --kind crypto --instruments AA,BB,CC --duration 10m --seed 7
expect 0 '3 instruments' "$hadron" data generate b.csv --kind crypto --instruments AA,BB,CC --duration 10m --seed 7
cmp a.csv b.csv
expect 0 'CSV trades' "$hadron" data inspect a.csv
expect 2 'expected one file' "$hadron" data generate
expect 0 'data generate' "$hadron" data --help
expect 2 'there is no command "nothing"' "$hadron" data nothing
expect 2 'data inspect' "$hadron" data
expect 2 'did you mean' "$hadron" doctr
expect 2 '--kind' "$hadron" data generate c.csv --kind bonds
expect 2 '--seed' "$hadron" data generate c.csv --seed 0
expect 1 'volatility' "$hadron" data generate c.csv --set volatilty=1
[ ! -e c.csv ]

expect 0 '0 failed' "$hadron" validate "$HADRON_PLUGIN_DIR/sma.so"
expect 0 '0 failed' "$hadron" validate "$HADRON_PLUGIN_DIR/mean_revert.lua"
expect 0 '0 failed' "$hadron" validate "$HADRON_SOURCE_DIR/sdk/template/strategy.lua"
expect 0 '0 failed' "$hadron" validate "$HADRON_PLUGIN_DIR/trend.so" --set fast=2 --set slow=3 --set volatility_bars=2 --set bar=1s
expect 1 'FAIL' "$hadron" validate "$HADRON_PLUGIN_DIR/sma.so" --set fast=100 --set slow=10
expect 1 'FAIL' "$hadron" validate "$HADRON_TEST_PLUGIN_DIR/crash_tick.so"
"$hadron" validate --json "$HADRON_PLUGIN_DIR/sma.so" | python3 -c 'import json, sys; assert json.load(sys.stdin)["failed"] == 0'
