#!/bin/bash
# Promise: the commands of `hadron cert` do what docs/remote.md says, print one JSON object with --json, and end with the exit status that belongs
# to what happened; keys are their owner's alone; certificates and revocation lists are ones that openssl (where it is installed) takes and refuses
# as Hadron does.
set -u
H="$HADRON_BUILD_DIR/hadron"
D=$(mktemp -d)
trap 'rm -rf "$D"' EXIT
cd "$D" || exit 1
fail() { echo "FAILED: $*"; exit 1; }
expect() { # STATUS WORDS COMMAND...
  local status=$1 words=$2; shift 2
  local out; out=$("$H" cert "$@" 2>&1); local found=$?
  [ "$found" = "$status" ] || fail "hadron cert $*: expected exit $status, found $found: $out"
  case $out in *"$words"*) ;; *) fail "hadron cert $*: expected \"$words\", found: $out" ;; esac
}
json() { # EXPRESSION COMMAND...
  local expression=$1; shift
  "$H" cert "$@" --json 2>/dev/null | python3 -c "import json, sys; o = json.load(sys.stdin); sys.exit(0 if ($expression) else str(o))" || fail "$* --json: not $expression"
}
HAVE_OPENSSL=$(command -v openssl || true)
openssl_says() { # STATUS NAME
  [ -z "$HAVE_OPENSSL" ] && return
  openssl verify -crl_check_all -x509_strict -CAfile ca/ca.crt -CRLfile ca/ca.crl "ca/$2.crt" > out 2>&1
  local found=$?
  [ "$found" = "$1" ] || fail "openssl verify $2: expected exit $1, found $found: $(cat out)"
}

expect 2 "expected the DIR" ca
expect 1 "\`hadron cert ca nowhere\` makes one" list nowhere
expect 2 "expected a number from 1 to" ca ca --days 0
expect 2 "expected a name" ca ca --name "A B"
umask 022
expect 0 "Made the authority \"acme\"" ca ca --name acme
expect 6 "is there already" ca ca
expect 0 "No certificate was issued yet" list ca
expect 2 "expected read, trade or admin" issue ca a --role boss
expect 2 "unknown or incomplete option" list ca --role read
expect 2 "expected a name" issue ca ../a
expect 2 "at most 8 hosts" issue ca a $(printf -- '--host h%s ' 1 2 3 4 5 6 7 8 9)
json 'o["ok"] and o["role"] == "read" and o["server"] and o["hosts"] == ["host-a", "10.9.0.1", "::1", "a.example"] and o["key"] == "ca/host-a.key"' \
  issue ca host-a --role read --host 10.9.0.1 --host ::1 --host a.example
expect 0 "Issued alpha (trade)" issue ca alpha --strategy beta
expect 0 "Issued boss (admin)" issue ca boss --role admin --days 2
json 'o["ok"] is False and o["code"] == "EXISTS"' issue ca alpha
expect 0 "Issued alpha" issue ca alpha --renew
json 'len(o["certificates"]) == 4 and all(c["state"] == "good" for c in o["certificates"]) and o["list"] == 1' list ca
json 'o["state"] == "good" and o["strategies"] == [] and not o["server"] and o["client"]' show ca/alpha.crt
for file in ca/alpha.key ca/host-a.key ca/authority/root.key ca/authority/trade.key ca/ledger; do
  [ "$(stat -c %a $file)" = 600 ] || fail "$file: mode $(stat -c %a $file)"
done
[ "$(stat -c %a ca)$(stat -c %a ca/authority)" = 700700 ] || fail "others may look into ca"
for name in host-a alpha boss; do openssl_says 0 $name; done
if [ -n "$HAVE_OPENSSL" ]; then
  openssl verify -crl_check_all -CAfile ca/ca.crt -CRLfile ca/ca.crl -purpose sslserver ca/alpha.crt > /dev/null 2>&1 && fail "a client's certificate is a server's"
  openssl verify -crl_check_all -CAfile ca/ca.crt -CRLfile ca/ca.crl -purpose sslserver -verify_ip 10.9.0.1 ca/host-a.crt > /dev/null 2>&1 || fail "openssl: host-a is not 10.9.0.1"
  openssl verify -crl_check_all -CAfile ca/ca.crt -CRLfile ca/ca.crl -verify_hostname a.example ca/host-a.crt > /dev/null 2>&1 || fail "openssl: host-a is not a.example"
fi

SERIAL=$("$H" cert list ca --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["certificates"][3]["serial"])')
json 'o["ok"] and o["revoked"] == 1 and o["crl"] == "ca/ca.crl"' revoke ca "$SERIAL"
openssl_says 2 alpha
openssl_says 0 boss
expect 0 "revoked" show ca/alpha.crt
json 'o["revoked"] == 1' revoke ca alpha
expect 0 "was revoked before" revoke ca alpha
expect 1 "there is no certificate" revoke ca nobody
expect 0 "Issued alpha" issue ca alpha
openssl_says 0 alpha
expect 0 "Made the authority" ca other --name acme
expect 0 "of another authority" show ca/alpha.crt --ca other/ca.crt --crl other/ca.crl
cp ca/alpha.crt alone.crt
expect 0 "not judged" show alone.crt
expect 4 "expected a certificate as PEM" show ca/alpha.key
expect 1 "No such file" show nothing.crt
chmod 640 ca/authority/trade.key
expect 6 "mode 0640" issue ca gamma
chmod 600 ca/authority/trade.key
printf 'x' >> ca/ledger
expect 4 "restore the ledger" issue ca gamma
for command in ca issue revoke list show; do
  "$H" cert $command --help | grep -q "Usage: hadron cert $command" || fail "cert $command --help"
done
echo ok
