#!/bin/sh
# Measures what headroom promises to cost, and fails when a promise is missed: bench/run.sh build/release/bin
exec python3 "$(dirname "$0")/gates.py" "$@"
