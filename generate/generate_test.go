package generate_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func generator(t testing.TB, m model.Model, opts generate.Options) *generate.Generator {
	t.Helper()
	g, err := generate.New(m, opts)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// next generates n ids.
func next(t testing.TB, g *generate.Generator, n int) (ids []int) {
	t.Helper()
	for range n {
		token, err := g.Next(context.Background())
		require.NoError(t, err)
		ids = append(ids, token.ID)
	}
	return ids
}

type greedyRun struct {
	Name        string  `json:"prompt_name"`
	Prompt      string  `json:"prompt"`
	IDs         []int   `json:"ids"`
	NewIDs      []int   `json:"new_ids"`
	Text        string  `json:"text"`
	SmallestGap float64 `json:"smallest_gap"`
}

func TestGreedyTextsAreMLXLMsTokenByToken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real models are slow under the race detector")
	}
	for _, c := range []struct{ ref, golden string }{
		{"models/smollm2/*.gguf", "../testdata/golden/smollm2-greedy.json"},
		{"../shared/models/stories260K", "../../shared/golden/stories260K/greedy.json"},
	} {
		t.Run(filepath.Base(filepath.Dir(c.ref)), func(t *testing.T) {
			refs, err := filepath.Glob(modeltest.Path(t, c.ref))
			require.NoError(t, err)
			raw, err := os.ReadFile(c.golden)
			if len(refs) == 0 || err != nil {
				t.Skip("the model or its golden file is not there")
			}
			var file struct {
				Runs []greedyRun `json:"runs"`
			}
			require.NoError(t, json.Unmarshal(raw, &file))
			require.NotEmpty(t, file.Runs)
			o := modeltest.Open(t, refs[0], auto.Options{})
			for _, run := range file.Runs {
				g := generator(t, o.Model, generate.Options{})
				require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: run.IDs}))
				got := next(t, g, len(run.NewIDs))
				require.Equal(t, run.NewIDs, got, run.Name)
				require.Equal(t, append(run.IDs, got...), g.IDs())
				text, err := o.Tokenizer.Decode(got, false)
				require.NoError(t, err)
				assert.Equal(t, run.Text, text, run.Name)
			}
		})
	}
}

func TestLensOfGeneratedTokensIsTheFullSequences(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	mlp := model.Place{Site: model.MLPOut, Layer: 1}
	z := model.Place{Site: model.Z, Layer: 0}
	for name, edits := range map[string][]edit.Edit{
		"as it is":                   nil,
		"steered in the prompt":      {{Place: mlp, Positions: []int{1, 5}, Op: edit.Scale, Factor: -2}},
		"steered while it generates": {{Place: mlp, Op: edit.Scale, Factor: -2}, {Place: z, Heads: []int{3}, Op: edit.Zero}},
		"in noise":                   {{Place: mlp, Op: edit.Noise, Factor: 0.5, Seed: 3}},
	} {
		t.Run(name, func(t *testing.T) { requireLensOfTheWhole(t, m, edits) })
	}
}

func requireLensOfTheWhole(t *testing.T, m model.Model, edits []edit.Edit) {
	options := lens.Options{Top: 4, Embed: true, Mid: true, Targets: []int{3}}
	reader, err := lens.NewReader(m, options)
	require.NoError(t, err)
	defer reader.Close()
	passes := 0 // that choose nothing
	g := generator(t, m, generate.Options{Tap: func(p generate.Pass) *model.Tap {
		if !p.Chooses {
			passes++
			return nil
		}
		require.Equal(t, 1, p.To-p.From)
		return reader.Tap()
	}})
	start := []int{30, 7, 500, 7, 123, 9}
	require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: start, Edits: edits}))
	require.Equal(t, 1, passes, "the prompt's pass is seen too")
	var cached *lens.Grid
	fed := start[len(start)-1]
	for range 12 {
		token, err := g.Next(context.Background())
		require.NoError(t, err)
		step, err := reader.Read(context.Background(), []int{fed})
		require.NoError(t, err)
		last := step.Cells[len(step.Cells)-1][0]
		require.Equal(t, token.ID, last.Top[0].ID, "the last row is the model")
		require.InDelta(t, math.Log(last.Top[0].Prob), token.LogProb, 1e-4)
		if cached == nil {
			cached = step
		} else {
			require.NoError(t, cached.Append(step))
		}
		fed = token.ID
	}
	ids := g.IDs()
	whole, err := lens.Run(context.Background(), m, edit.Input{IDs: ids[:len(ids)-1], Edits: edits}, options)
	require.NoError(t, err)
	require.Equal(t, whole.Rows, cached.Rows)
	for r := range cached.Cells {
		for i := range cached.Cells[r] {
			want, got := whole.Cells[r][len(start)-1+i], cached.Cells[r][i]
			for k := range want.Top {
				require.Equal(t, want.Top[k].ID, got.Top[k].ID)
				require.InDelta(t, want.Top[k].Logit, got.Top[k].Logit, 1e-4)
			}
			require.InDelta(t, want.KL, got.KL, golden.MetricTolerance)
			require.InDelta(t, want.Norm, got.Norm, 1e-3)
			require.Equal(t, want.Targets[0].Rank, got.Targets[0].Rank)
		}
	}
	assert.Equal(t, whole.Final.FirstTop1, cached.Final.FirstTop1)
	assert.Equal(t, ids[len(start)-1:len(ids)-1], tokenIDs(cached.Tokens))
}

