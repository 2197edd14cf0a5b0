#!/bin/sh
# Time package mlx and Python's mlx on the same libmlx release at the same things, one after
# the other, with the same BLAS, and print them side by side. The interpreter is
# $MLXLENS_PYTHON, or python3.
set -eu
cd "$(dirname "$0")/../.."
python=${MLXLENS_PYTHON:-python3}
if ! "$python" -c 'import mlx.core as m; assert m.__version__ == "0.32.2"' 2>/dev/null; then
	echo "mlx 0.32.2 is not there to compare with: $python -m pip install -r tools/golden/requirements.txt, or set MLXLENS_PYTHON"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
openblas=$(ldconfig -p 2>/dev/null | awk '/libopenblas\.so\.0 /{print $NF; exit}')
LD_PRELOAD=$openblas "$python" tools/bench/beside.py >"$out/python"
go test -run '^$' -bench BesidePython -benchmem ./mlx | awk '/^BenchmarkBesidePython/{sub(/^BenchmarkBesidePython\//, ""); sub(/-[0-9]+ /, " "); print $1, $3, $7}' >"$out/go"
echo "what Python_us Go_us ratio allocations"
awk 'NR==FNR{p[$1]=$2; next}{printf "%s %.1f %.1f %.2f %s\n", $1, p[$1]/1000, $2/1000, p[$1]/$2, $3}' "$out/python" "$out/go" | column -t
