package experiment_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// attentions are models that attend each in a way of its own.
var attentions = []string{
	"llama-sliding", "gpt2", "gpt-neox", "gptj", "gemma2-sliding", "gemma3", "gemma4-both", "gpt-oss", "qwen3-5-moe", "lfm2", "granite", "olmo2", "cohere2", "deepseek-v3",
	"bfloat16-affine-4bit-group64",
}

// captured is a value of a place, whole.
func captured(t testing.TB, m model.Model, in edit.Input, at model.Place) edit.Value {
	t.Helper()
	set, err := states.Capture(context.Background(), m, in, []model.Place{at})
	require.NoError(t, err)
	v, err := set.Value(at)
	require.NoError(t, err)
	return v
}

// A row sums to 1, or to less where a head has a sink; what is behind a query has no weight; and the
// numbers are those that a capture of the site has.
func TestPatternsAreThoseOfTheSite(t *testing.T) {
	t.Parallel()
	for _, name := range attentions {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(13, m.Shape().DVocab, 3)}
		a, err := experiment.Attention(context.Background(), m, in, experiment.AttentionOptions{})
		require.NoError(t, err, name)
		n, heads, sinks := len(in.IDs), 0, false
		for layer := range m.Shape().Layers {
			at := model.Place{Site: model.Pattern, Layer: layer}
			if m.Check(at) != nil {
				continue
			}
			v := captured(t, m, in, at)
			heads += v.Shape[0]
			for h := range v.Shape[0] {
				rows := a.Pattern[experiment.Head{Layer: layer, Head: h}]
				require.Len(t, rows, n)
				for q, row := range rows {
					sum := 0.0
					for k, x := range row {
						sum += float64(x)
						require.False(t, k > q && x != 0, "%s %d.%d: query %d sees %d", name, layer, h, q, k)
					}
					require.InDeltaSlice(t, v.Data[(h*n+q)*n:(h*n+q+1)*n], row, 1e-5, name)
					if strings.HasPrefix(name, "gpt-oss") {
						require.LessOrEqual(t, sum, 1+1e-5)
						sinks = sinks || sum < 0.99
					} else {
						require.InDelta(t, 1, sum, 1e-2*tolerance(m, in, at), name)
					}
				}
			}
		}
		require.Equal(t, strings.HasPrefix(name, "gpt-oss"), sinks)
		require.Len(t, a.Pattern, heads)
	}
}

// tolerance is 1 for models that compute in 16 bits, else 1/1000.
func tolerance(m model.Model, in edit.Input, at model.Place) float64 {
	set, err := states.Capture(context.Background(), m, in, []model.Place{at})
	if err == nil && set.Arrays[0].Type.String() != "F32" {
		return 1
	}
	return 1e-3
}

// Chosen heads, queries and keys are the same numbers as all of them, also in parts.
func TestChosenRowsAreThoseOfTheWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama-sliding", "gpt-oss", "gemma4-both", "qwen3-5-moe"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(70, m.Shape().DVocab, 3)}
		for _, weight := range []experiment.Weight{experiment.Unweighted, experiment.ValueNorm} {
			whole, err := experiment.Attention(context.Background(), m, in, experiment.AttentionOptions{Weight: weight})
			require.NoError(t, err)
			heads, err := experiment.AllHeads(m, []int{-1}, []int{1})
			require.NoError(t, err)
			in.Positions = []int{-2, 20, 41}
			o := experiment.AttentionOptions{Heads: heads, Keys: []int{0, 19, 20, 40}, Weight: weight}
			some, err := experiment.Attention(context.Background(), m, in, o)
			require.NoError(t, err)
			require.Equal(t, []int{20, 41, 68}, some.Positions)
			require.Len(t, some.Pattern, 1)
			for i, q := range some.Positions {
				for j, k := range some.Keys {
					require.InDelta(t, whole.Pattern[heads[0]][q][k], some.Pattern[heads[0]][i][j], 1e-5, "%s: %d %d", name, q, k)
				}
			}
			in.Positions = nil
		}
	}
}

// A long prompt goes through in parts, with a cache, and looks the same; so it does when memory is
// short, and when it is too short that is said.
func TestPartsAttendAsTheWholeDoes(t *testing.T) {
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: ids(600, m.Shape().DVocab, 3), Positions: []int{10, 511, 512, 599}}
	h := experiment.Head{Layer: 1, Head: 2}
	o := experiment.AttentionOptions{Heads: []experiment.Head{h}, Weight: experiment.OutputNorm}
	a, err := experiment.Attention(context.Background(), m, in, o)
	require.NoError(t, err)
	v := captured(t, m, edit.Input{IDs: in.IDs, Positions: in.Positions}, model.Place{Site: model.Pattern, Layer: 1})
	norms := outputNorms(t, m, in.IDs, h)
	for i := range in.Positions {
		for k, x := range a.Pattern[h][i] {
			require.InDelta(t, float64(v.Data[(h.Head*4+i)*600+k])*norms[k], x, 1e-5)
		}
	}
	o.MaxMemory = 1 << 20
	_, err = experiment.Attention(context.Background(), m, in, o)
	require.ErrorContains(t, err, "choose fewer heads, positions or keys, or allow more memory")
}

