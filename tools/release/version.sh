#!/bin/sh
# version.sh prints the version of this tree: the one that `git archive` wrote into it, or in a checkout what `git describe` says,
# with -dirty where files differ from the commit; nothing where neither knows. Tags that are no release's, such as v1.2.0-rc1, are
# no version.
set -eu
cd "$(dirname "$0")/../.."
read -r version _ <cmd/mlxlens/internal/cli/archived.txt
case $version in
'$Format:'*) git describe --tags --match 'v[0-9]*' --exclude '*-*' --always --dirty 2>/dev/null || true ;;
*) echo "$version" ;;
esac