func tokenIDs(tokens []lens.Token) (ids []int) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}

// long opens a recorded random model with windows and room for 1,200 positions.
func long(t *testing.T) model.Model {
	t.Helper()
	return modeltest.Architecture(t, "gemma3", func(a *golden.Architecture) {
		a.Config = []byte(strings.Replace(string(a.Config), `"max_position_embeddings":256`, `"max_position_embeddings":1200`, 1))
	})
}

func prompt(m model.Model, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*i + 11) % m.Shape().DVocab
	}
	return ids
}

func TestPromptLongerThanAPassIsTheSame(t *testing.T) {
	t.Parallel()
	m := long(t)
	require.Equal(t, 1200, m.Shape().Context)
	ids := prompt(m, 1197)
	var done []int
	g := generator(t, m, generate.Options{Progress: func(n, total int) {
		require.Equal(t, 1196, total)
		done = append(done, n)
	}})
	require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: ids}))
	require.Equal(t, []int{512, 1024, 1196}, done)
	first, err := g.Next(context.Background())
	require.NoError(t, err)
	whole, err := lens.Run(context.Background(), m, edit.Input{IDs: ids, Positions: []int{-1}}, lens.Options{Layers: []int{-1}})
	require.NoError(t, err)
	assert.Equal(t, whole.Cells[0][0].Top[0].ID, first.ID)
	assert.InDelta(t, math.Log(whole.Cells[0][0].Top[0].Prob), first.LogProb, 1e-3)
	next(t, g, 3) // up to the last position, and one id that has none
	_, err = g.Next(context.Background())
	require.ErrorIs(t, err, generate.ErrContext)
}

func TestPromptThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	m := long(t)
	ids := prompt(m, 1100)
	ctx, cancel := context.WithCancel(context.Background())
	g := generator(t, m, generate.Options{Progress: func(int, int) { cancel() }})
	require.ErrorIs(t, g.Prompt(ctx, edit.Input{IDs: ids}), context.Canceled)
	_, err := g.Next(context.Background())
	require.EqualError(t, err, "generate: a pass before failed: 512 of 1100 positions are computed")
	require.NoError(t, g.Prompt(context.Background(), edit.Input{}))
	got := next(t, g, 4)

	fresh := generator(t, m, generate.Options{})
	require.NoError(t, fresh.Prompt(context.Background(), edit.Input{IDs: ids}))
	require.Equal(t, next(t, fresh, 4), got)
}

func TestTextIsContinuedAfterGeneration(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	ctx := context.Background()
	g := generator(t, m, generate.Options{})
	require.NoError(t, g.Prompt(ctx, edit.Input{IDs: []int{30, 7, 500}}))
	said := next(t, g, 3)
	require.NoError(t, g.Prompt(ctx, edit.Input{IDs: []int{9, 123}})) // as a user's next message
	got := next(t, g, 3)

	whole := generator(t, m, generate.Options{})
	require.NoError(t, whole.Prompt(ctx, edit.Input{IDs: append(append([]int{30, 7, 500}, said...), 9, 123)}))
	require.Equal(t, next(t, whole, 3), got)
}

func TestPromptThatCannotBeContinuedIsRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	g := generator(t, m, generate.Options{})
	ctx := context.Background()
	_, err := g.Next(ctx)
	require.ErrorContains(t, err, "there is no prompt")
	require.ErrorContains(t, g.Prompt(ctx, edit.Input{}), "the prompt is empty")
	require.ErrorContains(t, g.Prompt(ctx, edit.Input{IDs: []int{1, 512}}), "id 512 (number 2) is outside the vocabulary: ids go from 0 to 511")
	require.ErrorContains(t, g.Prompt(ctx, edit.Input{IDs: make([]int, m.Shape().Context+1)}), "the model was made for")
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, g.Prompt(stopped, edit.Input{IDs: []int{1, 2, 3}}), context.Canceled)
	_, err = generate.New(m, generate.Options{Sampling: generate.Sampling{TopP: 2}})
	require.ErrorContains(t, err, "top-p 2")
}

