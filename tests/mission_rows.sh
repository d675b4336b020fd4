#!/bin/sh
# Every test that docs/mission.md and docs/pressure.md name exists.  usage: mission_rows.sh [SOURCE]
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=0
for page in docs/mission.md docs/pressure.md; do
  names=$(grep -oE '`[A-Z][A-Za-z]*\.[A-Z][A-Za-z0-9]*`' "$page" | tr -d '`' | sort -u)
  [ "$(echo "$names" | wc -l)" -gt 10 ] || { echo "$page names hardly any test"; bad=1; }
  for name in $names; do
    suite=${name%%.*}
    test=${name#*.}
    if ! grep -rqE "TEST(_F|_P)?\($suite, *$test\)" src tests --include='*.cpp' &&
       ! grep -rqzE "TEST(_F|_P)?\($suite,[[:space:]]*$test\)" src tests --include='*.cpp'; then
      echo "$page names $name, and there is no such test"
      bad=1
    fi
  done
done
exit $bad
