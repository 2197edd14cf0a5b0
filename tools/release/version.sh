#!/bin/sh
# version.sh prints the version of this tree: the one that `git archive` wrote into it, or in a checkout what `git describe` says,
# with -dirty where files differ from the commit; nothing where neither knows. Tags that are no release's, such as v1 and v1.2.0-rc1,
# are no version, and of several at one commit the latest counts.
set -eu
cd "$(dirname "$0")/../.."
read -r version _ <cmd/mlxlens/internal/cli/archived.txt
case $version in
'$Format:'*)
	here=$(git tag --points-at HEAD --sort=-version:refname 2>/dev/null | grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' | head -n 1) || true
	git describe --tags --match "${here:-v[0-9]*.[0-9]*.[0-9]*}" --exclude '*[-+]*' --always --dirty 2>/dev/null || true
	;;
*) echo "$version" ;;
esac
