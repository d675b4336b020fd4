#!/bin/sh
# Every test that docs/mission.md names exists.  usage: mission_rows.sh [SOURCE]
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=0
for name in $(grep -oE '`[A-Z][A-Za-z]*\.[A-Z][A-Za-z0-9]*`' docs/mission.md | tr -d '`' | sort -u); do
  suite=${name%%.*}
  test=${name#*.}
  if ! grep -rqE "TEST(_F|_P)?\($suite, *$test\)" src tests --include='*.cpp' &&
     ! grep -rqzE "TEST(_F|_P)?\($suite,[[:space:]]*$test\)" src tests --include='*.cpp'; then
    echo "docs/mission.md names $name, and there is no such test"
    bad=1
  fi
done
exit $bad
