#!/bin/sh
# The alert rules are right, and ring when they should. usage: rules.sh SOURCE_DIR
set -eu
command -v promtool >/dev/null || { echo "skipped: promtool is not installed"; exit 77; }
cd "$1/packaging/prometheus"
promtool check rules headroom.rules.yml
promtool test rules headroom.rules.test.yml
