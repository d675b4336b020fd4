#!/bin/sh
# Who may include whom: a room (left) may include itself, <headroom/…>, and the rooms on the right.
# src/CMakeLists.txt links by the same table.
set -eu
cd "${1:-$(dirname "$0")/..}"

may() {
  case $1 in
    words) echo "" ;;
    sense|judge|decide|record|settings|http) echo "words" ;;
    act|serve|fleet|client) echo "words http" ;;
    control) echo "words judge decide" ;;
    runtime) echo "words sense judge decide control act record settings http serve" ;;
    daemon) echo "words settings runtime" ;;
    cli) echo "words sense judge decide control act settings http serve client" ;;
    *) echo "unknown" ;;
  esac
}

bad=0
complain() {
  echo "$1"
  bad=1
}
for folder in src/*/; do
  room=$(basename "$folder")
  allowed=$(may "$room")
  [ "$allowed" != unknown ] || complain "src/$room is not in the table of rooms"
  # A room's tests may use the tools that the room's own tests have.
  lines=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder" --include='*.hpp' --include='*.cpp' || true)
  echo "$lines" | sed -nE 's/^([^:]+:[0-9]+):.*"([^"]+)".*/\1 \2/p' | while read -r at file; do
    other=${file%%/*}
    [ "$other" != "$file" ] || { echo "$at includes \"$file\": name it by its room"; continue; }
    [ "$other" = "$room" ] && continue
    case " $allowed " in *" $other "*) ;; *) echo "$at: $room may not include $other" ;; esac
  done > /tmp/include_rule.$$ || true
  if [ -s /tmp/include_rule.$$ ]; then cat /tmp/include_rule.$$; bad=1; fi
  rm -f /tmp/include_rule.$$
done

# The public face knows nothing of src.
if grep -nE '#[[:space:]]*include[[:space:]]*"' include/headroom/*; then
  complain "include/headroom includes with quotes"
fi
if grep -hoE '#[[:space:]]*include[[:space:]]*<[^>]+>' include/headroom/* | sed -E 's/.*<(.*)>/\1/' |
   grep -vE '^(headroom/[a-z_]+\.hpp|tl/expected\.hpp|[a-z_]+|sys/types\.h)$'; then
  complain "include/headroom includes more than the standard library and the expected header"
fi
# One home for each third party.
third() {
  found=$(grep -rlE "#[[:space:]]*include[[:space:]]*<$1" src | grep -vE "^src/($2)/|_(test|fuzz|bench)\.cpp$" || true)
  [ -z "$found" ] || complain "<$1…> has its home in src/{$2}, not in: $found"
}
third 'toml\+\+|toml\.hpp' 'settings'
third 'CLI/' 'cli'
third 'sqlite3' 'record'
third 'boost/asio' 'runtime|http'
third 'boost/beast' 'http'
third 'boost/json' 'serve|client|act|fleet'
third 'systemd/' 'act|daemon'
third 'openssl/' 'http'
third 'spdlog/' 'act|serve|runtime|daemon|record|http'
exit $bad
