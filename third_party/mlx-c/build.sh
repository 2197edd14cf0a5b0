#!/usr/bin/env bash
# Makes lib/: libmlxc, libmlx and what they need. README.md beside this file says
# from what, and why so.
#
# MLX_C_BACKEND=cuda   on Linux, of MLX for NVIDIA's GPUs, in lib/ too, which stays so until MLX_C_BACKEND=cpu is asked for;
#                      a Mac has metal alone
# MLX_C_OWN=1          on a Mac, even where Homebrew has a library
# MLX_C_RELEASE=1      for others' machines: on a Mac MLX_C_OWN=1, and libmlx for the oldest macOS; a lib/ for GPUs is not replaced
# MLX_C_TARGET=…       for another machine (Linux-aarch64, Darwin-arm64), in lib-…/, compiled by $MLX_C_CXX
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$here/build
lib=$here/lib
host=$(uname -s)-$(uname -m)
target=${MLX_C_TARGET:-$host}
[ "$target" = "$host" ] || lib=$here/lib-$target
system=${target%%-*}
recipe=mlx-c

# What was made for GPUs is not lost to a run that asks for nothing.
case $(cat "$lib/.stamp" 2>/dev/null) in *", cuda, "*) made=cuda ;; *) made=cpu ;; esac
case $system in
  Linux) ending=so backend=${MLX_C_BACKEND:-$made} platform=manylinux_2_35_${target#*-} ;;
  Darwin) ending=dylib backend=${MLX_C_BACKEND:-metal} platform=macosx_14_0_arm64 ;;
  *) ending='' backend='' ;;
esac

# The stamp names all that the result depends on. A finished lib/ holds it, and what sizes its files have: what was cut off or
# taken away since is made anew.
oldest=
[ "$system" != Darwin ] || [ -z "${MLX_C_RELEASE:-}" ] || oldest=" for macOS 14 and later"
stamp="mlx-c 0.7.0, MLX 0.32.2, $backend, $target$oldest, recipe $(cd "$here" && cat ../steps.sh build.sh format.h requirements/* sources.sha256 source/Cargo.* | cksum)"
sizes() { # sizes FOLDER prints the bytes of the files whose names it is given
  (cd "$1" && tr '\n' '\0' | LC_ALL=C xargs -0 wc -c) 2>/dev/null | awk '{ n = $1; sub(/^ *[0-9]+ /, "") } $0 != "total" { print n, $0 }'
}
stamped() { [ "$(cat "$lib/.stamp" 2>/dev/null)" = "$stamp" ]; }
finished() {
  stamped && [ -s "$lib/.files" ] && [ "$(cut -d' ' -f2- "$lib/.files" | sizes "$lib")" = "$(cat "$lib/.files")" ]
}
if finished && [ "${MLX_C_BACKEND:-}" != cuda ]; then
  exit 0
fi
# shellcheck source=../steps.sh
. "$here/../steps.sh"

# The parts of CUDA that libmlx needs: the package that has each, and its library. What is in lib/ stays; what was the system's may be gone.
cuda_parts='nvidia-cublas libcublasLt.so.13
nvidia-cuda-nvrtc libnvrtc.so.13
nvidia-cuda-runtime libcudart.so.13
nvidia-cudnn-cu13 libcudnn.so.9
nvidia-cufft libcufft.so.12
nvidia-nccl-cu13 libnccl.so.2
nvidia-nvjitlink libnvJitLink.so.13'
opens() { [ "$target" = "$host" ] && "${python:-$(first python3 has_pip)}" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null; }
gone() {
  local package library
  while read -r package library; do
    [ -n "$(find "$lib/nvidia" -name "$library*" 2>/dev/null)" ] || opens "$library" || printf '%s\n' "$library"
  done <<<"$cuda_parts"
}
if finished; then
  missing=$(gone)
  [ -n "$missing" ] || exit 0
  say "the system has no $(printf '%s' "$missing" | paste -s -d' ' -) any more: $lib is made anew with it"
elif stamped; then
  say "the files of $lib are not those that were made: they are made anew"
fi

# Where MLX has no wheel, nothing here helps.
case $target in
  Linux-x86_64 | Linux-aarch64)
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo "another libc")
    [ "$target" != "$host" ] || printf '%s\n' "glibc 2.35" "$libc" | sort -C -t. -k2,2n ||
      die "MLX's wheels need glibc 2.35 or later (Debian 12, Ubuntu 22.04, Fedora 36); this system has $libc"
    ;;
  Darwin-arm64) ;;
  *) die "MLX has no build for $system on ${target#*-} (have: Linux on x86_64 and aarch64, macOS on arm64)" ;;
