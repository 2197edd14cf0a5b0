#!/bin/sh
# source.sh makes dist/mlxlens-VERSION-source.tar.gz, all files of the commit that is checked out. The version is the first
# argument, and must be the one that the archive's own program will say.
set -eu
cd "$(dirname "$0")/../.."
version=$1
archive=dist/mlxlens-$version-source.tar.gz
mkdir -p dist
trap 'rm -f "$archive"' EXIT # what is not whole, or not right, is nothing for a release
git archive --format tar.gz --prefix "mlxlens-$version/" -o "$archive" HEAD || {
	echo "source.sh: the archive is made of what git has of a checkout: run it in one" >&2
	exit 1
}
read -r says _ <<TEXT
$(tar -xzOf "$archive" "mlxlens-$version/cmd/mlxlens/internal/cli/archived.txt")
TEXT
if [ "$says" != "$version" ]; then
	echo "source.sh: the archive of HEAD is $says, and was to be named $version: commit what has changed, and give no other VERSION" >&2
	exit 1
fi
trap - EXIT
echo "$archive"