func TestClosedGeneratorsLeaveNoMemory(t *testing.T) {
	m := modeltest.Tiny(t)
	active := func() int {
		g := generator(t, m, generate.Options{})
		require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: []int{30, 7, 500}}))
		next(t, g, 20)
		_, err := g.Next(context.Background())
		require.NoError(t, err)
		g.Close()
		// the pass that ran ahead ends before what is evaluated after it
		scope := mlx.NewScope(m.Device())
		err = mlx.Eval(mlx.Ones(scope, mlx.Float32, 1))
		scope.Close() // of a GPU it may hold a larger buffer than it needs
		require.NoError(t, err)
		return mlx.ActiveMemory()
	}
	active() // a GPU's library keeps something from its first time
	before := active()
	for range 20 {
		after := active()
		// a GPU's arrays are freed by a thread that hears of their end, of the first ones perhaps only now
		require.Eventually(t, func() bool { return min(after, mlx.ActiveMemory()) <= before }, 5*time.Second, time.Millisecond,
			"%d bytes before, %d after", before, after)
		before = min(before, after)
	}
}

func TestEditsComeWithIDsAndStayWhenAPromptGoesOn(t *testing.T) {
	m := modeltest.Tiny(t)
	ctx := context.Background()
	zero := edit.Edit{Place: model.Place{Site: model.MLPOut, Layer: 1}, Op: edit.Zero}
	g := generator(t, m, generate.Options{})
	require.NoError(t, g.Prompt(ctx, edit.Input{IDs: []int{30, 7, 500}, Edits: []edit.Edit{zero}}))
	want := next(t, g, 5)
	again := generator(t, m, generate.Options{})
	require.NoError(t, again.Prompt(ctx, edit.Input{IDs: []int{30, 7, 500}, Edits: []edit.Edit{zero}}))
	got := next(t, again, 2)
	require.NoError(t, again.Prompt(ctx, edit.Input{}))
	require.Equal(t, want, append(got, next(t, again, 3)...))
	require.ErrorContains(t, again.Prompt(ctx, edit.Input{Edits: []edit.Edit{zero}}), "edits come with ids")
}

// Past 32 tokens the factors change: the whole sequence turns by the long ones then, as in
// transformers' Phi-3, and each token is what a pass over all before it chooses.
func TestLongropeGoesOverToItsLongFactors(t *testing.T) {
	for _, name := range emulated.Fewer([]string{"llama-rope-longrope", "phi3-longrope-partial"}, 2) {
		a := modeltest.Recorded(t, name)
		m := modeltest.Build(t, a, auto.Options{})
		require.Equal(t, 32, m.Shape().ShortContext)
		var ids, want []int
		for _, id := range a.Greedy.IDs {
			ids = append(ids, int(id))
		}
		for _, id := range a.Greedy.NewIDs {
			want = append(want, int(id))
		}
		seen := func(generate.Pass) *model.Tap { return nil }
		for _, o := range []generate.Options{{}, {Tap: seen}, {Sampling: generate.Sampling{Temperature: 1, TopK: 1}}} {
			for _, cut := range []int{len(ids), 5} { // a prompt in one, and in two parts
				g := generator(t, m, o)
				require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: ids[:cut]}))
				if cut < len(ids) {
					require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: ids[cut:]}))
				}
				require.Equal(t, want, next(t, g, len(want)), name)
			}
			g := generator(t, m, o)
			require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: ids}))
			next(t, g, 3)
			more := append(g.IDs(), want[3:15]...) // over the border by a prompt
			require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: want[3:15]}))
			require.Equal(t, append(more, want[15:]...), append(g.IDs(), next(t, g, len(want)-15)...))
		}
	}
}

func TestTheLikeliestIsTheLowestOfEqualRows(t *testing.T) {
	m := modeltest.Tied(t)
	for n := 1; n <= 9; n++ {
		for _, o := range []generate.Options{{}, {Tap: func(generate.Pass) *model.Tap { return nil }}} {
			g := generator(t, m, o)
			require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: modeltest.Sixty[:n]}))
			require.Equal(t, []int{3, 3, 3}, next(t, g, 3))
		}
	}
}

func TestGemma3ContinuesAsTransformers(t *testing.T) {
	if testing.Short() {
		t.Skip("a real model takes seconds, and minutes under the race detector")
	}
	o := modeltest.Gemma3(t)
	var file struct {
		Greedy greedyRun `json:"greedy"`
	}
	f, err := os.Open("../testdata/golden/gemma3-270m.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(&file))
	g := generator(t, o.Model, generate.Options{})
	require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: file.Greedy.IDs}))
	require.Equal(t, file.Greedy.NewIDs, next(t, g, len(file.Greedy.NewIDs)))
}
