package lens_test

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// float64s reads a tensor of a checkpoint.
func float64s(t *testing.T, c *checkpoint.Checkpoint, name string) []float64 {
	t.Helper()
	x := c.Tensor(name)
	require.NotNil(t, x, name)
	narrow := make([]float32, x.NumElements())
	require.NoError(t, x.Float32(narrow, 0, x.NumRows()))
	out := make([]float64, len(narrow))
	for i, y := range narrow {
		out[i] = float64(y)
	}
	return out
}

// streamOf returns the state behind each block, [layer][pos·d_model].
func streamOf(t *testing.T, m model.Model, ids []int) [][]float32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	var places []model.Place
	for l := range m.Shape().Layers {
		places = append(places, model.Place{Site: model.ResidPost, Layer: l})
	}
	tap, kept := model.Keep(s, places)
	require.NoError(t, model.Forward(m, model.Tokens(s, ids), nil, tap).Err())
	states := make([][]float32, len(kept))
	for l, h := range kept {
		var err error
		states[l], err = mlx.Data[float32](h)
		require.NoError(t, err)
	}
	return states
}

// classicLogits maps a state to RMSNorm(x)·headᵀ, by id.
func classicLogits(x []float32, gain, head []float64) []float64 {
	square := 0.0
	for _, v := range x {
		square += float64(v) * float64(v)
	}
	rms := math.Sqrt(square/float64(len(x)) + 1e-5) // config.json: rms_norm_eps
	row := make([]float64, len(head)/len(x))
	for id := range row {
		for i, v := range x {
			row[id] += float64(v) / rms * gain[i] * head[id*len(x)+i]
		}
	}
	return row
}

// softmax64 returns the distribution of logits, and log Σ exp of them.
func softmax64(row []float64) (p []float64, lse float64) {
	greatest := math.Inf(-1)
	for _, x := range row {
		greatest = max(greatest, x)
	}
	for _, x := range row {
		lse += math.Exp(x - greatest)
	}
	lse = greatest + math.Log(lse)
	for _, x := range row {
		p = append(p, math.Exp(x-lse))
	}
	return p, lse
}

// requireViews requires what a cell must say of its logits, and of the last row's.
func requireViews(t *testing.T, cell lens.Cell, logits, last []float64, at ...any) {
	t.Helper()
	final, _ := softmax64(last)
	answer := 0
	for id := range final {
		if final[id] > final[answer] {
			answer = id
		}
	}
	probs, lse := softmax64(logits)
	kl, entropy, rank, best := 0.0, 0.0, 1, 0
	for id := range probs {
		kl += final[id] * math.Log(final[id]/probs[id])
		entropy -= probs[id] * math.Log(probs[id])
		if logits[id] > logits[answer] {
			rank++
		}
		if probs[id] > probs[best] {
			best = id
		}
	}
	require.Equal(t, best, cell.Top[0].ID, at...)
	require.Equal(t, answer, cell.Answer.ID, at...)
	assert.InDelta(t, logits[answer], cell.Answer.Logit, 2e-5, at...)
	assert.InDelta(t, probs[answer], cell.Answer.Prob, 1e-6, at...)
	assert.Equal(t, rank, cell.Answer.Rank, at...)
	assert.InDelta(t, kl, cell.KL, 1e-5, at...)
	assert.InDelta(t, entropy, cell.Entropy, 1e-5, at...)
	assert.InDelta(t, lse, cell.LogSumExp, 1e-5, at...)
	assert.InDelta(t, probs[best], cell.Top[0].Prob, 1e-6, at...)
}

// The four views of the first logit-lens post, from the states on: RMSNorm, head, softmax
// and sums in float64, with weights read from the file and no code of the lens.
func TestClassicViewsAreWhatFloat64Gives(t *testing.T) {
	t.Parallel()
	const dir = "testdata/models/tiny-llama-a-llama3rope"
	m := modeltest.Open(t, dir, auto.Options{}).Model
	c, err := checkpoint.Open(modeltest.Path(t, dir))
	require.NoError(t, err)
	defer c.Close()
	gain, head := float64s(t, c, "model.norm.weight"), float64s(t, c, "lm_head.weight")

	d := m.Shape().DModel
	var logits [][][]float64 // [layer][pos][id]
	for _, h := range streamOf(t, m, sixty) {
		var rows [][]float64
		for p := range sixty {
			rows = append(rows, classicLogits(h[p*d:(p+1)*d], gain, head))
		}
		logits = append(logits, rows)
	}
	last := logits[len(logits)-1]
	g := trace(t, m, sixty, lens.Options{Top: 2})
	for l := range logits {
		for p := range sixty {
			requireViews(t, g.Cells[l][p], logits[l][p], last[p], "layer %d position %d", l, p)
		}
	}
}

// Ids are equal but in ties, and logits within 1e-5 of the largest of their distribution, whatever is
// read beside them, in parts of whatever size, on however many threads.
func TestNumbersOfARealModelDependOnNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("a real model is slow under the race detector")
	}
	o := smollm2(t)
	ids, err := o.Tokenizer.Encode("The capital of France is Paris, and the capital of Italy is Rome. The Eiffel Tower stands in", true)
	require.NoError(t, err)
	all := lens.Options{Top: 10, Embed: true, Targets: []int{7042}, Track: 3}
	want := trace(t, o.Model, ids, all)
	row := map[string]int{}
	for r, name := range want.Rows {
		row[name] = r
	}
	agrees := func(g *lens.Grid) {
		t.Helper()
		for r, name := range g.Rows {
			for i, p := range g.Positions {
				a, b := want.Cells[row[name]][p], g.Cells[r][i]
				most := 1e-5 * max(1, math.Abs(a.Top[0].Logit))
				for k := range b.Top {
					require.True(t, a.Top[k].ID == b.Top[k].ID || tied(a.Top, k, b.Top[k].ID, most), "%s position %d candidate %d: %v, %v", name, p, k, a.Top, b.Top)
					require.InDelta(t, a.Top[k].Logit, b.Top[k].Logit, most, "%s position %d", name, p)
				}
				require.InDelta(t, a.KL, b.KL, 10*most, "%s position %d", name, p)
			}
		}
	}
	t.Run("layers", func(t *testing.T) {
		agrees(trace(t, o.Model, ids, lens.Options{Top: 10, Layers: []int{3, 17, 29}}))
		agrees(trace(t, o.Model, ids, lens.Options{Top: 10, Layers: []int{4}}))
	})
	t.Run("positions", func(t *testing.T) {
		agrees(traceIn(t, o.Model, edit.Input{IDs: ids, Positions: []int{0, -1}}, lens.Options{Top: 10}))
	})
	t.Run("chunks and parts", func(t *testing.T) {
		for _, room := range [][2]int{{512, 1}, {512, 5}, {8, 8}, {3, 2}} {
			agrees(lens.RunInRoom(t, o.Model, ids, all, room[0], room[1]))
		}
	})
	t.Run("batch", func(t *testing.T) {
		other := edit.Input{IDs: prompt(len(ids) + 5)}
		for i, prompts := range [][]edit.Input{{{IDs: ids}, other}, {other, {IDs: ids}, {IDs: ids[:20]}, other}} {
			n := 0
			for g, err := range lens.RunAll(context.Background(), o.Model, prompts, all) {
				require.NoError(t, err)
				if n == i {
					agrees(g)
				}
				n++
			}
		}
	})
	t.Run("threads", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		agrees(trace(t, o.Model, ids, all))
		runtime.GOMAXPROCS(7)
		agrees(trace(t, o.Model, ids, all))
	})
}
