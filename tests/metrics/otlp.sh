#!/bin/sh
# Both encodings of OTLP, read by OpenTelemetry's own schema. usage: otlp.sh PRINT_METRICS BUILD_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v npm >/dev/null || { echo "skipped: npm is not installed"; exit 77; }
mkdir -p "$2/metrics_npm"
cd "$2/metrics_npm"
if ! cmp -s "$here/package-lock.json" package-lock.json || [ ! -d node_modules ]; then
  cp "$here/package.json" .
  cp "$here/package-lock.json" .
  npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 || {
    echo "skipped: npm cannot fetch the decoder: $(tail -1 npm.log)"
    rm -f package-lock.json
    exit 77
  }
fi
"$1" protobuf >metrics.pb
"$1" json >metrics.json
cp "$here/decode.js" .
node decode.js metrics.pb metrics.json
