package mlx_test

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// stored is an array of the record.
type stored struct {
	Dtype string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  string `json:"data"`
}

func (r stored) bytes(t *testing.T) []byte {
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	require.NoError(t, err)
	return raw
}

type recordedCase struct {
	Op     string    `json:"op"`
	In     []*stored `json:"in"`
	Params params    `json:"params"`
	Out    []stored  `json:"out"`
}

func recordedCases(t *testing.T) []recordedCase {
	t.Helper()
	file, err := os.Open("testdata/ops.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	var out []recordedCase
	for lines.Scan() {
		var c recordedCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		out = append(out, c)
	}
	require.NoError(t, lines.Err())
	return out
}

// Two builds of MLX 0.32.2 compute the same, but for the BLAS and LAPACK that each has and
// for the processor's instructions: sums may be added up in another order. The difference is
// of a few roundings of the type, relative to the largest element of the result.
func roundings(d mlx.Dtype) float64 {
	switch d {
	case mlx.Float16:
		return 4 * 0x1p-11
	case mlx.BFloat16:
		return 4 * 0x1p-8
	}
	return 32 * 0x1p-24
}

// looser are operations whose results magnify roundings, with the factor.
var looser = map[string]float64{
	"linalg.det": 128, "linalg.slogdet": 128, "linalg.inv": 16, "linalg.svd": 16, "singular_values": 16, "linalg.qr": 16, "linalg.eigh": 16, "linalg.eigvalsh": 16, "linalg.pinv": 64, "linalg.eig": 16, "linalg.eigvals": 16, "linalg.cholesky_inv": 16, "linalg.tri_inv": 16, "linalg.solve": 16, "linalg.solve_triangular": 16,
	"random.multivariate_normal": 16,
}

// refused are cases that mlx.core computes and we refuse, with the reason.
func refused(c recordedCase) string {
	negative := func(names ...string) bool {
		for _, name := range names {
			if c.Params.int(name) < 0 {
				return true
			}
		}
		return false
	}
	switch c.Op {
	case "segmented_mm":
		if c.In[0].Shape[1] != c.In[1].Shape[0] {
			return "the summed axes differ, and mlx.core sums what the shorter one has not"
		}
	case "tri":
		if negative("n", "m") {
			return "a negative length, which mlx.core takes for 0"
		}
	case "hanning", "hamming", "blackman", "bartlett":
		if negative("m") {
			return "a negative length, which mlx.core takes for 0"
		}
	}
	return ""
}

// mistaken are cases whose recorded result is no answer: another test has ours.
func mistaken(c recordedCase) bool {
	// rounded to integers: softmax but along the last axis (TestSoftmaxOfIntegersIsOfFloats), and each step
	// of logcumsumexp (TestLogcumsumexpOfIntegersIsOfFloats)
	if (c.Op == "softmax" || c.Op == "logcumsumexp") && !dtypeNamed(c.Out[0].Dtype).IsFloat() {
		return true
	}
	// a sum of 16 bits is added up in 16 until MLX 0.32.2
	return later() && (c.Op == "floor_divide" && !dtypeNamed(c.Out[0].Dtype).IsFloat() || c.Op == "sum" && c.In[0].Dtype == "float16")
}

// later is whether MLX is another than the one whose results are recorded: from 0.32.3 on a quotient of integers is rounded down,
// and not towards 0.
func later() bool {
	lib, err := mlx.LoadedLibrary()
	return err == nil && lib.MLX != lib.Proven
}

func TestOperationsComputeWhatMLXCoreRecorded(t *testing.T) {
	cases := recordedCases(t)
	seen := map[string]int{}
	for i, c := range cases {
		f, ok := recorded[c.Op]
		require.True(t, ok, "the record has operation %s, which no function here is named for", c.Op)
		seen[c.Op]++
		t.Run(fmt.Sprintf("%s/%d", c.Op, i), func(t *testing.T) { c.check(t, f) })
	}
	for op := range recorded {
		if seen[op] < 2 {
			t.Errorf("%s has %d recorded cases", op, seen[op])
		}
	}
}

func (c recordedCase) check(t *testing.T, f call) {
	s := scope(t)
	in := c.operands(t, s)
	out := f(s, in, c.Params)
	if why := refused(c); c.Out == nil || why != "" {
		require.Error(t, mlx.Eval(out...), "%s with %v on %v: mlx.core raises an error, or: %s", c.Op, c.Params, in, why)
		return
	}
	require.Len(t, out, len(c.Out))
	if mistaken(c) {
		require.NoError(t, mlx.Eval(out...))
		return
	}
	for i, want := range c.Out {
		got, err := raw(out[i])
		require.NoError(t, err, "%s with %s on %v", c.Op, c.Params, in)
		d := dtypeNamed(want.Dtype)
		require.Equal(t, fmt.Sprintf("%s%v", d, want.Shape), out[i].String(), "%s with %s on %v", c.Op, c.Params, in)
		if c.Op == "linalg.eig" && i == 1 {
			continue // vectors have a free factor: TestFactorsGiveTheMatrixBack
		}
		compare(t, c, d, elements(d, want.bytes(t)), elements(d, got))
	}
}

// operands makes the arrays that the operation gets.
func (c recordedCase) operands(t *testing.T, s *mlx.Scope) []*mlx.Array {
	in := make([]*mlx.Array, len(c.In))
	for i, r := range c.In {
		if r != nil {
			in[i] = fromBytes(s, dtypeNamed(r.Dtype), r.bytes(t), r.Shape)
		}
	}
	return in
}

// fromBytes keeps what is known of indices that come as Go data.
func fromBytes(s *mlx.Scope, d mlx.Dtype, raw []byte, shape []int) *mlx.Array {
	if d != mlx.Int32 {
		return mlx.FromBytes(s, raw, d, shape...)
	}
	xs := make([]int32, len(raw)/4)
	if _, err := binary.Decode(raw, binary.NativeEndian, xs); err != nil {
		panic(err)
	}
	return mlx.FromSlice(s, xs, append([]int{}, shape...)...)
}

func compare(t *testing.T, c recordedCase, d mlx.Dtype, want, got []float64) {
	t.Helper()
	largest := 0.0
	for _, x := range want {
		if !math.IsInf(x, 0) && x == x {
			largest = max(largest, math.Abs(x))
		}
	}
	tolerance := 0.0
	if d.IsFloat() || d == mlx.Complex64 {
		tolerance = roundings(d) * max(looser[c.Op], 1) * largest
	}
	require.Len(t, got, len(want))
	for i := range want {
		equal := got[i] == want[i] || got[i] != got[i] && want[i] != want[i] || math.Abs(got[i]-want[i]) <= tolerance
		require.True(t, equal, "%s with %s on %v: element %d is %v, and mlx.core has %v", c.Op, c.Params, c.In, i, got[i], want[i])
	}
}
