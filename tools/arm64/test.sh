#!/usr/bin/env bash
# Runs tests for linux/arm64 under qemu-user on another machine: the vector loops of lens, and with
# `all` the short tests of packages that compute (PACKAGES names others), on a cross-compiled
# libmlxc. Tests know it by $MLXLENS_EMULATED (internal/emulated): some compute less then, few are
# skipped, each with its reason. Debian has what it takes: qemu-user, g++-aarch64-linux-gnu and with it
# an arm64 libc.
#
#   test.sh [scan|all]
set -euo pipefail
cd "$(dirname "$0")/../.."
what=${1:-scan}
root=${ARM64_ROOT:-/usr/aarch64-linux-gnu}
packages=${PACKAGES:-"./mlx ./lens ./edit ./states ./generate ./model/auto"}
die() {
  echo "arm64: $*" >&2
  exit 1
}
case $what in scan | all) ;; *) die "there is no part $what (have: scan, all)" ;; esac

tools="qemu-aarch64 aarch64-linux-gnu-as aarch64-linux-gnu-objdump"
[ "$what" = scan ] || tools="$tools aarch64-linux-gnu-g++"
for tool in $tools; do
  command -v "$tool" >/dev/null || die "$tool is not there: sudo apt-get install -y qemu-user g++-aarch64-linux-gnu"
done
[ -e "$root/lib/ld-linux-aarch64.so.1" ] || die "$root has no arm64 libc: name a root in \$ARM64_ROOT"

work=$PWD/bin/arm64
mkdir -p "$work"

# words checks that each instruction that lens/scan_arm64.s has as a number is the one beside it.
words() {
  # shellcheck disable=SC2016 # the $ is the assembler's
  sed -n 's,^.*WORD \$0x\([0-9a-f]*\) // \([^:]*\).*$,\1 \2,p' lens/scan_arm64.s >"$work/words"
  cut -d' ' -f2- "$work/words" >"$work/words.s"
  aarch64-linux-gnu-as -o "$work/words.o" "$work/words.s"
  aarch64-linux-gnu-objdump -d "$work/words.o" | sed -n 's/^ *[0-9a-f]*:[[:space:]]*\([0-9a-f]\{8\}\)[[:space:]].*/\1/p' >"$work/assembled"
  cut -d' ' -f1 "$work/words" | diff - "$work/assembled" >&2 || die "lens/scan_arm64.s: a word is not the instruction beside it"
  [ -s "$work/assembled" ] || die "lens/scan_arm64.s has no words"
  echo "arm64: $(wc -l <"$work/words") instructions of lens/scan_arm64.s are what stands beside them"
}

# program NAME ARGUMENT… makes one of this machine that is an arm64 one under qemu, with its own arguments behind those.
program() {
  local file=$work/$1
  shift
  printf '#!/bin/sh\nexec qemu-aarch64 -L %q %s "$@"\n' "$root" "$*" >"$file"
  chmod +x "$file"
}

# emulated PACKAGE ARGUMENT… runs the tests of a package.
emulated() {
  local package=$1 name
  name=$(tr / - <<<"${1#./}")
  shift
  CGO_ENABLED=0 go test -c -o "$work/$name.test" "$package"
  # shellcheck disable=SC2016 # its own name is the first argument that the test gets: what it starts anew by that is emulated too
  program "$name" -0 '"$0"' "$(printf %q "$work/$name.test")"
  (cd "$package" && "$work/$name" "$@")
}

# What tests compile or run by a toolchain is for arm64 as well.
mkdir -p "$work/tools"
export GOOS=linux GOARCH=arm64 PATH=$work/tools:$PATH
program tools/go_linux_arm64_exec
if compiler=$(command -v aarch64-linux-gnu-gcc); then
  ln -sf "$compiler" "$work/tools/cc"
fi

words
emulated ./lens -test.v -test.run '^(TestVector.*|TestScanInGo.*|TestAccumulatorAgrees.*|TestCountAbove.*|TestNaNIsNoCandidate)$' | tee "$work/scan.txt"
[ "$(grep -c '^--- PASS' "$work/scan.txt")" -ge 6 ] || die "the tests of the scan did not all run"
[ "$what" = all ] || exit 0

library=$PWD/third_party/mlx-c/lib-Linux-aarch64
[ -e "$library/libmlxc.so" ] || MLX_C_TARGET=Linux-aarch64 MLX_C_CXX=aarch64-linux-gnu-g++ third_party/mlx-c/build.sh
[ -e "$library/libmlxc.so" ] || die "third_party/mlx-c/build.sh made no $library"
export MLX_C_LIBRARY=$library/libmlxc.so MLX_C_BLAS=none MLXLENS_EMULATED=1
for package in $packages; do
  echo "arm64: $package"
  began=$SECONDS
  emulated "$package" -test.short -test.timeout 60m
  echo "arm64: $package took $((SECONDS - began)) s"
done
