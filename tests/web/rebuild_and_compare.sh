#!/bin/sh
# Builds the dashboard anew in a temporary folder and compares it with web/dist, byte for byte; then runs
# its unit tests. Exit 77: skipped, with the reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
web=$(cd "$here/../../web" && pwd)

skip() { echo "skipped: $1"; exit 77; }
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "node is older than 18"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
for each in "$web"/* "$web"/.[!.]*; do
  case ${each##*/} in
    node_modules | dist | '.[!.]*') ;;
    *) cp -R "$each" "$work/" ;;
  esac
done
# The packages of the checkout serve when they are those of the lock file; else they are fetched.
if [ -d "$web/node_modules" ] && (cd "$web" && npm ls --all >/dev/null 2>&1); then
  ln -s "$web/node_modules" "$work/node_modules"
else
  if ! (cd "$work" && npm ci --no-audit --no-fund >"$work/npm.log" 2>&1); then
    # A lock file that does not fit is a mistake of ours; a registry out of reach is not.
    if grep -q EUSAGE "$work/npm.log"; then cat "$work/npm.log"; exit 1; fi
    skip "npm ci fails: $(grep -m 1 'npm error' "$work/npm.log")"
  fi
fi

(cd "$work" && npm run -s build >"$work/build.log" 2>&1) || { cat "$work/build.log"; exit 1; }
if ! diff -r "$web/dist" "$work/dist"; then
  echo "web/dist is not what web/src builds: run 'npm ci && npm run build' in web/ and commit web/dist"
  exit 1
fi
compressed=$(find "$work/dist" -type f -exec gzip -9c {} + | wc -c)
[ "$compressed" -lt 150000 ] || { echo "web/dist has $compressed bytes compressed, more than 150000"; exit 1; }
echo "web/dist is what web/src builds, $compressed bytes compressed"
HEADROOM_WEB_PACKAGES=$work node "$here/run_unit.mjs"
