#!/bin/sh
# publish.sh makes the release of $TAG on GitHub, with the files of dist and what CHANGELOG.md says of
# it. Nothing is made when the tag is not what stands in the changelog; a release that an earlier run made gets the files of this one.
set -eu
cd "$(dirname "$0")/../.."
notes=$(tools/release/ready.sh)
for file in SHA256SUMS mlxlens.rb "mlxlens-$TAG-source.tar.gz" "mlxlens-$TAG.cdx.json"; do
	[ -f "dist/$file" ] || { echo "publish.sh: dist/$file is not there" >&2; exit 1; }
done
if gh release view "$TAG" >/dev/null 2>&1; then
	gh release upload "$TAG" --clobber dist/*
	exit
fi
printf '%s\n' "$notes" | gh release create "$TAG" --verify-tag --title "mlxlens ${TAG#v}" --notes-file - dist/*
