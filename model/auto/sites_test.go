package auto_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		Wanted: func(site model.Site, _ int) bool { return wanted(site) },
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			seen[model.Place{Site: site, Layer: layer}] = s.Hold(x)
			return x
		},
	}
	m.Forward(mlx.FromSlice(s, ids, 1, len(ids)), cache, tap)
	values, shapes := map[model.Place][]float32{}, map[model.Place][]int{}
	for at, a := range seen {
		v, err := mlx.Data[float32](a)
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
	for _, a := range architectures(t) {
		t.Run(a.Name, func(t *testing.T) {
			m := openArchitecture(t, a, auto.Options{})
			ids := a.Runs[2].IDs
			n, shape := len(ids), m.Shape()
			at, shapes := sites(t, m, ids, nil, func(model.Site) bool { return true })
			for _, site := range model.Sites() {
				place := model.Place{Site: site}
				if site.PerLayer() {
					place.Layer = shape.Layers - 1
				}
				require.Equal(t, slices.Contains(m.Paths().Sites(), site), at[place] != nil, "%s", place)
				_, err := m.Paths().Place(place.String())
				if at[place] == nil {
					require.ErrorContains(t, err, "the architecture has no such site (have: embed, ")
				} else {
					require.NoError(t, err)
				}
			}
			require.GreaterOrEqual(t, len(m.Paths().Sites()), 19)
			get := func(s model.Site, l int) []float32 { return at[model.Place{Site: s, Layer: l}] }
			first := get(model.Embed, 0)
			if p := get(model.PosEmbed, 0); p != nil {
				first = sum(first, p)
			}
			require.Equal(t, first, get(model.ResidPre, 0))
			for l := range shape.Layers {
				require.Equal(t, get(model.ResidMid, l), sum(get(model.ResidPre, l), get(model.AttnOut, l)))
				require.Equal(t, get(model.ResidPost, l), sum(get(model.ResidMid, l), get(model.MLPOut, l)))
				if l > 0 {
					require.Equal(t, get(model.ResidPre, l), get(model.ResidPost, l-1))
				}
				require.Equal(t, []int{1, n, shape.Heads, shape.DHead}, shapes[model.Place{Site: model.Z, Layer: l}])
				require.Equal(t, []int{1, n, shape.KVHeads, shape.DHead}, shapes[model.Place{Site: model.V, Layer: l}])
				require.Equal(t, []int{1, n, shape.DMLP}, shapes[model.Place{Site: model.MLPPost, Layer: l}])
				requirePattern(t, get(model.Pattern, l), n, n)
			}
			// the lens of the last state is the model, with whatever it does to its logits
			s := mlx.NewScope(m.Device())
			defer s.Close()
			last := mlx.FromSlice(s, get(model.ResidPost, shape.Layers-1), 1, n, shape.DModel)
			logits, err := mlx.Data[float32](model.ToLogits(m, last))
			require.NoError(t, err)
			require.InDeltaSlice(t, get(model.Logits, 0), logits, 1e-4)
			// fused attention, and an explicit pattern, are one computation
			fused, _ := sites(t, m, ids, nil, func(s model.Site) bool { return s == model.Logits })
			require.InDeltaSlice(t, fused[model.Place{Site: model.Logits}], get(model.Logits, 0), 1e-3)
		})
	}
}

// requirePattern requires rows that sum to 1 with nothing on the future, of n queries
// whose last stands at the last of the keys.
func requirePattern(t *testing.T, pattern []float32, n, keys int) {
	t.Helper()
	for row := 0; row < len(pattern); row += keys {
		query, total := row/keys%n+keys-n, float32(0)
		for key, x := range pattern[row : row+keys] {
			total += x
			if key > query {
				require.Zero(t, x)
			}
		}
		require.InDelta(t, 1, total, 1e-5)
	}
}

func TestPatternOfACachedPassIsTheLastRowsOfTheWhole(t *testing.T) {
	for _, name := range []string{"llama", "llama-sliding", "gemma2-sliding", "gemma3", "gpt2"} {
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
					require.InDeltaSlice(t, row[40-keys:], got[h*keys:(h+1)*keys], 1e-5, "%s head %d", at, h)
					for _, x := range row[:40-keys] {
						require.Zero(t, x)
					}
				}
			}
		})
	}
}

func TestPathsNameTheModulesOfTheCheckpoint(t *testing.T) {
	for _, a := range architectures(t) {
		m := openArchitecture(t, a, auto.Options{})
		paths := m.Paths()
		for site := range paths.Modules {
			place := model.Place{Site: site}
			if site.PerLayer() {
				place.Layer = 1
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
