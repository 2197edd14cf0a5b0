#!/bin/sh
# archive.sh makes dist/mlxlens-VERSION-SYSTEM-MACHINE.tar.gz: the program, its library, the man
# pages and the licences, in the folders in which the program looks for them. The version is the
# first argument. It needs what `make build mlx-c man` made.
set -eu
cd "$(dirname "$0")/../.."
version=$1
system=$(uname -s | tr '[:upper:]' '[:lower:]')
machine=$(uname -m)
case $machine in
x86_64) machine=amd64 ;;
aarch64) machine=arm64 ;;
esac
name=mlxlens-$version-$system-$machine
stage=dist/stage
trap 'rm -rf "$stage" dist/files' EXIT # also of an archive that came to nothing
trap 'exit 1' HUP INT TERM
rm -rf "$stage"
mkdir -p dist
make --no-print-directory install DESTDIR="$stage" PREFIX="/$name"
if [ ! -d "$stage/$name/lib/mlxlens" ] || ! ls "$stage/$name/lib/mlxlens"/libmlxc.* >/dev/null 2>&1; then
	echo "archive.sh: libmlxc is not there: MLX_C_RELEASE=1 make mlx-c" >&2
	exit 1
fi
mkdir -p "$stage/$name/share/man/man1"
cp bin/man/*.1 "$stage/$name/share/man/man1"
cp LICENSE NOTICES.md README.md "$stage/$name"
# the same files give the same archive: one time, no owner, one order. Where git knows no commit, as in an unpacked source archive,
# it is the first that a zip file can have, as in a wheel.
made=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M.%S 2>/dev/null || echo 198001010000.00)
TZ=UTC find "$stage" -exec touch -t "$made" {} +
case $(tar --version) in
*GNU*) owner='--owner=0 --group=0' ;;
*) owner='--uid 0 --gid 0' ;; # bsdtar
esac
(cd "$stage" && find "$name" ! -type d) | LC_ALL=C sort >dist/files
# shellcheck disable=SC2086 # two words each
tar -C "$stage" --format ustar --numeric-owner $owner -cf - -T dist/files | gzip -9n >"dist/$name.tar.gz"
echo "dist/$name.tar.gz"
