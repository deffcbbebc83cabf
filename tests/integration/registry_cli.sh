#!/bin/bash
# Promise: the commands of `hadron registry` do what docs/registry.md says, print one JSON object with --json, and end with the exit status
# that belongs to what happened; a key, a signature, a version, an archive and a revocation go the whole way by command alone, and the
# signature is one that openssl (where it is installed) verifies.
set -u
H="$HADRON_BUILD_DIR/hadron"
D=$(mktemp -d)
trap 'rm -rf "$D"' EXIT
cd "$D" || exit 1
fail() { echo "FAILED: $*"; exit 1; }
expect() { # STATUS WORDS COMMAND...
  local status=$1 words=$2; shift 2
  local out; out=$("$H" registry "$@" 2>&1); local found=$?
  [ "$found" = "$status" ] || fail "hadron registry $*: expected exit $status, found $found: $out"
  case $out in *"$words"*) ;; *) fail "hadron registry $*: expected \"$words\", found: $out" ;; esac
}
json() { # EXPRESSION COMMAND...
  local expression=$1; shift
  "$H" registry "$@" --json 2>/dev/null | python3 -c "import json, sys; o = json.load(sys.stdin); sys.exit(0 if ($expression) else str(o))" || fail "$* --json: not $expression"
}
cp "$HADRON_PLUGIN_DIR/sma.so" "$HADRON_PLUGIN_DIR/mean_revert.lua" .

expect 0 "Wrote alice.key" keygen alice
expect 6 "the file is there already" keygen alice
[ "$(stat -c %a alice.key)" = 600 ] || fail "alice.key is readable by others"
expect 1 "opening the file" add nothing.so
expect 2 "expected FILE" add
expect 2 "unknown or incomplete option" add sma.so --dry-run
expect 2 "expected off, warn or require" list --policy maybe
expect 6 "policy require expects a signature" add sma.so --policy require
json 'o["ok"] is False and o["code"] == "PERMISSION" and "unsigned" in o["error"]' add sma.so --policy require
expect 0 "No versions" list
expect 0 "Wrote sma.so.sig" sign sma.so --key alice.key
expect 6 "unknown key" verify sma.so
expect 6 "unknown key" add sma.so --policy require
expect 0 "trusts what alice signs" trust alice alice.pub
expect 0 "signed by alice" verify sma.so
if command -v openssl > /dev/null; then
  head -7 sma.so.sig > text
  sed -n 's/^signature: //p' sma.so.sig | base64 -d > signature
  openssl dgst -sha256 -verify alice.pub -signature signature text > /dev/null || fail "openssl does not verify the signature"
fi
expect 0 "Registered sma@" add sma.so --policy require
expect 0 "Known already: sma@" add sma.so
expect 0 "Registered mean_revert@1.0.0" add mean_revert.lua
json 'o["fresh"] is False and o["name"] == "mean_revert" and "unsigned" in o["warning"]' add mean_revert.lua
expect 0 "Signed mean_revert@1.0.0 in the registry" sign mean_revert@1.0.0 --key alice.key
json 'len(o["versions"]) == 2 and all(v["signature"] == "signed" and v["key"] == "alice" for v in o["versions"])' list
json '[p["name"] for p in o["parameters"]][:2] == ["fast", "slow"] and o["parameters"][0]["type"] == "integer" and o["probe"]["errors"] == 0 and o["manifest"]["kind"] == "strategy"' show sma
expect 0 "trades (or bars) in the fast average" show sma
expect 1 "no such plugin in the registry" show nobody
expect 6 "expected NAME or NAME@VERSION" show ../x
json 'o["ok"] and o["artifacts"] == 2 and o["signed"] == 2 and o["damaged"] == 0' verify

# A stored file that somebody changes.
FILE=$(find data/artifacts -name '*.lua')
chmod u+w "$FILE" && printf x >> "$FILE"
expect 4 "the stored artifact was changed" verify
json 'o["ok"] is False and o["damaged"] == 1' verify
expect 0 "Known already" add mean_revert.lua
expect 0 "stray" verify

# Elsewhere.
expect 0 "Wrote 2 versions" export all.hra
expect 6 "choose another name" export all.hra
expect 6 "0 of 2 versions taken, 0 known, 2 refused" import all.hra --data-dir other --policy require
"$H" registry trust alice alice.pub --data-dir other > /dev/null || fail "trust elsewhere"
expect 0 "2 of 2 versions taken" import all.hra --data-dir other --policy require
head -c 2000 all.hra > cut.hra
expect 4 "cut.hra" import cut.hra --data-dir other

# Retired, collected, revoked.
expect 0 "is retired" retire mean_revert@1.0.0 --reason "loses money"
expect 1 "mean_revert: expected version any that is registered" show mean_revert
expect 0 "since" show mean_revert@1.0.0
json 'o["artifacts"] == 0 and o["strays"] == 1 and o["kept_as_retired_lately"] == 1' gc --dry-run
json 'o["artifacts"] == 1' gc --retired-for 0s
expect 6 "removed by \`gc\`" retire mean_revert@1.0.0 --undo
expect 2 "expected a duration" gc --retired-for soon
expect 0 "Revoked" revoke alice --reason "laptop stolen"
expect 0 "laptop stolen" keys
json 'o["keys"][0]["state"] == "revoked"' keys
expect 6 "revoked key of alice" verify
expect 6 "for ever" trust alice2 alice.pub
for command in add list show verify retire gc export import keygen sign trust revoke keys; do
  "$H" registry $command --help | grep -q "Usage: hadron registry $command" || fail "registry $command --help"
done
echo ok
