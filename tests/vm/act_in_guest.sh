#!/bin/sh
# Runs the tests of src/act where this machine cannot: in a guest with every cgroup v2 controller,
# first as a plain process, then below systemd.
#   act_in_guest.sh BUILD_DIR        77: skipped, with the reason
set -u
build=$(cd "${1:?usage: act_in_guest.sh BUILD_DIR}" && pwd) || exit 2
project=$(cd "$(dirname "$0")/../.." && pwd)
runner=${HEADROOM_RUN_IN_VM:-$project/../shared/vm/run-in-vm}
tests=$build/bin/act_test

if [ ! -x "$runner" ]; then
  echo "skipped: there is no $runner (HEADROOM_RUN_IN_VM names another runner of guests)"
  exit 77
fi
if [ ! -x "$tests" ]; then
  echo "skipped: $tests is not built"
  exit 77
fi
for mode in "" --systemd; do
  echo "guest ${mode:-without systemd}"
  # Each test is named: where one stands still the log says which. 125: no guest came up. That says
  # nothing about our code.
  # shellcheck disable=SC2086  # an empty mode is no argument
  "$runner" $mode -t 800 -d "$build" "$tests" --gtest_print_time=1
  status=$?
  if [ $status -eq 125 ]; then
    echo "skipped: the guest could not be started"
    exit 77
  fi
  [ $status -eq 0 ] || exit 1
done
