#!/bin/sh
# Time package mlx and Python's mlx on the same libmlx release at the same things, in turns,
# with the same BLAS, and print the least of the rounds side by side. The interpreter is
# $MLXLENS_PYTHON, or python3. On a virtual machine a thread wakes another in 5 µs or in 50, as
# it happens: the evaluations need several rounds to be compared.
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
go test -c -o "$out/mlx.test" ./mlx
for _ in 1 2 3; do
	LD_PRELOAD=$openblas "$python" tools/bench/beside.py | sed 's/^/python /'
	(cd mlx && "$out/mlx.test" -test.run '^$' -test.bench BesidePython -test.benchmem -test.count 5 -test.benchtime 0.2s) |
		awk '/^BenchmarkBesidePython/{sub(/^BenchmarkBesidePython\//, ""); sub(/-[0-9]+$/, "", $1); print "go", $1, $3, $7}'
done >"$out/all"
echo "what Python_us Go_us ratio allocations"
awk '
	!(($1, $2) in least) || $3 < least[$1, $2] {least[$1, $2] = $3}
	$1 == "go" {allocations[$2] = $4; if (!seen[$2]++) names[++n] = $2}
	END {for (i = 1; i <= n; i++) {w = names[i]; p = least["python", w]; g = least["go", w]
		printf "%s %.1f %.1f %.2f %s\n", w, p/1000, g/1000, p/g, allocations[w]}}' "$out/all" | column -t
