package auto_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// difference is a logit of the last position less another, times 3 plus its square: no
// linear function.
func difference(last int) model.Objective {
	return model.Objective{Places: []model.Place{{Site: model.Logits}}, Of: func(y []*mlx.Array) *mlx.Array {
		row := mlx.Slice(y[0], 1, mlx.Between(last, last+1))
		d := mlx.Sum(mlx.Subtract(mlx.Slice(row, 2, mlx.Between(5, 6)), mlx.Slice(row, 2, mlx.Between(9, 10))))
		return mlx.Add(mlx.Scale(d, 3), mlx.Square(d))
	}}
}

// everyPlace returns a place of every site that a model has, in the middle layer.
func everyPlace(m model.Model) []model.Place {
	var places []model.Place
	for _, site := range m.Paths().Sites() {
		at := model.Place{Site: site}
		if site == model.ExpertIDs { // whole numbers
			continue
		}
		if site.PerLayer() {
			at.Layer = 1
			if m.Check(at) != nil { // another layer has it
				at.Layer = m.Paths().LayersWith(site)[0]
			}
		}
		places = append(places, at)
	}
	return places
}

// A step ε along direction v changes the objective by ε·⟨∇L, v⟩; both sides are shifted, so
// that the error is of order ε².
func TestGradientsAgreeWithFiniteDifferencesAtEverySite(t *testing.T) {
	for _, name := range emulated.Fewer([]string{
		"gemma4-text", "gpt2", "gemma3", "llama", "qwen3", "affine-4bit-group32", "gpt-neox", "gptj", "stablelm-parallel-qk-layernorm", "gemma2-sliding",
		"qwen3-next-every-other", "granite", "cohere2", "glm4",
	}, 5) {
		a := architecture(t, name)
		for _, form := range forms(a) {
			t.Run(fmt.Sprint(name, " ", form), func(t *testing.T) {
				requireGradients(t, openArchitecture(t, a, auto.Options{Weights: form}), a)
			})
		}
	}
}

func requireGradients(t *testing.T, m model.Model, a *golden.Architecture) {
	s := mlx.NewScope(m.Device())
	defer s.Close()
	ids := a.Runs[1].IDs
	n := len(ids)
	tokens := mlx.FromSlice(s, append(append([]int32{}, ids...), a.Runs[2].IDs[:n]...), 2, n) // a batch of two
	objective := difference(n - 1)
	places := everyPlace(m)
	value, gradients, err := model.Gradient(m, tokens, nil, objective, places)
	require.NoError(t, err)
	require.NoError(t, mlx.Eval(append(gradients, value)...))
	for i, at := range places {
		g, err := mlx.Data[float32](gradients[i])
		require.NoError(t, err)
		tap, kept := model.Keep(s, []model.Place{at})
		require.NoError(t, model.Forward(m, tokens, nil, tap).Err())
		require.Equal(t, kept[0].Shape(), gradients[i].Shape(), "%s", at)
		direction := make([]float32, len(g))
		slope, square := 0.0, 0.0
		for j := range direction {
			direction[j] = float32(math.Sin(float64(7*j + i)))
			slope += float64(g[j]) * float64(direction[j])
			square += float64(g[j]) * float64(g[j])
		}
		step := 2e-2 / math.Sqrt(max(square, 1e-6)) // moves L by little, and by more than float32 loses
		step = min(step, 3e-3)
		moved := func(by float64) float64 {
			shift := mlx.FromSlice(s, direction, gradients[i].Shape()...)
			tap := &model.Tap{
				Wanted: func(p model.Place) bool { return p == at },
				Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return mlx.Add(x, mlx.Scale(shift, by)) },
			}
			y, err := mlx.Item[float32](objective.Of([]*mlx.Array{model.Forward(m, tokens, nil, tap)}))
			require.NoError(t, err)
			return float64(y)
		}
		require.InDelta(t, slope, (moved(step)-moved(-step))/(2*step), 0.03*math.Abs(slope)+0.02*math.Sqrt(square)+1e-3, "%s", at)
	}
}

