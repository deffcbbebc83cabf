#!/usr/bin/env bash
# Promise: every SDK header compiles alone, without a warning, as C11, C17 and C++17, with gcc and with clang; and a header that
# leans on another's include, or is not C++, is caught (two made for that).
set -uo pipefail
include=$HADRON_SOURCE_DIR/sdk/include
warnings=(-Wall -Wextra -Wconversion -Wshadow -Wundef -Wpedantic -Werror -fsyntax-only)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

alone() { # COMPILER LANGUAGE STANDARD DIRECTORY HEADER
  printf '#include <%s>\n' "$5" | "$1" -x "$2" -std="$3" "${warnings[@]}" -I"$4" -
}

failed=0 count=0
for header in $(cd "$include" && find hadron -name '*.h' | sort); do
  for way in "gcc c c11" "gcc c c17" "g++ c++ c++17" "clang c c11" "clang c c17" "clang++ c++ c++17"; do
    read -r compiler language standard <<<"$way"
    count=$((count + 1))
    alone "$compiler" "$language" "$standard" "$include" "$header" || { echo "$header does not compile alone as $standard with $compiler"; failed=1; }
  done
done
[ $count -gt 60 ] || { echo "only $count compilations: were the headers found?"; failed=1; }

mkdir -p "$work/hadron"
echo 'struct leans { uint32_t on_stdint; };' >"$work/hadron/leans.h"
echo 'struct keyword { int class; };' >"$work/hadron/keyword.h"
if alone gcc c c17 "$work" hadron/leans.h 2>/dev/null; then echo "a header without its include was not caught"; failed=1; fi
if alone g++ c++ c++17 "$work" hadron/keyword.h 2>/dev/null; then echo "a header that is not C++ was not caught"; failed=1; fi
[ $failed = 0 ] && echo "$count compilations without a warning"
exit $failed
