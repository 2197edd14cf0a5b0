# shellcheck shell=bash disable=SC2154
# What the recipes beside this file share: one line for each step, and one message
# for all the tools that are missing. A recipe sets `recipe`, its name in what it says,
# and reads this file. All of it runs under bash 3.2 too, which is what macOS has.

unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that called; a recipe's own builds are none of its business

say() { printf '%s: %s\n' "$recipe" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# begin FOLDER prepares FOLDER for a recipe: in it $log, for the output of the steps, unless $RECIPE_LOG names another, and
# $run, a folder for this run alone, so that one that was interrupted is in nobody's way.
# What killed runs left behind goes now.
begin() {
  local left
  mkdir -p "$1" 2>/dev/null && [ -w "$1" ] || die "$1 is not writable: that is where the work is done"
  log=${RECIPE_LOG:-$1/log.txt}
  : >"$log"
  for left in "$1"/run.*; do
    kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
  done
  run=$1/run.$$
  rm -rf "$run"
  mkdir "$run"
  trap 'rm -rf "$run"' EXIT
}

# step WHAT COMMAND… runs the command and says how long it took. If it fails, step
# shows the end of its output and ends the recipe.
step() {
  try "$@" || die "$1 failed; all of the output is in $log"
}

# try is step for what the recipe can do without.
try() {
  local what=$1 start=$SECONDS from
  shift
  printf '%s: %s … ' "$recipe" "$what" >&2
  from=$(($(wc -l <"$log") + 1))
  if ! "$@" >>"$log" 2>&1 </dev/null; then
    printf 'failed\n' >&2
    tail -n +"$from" "$log" | tail -n 15 | sed 's/^/  | /' >&2
    return 1
  fi
  printf '%s s\n' $((SECONDS - start)) >&2
}

# first NAME CHECK prints the path of the first NAME that passes CHECK. The first on
# the PATH may be the shim of a version manager that has nothing behind it.
first() {
  local path
  while IFS= read -r path; do
    if "$2" "$path" >/dev/null 2>&1; then
      printf '%s\n' "$path"
      return
    fi
  done < <(type -aP "$1")
  return 1
}
has_pip() { "$1" -m pip --version; }
runs() { "$1" --version; }
has_modules() { "$1" env GOMODCACHE; }
# Cargo reads the registry's sparse index since 1.70; before, it clones all of it.
reads_sparse_index() {
  local version
  version=$("$1" --version) && version=${version#cargo } || return 1
  [ "${version%%.*}" -gt 1 ] || { version=${version#*.} && [ "${version%%.*}" -ge 70 ]; }
}

# The tools that a recipe may need: what to look for, how it is checked, and its
# packages in Debian, Fedora and Arch.
tools='
python3  has_pip             python3,python3-pip  python3,python3-pip  python,python-pip
cargo    reads_sparse_index  cargo                cargo                rust
c++      runs                g++                  gcc-c++              gcc
'
# lacking TOOL… prints those lines of the table whose tool is not to be had.
lacking() {
  local name check packages
  while read -r name check packages; do
    case " $* " in *" $name "*) first "$name" "$check" >/dev/null || echo "$name $check $packages" ;; esac
  done <<<"$tools"
}
as_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null; }

# apt_packages prints its arguments as this release names them: Debian 12's own cargo is
# too old, and its cargo-web, which is there to build browsers, is not.
apt_packages() {
  local name out=
  for name; do
    if [ "$name" = cargo ] && apt-cache show cargo-web >/dev/null 2>&1; then
      name=cargo-web
    fi
    out="$out $name"
  done
  printf '%s\n' "${out# }"
}
# shellcheck disable=SC2046 # package names are words
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q && apt-get install -q -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 $(apt_packages "$@")
}

# require TOOL… makes sure of them all: installs what is missing when it may (as root
# on Debian and Ubuntu), else names it all in one message with the one command to run.
require() {
  local missing names sudo='sudo '
  missing=$(lacking "$@")
  [ -n "$missing" ] || return 0
  names=$(cut -d' ' -f1 <<<"$missing" | sed -e 's/^python3$/python3 with pip/' -e 's/^cargo$/cargo (1.70 or later)/' -e 's/^c++$/a C++ compiler/' |
    paste -s -d, - | sed 's/,/, /g')
  packages() { awk -v c="$1" '{ print $c }' <<<"$missing" | tr ',' '\n' | paste -s -d' ' -; }
  as_root && sudo=
  # shellcheck disable=SC2046
  if [ "$(uname -s)" = Darwin ]; then
    die "missing: $names. Install with: xcode-select --install"
  elif has apt-get && as_root; then
    step "installing $names" apt_install $(packages 3)
    missing=$(lacking "$@")
    [ -z "$missing" ] || die "still missing after installing $(packages 3): see $log"
  elif has apt-get; then
    die "missing: $names. Install with: sudo apt-get update && sudo apt-get install -y $(apt_packages $(packages 3))"
  elif has dnf; then
    die "missing: $names. Install with: ${sudo}dnf install -y $(packages 4)"
  elif has pacman; then
    die "missing: $names. Install with: ${sudo}pacman -S --needed $(packages 5)"
  else
    die "missing: $names. Install them with this system's package manager"
  fi
}

# wheel REQUIREMENTS FOLDER [PLATFORM] unpacks into FOLDER the one wheel that the requirements
# name for this platform, or for another; pip refuses a file whose hash is not listed.
wheel() {
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_VIRTUALENV=0 "$(first python3 has_pip)" -m pip \
    download --no-deps --only-binary=:all: --ignore-requires-python --require-hashes ${3:+--platform "$3"} -r "$1" -d "$2" &&
    "$(first python3 has_pip)" -m zipfile -e "$2"/*.whl "$2" && rm "$2"/*.whl
}
