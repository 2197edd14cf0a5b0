package lens_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/activation"
	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func places(t testing.TB, m model.Model, text string) []model.Place {
	t.Helper()
	ps, err := lens.ParsePlaces(text, m)
	require.NoError(t, err)
	return ps
}

func captureOf(t testing.TB, m model.Model, ids []int, text string, positions ...int) *activation.Set {
	t.Helper()
	s, err := lens.Capture(context.Background(), m, ids, places(t, m, text), positions)
	require.NoError(t, err)
	return s
}

func numbers(t testing.TB, a *checkpoint.Array) []float32 {
	t.Helper()
	require.NotNil(t, a)
	x, err := a.Float32()
	require.NoError(t, err)
	return x
}

func TestPlacesAreSelectedInAnyDialect(t *testing.T) {
	m := tiny(t) // 3 layers
	for text, want := range map[string]string{
		"layers.*.resid_post":                     "layers.0.resid_post layers.1.resid_post layers.2.resid_post",
		"layers.0:2.mlp_out":                      "layers.0.mlp_out layers.1.mlp_out",
		"layers.-1.resid_post":                    "layers.2.resid_post",
		"layers.::2.q":                            "layers.0.q layers.2.q",
		"layers.-2:.z":                            "layers.1.z layers.2.z",
		"embed":                                   "embed",
		"blocks.*.hook_resid_pre":                 "layers.0.resid_pre layers.1.resid_pre layers.2.resid_pre",
		"blocks.1.attn.hook_pattern":              "layers.1.pattern",
		"model.layers.*.self_attn":                "layers.0.attn_out layers.1.attn_out layers.2.attn_out",
		"layers.1":                                "layers.1.resid_post",
		"model.norm, layers.1.mlp , embed,logits": "embed layers.1.mlp_out final_norm logits",
		"layers.1.resid_post,layers.1.attn_out,layers.0.mlp_out,layers.*.attn_out": "layers.0.attn_out layers.0.mlp_out layers.1.attn_out layers.1.resid_post layers.2.attn_out",
	} {
		var got []string
		for _, p := range places(t, m, text) {
			got = append(got, p.String())
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
	for text, says := range map[string]string{
		"layers.*.nothing":    `place "layers.*.nothing": model: site "layers.0.nothing" is unknown (have: embed,`,
		"layers.3.resid_post": `place "layers.3.resid_post": lens: layer 3 does not exist: there are 3 (0–2)`,
		"layers.2:9.z":        "is no range in 0:3",
		"layers.*.pos_embed":  "is not in a layer",
		"pos_embed":           "the architecture has no such site (have: embed, resid_pre",
		"resid_post":          "needs a layer: layers.N.resid_post",
		"":                    "is unknown (have:",
	} {
		_, err := lens.ParsePlaces(text, m)
		require.ErrorContains(t, err, says, text)
	}
}

// written reads back what a set is in a safetensors file.
func written(t *testing.T, s *activation.Set) *checkpoint.Checkpoint {
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
	m := tiny(t)
	s := captureOf(t, m, sixty, "layers.*.resid_pre,layers.*.attn_out,layers.*.resid_mid,layers.*.mlp_out,layers.*.resid_post")
	s.Metadata["model"] = "tiny"
	f := written(t, s)
	require.Equal(t, map[string]any{"format": activation.Format, "model": "tiny"}, f.Metadata)
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

// tapped returns every site of one pass, without parts and without stopping.
func tapped(t *testing.T, m model.Model, ids []int) map[string]*mlx.Array {
	t.Helper()
	scope := mlx.NewScope(m.Device())
	t.Cleanup(scope.Close)
	all := map[string]*mlx.Array{}
	out := m.Forward(model.Tokens(scope, ids), nil, &model.Tap{
		Wanted: func(model.Site, int) bool { return true },
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			all[model.Place{Site: site, Layer: layer}.String()] = scope.Hold(mlx.Contiguous(x))
			return x
		},
	})
	require.NoError(t, mlx.Eval(out))
	return all
}

// everywhere names all sites of a model.
func everywhere(m model.Model) string {
	var all []string
	for _, s := range m.Paths().Sites() {
		name := s.String()
		if s.PerLayer() {
			name = "layers.*." + name
		}
		all = append(all, name)
	}
	return strings.Join(all, ",")
}

func TestEverySiteIsWhatOnePassHas(t *testing.T) {
	m := tiny(t)
	want := tapped(t, m, sixty)
	s := captureOf(t, m, sixty, everywhere(m))
	require.Len(t, s.Arrays, len(want))
	for i := range s.Arrays {
		a := &s.Arrays[i]
		x := want[a.Name]
		require.Equal(t, x.Shape()[1:], a.Shape, a.Name)
		data, err := mlx.Data[float32](x)
		require.NoError(t, err)
		require.Equal(t, data, numbers(t, a), a.Name)
	}
}

// long opens a recorded model with room for long prompts.
func long(t *testing.T, name string) model.Model {
	t.Helper()
	a, err := golden.LoadArchitecture("../testdata/golden/architectures/" + name + ".json.gz")
	require.NoError(t, err)
	a.Config = regexp.MustCompile(`("(max_position_embeddings|n_positions|n_ctx)": *)\d+`).ReplaceAll(a.Config, []byte("${1}2048"))
	for i := range a.Tensors {
		if strings.Contains(a.Tensors[i].Name, "wpe") {
			a.Tensors[i].Shape[0] = 2048
		}
	}
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	return open(t, dir, auto.Options{}).Model
}

// sliding has windows of 16 keys.
func sliding(t *testing.T) model.Model { return long(t, "llama-sliding") }

func TestPositionsOfAnEmbeddingGoOnFromPartToPart(t *testing.T) {
	m := long(t, "gpt2")
	ids := make([]int, 700)
	want := tapped(t, m, ids)
	for _, text := range []string{"pos_embed", "embed,pos_embed", "layers.0.resid_pre"} {
		s := captureOf(t, m, ids, text)
		for i := range s.Arrays {
			x, err := mlx.Data[float32](want[s.Arrays[i].Name])
			require.NoError(t, err)
			require.Equal(t, x, numbers(t, &s.Arrays[i]), text)
		}
	}
}

// A prompt of 513 has a second part of a single position, which a layer with a window
// treats in its own way.
func TestPartsOfALongPromptGiveWhatOnePassGives(t *testing.T) {
	m := sliding(t)
	for _, n := range []int{513, 1100} {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = (37*i + 11) % m.Shape().DVocab
		}
		want := tapped(t, m, ids)
		for _, positions := range [][]int{nil, {0, 5, 500, 511, 512}, {-1}} {
			s, err := lens.Capture(context.Background(), m, ids, places(t, m, everywhere(m)), positions)
			require.NoError(t, err)
			require.Len(t, s.Arrays, len(want))
			for i := range s.Arrays {
				a := &s.Arrays[i]
				x, err := mlx.Data[float32](chosen(want[a.Name], a.Name, s.Positions))
				require.NoError(t, err)
				got := numbers(t, a)
				require.Len(t, got, len(x), a.Name)
				for j := range x {
					if d := x[j] - got[j]; !(d < 1e-4 && d > -1e-4) {
						t.Fatalf("%s[%d] of %d tokens: %v, and one pass has %v", a.Name, j, n, got[j], x[j])
					}
				}
			}
		}
	}
}

// chosen picks positions of one pass' array, and the keys up to the last of them.
func chosen(x *mlx.Array, name string, positions []int) *mlx.Array {
	at := make([]int32, len(positions))
	for i, p := range positions {
		at[i] = int32(p)
	}
	axis := 1
	if strings.HasSuffix(name, "pattern") || strings.HasSuffix(name, "attn_scores") {
		axis = 2
		x = mlx.Slice(x, 3, 0, positions[len(positions)-1]+1)
	}
	return mlx.Contiguous(mlx.Take(x, mlx.FromSlice(x.Scope(), at, len(at)), axis))
}

func TestPositionsAreSelected(t *testing.T) {
	m := tiny(t)
	all := captureOf(t, m, sixty, "layers.1.z,layers.1.pattern")
	s := captureOf(t, m, sixty, "layers.1.z,layers.1.pattern", -60, 7, 30)
	require.Equal(t, []int{0, 7, 30}, s.Positions)
	heads, dHead := m.Shape().Heads, m.Shape().DHead
	require.Equal(t, []int{3, heads, dHead}, s.Array("layers.1.z").Shape)
	require.Equal(t, []int{heads, 3, 31}, s.Array("layers.1.pattern").Shape, "keys after the last position are not computed")
	whole, some := numbers(t, all.Array("layers.1.z")), numbers(t, s.Array("layers.1.z"))
	for i, p := range s.Positions {
		require.InDeltaSlice(t, whole[p*heads*dHead:(p+1)*heads*dHead], some[i*heads*dHead:(i+1)*heads*dHead], 1e-5)
	}
	rows := numbers(t, s.Array("layers.1.pattern"))
	for i := range heads * 3 {
		sum := float32(0)
		for _, p := range rows[i*31 : (i+1)*31] {
			sum += p
		}
		require.InDelta(t, 1, sum, 1e-5)
	}
}

// goes counts what passes are asked to do.
type goes struct {
	model.Model
	until     []string
	positions int
}

func (g *goes) Forward(tokens *mlx.Array, cache *model.Cache, tap *model.Tap) *mlx.Array {
	g.until = append(g.until, tap.Until.String())
	g.positions += tokens.Dim(1)
	return g.Model.Forward(tokens, cache, tap)
}

func TestCaptureStopsAfterTheLastPlaceAndPosition(t *testing.T) {
	for _, text := range []string{"embed", "embed,layers.1.q", "layers.2.resid_post,final_norm"} {
		g := &goes{Model: tiny(t)}
		captureOf(t, g, sixty, text, 2, 9)
		last := places(t, g, text)
		require.Equal(t, []string{last[len(last)-1].String()}, g.until)
		require.Equal(t, 10, g.positions)
	}
}

func TestEarlyStopSavesTheTimeOfTheOtherLayers(t *testing.T) {
	m := smollm2(t).Model // 30 layers
	ids := sixty
	took := func(text string) time.Duration {
		best := time.Hour
		for range 4 {
			start := time.Now()
			captureOf(t, m, ids, text)
			best = min(best, time.Since(start))
		}
		return best
	}
	early, late := took("layers.2.resid_post"), took("layers.29.resid_post")
	t.Logf("3 layers: %v, 30 layers: %v", early, late)
	require.Less(t, early, late/3)
}

func TestTheEstimateOfACaptureIsExactForItsResult(t *testing.T) {
	m := sliding(t)
	ids := make([]int, 700)
	for _, positions := range [][]int{nil, {3, 600}} {
		ps := places(t, m, everywhere(m))
		result, work, err := lens.CaptureMemory(m, len(ids), ps, positions)
		require.NoError(t, err)
		s, err := lens.Capture(context.Background(), m, ids, ps, positions)
		require.NoError(t, err)
		require.Equal(t, s.Bytes(), result)
		require.Greater(t, work, result)
	}
}

func TestActivationsKeepTheTypeOfTheComputation(t *testing.T) {
	m := open(t, "../testdata/models/tiny-llama-a-llama3rope", auto.Options{AsStored: true}).Model
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
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || exec.Command(python, "-c", "import numpy, safetensors").Run() != nil {
		t.Skip("$MLXLENS_PYTHON does not name an interpreter that has numpy and safetensors")
	}
	s := captureOf(t, tiny(t), sixty, "embed,layers.1.resid_post,layers.0.pattern", 4, -1)
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
		strings.ReplaceAll(fmt.Sprint(sixty), " ", ", "), tiny(t).Shape().Heads)
	require.True(t, strings.HasPrefix(string(out), want), "%s", out)
}

func TestWrongCapturesAreErrors(t *testing.T) {
	m := tiny(t)
	for says, c := range map[string]struct {
		ids       []int
		places    []model.Place
		positions []int
	}{
		"the prompt is empty":                 {nil, []model.Place{{}}, nil},
		"no place was asked for":              {[]int{1}, nil, nil},
		"layers.9.z: the model has 3 layers":  {[]int{1}, []model.Place{{Site: model.Z, Layer: 9}}, nil},
		"the architecture has no such site":   {[]int{1}, []model.Place{{Site: model.PosEmbed}}, nil},
		"position 1 does not exist":           {[]int{1}, []model.Place{{}}, []int{1}},
		"is outside the vocabulary":           {[]int{99999}, []model.Place{{}}, nil},
		"the prompt has 4000 tokens, and the": {make([]int, 4000), []model.Place{{}}, nil},
	} {
		_, err := lens.Capture(context.Background(), m, c.ids, c.places, c.positions)
		require.ErrorContains(t, err, says)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	_, err := lens.Capture(stopped, m, sixty, []model.Place{{}}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
