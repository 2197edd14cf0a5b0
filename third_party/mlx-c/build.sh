#!/usr/bin/env bash
# Makes lib/: libmlxc, libmlx and what they need. See README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$here/build
lib=$here/lib
system=$(uname -s)

say() { printf 'mlx-c: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The stamp names all that the result depends on. It is written last.
stamp="$system $(uname -m) $(cat "$here"/build.sh "$here"/format.h "$here"/requirements-*.txt "$here"/source/Cargo.lock | cksum)"
if [ "$(cat "$lib/.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi

if [ "$system" = Darwin ] && command -v brew >/dev/null; then
  prefix=$(brew --prefix mlx-c 2>/dev/null || true)
  if [ -n "$prefix" ] && [ -e "$prefix/lib/libmlxc.dylib" ]; then
    say "Homebrew has it: $prefix/lib"
    exit 0
  fi
  say "building; \`brew install mlx-c\` would do without"
fi

# 1. What is missing is named all at once, with the command that installs it.
missing=()
need() { # need COMMAND debian fedora arch mac
  "${@:6}" >/dev/null 2>&1 || missing+=("$1:$2:$3:$4:$5")
}
need python3 python3     python3     python     python3  command -v python3
need pip     python3-pip python3-pip python-pip python3  python3 -m pip --version
need cargo   cargo       cargo       rust       rust     command -v cargo
need cmake   cmake       cmake       cmake      cmake    command -v cmake
need make    make        make        make       -        command -v make
need c++     g++         gcc-c++     gcc        -        command -v c++
packages() { printf '%s\n' "${missing[@]}" | cut -d: -f"$1" | grep -vx -- - | sort -u | tr '\n' ' '; }

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
}
as_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

mkdir -p "$build"
log=$build/log.txt
: >"$log"
step() { # step WHAT COMMAND…
  local what=$1 start=$SECONDS
  shift
  if ! "$@" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "$what failed; all of its output is in $log"
  fi
  say "$what: $((SECONDS - start)) s"
}

if [ ${#missing[@]} -gt 0 ]; then
  names=$(printf '%s\n' "${missing[@]}" | cut -d: -f1 | tr '\n' ' ')
  if as_root_on_debian; then
    # shellcheck disable=SC2046
    step "installing ${names% }" apt_install $(packages 2)
  elif command -v apt-get >/dev/null; then
    die "missing: ${names% }. Install with: sudo apt-get install -y $(packages 2)"
  elif command -v dnf >/dev/null; then
    die "missing: ${names% }. Install with: sudo dnf install -y $(packages 3)"
  elif command -v pacman >/dev/null; then
    die "missing: ${names% }. Install with: sudo pacman -S $(packages 4)"
  elif [ "$system" = Darwin ]; then
    die "missing: ${names% }. Install with: xcode-select --install; brew install $(packages 5)"
  else
    die "missing: ${names% }. Install them with your system's package manager."
  fi
fi

# 2. OpenBLAS where the package manager can bring it; nothing fails without.
if [ "$system" = Linux ] && ! python3 -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")' 2>/dev/null; then
  if as_root_on_debian; then
    step "installing OpenBLAS" apt_install libopenblas0-pthread
  else
    say "OpenBLAS (libopenblas.so.0) is not installed: matrix products will be 50 times slower than with it"
  fi
fi

# 3. libmlx from its wheel.
case $system in
  Linux) requirements=$here/requirements-linux.txt ;;
  Darwin) requirements=$here/requirements-darwin.txt ;;
  *) die "$system is not supported (have: Linux, Darwin)" ;;
esac
rm -rf "$build/wheel" "$build/new"
mkdir -p "$build/wheel" "$build/new"
step "downloading libmlx" python3 -m pip --disable-pip-version-check download --no-deps --only-binary=:all: \
  --require-hashes -r "$requirements" -d "$build/wheel"
step "unpacking libmlx" python3 -m zipfile -e "$build"/wheel/*.whl "$build/wheel"

# 4. mlx-c's sources from the crate.
rm -rf "$build/source"
cp -R "$here/source" "$build/source"
step "downloading mlx-c" cargo vendor --locked --manifest-path "$build/source/Cargo.toml" "$build/source/vendor"
sources=$build/source/vendor/mlx-sys/src/mlx-c

# 5. Build. The libraries find each other in their own folder, wherever it is moved.
origin="\$ORIGIN"
[ "$system" = Darwin ] && origin=@loader_path
rm -rf "$build/cmake"
step "configuring" cmake -S "$sources" -B "$build/cmake" -DCMAKE_BUILD_TYPE=Release \
  -DMLX_C_USE_SYSTEM_MLX=ON -DBUILD_SHARED_LIBS=ON -DMLX_C_BUILD_EXAMPLES=OFF \
  "-DMLX_DIR=$build/wheel/mlx/share/cmake/MLX" "-DCMAKE_CXX_FLAGS=-include \"$here/format.h\"" \
  -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=$origin"
step "compiling" cmake --build "$build/cmake" --parallel "$(getconf _NPROCESSORS_ONLN)"

# 6. Gather. Only a finished folder gets the name lib.
new=$build/new
cp "$build"/cmake/libmlxc.* "$new/"
cp "$build"/wheel/mlx/lib/libmlx.* "$new/"
find "$build/wheel/mlx/lib" -maxdepth 1 \( -name '*.metallib' -o -name 'libjaccl*' \) -exec cp {} "$new/" \;
if [ -d "$build/wheel/mlx_cpu.libs" ]; then
  cp "$build"/wheel/mlx_cpu.libs/* "$new/"
  # the wheel's libmlx looks for them two folders up
  python3 - "$new/libmlx.so" <<'PYTHON'
import sys
path = sys.argv[1]
data = open(path, "rb").read()
old = b"$ORIGIN/../../mlx_cpu.libs\0"
if data.count(old) != 1:
    sys.exit("libmlx.so's search path is not the one that was expected")
open(path, "wb").write(data.replace(old, b"$ORIGIN".ljust(len(old), b"\0")))
PYTHON
fi
mkdir -p "$new/include"
cp -R "$sources/mlx" "$new/include/"
find "$new/include" -type f ! -name '*.h' -delete
printf '%s\n' "$stamp" >"$new/.stamp"
rm -rf "$lib"
mv "$new" "$lib"
rm -rf "$build/wheel" "$build/cmake"
say "ready: $lib"
