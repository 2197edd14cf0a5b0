package auto_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// A gate that is twice as open lets twice as much through, in attention and in the gated delta rule.
func TestAttnGateIsAFactorOfZ(t *testing.T) {
	m := modeltest.Architecture(t, "qwen3-next", nil)
	ids := modeltest.Recorded(t, "qwen3-next").Runs[1].IDs
	for layer := range m.Shape().Layers {
		at := model.Place{Site: model.Z, Layer: layer}
		z := func(factor float64) []float32 {
			s := mlx.NewScope(m.Device())
			defer s.Close()
			opened := &model.Tap{
				Wanted: func(p model.Place) bool { return p == model.Place{Site: model.AttnGate, Layer: layer} },
				Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return mlx.Scale(x, factor) },
			}
			tap, kept := model.Keep(s, []model.Place{at})
			require.NoError(t, model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, opened.Then(tap)).Err())
			values, err := mlx.Data[float32](kept[0])
			require.NoError(t, err)
			return values
		}
		once := z(1)
		requireNear(t, sum(once, once), z(2), 1e-5, "layer %d", layer)
	}
}

// The pattern of a layer that attends, times its values and the gate, is z.
func TestZOfAGatedHeadIsGateTimesPatternTimesValues(t *testing.T) {
	m := modeltest.Architecture(t, "qwen3-5", nil)
	ids := modeltest.Recorded(t, "qwen3-5").Runs[1].IDs
	const layer = 3
	at, _ := sites(t, m, ids, nil, func(model.Site) bool { return true })
	get := func(s model.Site) []float32 { return at[model.Place{Site: s, Layer: layer}] }
	shape, n := m.Shape().In(layer), len(ids)
	pattern, v, gate, z := get(model.Pattern), get(model.V), get(model.AttnGate), get(model.Z)
	for pos := range n {
		for h := range shape.Heads {
			kv := h / (shape.Heads / shape.KVHeads)
			for i := range shape.DHead {
				gathered := float32(0)
				for key := range n {
					gathered += pattern[(h*n+pos)*n+key] * v[(key*shape.KVHeads+kv)*shape.DHead+i]
				}
				of := (pos*shape.Heads+h)*shape.DHead + i
				require.InDelta(t, z[of], gate[of]*gathered, 1e-5)
			}
		}
	}
}

// Both layouts of a convolution are read, and with each go the gains of norms that belong to it;
// TestHuggingFacesLayoutIsTheSameModel has the other. A layout with the other's gains is noticed.
func TestTheLayoutOfAConvolutionTellsHowGainsAreStored(t *testing.T) {
	a := modeltest.Recorded(t, "qwen3-5")
	m := openArchitecture(t, a, auto.Options{})
	require.Empty(t, firstDifference(t, m, a.Runs[2], relative))
	for i := range a.Tensors {
		if shape := a.Tensors[i].Shape; len(shape) == 3 && shape[2] == 1 { // the same numbers in the same order
			a.Tensors[i].Shape = []int{shape[0], 1, shape[1]}
		}
	}
	requireNoticed(t, openArchitecture(t, a, auto.Options{}), a)
}

func TestNothingIsDerivedByNumbersOfExperts(t *testing.T) {
	m := modeltest.Architecture(t, "qwen3-next", nil)
	s := mlx.NewScope(m.Device())
	defer s.Close()
	_, _, err := model.Gradient(m, mlx.FromSlice(s, []int32{1, 2}, 1, 2), nil, difference(1), []model.Place{{Site: model.ExpertIDs}})
	require.EqualError(t, err, "model: gradient: experts are whole numbers, and nothing can be derived by them: take router_logits or expert_weights")
}

// A convolution over three positions sees the two before each, and none behind it.
func TestAConvolutionSeesAFewPositions(t *testing.T) {
	m := modeltest.Architecture(t, "lfm2", nil)
	ids := modeltest.Recorded(t, "lfm2").Runs[1].IDs
	const moved = 2
	convolved := func(at int) []float32 {
		s := mlx.NewScope(m.Device())
		defer s.Close()
		push := &model.Tap{
			Wanted: func(p model.Place) bool { return p == model.Place{Site: model.AttnNorm} },
			Visit: func(_ model.Place, x *mlx.Array) *mlx.Array {
				row := make([]float32, len(ids))
				if at >= 0 {
					row[at] = 1
				}
				return mlx.Add(x, mlx.FromSlice(s, row, 1, len(ids), 1))
			},
		}
		tap, kept := model.Keep(s, []model.Place{{Site: model.ConvOut}})
		require.NoError(t, model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, push.Then(tap)).Err())
		values, err := mlx.Data[float32](kept[0])
		require.NoError(t, err)
		return values
	}
	before, after, d := convolved(-1), convolved(moved), m.Shape().DConv
	for pos := range ids {
		same := slices.Equal(before[pos*d:(pos+1)*d], after[pos*d:(pos+1)*d])
		require.Equal(t, pos < moved || pos > moved+2, same, "position %d", pos)
	}
}

// The RMS norm that follows the gates of a state space takes their size away and not their shape:
// gates that are all twice as open change nothing, closed ones let nothing through.
func TestZOfAStateSpaceIsTheNormOfWhatItsGatesLetThrough(t *testing.T) {
	m := modeltest.Architecture(t, "granite4-h", nil)
	ids := modeltest.Recorded(t, "granite4-h").Runs[1].IDs
	z := func(factor func(*mlx.Array) *mlx.Array) []float32 {
		s := mlx.NewScope(m.Device())
		defer s.Close()
		opened := &model.Tap{
			Wanted: func(p model.Place) bool { return p == model.Place{Site: model.AttnGate} },
			Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return factor(x) },
		}
		tap, kept := model.Keep(s, []model.Place{{Site: model.Z}})
		require.NoError(t, model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, opened.Then(tap)).Err())
		values, err := mlx.Data[float32](kept[0])
		require.NoError(t, err)
		return values
	}
	as := z(func(x *mlx.Array) *mlx.Array { return x })
	require.InDeltaSlice(t, as, z(func(x *mlx.Array) *mlx.Array { return mlx.Scale(x, 2) }), 0.05)
	head := m.Shape().In(0).DHead
	one := z(func(x *mlx.Array) *mlx.Array { // the first head's alone
		return mlx.Concatenate(2, mlx.Scale(mlx.Slice(x, 2, mlx.Between(0, 1)), 0), mlx.Slice(x, 2, mlx.Between(1, x.Dim(2))))
	})
	require.Equal(t, make([]float32, head), one[:head])
	require.NotEqual(t, as[head:2*head], one[head:2*head])
}
