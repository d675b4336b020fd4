#!/bin/sh
# Starts a real headroomd with a simulated GPU and runs a check against it.
# usage: with_daemon.sh BIN validate|docs     HEADROOM_SHOTS=DIR keeps the screenshots there
# Exit 77: skipped, with the reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
web=$(cd "$here/../../web" && pwd)
bin=${1:?usage: with_daemon.sh BIN validate|docs}
what=${2:?usage: with_daemon.sh BIN validate|docs}

skip() { echo "skipped: $1"; exit 77; }
command -v node >/dev/null || skip "node is not installed"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "node is older than 18"
# npm DIR PACKAGE: the packages of a lock file, where they are not there yet.
packages() {
  [ ! -d "$1/node_modules/$2" ] || return 0
  command -v npm >/dev/null || skip "npm is not installed"
  (cd "$1" && npm ci --no-audit --no-fund >/dev/null 2>&1) || skip "npm ci in $1 fails (no network?)"
}
case $what in
  validate) packages "$here" @seriousme/openapi-schema-validator ;;
  docs)
    HEADROOM_CHROMIUM=${HEADROOM_CHROMIUM:-$(command -v chromium || true)}
    [ -n "$HEADROOM_CHROMIUM" ] && [ -x "$HEADROOM_CHROMIUM" ] || skip "chromium is not installed (apt-get install chromium)"
    export HEADROOM_CHROMIUM
    packages "$web" playwright-core
    ;;
  *) echo "validate or docs, not $what"; exit 1 ;;
esac

dir=$(mktemp -d)
daemon=""
finish() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; }
  rm -rf "$dir"
}
trap finish EXIT
HEADROOM_SAMPLE__GPU=sim HEADROOM_SAMPLE__GPU_SIM="24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67" \
  "$bin/headroomd" --foreground --socket "$dir/h.sock" --state "$dir/state" --listen 127.0.0.1:0 \
  >"$dir/log" 2>&1 &
daemon=$!
# The port is the kernel's choice: it says so when it serves.
port=""
tries=0
until [ -n "$port" ] && curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -gt 600 ]; then cat "$dir/log"; exit 1; fi
  sleep 0.1
  port=$(sed -n 's,^headroomd serves on .*http://127.0.0.1:\([0-9]*\)$,\1,p' "$dir/log")
done
status=0
HEADROOM_URL="http://127.0.0.1:$port" node --test "$here/$what.test.mjs" || status=$?
exit $status