// outputNorms are |v_k·W_O| of a head, by runs in which one key at a time has all of the weight.
func outputNorms(t testing.TB, m model.Model, ids []int, h experiment.Head) []float64 {
	t.Helper()
	n, heads := len(ids), m.Shape().In(h.Layer).Heads
	eye := make([]float32, heads*n*n)
	for i := range heads * n {
		eye[i*n+i%n] = 1
	}
	in := edit.Input{IDs: ids, Edits: []edit.Edit{{Place: model.Place{Site: model.Pattern, Layer: h.Layer}, Op: edit.Set, Value: edit.Value{Shape: []int{heads, n, n}, Data: eye}}}}
	v := captured(t, m, in, model.Place{Site: model.HeadOut, Layer: h.Layer})
	d := v.Shape[2]
	norms := make([]float64, n)
	for k := range norms {
		for _, x := range v.Data[(k*heads+h.Head)*d : (k*heads+h.Head+1)*d] {
			norms[k] += float64(x) * float64(x)
		}
		norms[k] = math.Sqrt(norms[k])
	}
	return norms
}

// Weighted patterns are α·|v| and α·|v·W_O|, with v as the site has it where each head has its own.
func TestWeightsAreNormsOfValues(t *testing.T) {
	t.Parallel()
	for _, name := range attentions {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(9, m.Shape().DVocab, 3)}
		heads, err := experiment.AllHeads(m, nil, []int{1})
		require.NoError(t, err)
		o := experiment.AttentionOptions{Heads: heads}
		plain, err := experiment.Attention(context.Background(), m, in, o)
		require.NoError(t, err)
		o.Weight = experiment.ValueNorm
		byValue, err := experiment.Attention(context.Background(), m, in, o)
		require.NoError(t, err, name)
		o.Weight = experiment.OutputNorm
		byOutput, err := experiment.Attention(context.Background(), m, in, o)
		gated := m.Check(model.Place{Site: model.AttnGate, Layer: heads[0].Layer}) == nil
		if gated {
			require.ErrorContains(t, err, "each query gates what it takes", name)
		} else {
			require.NoError(t, err, name)
		}
		for _, h := range heads {
			values := model.Place{Site: model.V, Layer: h.Layer}
			var v edit.Value
			if m.Check(values) == nil {
				v = captured(t, m, in, values)
			}
			var norms []float64
			if !gated {
				norms = outputNorms(t, m, in.IDs, h)
			}
			for q, row := range plain.Pattern[h] {
				for k, x := range row {
					say := fmt.Sprint(name, " ", h, " ", q, " ", k)
					if v.Data != nil {
						kv := h.Head * v.Shape[1] / m.Shape().In(h.Layer).Heads
						sum := 0.0
						for _, y := range v.Data[(k*v.Shape[1]+kv)*v.Shape[2] : (k*v.Shape[1]+kv+1)*v.Shape[2]] {
							sum += float64(y) * float64(y)
						}
						require.InDelta(t, float64(x)*math.Sqrt(sum), byValue.Pattern[h][q][k], 2e-5*(1+math.Sqrt(sum)), say)
					}
					if !gated {
						require.InDelta(t, float64(x)*norms[k], byOutput.Pattern[h][q][k], 2e-5*(1+norms[k]), say)
					}
				}
			}
		}
	}
}

func TestWhatAttentionCannotShowIsRefused(t *testing.T) {
	t.Parallel()
	m, hybrid := modeltest.Tiny(t), modeltest.Architecture(t, "qwen3-5-moe", nil)
	in := edit.Input{IDs: []int{1, 2, 3, 4}}
	zero := func(site model.Site) []edit.Edit {
		return []edit.Edit{{Place: model.Place{Site: site, Layer: 1}, Op: edit.Zero}}
	}
	for says, c := range map[string]struct {
		m  model.Model
		in edit.Input
		o  experiment.AttentionOptions
	}{
		"there is no model":                                      {nil, in, experiment.AttentionOptions{}},
		"head 8 does not exist":                                  {m, in, experiment.AttentionOptions{Heads: []experiment.Head{{Layer: 1, Head: 8}}}},
		"layer 3 does not exist":                                 {m, in, experiment.AttentionOptions{Heads: []experiment.Head{{Layer: 3}}}},
		"count from 0":                                           {m, in, experiment.AttentionOptions{Heads: []experiment.Head{{Layer: -1}}}},
		"no head was chosen":                                     {m, in, experiment.AttentionOptions{Heads: []experiment.Head{}}},
		"its mixer is a gated delta rule":                        {hybrid, in, experiment.AttentionOptions{Heads: []experiment.Head{{}}}},
		`weight "norm": want "value", "output", or none`:         {m, in, experiment.AttentionOptions{Weight: "norm"}},
		"key 4 does not exist":                                   {m, in, experiment.AttentionOptions{Keys: []int{4}}},
		"key 3 is behind the last position that is asked for, 1": {m, edit.Input{IDs: in.IDs, Positions: []int{1}}, experiment.AttentionOptions{Keys: []int{3}}},
		"it would change nothing":                                {m, edit.Input{IDs: in.IDs, Edits: zero(model.Z)}, experiment.AttentionOptions{Heads: []experiment.Head{{Layer: 1}}}},
		"changes what a head gathered from all keys":             {m, edit.Input{IDs: in.IDs, Edits: zero(model.Z)}, experiment.AttentionOptions{Weight: experiment.ValueNorm}},
	} {
		_, err := experiment.Attention(context.Background(), c.m, c.in, c.o)
		require.ErrorContains(t, err, says)
	}
}
