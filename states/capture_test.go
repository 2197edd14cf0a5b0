package states_test

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

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

func places(t testing.TB, m model.Model, text string) []model.Place {
	t.Helper()
	ps, err := m.Paths().Places(text)
	require.NoError(t, err)
	return ps
}

func captureOf(t testing.TB, m model.Model, ids []int, text string, positions ...int) *states.Set {
	t.Helper()
	s, err := states.Capture(context.Background(), m, edit.Input{IDs: ids, Positions: positions}, places(t, m, text))
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

// tapped returns every site of one pass, without parts and without stopping.
func tapped(t *testing.T, m model.Model, ids []int) map[string]*mlx.Array {
	t.Helper()
	scope := mlx.NewScope(m.Device())
	t.Cleanup(scope.Close)
	all := map[string]*mlx.Array{}
	out := model.Forward(m, model.Tokens(scope, ids), nil, &model.Tap{
		Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			all[at.String()] = scope.Hold(mlx.Contiguous(x))
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
		name := string(s)
		if s.PerLayer() {
			name = "layers.*." + name
		}
		all = append(all, name)
	}
	return strings.Join(all, ",")
}

func TestEverySiteIsWhatOnePassHas(t *testing.T) {
	m := modeltest.Tiny(t)
	want := tapped(t, m, modeltest.Sixty)
	s := captureOf(t, m, modeltest.Sixty, everywhere(m))
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
	return modeltest.Architecture(t, name, func(a *golden.Architecture) {
		a.Config = regexp.MustCompile(`("(max_position_embeddings|n_positions|n_ctx)": *)\d+`).ReplaceAll(a.Config, []byte("${1}2048"))
		for i := range a.Tensors {
			if strings.Contains(a.Tensors[i].Name, "wpe") {
				a.Tensors[i].Shape[0] = 2048
			}
		}
	})
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
			s, err := states.Capture(context.Background(), m, edit.Input{IDs: ids, Positions: positions}, places(t, m, everywhere(m)))
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
	m := modeltest.Tiny(t)
	all := captureOf(t, m, modeltest.Sixty, "layers.1.z,layers.1.pattern")
	s := captureOf(t, m, modeltest.Sixty, "layers.1.z,layers.1.pattern", -60, 7, 30)
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
	blocks    []int
	positions int
}

func (g *goes) Stream(tokens *mlx.Array, cache *model.Cache, tap *model.Tap, blocks int) *mlx.Array {
	g.blocks = append(g.blocks, blocks)
	g.positions += tokens.Dim(1)
	return g.Model.Stream(tokens, cache, tap, blocks)
}

func TestCaptureStopsAfterTheLastPlaceAndPosition(t *testing.T) {
	for text, blocks := range map[string]int{"embed": 0, "embed,layers.1.q": 2, "layers.0.resid_post": 1, "layers.2.resid_post,final_norm": 3} {
		g := &goes{Model: modeltest.Tiny(t)}
		captureOf(t, g, modeltest.Sixty, text, 2, 9)
		require.Equal(t, []int{blocks}, g.blocks)
		require.Equal(t, 10, g.positions)
	}
}

func TestTheEstimateOfACaptureIsExactForItsResult(t *testing.T) {
	m := sliding(t)
	ids := make([]int, 700)
	for _, positions := range [][]int{nil, {3, 600}} {
		ps := places(t, m, everywhere(m))
		result, work, err := states.Memory(m, edit.Input{IDs: ids, Positions: positions}, ps)
		require.NoError(t, err)
		s, err := states.Capture(context.Background(), m, edit.Input{IDs: ids, Positions: positions}, ps)
		require.NoError(t, err)
		require.Equal(t, s.Bytes(), result)
		require.Greater(t, work, result)
	}
}

func TestActivationsKeepTheTypeOfTheComputation(t *testing.T) {
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

func TestWrongCapturesAreErrors(t *testing.T) {
	m := modeltest.Tiny(t)
	for says, c := range map[string]struct {
		ids       []int
		places    []model.Place
		positions []int
	}{
		"the prompt is empty":                  {nil, []model.Place{{Site: model.Embed}}, nil},
		"no place was asked for":               {[]int{1}, nil, nil},
		"layers.9.z: the model has 3 layers":   {[]int{1}, []model.Place{{Site: model.Z, Layer: 9}}, nil},
		"this architecture has no pos_embed: ": {[]int{1}, []model.Place{{Site: model.PosEmbed}}, nil},
		"position 1 does not exist":            {[]int{1}, []model.Place{{Site: model.Embed}}, []int{1}},
		"is outside the vocabulary":            {[]int{99999}, []model.Place{{Site: model.Embed}}, nil},
		"the prompt has 4000 tokens, and the":  {make([]int, 4000), []model.Place{{Site: model.Embed}}, nil},
	} {
		_, err := states.Capture(context.Background(), m, edit.Input{IDs: c.ids, Positions: c.positions}, c.places)
		require.ErrorContains(t, err, says)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	_, err := states.Capture(stopped, m, edit.Input{IDs: modeltest.Sixty, Positions: nil}, []model.Place{{Site: model.Embed}})
	require.ErrorIs(t, err, context.Canceled)
}

// Rows of a batch that are of other lengths, positions and edits are what each is alone.
func TestCapturesTogetherAreWhatEachIsAlone(t *testing.T) {
	m := modeltest.Tiny(t)
	ps := places(t, m, everywhere(m))
	zero := edit.Edit{Place: model.Place{Site: model.MLPOut, Layer: 0}, Positions: []int{-2}, Op: edit.Zero}
	var inputs []edit.Input
	for n := 12; n <= 15; n++ {
		ids := modeltest.Sixty[n : 2*n]
		inputs = append(inputs, edit.Input{IDs: ids}, edit.Input{IDs: ids, Positions: []int{1, -3}}, edit.Input{IDs: ids, Edits: []edit.Edit{zero}})
	}
	inputs = append(inputs, edit.Input{})
	i := 0
	for set, err := range states.CaptureAll(context.Background(), m, inputs, ps) {
		if i == len(inputs)-1 {
			require.ErrorContains(t, err, "the prompt is empty")
			i++
			continue
		}
		require.NoError(t, err)
		want, err := states.Capture(context.Background(), m, inputs[i], ps)
		require.NoError(t, err)
		require.Equal(t, want.Positions, set.Positions)
		require.Equal(t, want.IDs, set.IDs)
		for j := range want.Arrays {
			require.Equal(t, want.Arrays[j].Shape, set.Arrays[j].Shape, "%d: %s", i, want.Arrays[j].Name)
			require.InDeltaSlice(t, numbers(t, &want.Arrays[j]), numbers(t, &set.Arrays[j]), 1e-4, "%d: %s", i, want.Arrays[j].Name)
		}
		i++
	}
	require.Equal(t, len(inputs), i)
}

func TestAnEditBehindWhatIsCapturedIsRefused(t *testing.T) {
	m := modeltest.Tiny(t)
	e := edit.Edit{Place: model.Place{Site: model.MLPOut, Layer: 1}, Op: edit.Zero}
	_, err := states.Capture(context.Background(), m, edit.Input{IDs: []int{1, 2}, Edits: []edit.Edit{e}}, places(t, m, "layers.1.mlp_post"))
	require.ErrorContains(t, err, `edit "layers.1.mlp_out=zero": it would change nothing: the last place that is read is layers.1.mlp_post`)
}

func TestMeanIsOverAllPositionsOfAllPrompts(t *testing.T) {
	m := modeltest.Tiny(t)
	place := model.Place{Site: model.Z, Layer: 1}
	inputs := []edit.Input{{IDs: modeltest.Sixty[:9]}, {IDs: modeltest.Sixty[20:27], Positions: []int{0, -1}}}
	v, err := states.Mean(context.Background(), m, inputs, place)
	require.NoError(t, err)
	require.Equal(t, []int{m.Shape().Heads, m.Shape().DHead}, v.Shape)
	want := make([]float64, len(v.Data))
	for _, in := range inputs {
		s, err := states.Capture(context.Background(), m, in, []model.Place{place})
		require.NoError(t, err)
		for i, x := range numbers(t, &s.Arrays[0]) {
			want[i%len(want)] += float64(x) / 11
		}
	}
	for i := range want {
		require.InDelta(t, want[i], v.Data[i], 1e-5)
	}
	_, err = states.Mean(context.Background(), m, inputs, model.Place{Site: model.Pattern})
	require.ErrorContains(t, err, "a number for each key")
}

// A patch of a run by itself changes nothing, at every place that can be captured; a patch
// from another prompt makes the stream the other's.
func TestWhatWasCapturedIsAPatch(t *testing.T) {
	m := modeltest.Tiny(t)
	clean, other := edit.Input{IDs: modeltest.Sixty[:9]}, edit.Input{IDs: modeltest.Sixty[10:19]}
	logits := []model.Place{{Site: model.Logits}}
	want := capturedNumbers(t, m, clean, logits[0])
	for _, place := range places(t, m, everywhere(m)) {
		set, err := states.Capture(context.Background(), m, clean, []model.Place{place})
		require.NoError(t, err)
		for name, write := range map[string]func(io.Writer) error{"a.npz": set.WriteNPZ, "a.safetensors": set.WriteSafetensors} {
			v, err := states.ReadValue(file(t, name, write), place)
			require.NoError(t, err, place)
			in := clean
			in.Edits = []edit.Edit{{Place: place, Op: edit.Set, Value: v}}
			largest := 1e-4
			require.InDeltaSlice(t, want, capturedNumbers(t, m, in, logits[0]), largest, "%s", place)
		}
	}
	last := model.Place{Site: model.ResidPost, Layer: 2}
	set, err := states.Capture(context.Background(), m, other, []model.Place{last})
	require.NoError(t, err)
	v, err := set.Value(last)
	require.NoError(t, err)
	in := clean
	in.Edits = []edit.Edit{{Place: last, Op: edit.Set, Value: v}}
	require.Equal(t, capturedNumbers(t, m, other, logits[0]), capturedNumbers(t, m, in, logits[0]), "everything at the last block is the other run")
	in.Edits[0].Positions = []int{-1}
	got, vocab := capturedNumbers(t, m, in, logits[0]), m.Shape().DVocab
	require.Equal(t, want[:8*vocab], got[:8*vocab])
	require.Equal(t, capturedNumbers(t, m, other, logits[0])[8*vocab:], got[8*vocab:])
}

func capturedNumbers(t *testing.T, m model.Model, in edit.Input, at model.Place) []float32 {
	t.Helper()
	s, err := states.Capture(context.Background(), m, in, []model.Place{at})
	require.NoError(t, err)
	return numbers(t, &s.Arrays[0])
}
