#!/bin/sh
# ready.sh says whether $TAG can be released: CHANGELOG.md has a section of it, and the tree calls itself so.
set -eu
cd "$(dirname "$0")/../.."
version=$(tools/release/version.sh)
[ "$version" = "$TAG" ] || { echo "ready.sh: this tree calls itself ${version:-nothing}, and not $TAG: is that the latest tag here, v1.2.3, and is nothing changed?" >&2; exit 1; }
awk -v head="## [${TAG#v}]" 'index($0, head) == 1 { on = 1; next } /^## / { on = 0 } on && NF { found = 1 } END { exit !found }' CHANGELOG.md ||
	{ echo "ready.sh: CHANGELOG.md has no section [${TAG#v}]: write it before the tag" >&2; exit 1; }
