package auto_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// sites runs a pass and returns what went by the wanted sites, with the shapes.
func sites(t *testing.T, m model.Model, ids []int32, cache *model.Cache, wanted func(model.Site) bool) (map[model.Place][]float32, map[model.Place][]int) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	seen := map[model.Place]*mlx.Array{}
	tap := &model.Tap{
		Wanted: func(at model.Place) bool { return wanted(at.Site) },
		Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			seen[at] = s.Hold(x)
			return x
		},
	}
	model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), cache, tap)
	values, shapes := map[model.Place][]float32{}, map[model.Place][]int{}
	for at, a := range seen {
		v, err := mlx.Data[float32](mlx.AsType(a, mlx.Float32)) // numbers of experts are whole
		require.NoError(t, err, at)
		values[at], shapes[at] = v, a.Shape()
	}
	return values, shapes
}

func sum(a, b []float32) []float32 {
	out := make([]float32, len(a))
	for i := range a {
		out[i] = a[i] + b[i]
	}
	return out
}

func TestSitesKeepTheirIdentitiesInEveryArchitecture(t *testing.T) {
	t.Parallel()
	for _, name := range modeltest.Sample(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := architecture(t, name)
			m := openArchitecture(t, a, auto.Options{})
			ids := a.Runs[2].IDs
			at, shapes := sites(t, m, ids, nil, func(model.Site) bool { return true })
			requireSites(t, m, len(ids), shapes)
			gemma4 := strings.HasPrefix(a.Name, "gemma4")
			requireStream(t, m, at, gemma4)
			for l := range m.Shape().Layers {
				requirePattern(t, at[model.Place{Site: model.Pattern, Layer: l}], len(ids), len(ids), strings.HasPrefix(a.Name, "gpt-oss"))
				requireExperts(t, m, l, at, mixingOf(t, a))
				requireHeadsSum(t, m, l, at)
				q, k := headNorms(a.Name, m.Shape().In(l))
				requireGain(t, at, q, model.Place{Site: model.Q, Layer: l}, model.Place{Site: model.QNormed, Layer: l})
				requireGain(t, at, k, model.Place{Site: model.K, Layer: l}, model.Place{Site: model.KNormed, Layer: l})
				for raw, out := range map[model.Site]model.Site{model.AttnRaw: model.AttnOut, model.MLPRaw: model.MLPOut} {
					raw, out := model.Place{Site: raw, Layer: l}, model.Place{Site: out, Layer: l}
					if factor, ok := multiplier(t, a); ok {
						requireNear(t, times(at[raw], factor), at[out], 1e-6, "%s from %s", out, raw)
						continue
					}
					requireGain(t, at, norm{over: m.Shape().DModel, gains: m.Shape().DModel}, raw, out)
				}
			}
			requireLensIsTheModel(t, m, ids, at)
		})
	}
}

// places are all sites, in every layer.
func places(m model.Model) (all []model.Place) {
	for _, site := range model.Sites() {
		for layer := range m.Shape().Layers {
			if layer == 0 || site.PerLayer() {
				all = append(all, model.Place{Site: site, Layer: layer})
			}
		}
	}
	return all
}

// requireSites requires that a pass goes by the places that the model says it has, with the
// shapes of the table.
func requireSites(t *testing.T, m model.Model, n int, shapes map[model.Place][]int) {
	t.Helper()
	for _, place := range places(m) {
		site := place.Site
		_, err := m.Paths().Place(place.String())
		require.Equal(t, err, m.Check(place))
		if !slices.Contains(m.Paths().Sites(), site) {
			require.ErrorContains(t, err, "this architecture has no "+string(site)+": ")
		}
		require.Equal(t, err == nil, shapes[place] != nil, "%s", place)
		if err != nil {
			continue
		}
		require.Equal(t, sizesOf(site, m.Shape().In(place.Layer), n), shapes[place], "%s", place)
	}
}

// sizesOf returns the shape of a site's array in a pass of n positions.
func sizesOf(site model.Site, s model.Shape, n int) []int {
	var sizes []int
	for _, axis := range site.Axes() {
		switch axis {
		case model.Batch:
			sizes = append(sizes, 1)
		case model.Pos, model.Key:
			sizes = append(sizes, n)
		default:
			sizes = append(sizes, s.Size(axis))
		}
	}
	return sizes
}

