package auto_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// relative bounds the difference of a number from mlx-lm's, as a part of the largest
// logit (or of the norm). Both compute in float32.
const relative = 1e-4

func architecture(t testing.TB, name string) *golden.Architecture { return modeltest.Recorded(t, name) }

func openArchitecture(t testing.TB, a *golden.Architecture, o auto.Options) model.Model {
	return modeltest.Build(t, a, o)
}

// pass returns the logits [pos][vocab] of ids that continue a cache, and each layer's norms
// [layer][pos]. whole is the length of the sequence that they are a part of, where it does not end
// with them.
func pass(t *testing.T, m model.Model, ids []int32, cache *model.Cache, whole ...int) (logits [][]float32, norms [][]float64) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	streams := make([]*mlx.Array, m.Shape().Layers)
	tap := &model.Tap{
		Lengths: whole,
		Wanted:  func(at model.Place) bool { return at.Site == model.ResidPost },
		Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			streams[at.Layer] = s.Hold(x)
			return x
		},
	}
	flat, err := mlx.Data[float32](mlx.AsType(model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), cache, tap), mlx.Float32))
	require.NoError(t, err)
	vocab := m.Shape().DVocab
	for p := range ids {
		logits = append(logits, flat[p*vocab:(p+1)*vocab])
	}
	for _, x := range streams {
		h, err := mlx.Data[float32](mlx.AsType(x, mlx.Float32))
		require.NoError(t, err)
		var row []float64
		for p := range ids {
			total := 0.0
			for _, v := range h[p*len(h)/len(ids) : (p+1)*len(h)/len(ids)] {
				total += float64(v) * float64(v)
			}
			row = append(row, math.Sqrt(total))
		}
		norms = append(norms, row)
	}
	return logits, norms
}

// firstDifference walks the layers in order and describes the first number that differs by more than
// bound, else the logit that differs most; "" if none does.
func firstDifference(t *testing.T, m model.Model, run golden.LogitRun, bound float64) string {
	t.Helper()
	logits, norms := pass(t, m, run.IDs, nil)
	for l, row := range run.Norms {
		for p, want := range row {
			if d := math.Abs(norms[l][p]-want) / want; !(d <= bound) {
				return fmt.Sprintf("%d ids: layer %d position %d: norm %v, want %v (%.2g)", len(run.IDs), l, p, norms[l][p], want, d)
			}
		}
	}
	if apart := modeltest.LogitsApart(slices.Concat(logits...), run); !(apart.Most <= bound) {
		return fmt.Sprintf("%d ids: %s", len(run.IDs), apart)
	}
	return ""
}

func forms(a *golden.Architecture) []load.Form {
	if strings.Contains(string(a.Config), `"quantization"`) {
		return []load.Form{load.Dense, load.Packed}
	}
	return []load.Form{load.Auto}
}

func TestEveryArchitectureGivesMLXLMsNumbers(t *testing.T) {
	t.Parallel()
	names := modeltest.Short()
	if !testing.Short() {
		names = modeltest.Every(t)
	}
	for _, name := range names {
		a := architecture(t, name)
		for _, form := range forms(a) {
			t.Run(a.Name+" "+string(form), func(t *testing.T) {
				t.Parallel()
				m := openArchitecture(t, a, auto.Options{Weights: form})
				require.Len(t, a.Runs, 3)
				runs := a.Runs
				if testing.Short() {
					runs = runs[2:] // the longest
				}
				for _, run := range runs {
					require.Empty(t, firstDifference(t, m, run, relative))
				}
			})
		}
	}
}

func TestGPT2sThreeFileLayoutsAreOneModel(t *testing.T) {
	a := architecture(t, "gpt2")
	for _, prefix := range []string{"", "transformer."} {
		dir := t.TempDir()
		require.NoError(t, a.WriteAs(dir, func(name string) (string, bool) { // as Hugging Face's Conv1D
			linear := strings.Contains(name, ".c_") && strings.HasSuffix(name, ".weight")
			return prefix + strings.TrimPrefix(name, "model."), linear
		}))
		o, err := auto.Open(dir, auto.Options{})
		require.NoError(t, err)
		defer o.Close()
		for _, run := range a.Runs {
			require.Empty(t, firstDifference(t, o.Model, run, relative))
		}
	}
}

