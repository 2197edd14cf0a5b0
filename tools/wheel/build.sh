#!/usr/bin/env bash
# Builds the wheel of mlxlens for this machine, or with a TARGET (Linux-x86_64, Linux-aarch64, Darwin-arm64) for another, into
# dist/. For another machine $MLX_C_CXX is a C++ compiler for it.
set -euo pipefail

cd "$(dirname "$0")/../.."
host=$(uname -s)-$(uname -m)
target=${1:-$host}
recipe=wheel
# shellcheck source=../../third_party/steps.sh
. third_party/steps.sh

case $target in
  Linux-x86_64) goos=linux goarch=amd64 platform=manylinux_2_35_x86_64 ending=so backend=cpu ;;
  Linux-aarch64) goos=linux goarch=arm64 platform=manylinux_2_35_aarch64 ending=so backend=cpu ;;
  Darwin-arm64) goos=darwin goarch=arm64 platform=macosx_14_0_arm64 ending=dylib backend=metal ;;
  *) die "no wheel is made for $target (have: Linux-x86_64, Linux-aarch64, Darwin-arm64)" ;;
esac
[ "$target" = "$host" ] || [ -n "${MLX_C_CXX:-}" ] || die "a wheel for $target is not compiled by this machine's compiler: name a C++ compiler for it in \$MLX_C_CXX"
version=$(tools/wheel/version.sh "${VERSION:-$(tools/release/version.sh)}") || exit 1
lib=third_party/mlx-c/lib
[ "$target" = "$host" ] || lib=$lib-$target
MLX_C_RELEASE=1 MLX_C_BACKEND=$backend MLX_C_TARGET=$target third_party/mlx-c/build.sh

begin "$PWD/bin/wheel"
tree=$run/tree
say "mlxlens $version for $platform"

place() {
  cp -R python "$tree" && cp LICENSE NOTICES.md "$tree" && mkdir "$tree/src/mlxlens/bin" && cp "$lib/libmlxc.$ending" "$tree/src/mlxlens/bin"
}
step "gathering" place

program() {
  CGO_ENABLED=0 GOOS=$goos GOARCH=$goarch go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli.version=$version" -o "$tree/src/mlxlens/bin/mlxlens" ./cmd/mlxlens
}
step "building the program" program

# openblas gives libmlx's calls to the BLAS of the package scipy-openblas32. The name to link against need not hold anything.
openblas() {
  local bin=$tree/src/mlxlens/bin
  "${MLX_C_CXX:-c++}" -shared -x c /dev/null -Wl,-soname,libscipy_openblas.so -o "$run/libscipy_openblas.so" &&
    "${MLX_C_CXX:-c++}" -shared -fPIC -nostdlib -x c tools/wheel/openblas.c -x none -Wl,-soname,libopenblas.so.0 -Wl,--no-as-needed -Wl,--allow-shlib-undefined \
      -Wl,--enable-new-dtags "-Wl,-rpath,\$ORIGIN/../../scipy_openblas32/lib" "$run/libscipy_openblas.so" -o "$bin/libopenblas.so.0"
}
[ "$goos" = darwin ] || step "forwarding BLAS" openblas

python=$(first python3 has_pip)
build() {
  mkdir -p dist && MLXLENS_WHEEL_PLATFORM=$platform MLXLENS_WHEEL_VERSION=$version SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800) \
    "$python" -m pip wheel --no-deps --wheel-dir "$run/dist" "$tree" && mv "$run"/dist/*.whl dist
}
step "packing" build

# The check reads what the wheel depends on as pip would install it.
packages() {
  local metal='mlx-metal==0.32.2' wheels="--platform $platform"
  [ "$goos" = darwin ] || metal='mlx-cpu==0.32.2 scipy-openblas32>=0.3.28' wheels="$wheels --platform ${platform/2_35/2_28}"
  # shellcheck disable=SC2086 # words
  "$python" -m pip install --target "$run/packages" --no-deps --only-binary=:all: $wheels $metal
}
step "fetching what it depends on" packages
step "checking" go run ./tools/wheel/check dist/mlxlens-*"$version"-py3-none-"$platform".whl "$run/packages"
say "ready: $(cd dist && ls -t mlxlens-*"$platform".whl | head -1)"
