#!/bin/sh
# version.sh prints the version of this tree: the one that `git archive` wrote into it, or in a checkout what `git describe` says,
# with -dirty where files differ from the commit; nothing where neither knows.
set -eu
cd "$(dirname "$0")/../.."
read -r version _ <cmd/mlxlens/internal/cli/archived.txt
case $version in
'$Format:'*) git describe --tags --always --dirty 2>/dev/null || true ;;
*) echo "$version" ;;
esac
