#!/bin/sh
# npm.sh FROM TO PACKAGE: installs what FROM/package.json names into TO, exactly as locked where there is a lock file.
# Does nothing when PACKAGE is there in that version.
set -eu
from=$1 to=$2 package=$3
pinned=package.json install='install --no-package-lock'
if [ -f "$from/package-lock.json" ]; then
  pinned=package-lock.json install=ci
fi
is_there() {
  [ -f "$to/node_modules/$package/package.json" ] && cmp -s "$from/$pinned" "$to/$pinned"
}
if is_there; then
  exit 0
fi
mkdir -p "$to"
# Beside others who want the same: prepared aside, moved into place at once.
aside=$(mktemp -d "$to.XXXXXX")
trap 'rm -rf "$aside"' EXIT
for file in package.json "$pinned"; do
  cp "$from/$file" "$aside/"
done
# $install is one word or two.
if ! (cd "$aside" && npm $install --no-audit --no-fund --ignore-scripts --loglevel=error) >&2; then
  echo "npm's packages of $from/package.json could not be installed: connect this machine to the package registry once and run 'make tools'" >&2
  exit 1
fi
if is_there; then
  exit 0
fi
rm -rf "$to"
mv "$aside" "$to"
trap - EXIT
