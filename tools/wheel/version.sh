#!/bin/sh
# version.sh prints a version of this project as Python's packages have them (PEP 440), or refuses it:
#
#   v1.2.3               1.2.3
#   v1.2.3-4-gabcdef     1.2.3.post4+gabcdef, which sorts behind 1.2.3 and before 1.2.4
#   abcdef               0.0.dev0+gabcdef, of a commit with no release before it
#
# with .dirty, or +dirty, where it ends in -dirty. What is one of PEP 440 already stays, but for its v.
set -eu
given=$1
n='(0|[1-9][0-9]*)'
version=$(printf '%s\n' "$given" | sed -E -e 's/-dirty$/.dirty/' -e 's/^v//' -e 's/^([0-9a-f]{7,40}(\.dirty)?)$/0.0.dev0+g\1/' \
	-e 's/-([0-9]+)-(g[0-9a-f]+)/.post\1+\2/' -e '/\+/!s/\.dirty$/+dirty/')
printf '%s\n' "$version" | grep -Eqx "$n(\.$n)*((a|b|rc)$n)?(\.post$n)?(\.dev$n)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?" || {
	echo "wheel: '$given' is no version that a Python package can have (want 1.2.3, 1.2.3rc1, v1.2.3 or what git describe says): give one by VERSION=" >&2
	exit 1
}
printf '%s\n' "$version"
