#!/bin/sh
# headroom-replay over small series: what it writes, that it does not look ahead, that packed and
# plain files are alike, and that bad files are named.
# usage: replay_test.sh BIN_DIR
set -eu
replay=$1/headroom-replay
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*"
  exit 1
}

# A daily course with spikes and a little noise; 300 rows, five minutes apart.
series() {
  awk -v rows="$1" 'BEGIN {
    print "timestamp,value"
    for (i = 0; i < rows; i++) {
      noise = (noise * 75 + 74) % 65537
      printf "%d,%.3f\n", i * 300, 50 + 20 * sin(i / 45.8) + (i % 24 == 0 ? 15 : 0) + noise / 32768
    }
  }'
}
dated() {
  awk 'BEGIN {
    print "value,timestamp"
    for (i = 0; i < 120; i++) printf "%d,2014-02-%02d %02d:%02d:00\n", i % 7, 14 + int(i / 60), int(i % 60 / 12), i % 12 * 5
  }'
}

mkdir -p "$work/data/a/b"
series 300 > "$work/data/a/plain.csv"
series 300 | gzip > "$work/data/a/b/packed.csv.gz"
series 200 > "$work/data/a/short.csv"
dated > "$work/data/dated.csv"
printf 'file,kind\nplain.csv,memory\nshort.csv,memory\n' > "$work/data/a/manifest.csv"

for mode in forecast limits anomaly; do
  "$replay" "$mode" "$work/data" "$work/$mode" || fail "$mode ended with $?"
  [ ! -e "$work/$mode/a/manifest.csv" ] || fail "$mode: the manifest is no series"
  # A series cut short gives the same rows, as far as it goes.
  rows=$(wc -l < "$work/$mode/a/short.csv")
  head -n "$rows" "$work/$mode/a/plain.csv" | cmp - "$work/$mode/a/short.csv" || fail "$mode looks ahead"
done

# Forecasts: a row for each sample, at its time; packed and plain are alike.
cmp "$work/forecast/a/plain.csv" "$work/forecast/a/b/packed.csv" || fail "packed and plain differ"
[ "$(head -1 "$work/forecast/a/plain.csv")" = timestamp,forecast,lo,hi ] || fail "header of forecasts"
awk -F, 'NR > 1 && ($1 != (NR - 2) * 300 || NF != 4 || $3 > $2 || $4 < $2) { exit 1 } END { exit NR != 301 }' \
  "$work/forecast/a/plain.csv" || fail "rows of forecasts"
sed -n 2p "$work/forecast/dated.csv" | grep -q '^2014-02-14 00:00:00,' || fail "dates are written as they were read"

# Limits: in force at a sample, decided before it.
[ "$(head -1 "$work/limits/a/plain.csv")" = timestamp,limit,decided_at ] || fail "header of limits"
awk -F, 'NR > 1 && ($1 != (NR - 1) * 300 || NF != 3 || $3 >= $1 || $2 <= 0) { exit 1 } END { exit NR != 300 }' \
  "$work/limits/a/plain.csv" || fail "rows of limits"
"$replay" limits "$work/data" "$work/careful" --kappa 800 || fail "limits --kappa"
sum() { awk -F, '{ all += $2 } END { printf "%d", all }' "$1"; }
[ "$(sum "$work/careful/a/plain.csv")" -gt "$(sum "$work/limits/a/plain.csv")" ] || fail "kappa changes nothing"

# Anomalies: a score for each sample.
[ "$(head -1 "$work/anomaly/a/plain.csv")" = timestamp,anomaly_score ] || fail "header of scores"
awk -F, 'NR > 1 && ($1 != (NR - 2) * 300 || NF != 2 || $2 < 0 || $2 >= 1) { exit 1 } END { exit NR != 301 }' \
  "$work/anomaly/a/plain.csv" || fail "rows of scores"
printf 'timestamp,value\n2014-01-05 01:55:00,1\n2014-01-05 01:00:00,2\n' > "$work/data/set_back.csv"
"$replay" anomaly "$work/data" "$work/anomaly" || fail "a wall clock that was set back"

# Bad files are named with their line, the others are still written, and the status is 1.
bad() {  # bad CONTENT WANTED
  rm -rf "$work/bad" "$work/bad_out"
  mkdir "$work/bad"
  printf "$1" > "$work/bad/x.csv"
  series 10 > "$work/bad/y.csv"
  if "$replay" forecast "$work/bad" "$work/bad_out" 2> "$work/said"; then fail "took: $1"; fi
  grep -q "$2" "$work/said" || fail "said $(cat "$work/said") of: $1"
  [ -s "$work/bad_out/y.csv" ] || fail "a bad file kept another from being written"
}
bad 'timestamp,value\n0,1\n300,two\n' 'x.csv:3: .*not a finite number'
bad 'timestamp,value\n0,1\n300,nan\n' 'x.csv:3: .*not a finite number'
bad 'timestamp,value\n0,1\n300\n' 'x.csv:3: .*fewer columns'
bad 'timestamp,value\n2014-02-30 00:00:00,1\n' 'x.csv:2: the timestamp'
bad 'timestamp,value\n1e300,1\n' 'x.csv:2: the timestamp'
bad 'timestamp,value\n' 'has no rows'
# Another table beside the series is named and passed over; alone it is nothing to replay.
rm -rf "$work/other" && mkdir "$work/other"
printf 'time,value\n0,1\n' > "$work/other/x.csv"
: > "$work/other/empty.csv"
if "$replay" forecast "$work/other" "$work/other_out" 2> "$work/said"; then fail "replayed nothing, and said it had"; fi
series 10 > "$work/other/y.csv"
"$replay" forecast "$work/other" "$work/other_out" 2> "$work/said" || fail "another table was no reason to fail"
grep -q 'x.csv:1: is no series' "$work/said" || fail "another table is not named"
[ -s "$work/other_out/y.csv" ] || fail "the series beside another table was not replayed"
[ ! -e "$work/other_out/x.csv" ] || fail "another table was replayed"
rm -rf "$work/cut" && mkdir "$work/cut"
series 300 | gzip | head -c 300 > "$work/cut/x.csv.gz"
if "$replay" limits "$work/cut" "$work/cut_out" 2> "$work/said"; then fail "took half a .gz"; fi
grep -q 'x.csv.gz' "$work/said" || fail "half a .gz is not named"

# Wrong usage is 2; no series, and a folder that cannot be written, are 1.
status() { set +e; "$@" > /dev/null 2>&1; echo $?; }
[ "$(status "$replay")" = 2 ] || fail "no arguments"
[ "$(status "$replay" guess "$work/data" "$work/o")" = 2 ] || fail "unknown mode"
[ "$(status "$replay" limits "$work/data" "$work/o" --kappa x)" = 2 ] || fail "kappa that is no number"
[ "$(status "$replay" forecast "$work/none" "$work/o")" = 1 ] || fail "no folder"
[ "$(status "$replay" forecast "$work/data" /proc/none)" = 1 ] || fail "a folder that cannot be made"
echo "all well"
