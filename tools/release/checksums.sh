#!/bin/sh
# checksums.sh writes dist/SHA256SUMS: a line for each file of a release, in the form that
# `sha256sum -c` and `shasum -c` read.
set -eu
cd "$(dirname "$0")/../../dist"
rm -f SHA256SUMS
[ -n "$(ls)" ] || { echo "checksums.sh: dist has no files: make dist" >&2; exit 1; }
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
for file in *; do
	$sum "$file"
done >../SHA256SUMS.tmp
mv ../SHA256SUMS.tmp SHA256SUMS
echo dist/SHA256SUMS