// Hugging Face's Pythia, with the buffers that old files have.
func TestGPTNeoXsTwoFileLayoutsAreOneModel(t *testing.T) {
	for _, name := range []string{"gpt-neox", "gpt-neox-sequential", "gpt-neox-tied"} {
		a := architecture(t, name)
		dir := t.TempDir()
		for _, buffer := range []string{"bias", "masked_bias", "rotary_emb.inv_freq"} {
			a.Tensors = append(a.Tensors, golden.Drawn{Name: "model.h.1.attention." + buffer, Type: "float32", Shape: []int{1, 2}})
		}
		require.NoError(t, a.WriteAs(dir, func(name string) (string, bool) {
			for from, to := range map[string]string{"model.embed_out.": "embed_out.", "model.h.": "gpt_neox.layers."} {
				if strings.HasPrefix(name, from) {
					return to + strings.TrimPrefix(name, from), false
				}
			}
			return "gpt_neox." + strings.TrimPrefix(name, "model."), false
		}))
		o, err := auto.Open(dir, auto.Options{})
		require.NoError(t, err)
		defer o.Close()
		for _, run := range a.Runs {
			require.Empty(t, firstDifference(t, o.Model, run, relative))
		}
	}
}

// GPT-J's trunk alone has no prefix; the head stands outside of it.
func TestGPTJWithoutAPrefixIsTheSameModel(t *testing.T) {
	a := architecture(t, "gptj")
	dir := t.TempDir()
	require.NoError(t, a.WriteAs(dir, func(name string) (string, bool) { return strings.TrimPrefix(name, "model."), false }))
	o, err := auto.Open(dir, auto.Options{})
	require.NoError(t, err)
	defer o.Close()
	require.Empty(t, firstDifference(t, o.Model, a.Runs[1], relative))
}

// transformers does not tie a head that a file has nevertheless; of these types mlx-lm ties none but
// StarCoder2's.
func TestAHeadThatATiedModelsFileHasIsTaken(t *testing.T) {
	for _, name := range []string{"gptj-exact-tied", "phi-qk-layernorm-tied", "stablelm-tied-gelu-linear", "starcoder2"} {
		a := architecture(t, name)
		a.Tensors = append(a.Tensors, golden.Drawn{Name: "lm_head.weight", Type: "float32", Shape: []int{96, 64}, Amplitude: 1})
		requireNoticed(t, openArchitecture(t, a, auto.Options{}), a)
	}
}

func TestATiedHeadHasItsBias(t *testing.T) {
	for _, name := range []string{"gptj-exact-tied", "phi-qk-layernorm-tied"} {
		a := architecture(t, name)
		for i := range a.Tensors {
			if a.Tensors[i].Name == "lm_head.bias" {
				a.Tensors[i].Amplitude = 0
			}
		}
		requireNoticed(t, openArchitecture(t, a, auto.Options{}), a)
		a.Tensors = slices.DeleteFunc(a.Tensors, func(d golden.Drawn) bool { return d.Name == "lm_head.bias" })
		dir := t.TempDir()
		require.NoError(t, a.Write(dir))
		_, err := auto.Open(dir, auto.Options{})
		require.ErrorContains(t, err, "1 missing: lm_head.bias")
	}
}

// following returns the likeliest id after ids that continue a cache, the lowest of several.
func following(t *testing.T, m model.Model, ids []int32, cache *model.Cache) int32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	last := mlx.Slice(model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), cache, nil), 1, mlx.Between(len(ids)-1, len(ids)))
	logits, err := mlx.Data[float32](mlx.AsType(last, mlx.Float32))
	require.NoError(t, err)
	at := 0
	for i, x := range logits {
		if x > logits[at] {
			at = i
		}
	}
	return int32(at)
}

func TestCacheContinuesAsMLXLMs(t *testing.T) {
	t.Parallel()
	for _, name := range modeltest.Sample(t) {
		if strings.Contains(name, "longrope") {
			continue // generate makes the cache anew where the factors change, and has the test
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := architecture(t, name)
			m := openArchitecture(t, a, auto.Options{})
			cache := model.NewCache(m)
			defer cache.Close()
			require.Greater(t, a.Greedy.SmallestGap, 2*relative, "else two tokens are as good")
			feed, got := a.Greedy.IDs, []int32(nil)
			for range a.Greedy.NewIDs {
				next := following(t, m, feed, cache)
				got, feed = append(got, next), []int32{next}
			}
			assert.Equal(t, a.Greedy.NewIDs, got)
			assert.Equal(t, len(a.Greedy.IDs)+len(got)-1, cache.Len())
		})
	}
}

