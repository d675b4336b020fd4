#!/bin/sh
# Bytes per sample on disk, and CPU per query of 3 600 points, beside Prometheus (Debian's package).
# usage: bench/history.sh BUILD [HOURS]     BUILD has bin/record_bench; HOURS of data, 24 if not said
# A query of ours is counted without HTTP and JSON; with HEADROOMD_PID and HEADROOM_URL that daemon's
# GET /api/v1/history is counted too (it must have an hour of history).
set -eu
build=${1:?usage: bench/history.sh BUILD [HOURS]}
hours=${2:-24}
port=${PORT:-8121}
set_maker=${HEADROOM_SHARED:-$(dirname "$0")/../../shared}/floor/gen_history.py
[ -r "$set_maker" ] || { echo "no $set_maker: the set of samples is made by it" >&2; exit 1; }
command -v promtool >/dev/null || { echo "promtool is missing: apt-get install prometheus" >&2; exit 1; }
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT

start=$(( ($(date +%s) / 7200 - ${hours%.*} / 2 - 2) * 7200 ))
python3 "$set_maker" --hours "$hours" --start "$start" --f64 "$dir/set" --openmetrics "$dir/set.om"
samples=$(( $(stat -c %s "$dir/set") / 8 ))
TMPDIR=$dir HEADROOM_HISTORY_SET=$dir/set "$build/bin/record_bench" --benchmark_filter='on_disk|query/3600' 2>/dev/null |
  tee "$dir/ours"
promtool tsdb create-blocks-from openmetrics "$dir/set.om" "$dir/tsdb" >/dev/null
theirs=$(find "$dir/tsdb" -type f -printf '%s\n' | awk -v n="$samples" '{s += $1} END {printf "%.3f", s / n}')
chunks=$(find "$dir/tsdb" -path '*chunks*' -type f -printf '%s\n' | awk -v n="$samples" '{s += $1} END {printf "%.3f", s / n}')
echo "prometheus: $theirs bytes per sample (chunks $chunks)"

echo 'global: {scrape_interval: 1h}' > "$dir/prometheus.yml"
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" --storage.tsdb.retention.time=10y \
  --web.listen-address="127.0.0.1:$port" --log.level=error >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null && break; sleep 0.2; done

# CPU nanoseconds of all threads of a process, from the scheduler.
cpu() { cat /proc/"$1"/task/*/schedstat | awk '{s += $1} END {printf "%.0f", s}'; }
# CPU microseconds of process $1 for one of 100 kept-alive GETs of $2.
cost() {
  printf 'url="%s"\noutput=/dev/null\n' "$2" > "$dir/one"
  rm -f "$dir/curl"; for _ in $(seq 100); do cat "$dir/one" >> "$dir/curl"; done
  curl -sf -K "$dir/curl"
  before=$(cpu "$1"); curl -sf -K "$dir/curl"; after=$(cpu "$1")
  echo $(( (after - before) / 100000 ))
}
from=$(( start + 3600 * ${hours%.*} / 2 ))
range="http://127.0.0.1:$port/api/v1/query_range?step=1&start=$from&end=$(( from + 3599 ))&query"
for metric in headroom_memory_used_bytes headroom_gpu_power_watts; do
  echo "prometheus: $(cost "$server" "$range=$metric") us of CPU for 3600 points of $metric"
done
if [ -n "${HEADROOMD_PID:-}" ]; then
  echo "headroomd: $(cost "$HEADROOMD_PID" "$HEADROOM_URL/api/v1/history?resource=cpu&window=1h") us of CPU for an hour of cpu"
fi
