#!/bin/sh
# The dashboard in Chromium against a real headroomd, with two simulated GPUs and a lease that runs.
# usage: run_with_daemon.sh BIN     HEADROOM_SHOTS=DIR keeps the screenshots there
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:?usage: run_with_daemon.sh BIN}
dir=$(mktemp -d)
daemon=""
jobs=""
finish() {
  # shellcheck disable=SC2086
  [ -z "$jobs" ] || kill $jobs 2>/dev/null || true
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; }
  rm -rf "$dir"
}
trap finish EXIT

HEADROOM_SAMPLE__GPU=sim \
HEADROOM_SAMPLE__GPU_SIM="24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67; 24GiB,cc=8.6,used=1GiB,util=3,temp=41" \
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
HEADROOM_URL="unix://$dir/h.sock" "$bin/headroom" run -q --name train --mem 512M --gpu-mem 8G --for 20m -- sleep 600 &
jobs="$!"
HEADROOM_URL="unix://$dir/h.sock" "$bin/headroom" run -q --name render --gpu-mem 20G -- true &
jobs="$jobs $!"
status=0
sh "$here/run_browser.sh" "http://127.0.0.1:$port" || status=$?
exit $status