esac
case $system-$backend in
  Linux-cpu | Linux-cuda | Darwin-metal) ;;
  Linux-*) die "MLX_C_BACKEND is $backend (have on Linux: cpu, cuda)" ;;
  *) die "MLX_C_BACKEND is $backend (have on macOS: metal, which needs no naming; its library computes on the CPU too)" ;;
esac

# A Mac with Homebrew's mlx-c, 0.7.0 or later, needs nothing built: mlxlens looks there by itself.
# MLX_C_OWN=1 builds all the same, and a lib/, which mlxlens takes first, is kept whole and up to date.
if [ "$system" = Darwin ] && [ "$target" = "$host" ] && [ -z "${MLX_C_OWN:-}${MLX_C_RELEASE:-}" ] && [ ! -e "$lib" ]; then
  brew=${HOMEBREW_PREFIX:-/opt/homebrew}/opt/mlx-c
  cellar=$(readlink "$brew" || true)
  version=${cellar##*/}
  [ -e "$brew/lib/libmlxc.dylib" ] || version= # a link that leads nowhere
  case $version in
    '') say "building it; with Homebrew, \`brew install mlx-c\` would do without" ;;
    0.[0-6] | 0.[0-6].*) say "building it: Homebrew has mlx-c $version, and mlxlens needs 0.7.0 or later (\`brew upgrade mlx-c\`)" ;;
    *)
      say "Homebrew has mlx-c $version, and nothing is built"
      exit 0
      ;;
  esac
fi

if [ -n "${MLX_C_RELEASE:-}" ] && [ "$made" = cuda ]; then
  die "$lib is for NVIDIA's GPUs, and a release has none of CUDA: MLX_C_BACKEND=cpu make mlx-c replaces it (2.5 GB to be fetched again), or work in another clone"
fi
if [ -e "$lib" ] && [ ! -w "$lib" ]; then
  die "$lib is not writable: it is to be replaced by $stamp"
fi
begin "$build"

if [ -n "${MLX_C_CXX:-}" ]; then
  compiles_for=$("$MLX_C_CXX" -dumpmachine 2>/dev/null) || die "MLX_C_CXX is $MLX_C_CXX, and \`$MLX_C_CXX -dumpmachine\` fails: name a C++ compiler, GCC or Clang"
  case $target:$compiles_for in
    Linux-x86_64:x86_64*linux* | Linux-aarch64:aarch64*linux* | Darwin-arm64:arm64*apple* | Darwin-arm64:aarch64*apple* | Darwin-arm64:aarch64*macos*) ;;
    *) die "MLX_C_CXX is $MLX_C_CXX, which compiles for $compiles_for: name a compiler for $target" ;;
  esac
  require python3
else
  [ "$target" = "$host" ] || die "a library for $target is not compiled by this machine's compiler: name a C++ compiler for it in \$MLX_C_CXX"
  require python3 c++
fi
python=$(first python3 has_pip)
compiler=${MLX_C_CXX:-$(first c++ runs)}
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
if [ "$system-$target" = "Linux-$host" ] && ! has_openblas; then
  if ! { as_root && has apt-get && try "installing OpenBLAS" apt_install libopenblas0-pthread; }; then
    say "going on without OpenBLAS (libopenblas.so.0): matrix products will be about 50 times slower than with it"
  fi
fi

if [ "$target" = "$host" ] && [ -z "$oldest" ]; then
  platform= # pip knows this machine's, and takes the latest that it can
fi
step "downloading libmlx, 10 to 90 MB" wheel "$here/requirements/$backend.txt" "$run/wheel" $platform

# What MLX for NVIDIA's GPUs needs of CUDA 13 is fetched where the system has it not. The driver's libcuda.so.1
# comes with the driver alone.
cuda_package() { # cuda_package PACKAGE WHAT-IT-HAS
  grep -A 2 "^$1==" "$here/requirements/cuda-libraries.txt" >"$run/$1.txt"
  step "downloading $2" wheel "$run/$1.txt" "$run/wheel" $platform
}
if [ "$backend" = cuda ]; then
  while read -r package library; do
    opens "$library" || cuda_package "$package" "$library"
  done <<<"$cuda_parts"
  # What libmlx compiles for the GPU at hand includes CUDA's headers: those of the fetched folder, once there is one.
  if [ -d "$run/wheel/nvidia/cu13" ]; then
    for package in nvidia-cuda-runtime nvidia-cuda-crt; do
      [ -f "$run/$package.txt" ] || cuda_package "$package" "CUDA's headers"
    done
  fi
fi