// requireStream requires that the stream is the sum of what is added to it, scaled in some
// architectures by a factor of the layer.
func requireStream(t *testing.T, m model.Model, at map[model.Place][]float32, scaled bool) {
	t.Helper()
	get := func(s model.Site, l int) []float32 { return at[model.Place{Site: s, Layer: l}] }
	first := get(model.Embed, 0)
	if p := get(model.PosEmbed, 0); p != nil {
		first = sum(first, p)
	}
	require.Equal(t, first, get(model.ResidPre, 0))
	for l := range m.Shape().Layers {
		if l > 0 {
			require.Equal(t, get(model.ResidPre, l), get(model.ResidPost, l-1))
		}
		if get(model.ResidMid, l) == nil { // a parallel block, or one that has one of both
			added := get(model.AttnOut, l)
			switch mlp := get(model.MLPOut, l); {
			case added == nil:
				added = mlp
			case mlp != nil:
				added = sum(added, mlp)
			}
			requireNear(t, get(model.ResidPost, l), sum(get(model.ResidPre, l), added), 1e-5)
			continue
		}
		require.Equal(t, get(model.ResidMid, l), sum(get(model.ResidPre, l), get(model.AttnOut, l)))
		all := sum(get(model.ResidMid, l), get(model.MLPOut, l))
		if own := get(model.PerLayerOut, l); own != nil {
			all = sum(all, own)
		}
		if scaled {
			factor := get(model.ResidPost, l)[0] / all[0]
			require.Greater(t, math.Abs(float64(factor-1)), 1e-3)
			for i := range all {
				all[i] *= factor
			}
			requireNear(t, get(model.ResidPost, l), all, 1e-5)
			continue
		}
		require.Equal(t, get(model.ResidPost, l), all)
	}
}

// requireHeadsSum requires that what the heads add is attention's output but for the output
// bias, which is the same at every position.
func requireHeadsSum(t *testing.T, m model.Model, layer int, at map[model.Place][]float32) {
	t.Helper()
	out := at[model.Place{Site: model.AttnRaw, Layer: layer}]
	if out == nil {
		out = at[model.Place{Site: model.AttnOut, Layer: layer}]
	}
	heads, d := m.Shape().In(layer).Heads, m.Shape().DModel
	each := at[model.Place{Site: model.HeadOut, Layer: layer}]
	if each == nil && m.Check(model.Place{Site: model.HeadOut, Layer: layer}) != nil { // a mixer without heads
		return
	}
	require.Len(t, each, heads*len(out))
	bias := make([]float32, len(out))
	copy(bias, out)
	for p := 0; p < len(out); p += d {
		for h := range heads {
			for i := range d {
				bias[p+i] -= each[p*heads+h*d+i]
			}
		}
	}
	for p := 0; p < len(bias); p += d {
		requireNear(t, bias[:d], bias[p:p+d], 1e-5)
	}
}

// norm is an RMS norm, or a LayerNorm without a bias.
type norm struct {
	over    int     // numbers that are normed together
	gains   int     // numbers that have gains of their own
	centred bool    // the mean is taken off first
	eps     float64 // ε, where what is normed can be so small that it matters
}

// headNorms returns the norms of queries and keys, where an architecture has them.
func headNorms(name string, s model.Shape) (q, k norm) {
	q, k = norm{over: s.DHead, gains: s.DHead}, norm{over: s.DHead, gains: s.DHead}
	switch {
	case strings.HasPrefix(name, "olmo"): // of all heads together
		q.over, k.over = s.DHead*s.Heads, s.DHead*s.KVHeads
		q.gains, k.gains = q.over, k.over
	case name == "llama4-options": // its rms_norm_eps
		q.eps, k.eps = 1e-2, 1e-2
	case strings.HasPrefix(name, "phi-"): // with biases: TestLayerNormsOfPhisHeads
		return norm{}, norm{}
	case strings.HasPrefix(name, "cohere"), strings.HasPrefix(name, "stablelm"): // each head has gains of its own
		q, k = norm{over: s.DHead, gains: s.DHead * s.Heads, centred: true}, norm{over: s.DHead, gains: s.DHead * s.KVHeads, centred: true}
	}
	return q, k
}

// multiplier returns what contributions are multiplied by before they are added to the stream.
func multiplier(t *testing.T, a *golden.Architecture) (float64, bool) {
	t.Helper()
	config := struct {
		ModelType  string  `json:"model_type"`
		Multiplier float64 `json:"residual_multiplier"`
	}{Multiplier: 1}
	require.NoError(t, json.Unmarshal(a.Config, &config))
	return config.Multiplier, strings.HasPrefix(config.ModelType, "granite")
}

func times(x []float32, factor float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(float64(v) * factor)
	}
	return out
}

// requireGain requires that after is a norm of before: the same gain everywhere times what is
// normed, x/√(mean x² + ε). Places that the model lacks are nil.
func requireGain(t *testing.T, at map[model.Place][]float32, n norm, before, after model.Place) {
	t.Helper()
	x, y := at[before], at[after]
	if x == nil || y == nil || n.over == 0 {
		return
	}
	require.Equal(t, len(x), len(y))
	gain := make([]float64, n.gains)
	for from := 0; from < len(x); from += n.over {
		total, square := 0.0, 0.0
		for _, v := range x[from : from+n.over] {
			total, square = total+float64(v), square+float64(v)*float64(v)
		}
		mean := 0.0
		if n.centred {
			mean = total / float64(n.over)
		}
		rms := math.Sqrt(square/float64(n.over) - mean*mean + n.eps)
		for i := range n.over {
			v := float64(x[from+i]) - mean
			if math.Abs(v) < 0.3*rms {
				continue // a quotient of small numbers says little
			}
			g, own := float64(y[from+i])*rms/v, (from+i)%n.gains
			if gain[own] == 0 {
				gain[own] = g
			}
			require.InEpsilon(t, gain[own], g, 1e-3, "%s from %s", after, before)
		}
	}
}

