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
  Linux) ending=so ;;
  Darwin) ending=dylib ;;
  *) ending= ;;
esac

# The stamp names all that the result depends on. A finished lib/ holds it.
stamp="mlx-c 0.7.0, MLX 0.32.2, $system $machine, recipe $(cd "$here" && cat ../steps.sh build.sh format.h requirements.txt sources.sha256 source/Cargo.* | cksum)"
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

# A Mac with Homebrew's mlx-c, 0.7.0 or later, needs nothing built: mlxlens looks there by itself.
# MLX_C_OWN=1 builds all the same.
if [ "$system" = Darwin ] && [ -z "${MLX_C_OWN:-}" ]; then
  cellar=$(readlink "${HOMEBREW_PREFIX:-/opt/homebrew}/opt/mlx-c" || true)
  version=${cellar##*/}
  case $version in
    '') say "building it; with Homebrew, \`brew install mlx-c\` would do without" ;;
    0.[0-6] | 0.[0-6].*) say "building it: Homebrew has mlx-c $version, and mlxlens needs 0.7.0 or later (\`brew upgrade mlx-c\`)" ;;
    *)
      say "Homebrew has mlx-c $version, and nothing is built"
      exit 0
      ;;
  esac
fi

if [ -e "$lib" ] && [ ! -w "$lib" ]; then
  die "$lib is not writable: it is to be replaced by $stamp"
fi
begin "$build"

require python3 c++
python=$(first python3 has_pip)
compiler=$(first c++ runs)
# The sources come by cargo or by go: whoever builds mlxlens has go.
cargo=$(first cargo reads_sparse_index) || cargo=
go=$(first go has_modules) || go=
if [ -z "$cargo$go" ]; then
  [ "$system" = Linux ] || die "missing: go, which fetches the sources. See https://go.dev/doc/install"
  require cargo
  cargo=$(first cargo reads_sparse_index)
fi

# OpenBLAS is for speed: nothing fails without it.
has_openblas() { "$python" -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")' 2>/dev/null; }
if [ "$system" = Linux ] && ! has_openblas; then
  if ! { as_root && has apt-get && try "installing OpenBLAS" apt_install libopenblas0-pthread; }; then
    say "going on without OpenBLAS (libopenblas.so.0): matrix products will be about 50 times slower than with it"
  fi
fi

step "downloading libmlx, 10 to 65 MB" wheel "$here/requirements.txt" "$run/wheel"

# sources FOLDER puts mlx-c's folder there, which has the same files whoever fetched it.
sources() {
  if [ -n "$cargo" ]; then
    cp -R "$here/source" "$run/source" &&
      "$cargo" vendor --locked --manifest-path "$run/source/Cargo.toml" "$run/vendor" &&
      mv "$run/vendor/mlx-sys/src/mlx-c" "$1"
  else
    mkdir "$run/source" &&
      (cd "$run/source" && GOMODCACHE=$run/modules GOFLAGS=-modcacherw GOWORK=off "$go" mod download github.com/ml-explore/mlx-c@v0.7.0) &&
      mv "$run/modules/github.com/ml-explore/mlx-c@v0.7.0" "$1"
  fi && same_sources "$1"
}
same_sources() {
  "$python" - "$1" "$here/sources.sha256" <<'PYTHON'
import hashlib, pathlib, sys
want = open(sys.argv[2]).read().strip()
root = pathlib.Path(sys.argv[1])
whole = hashlib.sha256()
for path in sorted((root / "mlx" / "c").rglob("*")):
    if path.suffix in (".cpp", ".h"):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
if whole.hexdigest() != want:
    sys.exit("these are not the sources of mlx-c 0.7.0: SHA-256 %s, want %s" % (whole.hexdigest(), want))
PYTHON
}
step "downloading mlx-c, 1 MB" sources "$run/sources"

# The libraries find each other in their own folder, wherever it is moved.
flags=(-std=gnu++20 -O2 -fPIC -DNDEBUG -include "$here/format.h" -I "$run/sources" -I "$run/wheel/mlx/include")
if [ "$system" = Darwin ]; then
  flags+=(-D_METAL_ -DACCELERATE_NEW_LAPACK)
  link=(-dynamiclib -install_name "@rpath/libmlxc.dylib" -Wl,-rpath,@loader_path)
else
  link=(-shared -Wl,-soname,libmlxc.so -Wl,--enable-new-dtags "-Wl,-rpath,\$ORIGIN" -Wl,--no-undefined)
fi
# compile makes an object of each source, as many at a time as there are processors.
compile() {
  mkdir "$run/objects" && cd "$run/objects" &&
    printf '%s\0' "$run"/sources/mlx/c/*.cpp | xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" "$compiler" "${flags[@]}" -c
}
step "compiling" compile
step "linking" "$compiler" "${link[@]}" -o "$run/libmlxc.$ending" "$run"/objects/*.o "$run/wheel/mlx/lib/libmlx.$ending"

# gather puts together in lib/ what a program loads, the licenses that go with it, and
# the headers that include/mlxc.h is checked against.
gather() {
  local new=$run/lib
  mkdir -p "$new/include/mlx/c" &&
    cp "$run/libmlxc.$ending" "$run"/wheel/mlx/lib/lib*."$ending" "$new" &&
    find "$run/wheel/mlx/lib" -name '*.metallib' -exec cp {} "$new" \; &&
    cp "$run/sources/LICENSE" "$new/LICENSE.mlx-c" &&
    cp "$run"/wheel/*.dist-info/licenses/LICENSE "$new/LICENSE.mlx" &&
    cp "$run"/sources/mlx/c/*.h "$new/include/mlx/c" &&
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

# loads opens the libraries in the program's own order (mlx/place.go): on a Mac libmlxc finds
# libmlx by its own load commands, and libmlx alone could not find what it needs.
loads() {
  "$python" - "$system" "$run/lib" "$ending" <<'PYTHON'
import ctypes, sys
system, folder, ending = sys.argv[1:]
if system == "Linux":
    ctypes.CDLL(f"{folder}/libmlx.{ending}", ctypes.RTLD_GLOBAL)
ctypes.CDLL(f"{folder}/libmlxc.{ending}").mlx_compile_cache_new
PYTHON
}
step "loading it" loads

# Only a whole folder gets the name lib, and the first of two runs wins.
finished && exit 0
[ ! -e "$lib" ] || mv "$lib" "$run/old"
"$python" -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$run/lib" "$lib"
say "ready: $lib"
