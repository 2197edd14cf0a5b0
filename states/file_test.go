package states_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// written reads back what a set is in a safetensors file.
func written(t *testing.T, s *states.Set) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.OpenFile(file(t, "a.safetensors", s.WriteSafetensors))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func file(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

func TestTheStreamInAFileIsASum(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	s := captureOf(t, m, modeltest.Sixty, "layers.*.resid_pre,layers.*.attn_out,layers.*.resid_mid,layers.*.mlp_out,layers.*.resid_post")
	s.Metadata["model"] = "tiny"
	f := written(t, s)
	require.Equal(t, map[string]any{"format": states.Format, "model": "tiny"}, f.Metadata)
	of := func(site model.Site, layer int) []float32 {
		tensor := f.Tensor(model.Place{Site: site, Layer: layer}.String())
		require.NotNil(t, tensor)
		require.Equal(t, []int{60, 128}, tensor.Shape)
		x := make([]float32, 60*128)
		require.NoError(t, tensor.Float32(x, 0, 60))
		return x
	}
	sum := func(a, b []float32) []float32 {
		out := make([]float32, len(a))
		for i := range a {
			out[i] = a[i] + b[i]
		}
		return out
	}
	for l := range 3 {
		require.Equal(t, sum(of(model.ResidPre, l), of(model.AttnOut, l)), of(model.ResidMid, l))
		require.Equal(t, sum(of(model.ResidMid, l), of(model.MLPOut, l)), of(model.ResidPost, l))
		if l > 0 {
			require.Equal(t, of(model.ResidPost, l-1), of(model.ResidPre, l))
		}
	}
}

func TestActivationsKeepTheTypeOfTheComputation(t *testing.T) {
	t.Parallel()
	m := modeltest.Open(t, "testdata/models/tiny-llama-a-llama3rope", auto.Options{AsStored: true}).Model
	s := captureOf(t, m, []int{1, 2, 3}, "layers.1.resid_post")
	a := s.Array("layers.1.resid_post")
	require.Equal(t, checkpoint.BF16, a.Type)
	want := numbers(t, a)
	tensor := written(t, s).Tensor(a.Name)
	require.Equal(t, checkpoint.BF16, tensor.Type)
	z, err := npz.Open(file(t, "a.npz", s.WriteNPZ))
	require.NoError(t, err)
	defer z.Close()
	require.Equal(t, []string{"ids", "layers.1.resid_post", "metadata", "positions"}, z.Names())
	wide, err := z.Array(a.Name, []int{3, 64})
	require.NoError(t, err)
	require.Equal(t, checkpoint.F32, wide.Type, "NumPy has no bfloat16")
	require.Equal(t, want, numbers(t, &wide))
}

func TestPythonReadsActivationFiles(t *testing.T) {
	t.Parallel()
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || exec.Command(python, "-c", "import numpy, safetensors").Run() != nil {
		t.Skip("$MLXLENS_PYTHON does not name an interpreter that has numpy and safetensors")
	}
	s := captureOf(t, modeltest.Tiny(t), modeltest.Sixty, "embed,layers.1.resid_post,layers.0.pattern", 4, -1)
	s.Metadata["prompt"] = "é"
	const program = `
import json, sys, numpy
from safetensors import safe_open
z = numpy.load(sys.argv[1])
with safe_open(sys.argv[2], "np") as f:
    for name in f.keys():
        assert (f.get_tensor(name) == z[name]).all(), name
    assert f.metadata() == json.loads(bytes(z["metadata"])), f.metadata()
    assert f.metadata()["prompt"] == "é"
print(z["ids"].tolist(), z["positions"].tolist(), {n: (str(a.dtype), a.shape) for n, a in sorted(z.items()) if "." in n or n == "embed"}, z["layers.1.resid_post"][1, 5])`
	out, err := exec.CommandContext(t.Context(), python, "-c", program, file(t, "a.npz", s.WriteNPZ), file(t, "a.safetensors", s.WriteSafetensors)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	want := fmt.Sprintf("%s [4, 59] {'embed': ('float32', (2, 128)), 'layers.0.pattern': ('float32', (%d, 2, 60)), 'layers.1.resid_post': ('float32', (2, 128))}",
		strings.ReplaceAll(fmt.Sprint(modeltest.Sixty), " ", ", "), modeltest.Tiny(t).Shape().Heads)
	require.True(t, strings.HasPrefix(string(out), want), "%s", out)
}
