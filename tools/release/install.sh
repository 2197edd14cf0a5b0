#!/bin/sh
# install.sh puts what `make build mlx-c` made under a prefix, its argument. A program that runs from there keeps the library that
# it has opened: the new one comes into a folder of its own, which then takes the old one's place.
set -eu
cd "$(dirname "$0")/../.."
prefix=$1
library=$prefix/lib/mlxlens
install -d "$prefix/bin" "$library"
if [ -d third_party/mlx-c/lib ]; then # else Homebrew has it
	rm -rf "$library.new"
	mkdir "$library.new"
	cp -R third_party/mlx-c/lib/* "$library.new"
	rm -rf "$library.new/include" "$library"
	mv "$library.new" "$library"
fi
install -m 644 LICENSE NOTICES.md "$library"
install -m 755 bin/mlxlens "$prefix/bin"
echo "$prefix/bin/mlxlens"
