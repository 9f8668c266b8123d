#!/bin/sh
# Installs what drives and audits the browser, in the versions of package.json, into target/browser. Does nothing when it is there.
set -eu
from=$(cd "$(dirname "$0")" && pwd)
to=${1:-target/browser}
if [ -f "$to/node_modules/playwright-core/package.json" ] && cmp -s "$from/package.json" "$to/package.json"; then
  exit 0
fi
mkdir -p "$to"
# Beside others who want the same: prepared aside, moved into place at once.
aside=$(mktemp -d "$to.XXXXXX")
trap 'rm -rf "$aside"' EXIT
cp "$from/package.json" "$aside/"
if ! (cd "$aside" && npm install --no-audit --no-fund --ignore-scripts --no-package-lock --loglevel=error) >&2; then
  echo "npm's packages playwright-core and axe-core could not be installed: connect this machine to the package registry once and run 'make tools'" >&2
  exit 1
fi
rm -rf "$to"
mv "$aside" "$to"
trap - EXIT
