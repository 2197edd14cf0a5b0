#!/usr/bin/env bash
# Makes lib/: libmlxc, libmlx and what they need. README.md beside this file says
# from what, and why so.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$here/build
lib=$here/lib
system=$(uname -s)
machine=$(uname -m)
recipe=mlx-c

case $system in
  Linux) ending=so origin="\$ORIGIN" ;;
  Darwin) ending=dylib origin=@loader_path ;;
  *) ending= ;;
esac

# The stamp names all that the result depends on. A finished lib/ holds it.
stamp="mlx-c 0.7.0, MLX 0.32.2, $system $machine, recipe $(cd "$here" && cat ../steps.sh build.sh format.h requirements.txt source/Cargo.* | cksum)"
finished() {
  [ -e "$lib/libmlxc.$ending" ] && [ "$(cat "$lib/.stamp" 2>/dev/null)" = "$stamp" ]
}
if finished; then
  exit 0
fi
# shellcheck source=../steps.sh
. "$here/../steps.sh"

# Where MLX has no wheel, nothing here helps.
case $system-$machine in
  Linux-x86_64 | Linux-aarch64)
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo "another libc")
    printf '%s\n' "glibc 2.35" "$libc" | sort -C -t. -k2,2n ||
      die "MLX's wheels need glibc 2.35 or later (Debian 12, Ubuntu 22.04, Fedora 36); this system has $libc"
    ;;
  Darwin-arm64) ;;
  *) die "MLX has no build for $system on $machine (have: Linux on x86_64 and aarch64, macOS on arm64)" ;;
esac

# A Mac with Homebrew needs nothing built, and mlxlens looks there by itself.
if [ "$system" = Darwin ]; then
  mac="brew install mlx-c, after which nothing needs to be built"
  if has brew; then
    cellar=$(readlink "${HOMEBREW_PREFIX:-/opt/homebrew}/opt/mlx-c" || true)
    case $cellar in
      */mlx-c/0.7.*)
        say "Homebrew has it: ${cellar##*Cellar/}"
        exit 0
        ;;
      '') say "building it; \`brew install mlx-c\` would do without" ;;
      *) say "building it: Homebrew has ${cellar##*/}, and mlxlens needs 0.7" ;;
    esac
  else
    mac="Homebrew, then: $mac"
  fi
fi

if [ -e "$lib" ] && [ ! -w "$lib" ]; then
  die "$lib is not writable: it is to be replaced by $stamp"
fi
begin "$build"

require python3 cargo cmake make c++
python=$(first python3 has_pip)
cargo=$(first cargo reads_sparse_index)

# OpenBLAS is for speed: nothing fails without it.
has_openblas() { "$python" -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")' 2>/dev/null; }
if [ "$system" = Linux ] && ! has_openblas; then
  if ! { as_root && has apt-get && try "installing OpenBLAS" apt_install libopenblas0-pthread; }; then
    say "going on without OpenBLAS (libopenblas.so.0): matrix products will be about 50 times slower than with it"
  fi
fi

step "downloading libmlx, 10 to 65 MB" wheel "$here/requirements.txt" "$run/wheel"

cp -R "$here/source" "$run/source"
step "downloading mlx-c, 1 MB" "$cargo" vendor --locked --manifest-path "$run/source/Cargo.toml" "$run/vendor"
sources=$run/vendor/mlx-sys/src/mlx-c

# The libraries find each other in their own folder, wherever it is moved.
step "configuring" cmake -S "$sources" -B "$run/cmake" -DCMAKE_BUILD_TYPE=Release \
  -DMLX_C_USE_SYSTEM_MLX=ON -DBUILD_SHARED_LIBS=ON -DMLX_C_BUILD_EXAMPLES=OFF \
  "-DMLX_DIR=$run/wheel/mlx/share/cmake/MLX" "-DCMAKE_CXX_FLAGS=-include \"$here/format.h\"" \
  -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=$origin"
step "compiling" cmake --build "$run/cmake" --parallel "$(getconf _NPROCESSORS_ONLN)"

# gather puts together in lib/ what a program loads, the licenses that go with it, and
# the headers that include/mlxc.h is checked against.
gather() {
  local new=$run/lib
  mkdir -p "$new/include/mlx/c" &&
    cp "$run/cmake/libmlxc.$ending" "$run"/wheel/mlx/lib/lib*."$ending" "$new" &&
    find "$run/wheel/mlx/lib" -name '*.metallib' -exec cp {} "$new" \; &&
    cp "$sources/LICENSE" "$new/LICENSE.mlx-c" &&
    cp "$run"/wheel/*.dist-info/licenses/LICENSE "$new/LICENSE.mlx" &&
    cp "$sources"/mlx/c/*.h "$new/include/mlx/c" &&
    printf '%s\n' "$stamp" >"$new/.stamp" || return
  if [ -d "$run/wheel/mlx_cpu.libs" ]; then
    cp "$run"/wheel/mlx_cpu.libs/* "$new" && "$python" - "$new/libmlx.so"
  fi
} <<'PYTHON'
# The wheel's libmlx looks for its BLAS two folders up; here it lies beside it.
import sys
path = sys.argv[1]
data = open(path, "rb").read()
old = b"$ORIGIN/../../mlx_cpu.libs\0"
if data.count(old) != 1:
    sys.exit("libmlx.so's search path is not the one that was expected")
open(path, "wb").write(data.replace(old, b"$ORIGIN".ljust(len(old), b"\0")))
PYTHON
step "gathering" gather

loads() { "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1]).mlx_compile_cache_new' "$run/lib/libmlxc.$ending"; }
step "loading it" loads

# Only a whole folder gets the name lib, and the first of two runs wins.
finished && exit 0
[ ! -e "$lib" ] || mv "$lib" "$run/old"
"$python" -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$run/lib" "$lib"
say "ready: $lib"
