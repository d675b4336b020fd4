#!/bin/sh
# Runs the daemon's tests of memory that runs short where this machine cannot: in a guest with every
# cgroup v2 controller.
#   daemon_in_guest.sh BUILD_DIR        77: skipped, with the reason
set -u
build=$(cd "${1:?usage: daemon_in_guest.sh BUILD_DIR}" && pwd) || exit 2
project=$(cd "$(dirname "$0")/../.." && pwd)
runner=${HEADROOM_RUN_IN_VM:-$project/../shared/vm/run-in-vm}
tests=$build/bin/end_to_end_test

if [ ! -x "$runner" ]; then
  echo "skipped: there is no $runner (HEADROOM_RUN_IN_VM names another runner of guests)"
  exit 77
fi
if [ ! -x "$tests" ]; then
  echo "skipped: $tests is not built"
  exit 77
fi
"$runner" -t 800 -m 2048 -d "$build" "$tests" --gtest_brief=1 --gtest_filter='Held.*:MayEnd.*'
status=$?
# 125: no guest came up. That says nothing about our code.
if [ $status -eq 125 ]; then
  echo "skipped: the guest could not be started"
  exit 77
fi
[ $status -eq 0 ] || exit 1