# mlx-c's folder becomes $run/sources, which has the same files whoever fetched it.
by_cargo() {
  cp -R "$here/source" "$run/source" &&
    "$cargo" vendor --locked --manifest-path "$run/source/Cargo.toml" "$run/vendor" &&
    mv "$run/vendor/mlx-sys/src/mlx-c" "$run/sources"
}
by_go() {
  mkdir "$run/module" &&
    (cd "$run/module" && GOMODCACHE=$run/modules GOFLAGS=-modcacherw GOWORK=off "$go" mod download github.com/ml-explore/mlx-c@v0.7.0) &&
    mv "$run/modules/github.com/ml-explore/mlx-c@v0.7.0" "$run/sources"
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
if [ -n "$cargo" ]; then
  step "downloading mlx-c, 1 MB" by_cargo
elif ! try "downloading mlx-c, 1 MB" by_go; then # there are proxies of modules that have few, or none
  [ "$system" = Linux ] || die "go did not get it: set GOPROXY to a proxy that has github.com/ml-explore/mlx-c, or to direct, which takes git; or install cargo, which gets it from elsewhere: https://rustup.rs"
  say "go did not get it; cargo gets it from elsewhere"
  require cargo
  cargo=$(first cargo reads_sparse_index)
  step "downloading mlx-c by cargo, 1 MB" by_cargo
fi
step "comparing it with what is known" same_sources "$run/sources"

# The libraries find each other in their own folder, wherever it is moved; libmlx may also lie as its wheel has
# it, below that folder, or beside the package of a wheel of mlxlens.
flags=(-std=gnu++20 -O2 -fPIC -DNDEBUG -include "$here/format.h" -I "$run/sources" -I "$run/wheel/mlx/include")
# shellcheck disable=SC2054 # the commas are the linker's
if [ "$system" = Darwin ]; then
  flags+=(-D_METAL_ -DACCELERATE_NEW_LAPACK)
  export MACOSX_DEPLOYMENT_TARGET=14.0 # the oldest that libmlx runs on; else that of the machine
  link=(-dynamiclib -install_name "@rpath/libmlxc.dylib" -Wl,-rpath,@loader_path -Wl,-rpath,@loader_path/../../mlx/lib)
else
  link=(-shared -Wl,-soname,libmlxc.so -Wl,--enable-new-dtags "-Wl,-rpath,\$ORIGIN:\$ORIGIN/mlx/lib:\$ORIGIN/../../mlx/lib" -Wl,--no-undefined -Wl,--allow-shlib-undefined)
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
    cp "$run/libmlxc.$ending" "$new" &&
    cp "$run/sources/LICENSE" "$new/LICENSE.mlx-c" &&
    cp "$run"/wheel/*.dist-info/licenses/LICENSE "$new/LICENSE.mlx" &&
    cp "$run"/sources/mlx/c/*.h "$new/include/mlx/c" &&
    printf '%s\n' "$stamp" >"$new/.stamp" || return
  case $backend in
    cuda) # libmlx looks for CUDA and its headers where the wheels have them
      mkdir -p "$new/mlx/lib" "$new/mlx/include" &&
        cp "$run/wheel/mlx/lib/libmlx.so" "$new/mlx/lib" && cp -R "$run"/wheel/mlx/include/{cccl,cute,cutlass} "$new/mlx/include" &&
        mv "$run"/wheel/mlx_cuda_13.libs "$new" &&
        { [ ! -d "$run/wheel/nvidia" ] || mv "$run/wheel/nvidia" "$new"; }
      ;;
    metal) cp "$run"/wheel/mlx/lib/*.dylib "$run"/wheel/mlx/lib/*.metallib "$new" ;;
    cpu) cp "$run/wheel/mlx/lib/libmlx.so" "$run"/wheel/mlx_cpu.libs/* "$new" && "$python" - "$new/libmlx.so" ;;
  esac
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
(cd "$run/lib" && find . -type f ! -name '.*' | LC_ALL=C sort) | sizes "$run/lib" >"$run/lib/.files"

# loads opens the libraries in the program's own order (mlx/place.go): on a Mac libmlxc finds
# libmlx by its own load commands, and libmlx alone could not find what it needs.
loads() {
  "$python" - "$system" "$run/lib" "$ending" <<'PYTHON'
import ctypes, os, sys
system, folder, ending = sys.argv[1:]
if system == "Linux" and os.path.exists(f"{folder}/libmlx.{ending}"):
    ctypes.CDLL(f"{folder}/libmlx.{ending}", ctypes.RTLD_GLOBAL)
ctypes.CDLL(f"{folder}/libmlxc.{ending}").mlx_compile_cache_new
PYTHON
}
if [ "$target" != "$host" ]; then
  say "made for $target, and not loaded"
elif [ "$backend" = cuda ] && ! opens libcuda.so.1; then
  say "made, and not loaded: libcuda.so.1, which NVIDIA's driver brings, is not here"
else
  step "loading it" loads
fi

# Only a whole folder gets the name lib, and the first of two runs wins.
[ -n "${missing:-}" ] || ! finished || exit 0
[ ! -e "$lib" ] || mv "$lib" "$run/old"
"$python" -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$run/lib" "$lib"
say "ready: $lib"