// requireLensIsTheModel requires that the lens of the last state is the model, with whatever
// it does to its logits, and that fused attention and an explicit pattern are one computation.
func requireLensIsTheModel(t *testing.T, m model.Model, ids []int32, at map[model.Place][]float32) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	shape := m.Shape()
	last := mlx.FromSlice(s, at[model.Place{Site: model.ResidPost, Layer: shape.Layers - 1}], 1, len(ids), shape.DModel)
	logits, err := mlx.Data[float32](model.ToLogits(m, last))
	require.NoError(t, err)
	own := at[model.Place{Site: model.Logits}]
	requireNear(t, own, logits, 1e-4)
	few, err := mlx.Data[float32](m.UnembedIDs(m.FinalNorm(last), []int{7, 3}))
	require.NoError(t, err)
	for p := range ids {
		row := own[p*shape.DVocab : (p+1)*shape.DVocab]
		requireNear(t, []float32{row[7], row[3]}, few[2*p:2*p+2], 1e-4)
	}
	fused, _ := sites(t, m, ids, nil, func(s model.Site) bool { return s == model.Logits })
	requireNear(t, fused[model.Place{Site: model.Logits}], own, 1e-3)
}

// requirePattern requires rows that sum to 1, or less where there is a sink, with nothing on the
// future, of n queries whose last stands at the last of the keys.
func requirePattern(t *testing.T, pattern []float32, n, keys int, sink bool) {
	t.Helper()
	for row := 0; row < len(pattern); row += keys {
		query, total := row/keys%n+keys-n, float32(0)
		for key, x := range pattern[row : row+keys] {
			total += x
			if key > query && x != 0 {
				require.Zero(t, x, "query %d, key %d", query, key)
			}
		}
		if sink {
			require.Less(t, total, float32(1))
			require.Positive(t, total)
			continue
		}
		require.InDelta(t, 1, total, 1e-5)
	}
}

func TestPatternOfACachedPassIsTheLastRowsOfTheWhole(t *testing.T) {
	for _, name := range []string{"llama", "llama-sliding", "gemma2-sliding", "gemma3", "gemma4-text", "gpt2", "cohere2-layer-types", "starcoder2-sliding-untied"} {
		t.Run(name, func(t *testing.T) {
			a := architecture(t, name)
			m := openArchitecture(t, a, auto.Options{})
			ids := a.Runs[2].IDs[:40]
			pattern := func(s model.Site) bool { return s == model.Pattern }
			whole, _ := sites(t, m, ids, nil, pattern)
			cache := model.NewCache(m)
			defer cache.Close()
			nothing := func(model.Site) bool { return false }
			sites(t, m, ids[:30], cache, nothing)
			require.NoError(t, cache.Eval())
			for i := 30; i < 39; i++ { // a full window goes around
				sites(t, m, ids[i:i+1], cache, nothing)
				require.NoError(t, cache.Eval())
			}
			last, shapes := sites(t, m, ids[39:], cache, pattern)
			for at, got := range last {
				heads, keys := shapes[at][1], shapes[at][3]
				for h := range heads {
					row := whole[at][(h*40+39)*40 : (h*40+40)*40]
					// a window keeps the newest keys alone, in their order
					requireNear(t, row[40-keys:], got[h*keys:(h+1)*keys], 1e-5, "%s head %d", at, h)
					for _, x := range row[:40-keys] {
						require.Zero(t, x)
					}
				}
			}
		})
	}
}

func TestPathsNameTheModulesOfTheCheckpoint(t *testing.T) {
	for _, name := range modeltest.Sample(t) {
		a := architecture(t, name)
		m := openArchitecture(t, a, auto.Options{})
		paths := m.Paths()
		for site := range paths.Modules {
			place := model.Place{Site: site}
			if with := paths.LayersWith(site); site.PerLayer() {
				place.Layer = with[len(with)/2]
			}
			module := paths.Module(place)
			back, err := paths.Place(module)
			require.NoError(t, err, a.Name)
			assert.Equal(t, place, back, "%s: %s", a.Name, module)
			found := site == model.Logits // a tied model has no head of its own
			for _, tensor := range a.Tensors {
				found = found || strings.HasPrefix(tensor.Name, module+".")
			}
			assert.True(t, found, "%s: no tensor under %s", a.Name, module)
		}
	}
}
