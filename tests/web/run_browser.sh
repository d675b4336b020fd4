#!/bin/sh
# Tests the dashboard in Chromium: tests/web/run_browser.sh [URL of a daemon]
# Without a URL the stand-in of tests/web serves web/dist. Exit 77: skipped, with the reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
web=$(cd "$here/../../web" && pwd)

skip() { echo "skipped: $1"; exit 77; }
chromium=${HEADROOM_CHROMIUM:-$(command -v chromium || true)}
[ -n "$chromium" ] && [ -x "$chromium" ] || skip "chromium is not installed (apt-get install chromium)"
command -v node >/dev/null || skip "node is not installed"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "node is older than 18"
if [ ! -d "$web/node_modules/playwright-core" ]; then
  command -v npm >/dev/null || skip "npm is not installed"
  (cd "$web" && npm ci --no-audit --no-fund >/dev/null 2>&1) || skip "npm ci in web/ fails (no network?)"
fi

HEADROOM_CHROMIUM=$chromium
export HEADROOM_CHROMIUM
if [ $# -gt 0 ]; then
  HEADROOM_URL=$1
  export HEADROOM_URL
  exec node --test "$here/overview.test.mjs"
fi
exec node --test "$here/overview.test.mjs" "$here/scenes.test.mjs" "$here/pages.test.mjs" "$here/leases_models.test.mjs" "$here/components.test.mjs"
