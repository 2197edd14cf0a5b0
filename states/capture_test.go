package states_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
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
	t.Parallel()
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

func TestPositionsAreSelected(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	for text, blocks := range map[string]int{"embed": 0, "embed,layers.1.q": 2, "layers.0.resid_post": 1, "layers.2.resid_post,final_norm": 3} {
		g := &goes{Model: modeltest.Tiny(t)}
		captureOf(t, g, modeltest.Sixty, text, 2, 9)
		require.Equal(t, []int{blocks}, g.blocks)
		require.Equal(t, 10, g.positions)
	}
}

func TestTheEstimateOfACaptureIsExactForItsResult(t *testing.T) {
	t.Parallel()
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

func TestWrongCapturesAreErrors(t *testing.T) {
	t.Parallel()
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

func TestAPlaceThatTheArchitectureLacksIsRefusedBeforeAPass(t *testing.T) {
	t.Parallel()
	g := &goes{Model: modeltest.Architecture(t, "gpt-neox", nil)}
	_, err := states.Capture(context.Background(), g, edit.Input{IDs: []int{1, 2}}, []model.Place{{Site: model.ResidPost}, {Site: model.ResidMid, Layer: 1}})
	require.ErrorContains(t, err, "this architecture has no resid_mid: attention and MLP read the same stream")
	_, err = states.Mean(context.Background(), g, []edit.Input{{IDs: []int{1, 2}}}, model.Place{Site: model.ResidMid})
	require.ErrorContains(t, err, "this architecture has no resid_mid")
	require.Empty(t, g.blocks)
}

// Positions after the last that is kept are not computed, and the rotation still goes by the
// length of the whole prompt; so it does in a batch.
func TestEarlyPositionsTurnByTheLengthOfTheWholePrompt(t *testing.T) {
	for _, name := range []string{"llama-rope-dynamic", "llama-rope-longrope"} {
		m := modeltest.Architecture(t, name, nil)
		at := []model.Place{{Site: model.RotK, Layer: 0}, {Site: model.ResidPost, Layer: 2}}
		var inputs []edit.Input
		for _, n := range []int{60, 50, 40, 30} {
			ids := make([]int, n)
			for i := range ids {
				ids[i] = (i*i + n) % 96
			}
			inputs = append(inputs, edit.Input{IDs: ids, Positions: []int{1, 3}})
		}
		i := 0
		for set, err := range states.CaptureAll(context.Background(), m, inputs, at) {
			require.NoError(t, err)
			whole := inputs[i]
			whole.Positions = nil
			want, err := states.Capture(context.Background(), m, whole, at)
			require.NoError(t, err)
			early, err := states.Capture(context.Background(), m, inputs[i], at)
			require.NoError(t, err)
			for j := range at {
				all, n := numbers(t, &want.Arrays[j]), len(whole.IDs)
				for row, p := range inputs[i].Positions {
					size := len(all) / n
					require.InDeltaSlice(t, all[p*size:(p+1)*size], numbers(t, &early.Arrays[j])[row*size:(row+1)*size], 1e-4, name)
					require.InDeltaSlice(t, all[p*size:(p+1)*size], numbers(t, &set.Arrays[j])[row*size:(row+1)*size], 1e-4, name)
				}
			}
			i++
		}
	}
}