// A cache holds what a pass over all would compute, however the ids are cut.
func TestPiecesThroughACacheAreTheWholeSequence(t *testing.T) {
	t.Parallel()
	for _, name := range modeltest.Sample(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := architecture(t, name)
			m := openArchitecture(t, a, auto.Options{})
			ids := a.Runs[2].IDs
			whole, wholeNorms := pass(t, m, ids, nil)
			largest := 0.0
			for _, row := range whole {
				for _, x := range row {
					largest = max(largest, math.Abs(float64(x)))
				}
			}
			cuts := [][]int{{1, 1, 1, 5, 20, 1, 1, 17, 13}}
			if !testing.Short() && modeltest.Representative(name) { // one by one through a window
				cuts = append(cuts, []int{30, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 13})
			}
			for _, pieces := range cuts {
				cache := model.NewCache(m)
				at := 0
				for _, n := range pieces {
					logits, norms := pass(t, m, ids[at:at+n], cache, len(ids))
					for p := range n {
						requireNear(t, whole[at+p], logits[p], relative*largest, "pieces %v, position %d", pieces, at+p)
						for l := range norms {
							if want := wholeNorms[l][at+p]; !(math.Abs(norms[l][p]-want) <= relative*want) {
								require.InEpsilon(t, want, norms[l][p], relative, "pieces %v, position %d, layer %d", pieces, at+p, l)
							}
						}
					}
					at += n
				}
				require.Equal(t, 60, at)
				require.NoError(t, cache.Eval())
				cache.Close()
				require.Zero(t, cache.Bytes())
			}
		})
	}
}

func TestCacheHoldsItsKeysAndValuesAlone(t *testing.T) {
	for _, name := range []string{"llama", "llama-sliding", "gemma3"} {
		t.Run(name, func(t *testing.T) {
			m := openArchitecture(t, architecture(t, name), auto.Options{})
			cache := model.NewCache(m)
			defer cache.Close()
			before := mlx.ActiveMemory()
			for n := range 30 { // past several extensions and windows
				ids := make([]int32, 1+n*2%41)
				s := mlx.NewScope(m.Device())
				require.NoError(t, mlx.Eval(model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), cache, nil)))
				require.NoError(t, cache.Eval())
				s.Close()
			}
			require.Greater(t, cache.Len(), 512)
			held := func() int { return mlx.ActiveMemory() - before }
			spare := 16 << 10 // an operation may write into an input's buffer that is up to 16 KiB larger than what it needs
			if m.Device() == mlx.GPU {
				spare *= 3 // whose allocator rounds to pages of 16 KiB, and gives buffers that are up to two larger
			}
			most := cache.Bytes() + 2*m.Shape().Layers*spare
			assert.GreaterOrEqual(t, held(), cache.Bytes())
			assert.Eventually(t, func() bool { return held() <= most }, 5*time.Second, time.Millisecond, "it holds %d bytes, more than %d", held(), most)
		})
	}
}

// What the quantization block does not list is read from the shapes: bits, group size, mode.
func TestMixedBitsThatNoBlockListsAreReadFromTheShapes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mixed", "affine-3bit-group32", "affine-8bit-group128", "mxfp4", "mxfp8", "nvfp4"} {
		a := architecture(t, name)
		for _, block := range []any{map[string]any{"group_size": 64, "bits": 4}, nil} {
			change(t, a, "quantization", block)
			for _, form := range []load.Form{load.Dense, load.Packed} {
				m := openArchitecture(t, a, auto.Options{Weights: form})
				require.Empty(t, firstDifference(t, m, a.Runs[1], relative), "%s %v %s", name, block, form)
			}
		}
	}
}

func TestTheCaseOfAKeyMatters(t *testing.T) {
	t.Parallel()
	a := architecture(t, "llama-rope-linear")
	for _, key := range []string{"Hidden_Size", "ROPE_THETA", "Rope_Scaling", "Attention_Bias", "Quantization", "MODEL_TYPE", "rope_scaling.Factor", "Sliding_Window"} {
		change(t, a, key, 3)
	}
	require.Empty(t, firstDifference(t, openArchitecture(t, a, auto.Options{}), a.Runs[2], relative))
}

// Phi-2's scores are beyond float16; attention is in float32, and what it adds is not.
func TestScoresBeyondFloat16AreComputedInFloat32(t *testing.T) {
	for _, name := range []string{"phi", "gptj", "stablelm"} {
		a := architecture(t, name)
		for i := range a.Tensors {
			if a.Tensors[i].Type = "float16"; strings.Contains(a.Tensors[i].Name, "q_proj.") || strings.Contains(a.Tensors[i].Name, "k_proj.") {
				a.Tensors[i].Amplitude *= 300
			}
		}
		m := openArchitecture(t, a, auto.Options{AsStored: true})
		for _, site := range []model.Site{model.Logits, model.Pattern} { // fused attention, and explicit
			s := mlx.NewScope(m.Device())
			defer s.Close()
			tap := &model.Tap{
				Wanted: func(at model.Place) bool { return at.Site == site || at.Site == model.AttnOut },
				Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
					require.Equal(t, at.Site == model.Pattern, x.Dtype() == mlx.Float32, "%s %s", name, at)
					return x
				},
			}
			logits := mlx.AsType(model.Forward(m, mlx.FromSlice(s, a.Runs[1].IDs, 1, 7), nil, tap), mlx.Float32)
			values, err := mlx.Data[float32](logits)
			require.NoError(t, err)
			for _, x := range values {
				require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0), name)
			}
		}
	}
}
