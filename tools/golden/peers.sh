#!/bin/sh
# Time mlx-lm on the SmolLM2 of `make model`, as a directory that it opens: packed as in
# the file and unpacked, with the BLAS that its wheel brings and with OpenBLAS; and
# mlxterp's lens, where it can be imported. The interpreter is $MLXLENS_PYTHON, or python3.
set -eu
cd "$(dirname "$0")"
python=${MLXLENS_PYTHON:-python3}
if ! "$python" -c 'import mlx_lm' 2>/dev/null; then
	echo "mlx-lm is not there to compare with: $python -m pip install -r tools/golden/requirements.txt, or set MLXLENS_PYTHON"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$python" smollm2.py ../../models/smollm2/*.gguf "$dir"
openblas=$(ldconfig -p 2>/dev/null | awk '/libopenblas\.so\.0 /{print $NF; exit}')
for form in "" --dense; do
	echo "# mlx-lm ${form:-packed}, the wheel's BLAS"
	"$python" peers.py "$dir" $form
	if [ -n "$openblas" ]; then
		echo "# mlx-lm ${form:-packed}, OpenBLAS"
		LD_PRELOAD=$openblas "$python" peers.py "$dir" $form
	fi
done
if "$python" -c 'import mlxterp' 2>/dev/null; then
	echo "# mlxterp, packed as it opens the model, and dense with OpenBLAS"
	"$python" peers.py "$dir" --lens
	[ -z "$openblas" ] || LD_PRELOAD=$openblas "$python" peers.py "$dir" --lens --dense
fi