// Through a packed matrix goes the gradient that goes through what it is unpacked to.
func TestGradientsThroughPackedAndDenseWeightsAreEqual(t *testing.T) {
	a := architecture(t, "mixed")
	ids := a.Runs[1].IDs
	var of [2][][]float32
	for i, form := range []load.Form{load.Packed, load.Dense} {
		m := openArchitecture(t, a, auto.Options{Weights: form})
		s := mlx.NewScope(m.Device())
		defer s.Close()
		_, gradients, err := model.Gradient(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, difference(len(ids)-1), everyPlace(m))
		require.NoError(t, err)
		for _, g := range gradients {
			x, err := mlx.Data[float32](g)
			require.NoError(t, err)
			of[i] = append(of[i], x)
		}
	}
	for i := range of[0] {
		largest := 0.0
		for _, x := range of[1][i] {
			largest = max(largest, math.Abs(float64(x)))
		}
		requireNear(t, of[1][i], of[0][i], 2e-4*largest)
	}
}

func TestAGradientIsOfWhatTheTapLeaves(t *testing.T) {
	a := architecture(t, "llama")
	m := openArchitecture(t, a, auto.Options{})
	s := mlx.NewScope(m.Device())
	defer s.Close()
	mid := model.Place{Site: model.MLPOut, Layer: 1}
	double := &model.Tap{
		Wanted: func(at model.Place) bool { return at == mid },
		Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return mlx.Scale(x, 2) },
	}
	// L = Σ y² of the place itself, which the tap has doubled: ∇L = 2·(2x)
	square := model.Objective{Places: []model.Place{mid}, Of: func(y []*mlx.Array) *mlx.Array { return mlx.Sum(mlx.Square(y[0])) }}
	tokens := mlx.FromSlice(s, a.Runs[1].IDs, 1, 7)
	_, gradients, err := model.Gradient(m, tokens, double, square, []model.Place{mid, {Site: model.MLPOut, Layer: 2}})
	require.NoError(t, err)
	tap, kept := model.Keep(s, []model.Place{mid})
	m.Stream(tokens, nil, tap, 2)
	want, err := mlx.Data[float32](mlx.Scale(kept[0], 4))
	require.NoError(t, err)
	got, err := mlx.Data[float32](gradients[0])
	require.NoError(t, err)
	requireNear(t, want, got, 1e-5)
	later, err := mlx.Data[float32](gradients[1])
	require.NoError(t, err)
	for _, x := range later {
		require.Zero(t, x, "what comes later changes nothing")
	}
}

func TestGradientsOfWhatIsNotThereAreErrors(t *testing.T) {
	m := openArchitecture(t, architecture(t, "gpt-neox"), auto.Options{})
	s := mlx.NewScope(m.Device())
	defer s.Close()
	tokens := mlx.FromSlice(s, []int32{1, 2}, 1, 2)
	_, _, err := model.Gradient(m, tokens, nil, difference(1), []model.Place{{Site: model.ResidMid}})
	require.ErrorContains(t, err, "this architecture has no resid_mid: attention and MLP read the same stream")
	_, _, err = model.Gradient(m, tokens, nil, model.Objective{}, []model.Place{{Site: model.Embed}})
	require.ErrorContains(t, err, "there is no place")
	embed := model.Place{Site: model.Embed}
	_, _, err = model.Gradient(m, tokens, nil, difference(1), []model.Place{embed, embed})
	require.ErrorContains(t, err, "a place is named twice")
	require.Error(t, mlx.Eval(m.Stream(tokens, nil, nil, 99)))
	require.Error(t, mlx.Eval(m.Stream(tokens, nil, nil, -1)))
	whole := model.Objective{Places: []model.Place{{Site: model.Logits}}, Of: func(y []*mlx.Array) *mlx.Array { return y[0] }}
	_, _, err = model.Gradient(m, tokens, nil, whole, []model.Place{{Site: model.Embed}})
	require.Error(t, err, "a objective has one element")
}
