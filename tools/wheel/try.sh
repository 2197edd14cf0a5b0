#!/usr/bin/env bash
# Installs a wheel as its users would, with pip, uv and pipx, each in an empty environment and home, and traces a prompt with
# each. A tool that is not on the PATH is said to be skipped.
#
#   tools/wheel/try.sh WHEEL MODEL    of a folder of wheels the newest for this machine
set -euo pipefail

if [ -d "$1" ]; then
  case $(uname -s)-$(uname -m) in
    Darwin-*) platform="macosx_*_$(uname -m)" ;;
    *) platform="manylinux_*_$(uname -m)" ;;
  esac
  # shellcheck disable=SC2086 # a pattern; the names are those that build.sh gives
  newest=$(cd "$1" && ls -t mlxlens-*-py3-none-$platform.whl 2>/dev/null | head -1) || newest=
  [ -n "$newest" ] || { printf 'wheel-try: %s has no wheel for this machine: make wheel\n' "$1" >&2 && exit 1; }
  set -- "$1/$newest" "$2"
fi
wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
model=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home" # no checkout

# clean COMMAND… runs it as a new user would: with nothing of this user's but the PATH, and what the machine's network needs.
network=()
while IFS= read -r variable; do
  network+=("$variable")
done < <(env | grep -E '^(PIP_|UV_|SSL_CERT_|[A-Za-z]*_(proxy|PROXY)=)')
clean() { env -i HOME="$home" PATH="$PATH" LANG=C.UTF-8 ${network[@]+"${network[@]}"} "$@"; }

# tries WHAT COMMAND… traces a prompt with COMMAND for mlxlens, and says how long it took from nothing.
tries() {
  local what=$1 start=$SECONDS said
  shift
  said=$(clean "$@" trace -m "$model" "The capital of France is" --last -k 1 --json)
  case $said in
    *'"final":{'*'"text":" Paris"}'*) printf '%s: installed and traced in %s s\n' "$what" $((SECONDS - start)) ;;
    *) printf '%s: the trace is wrong:\n%s\n' "$what" "$said" >&2 && exit 1 ;;
  esac
}

pip() { clean python3 -m venv "$home/venv" && clean "$home/venv/bin/python" -m pip install -q --disable-pip-version-check "$wheel"; }
start=$SECONDS
pip
printf 'pip: installed in %s s\n' $((SECONDS - start))
tries pip "$home/venv/bin/mlxlens"
tries "python -m" "$home/venv/bin/python" -m mlxlens
doctor=$(clean "$home/venv/bin/mlxlens" doctor || true) # there is no default model
case $doctor in
  *"self-check"*passed*) ;;
  *) printf 'doctor: %s\n' "$doctor" >&2 && exit 1 ;;
esac
# shellcheck disable=SC2016 # paths of another shell
case $(uname -s)$doctor in
  Linux*"$home/venv"*libopenblas.so.0*) echo "BLAS: the package's" ;;
  Darwin*Accelerate*) ;;
  *) printf 'doctor: no fast BLAS:\n%s\n' "$doctor" >&2 && exit 1 ;;
esac

if command -v uv >/dev/null; then
  tries "uv tool run" uv tool run --from "$wheel" mlxlens
else
  echo "uv: skipped, it is not there"
fi
if command -v pipx >/dev/null; then
  tries "pipx run" pipx run --spec "$wheel" mlxlens
else
  echo "pipx: skipped, it is not there"
fi
