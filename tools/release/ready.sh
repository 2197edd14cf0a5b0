#!/bin/sh
# ready.sh says whether $TAG can be released: the tree calls itself so, and CHANGELOG.md has a section of it, which is printed.
set -eu
cd "$(dirname "$0")/../.."
version=$(tools/release/version.sh)
[ "$version" = "$TAG" ] || { echo "ready.sh: this tree calls itself ${version:-nothing}, and not $TAG: want a tag of three numbers, as v1.2.3, the latest of its commit, and nothing changed" >&2; exit 1; }
format=$(sed -n 's/^\$Format:\(.*\) %h\$$/\1/p' cmd/mlxlens/internal/cli/archived.txt)
archive=${format:+$(git log -1 --format="$format")}
[ "${archive:-$TAG}" = "$TAG" ] || { echo "ready.sh: archives of this commit would call themselves $archive: take that tag away" >&2; exit 1; }
notes=$(awk -v head="## [${TAG#v}]" 'index($0, head) == 1 { on = 1; next } /^## / { on = 0 } on && (NF || some) { some = 1; print }' CHANGELOG.md)
[ -n "$notes" ] || { echo "ready.sh: CHANGELOG.md has no section [${TAG#v}]: write it before the tag" >&2; exit 1; }
printf '%s\n' "$notes"
