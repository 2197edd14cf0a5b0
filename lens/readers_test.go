package lens_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// embeddingScores is Σᵢ ĥᵢ·E[t]ᵢ in float64, by id.
func embeddingScores(h []float32, table []float32) []float64 {
	square := 0.0
	for _, x := range h {
		square += float64(x) * float64(x)
	}
	size := math.Sqrt(square / float64(len(h)))
	scores := make([]float64, len(table)/len(h))
	for id := range scores {
		for i, x := range h {
			scores[id] += float64(x) / size * float64(table[id*len(h)+i])
		}
	}
	return scores
}

func inputTable(t *testing.T, m model.Model) []float32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	table, err := mlx.Data[float32](mlx.AsType(m.InputEmbedding().Dense(s, mlx.Float32), mlx.Float32))
	require.NoError(t, err)
	return table
}

// An untied head, a tied one under Gemma's factor and +1, LayerNorm with learned positions, and a
// packed table.
func TestTheEmbeddingLensIsTheStateTimesTheTableOfInputs(t *testing.T) {
	t.Parallel()
	ids := []int{1, 2, 3, 4, 5}
	for _, name := range []string{"llama-untied-biases", "gemma", "gpt2", "affine-4bit-group64"} {
		m := modeltest.Architecture(t, name, nil)
		table, states := inputTable(t, m), streamOf(t, m, ids)
		d, layers := m.Shape().DModel, m.Shape().Layers
		logit := trace(t, m, ids, lens.Options{})
		for _, device := range []bool{false, true} {
			g := trace(t, m, ids, lens.Options{Translator: lens.Embedding(m), OnDevice: &device, Targets: []int{7}, Track: 2})
			require.Equal(t, "embedding", g.Lens)
			require.Equal(t, logit.Rows, g.Rows)
			for l := range layers {
				for p := range ids {
					scores, cell := embeddingScores(states[l][p*d:(p+1)*d], table), g.Cells[l][p]
					rank := 1
					for _, x := range scores {
						if x > scores[7] {
							rank++
						}
					}
					require.InDelta(t, slices.Max(scores), cell.Top[0].Logit, 1e-4, "%s, layer %d", name, l)
					require.InDelta(t, scores[7], cell.Targets[0].Logit, 1e-4, "%s, layer %d", name, l)
					require.Equal(t, rank, cell.Targets[0].Rank, "%s, layer %d", name, l)
					require.Equal(t, logit.Cells[layers-1][p].Top[0].ID, cell.Answer.ID, "what rows are compared with is the model's own")
					for _, tracked := range g.Tracked[p] {
						require.InDelta(t, scores[tracked.ID], tracked.Logit[l], 1e-4)
					}
				}
			}
		}
	}
}

// The state that enters the first block is a token's embedding: of all tokens it resembles that one,
// unless a longer one lies the same way.
func TestTheEmbeddingLensOfAnEmbeddingIsItsToken(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "gemma", nil)
	table, d := inputTable(t, m), m.Shape().DModel
	ids := []int{1, 20, 33, 5}
	g := trace(t, m, ids, lens.Options{Embed: true, Translator: lens.Embedding(m), Layers: []int{0}})
	for p, id := range ids {
		scores := embeddingScores(table[id*d:(id+1)*d], table)
		require.InDelta(t, slices.Max(scores), g.Cells[0][p].Top[0].Logit, 1e-4)
		require.InDelta(t, slices.Max(scores), scores[id], 1e-9, "no other token is nearer in this table")
		require.Equal(t, id, g.Cells[0][p].Top[0].ID)
	}
}

func TestTheNegatedLensIsTheLogitLensFromBelow(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	vocab := m.Shape().DVocab
	logit := traceIn(t, m, edit.Input{IDs: sixty, Positions: []int{-1, 7}}, lens.Options{Top: vocab})
	g := traceIn(t, m, edit.Input{IDs: sixty, Positions: []int{-1, 7}}, lens.Options{Top: vocab, Translator: lens.Negated(), Check: true})
	require.Equal(t, "negated logit", g.Lens)
	require.Equal(t, logit.Rows, g.Rows)
	require.True(t, g.Check.OK)
	for r := range g.Cells {
		for p, c := range g.Cells[r] {
			best := logit.Cells[r][p].Top
			for i := range 10 {
				require.Equal(t, best[vocab-1-i].ID, c.Top[i].ID)
				require.InDelta(t, -best[vocab-1-i].Logit, c.Top[i].Logit, 1e-4)
			}
			require.Equal(t, logit.Cells[r][p].Answer.ID, c.Answer.ID)
		}
	}
}

func TestReadersAreComparedWithTheLogitLens(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama-untied-biases", nil)
	in := edit.Input{IDs: []int{1, 2, 3}}
	for _, reader := range []lens.Translator{lens.Embedding(m), lens.Negated()} {
		c, err := lens.Compare(context.Background(), lens.Side{Model: m, Input: in}, lens.Side{Model: m, Input: in, Translator: reader}, lens.CompareOptions{})
		require.NoError(t, err)
		require.Equal(t, []string{"logit", reader.Name()}, []string{c.A.Lens, c.B.Lens})
		g, plain := trace(t, m, in.IDs, lens.Options{Translator: reader}), trace(t, m, in.IDs, lens.Options{})
		for r := range c.Cells {
			for p, cell := range c.Cells[r] {
				require.Equal(t, plain.Cells[r][p].Top[0].ID, cell.A[0].ID)
				require.Equal(t, g.Cells[r][p].Top[0].ID, cell.B[0].ID)
				require.InDelta(t, g.Cells[r][p].Top[0].Logit, cell.B[0].Logit, 1e-4)
			}
		}
	}
}
