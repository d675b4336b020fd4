#!/bin/sh
# The development data through headroom-replay, scored beside the baselines; ends with 1 when a bar
# does not hold.
# usage: score.sh BIN_DIR SHARED_DIR
set -eu
replay=$1/headroom-replay
shared=$2
for needed in "$shared/data/traces" "$shared/score/forecast_score.py" "$shared/score/replay_score.py" \
  "$shared/data/nab" "$shared/data/cloudmon" "$shared/score/nab_score.py"; do
  if [ ! -e "$needed" ]; then
    echo "make score needs the measuring data and the scorers, and $needed is not there" >&2
    exit 1
  fi
done
command -v python3 > /dev/null || { echo "make score needs python3" >&2; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
# Python may not leave its cache beside the scorers.
score() {
  scorer=$1
  shift
  PYTHONDONTWRITEBYTECODE=1 python3 "$shared/score/$scorer" score "$@" || status=1
}

echo "== forecast: 15 minutes ahead, 90 % intervals; bars: rMAE 0.83, in band 0.93"
"$replay" forecast "$shared/data/traces" "$out/forecast"
score forecast_score.py --data "$shared/data/traces" --forecasts "$out/forecast" \
  --against "$shared/score/baseline/forecast.json" --max-rmae 0.83 --min-inband 0.93

for posture in "aggressive 50 0.60 0.022 0.32" "conservative 800 1 0.0045 0.40"; do
  set -- $posture
  echo "== limits: $1, kappa $2; bars: cost $3 of the best baseline, violations $4, slack $5"
  "$replay" limits "$shared/data/traces" "$out/limits" --kappa "$2"
  score replay_score.py --usage "$shared/data/traces" --limits "$out/limits" \
    --against "$shared/score/baseline/replay.json" --max-ratio "$3" --max-violation "$4" --max-slack "$5"
done
nab() {
  PYTHONDONTWRITEBYTECODE=1 python3 "$shared/score/nab_score.py" "$@" || status=1
}
echo "== anomaly: NAB, the threshold that is best for all files; bar 64"
"$replay" anomaly "$shared/data/nab/data" "$out/nab"
nab --scores "$out/nab" --windows "$shared/data/nab/windows.json" --data "$shared/data/nab/data" \
  --save-threshold "$out/threshold.json" --min-standard 64
echo "== anomaly: cloud monitoring, that threshold carried over; bar 53"
"$replay" anomaly "$shared/data/cloudmon/data" "$out/cloudmon"
nab --scores "$out/cloudmon" --windows "$shared/data/cloudmon/windows.json" \
  --threshold-file "$out/threshold.json" --min-standard 53
[ "$status" = 0 ] && echo "== every bar holds" || echo "== a bar does not hold" >&2
exit "$status"
