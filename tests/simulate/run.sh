#!/bin/sh
# The simulator as tests: short, digest, sabotage KIND, clean, components, million.
set -u
what=$1
simulate=$2
out=$(mktemp)
trap 'rm -f "$out"' EXIT

fail() {
  cat "$out"
  echo "$*"
  exit 1
}

case $what in
short)
  for seed in $(seq 1 20); do
    "$simulate" --seed "$seed" --events 5000 >"$out" || fail "seed $seed"
    tail -n 1 "$out" | grep -Eq "^events 5000 checked [0-9]+ seed $seed digest [0-9a-f]{16}$" || fail "last line"
  done
  ;;
digest)
  "$simulate" --seed 7 --events 5000 >"$out" || fail "seed 7"
  first=$(tail -n 1 "$out")
  again=$("$simulate" --seed 7 --events 5000 | tail -n 1)
  other=$("$simulate" --seed 8 --events 5000 | tail -n 1)
  [ "$first" = "$again" ] || fail "the same seed gave: $again"
  [ "${first##* }" != "${other##* }" ] || fail "another seed gave the same digest"
  ;;
sabotage)
  for seed in 1 2 3 4 5; do
    "$simulate" --seed "$seed" --events 20000 --sabotage "$3" >"$out"
    [ $? -eq 1 ] || fail "seed $seed: $3 was not found"
    grep -q "^broken at event [0-9]* of seed $seed: " "$out" || fail "seed $seed: it is not said what broke"
  done
  ;;
clean)  # without sabotage the same seeds run to their end: what was found there is the sabotage
  for seed in 1 2 3 4 5; do
    "$simulate" --seed "$seed" --events 20000 >"$out" || fail "seed $seed fails without sabotage"
  done
  ;;
components)  # a thousand programs come and go
  for seed in 1 2 3; do
    "$simulate" --seed "$seed" --events 12000 --components 1000 --verbose >"$out" || fail "seed $seed"
    together=$(sed -n 's/.* together \([0-9]*\)$/\1/p' "$out")
    [ "$together" -ge 400 ] || fail "seed $seed: only $together were there at once"
  done
  ;;
million)
  for seed in 101 102 103 104 105 106 107 108 109 110; do
    "$simulate" --seed "$seed" --events 100000 >"$out" || fail "seed $seed"
  done
  ;;
*)
  echo "usage: run.sh short|digest|sabotage|clean|components|million PROGRAM [KIND]"
  exit 2
  ;;
esac
