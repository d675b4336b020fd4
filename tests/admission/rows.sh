#!/bin/sh
# Every test that docs/admission.md names exists, and every test of tests/admission stands in it.
# usage: rows.sh [SOURCE]
set -eu
cd "${1:-$(dirname "$0")/../..}"
bad=0
page=docs/admission.md
names=$(grep -oE '`[A-Z][A-Za-z]*\.[A-Za-z][A-Za-z0-9_]*`' "$page" | tr -d '`' | sort -u)
[ "$(echo "$names" | wc -l)" -gt 40 ] || { echo "$page names hardly any test"; bad=1; }
for name in $names; do
  suite=${name%%.*}
  test=${name#*.}
  if ! grep -rqzE "TEST(_F|_P)?\($suite,[[:space:]]*$test\)" src tests --include='*.cpp'; then
    echo "$page names $name, and there is no such test"
    bad=1
  fi
done
for name in $(cat tests/admission/*_test.cpp | tr -d '\n' | grep -oE 'TEST(_F)?\([A-Za-z]+, *[A-Za-z0-9_]+\)' |
              sed -E 's/TEST(_F)?\(([A-Za-z]+), *([A-Za-z0-9_]+)\)/\2.\3/'); do
  grep -q "\`$name\`" "$page" || { echo "$name is not in $page"; bad=1; }
done
# Each of the forty pitfalls has its row.
for number in $(seq 1 40); do
  grep -qE "^\| $number \|" "$page" || { echo "pitfall $number has no row in $page"; bad=1; }
done
exit $bad
