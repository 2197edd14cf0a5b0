package jacobian_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/model"
)

// prompt is the i-th of some prompts.
func prompt(m model.Model, i, length int) []int {
	ids := make([]int, length)
	for p := range ids {
		ids[p] = (p*p*7 + 3*p + 5 + 31*i) % m.Shape().DVocab
	}
	return ids
}

func newFit(t *testing.T, m model.Model, o jacobian.FitOptions, prompts ...int) *jacobian.Fit {
	t.Helper()
	f, err := jacobian.NewFit(m, o)
	require.NoError(t, err)
	add(t, f, m, prompts...)
	return f
}

func add(t *testing.T, f *jacobian.Fit, m model.Model, prompts ...int) {
	t.Helper()
	for _, i := range prompts {
		require.NoError(t, f.Add(context.Background(), prompt(m, i, 9+i), nil))
	}
}

func written(t *testing.T, f *jacobian.Fit) []byte {
	t.Helper()
	l, err := f.Lens(jacobian.Metadata{"model_name": "m"})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, l.WritePT(&b, checkpoint.F32))
	return b.Bytes()
}

func TestAFitThatIsRestoredGivesTheSameFile(t *testing.T) {
	m := modeltest.Tiny(t)
	for _, o := range []jacobian.FitOptions{
		{Skip: 3, Length: 12, Batch: 50},
		{Skip: 3, Length: 12, Rows: 100, Seed: 4},
		{Skip: 3, Length: 12, Rows: 43, Seed: 1}, // too few for the blocks' matrices to pay, while memory allows more
	} {
		whole := newFit(t, m, o, 0, 1, 2)
		part := newFit(t, m, o, 0, 1)
		path := put(t, "fit.pt", func(w io.Writer) error { return part.Save(w, jacobian.Metadata{"of": "this"}) })
		if l, err := jacobian.Open(path); o.Rows > 0 {
			require.ErrorContains(t, err, "is a checkpoint of a fit by some rows of each prompt")
		} else {
			require.NoError(t, err)
			require.NoError(t, l.Close())
		}
		o.Batch = 7
		_, _, err := jacobian.Restore(m, o, path)
		require.ErrorContains(t, err, fmt.Sprintf("was fitted with dim_batch %d, and this fit has 7", part.Batch()))
		o.Batch = 0 // the saved fit's
		again, about, err := jacobian.Restore(m, o, path)
		require.NoError(t, err)
		require.Equal(t, "this", about["of"])
		require.Equal(t, 2, again.Done())
		add(t, again, m, 2)
		require.Equal(t, written(t, whole), written(t, again))
		require.Equal(t, fmt.Sprint(whole.Errors()), fmt.Sprint(again.Errors())) // NaN is not itself
		o.Skip = 4
		_, _, err = jacobian.Restore(m, o, path)
		require.ErrorContains(t, err, "was fitted with skip_first 3, and this fit has 4")
	}
	_, _, err := jacobian.Restore(m, jacobian.FitOptions{}, put(t, "x.pt", func(w io.Writer) error { return small(t).WritePT(w, checkpoint.F32) }))
	require.ErrorContains(t, err, "is no fit that was saved")
}

func TestRowsOfPartOfThePromptsAreThoseOfAllRows(t *testing.T) {
	m := modeltest.Tiny(t)
	d := m.Shape().DModel
	all, err := newFit(t, m, jacobian.FitOptions{Skip: 3, Length: 12}, 0).Lens(nil)
	require.NoError(t, err)
	// the same prompt again and again: every row is the same, whenever it is taken
	f, err := jacobian.NewFit(m, jacobian.FitOptions{Skip: 3, Length: 12, Rows: d/2 - 1, Seed: 1})
	require.NoError(t, err)
	for range 2 {
		add(t, f, m, 0)
	}
	_, err = f.Lens(nil)
	require.ErrorContains(t, err, fmt.Sprintf("was in none of 2 prompts of %d rows: give 3 prompts or more, or more rows", d/2-1))
	for range 3 {
		add(t, f, m, 0)
	}
	some, err := f.Lens(nil)
	require.NoError(t, err)
	for _, layer := range all.Layers {
		want := make([]float64, d*d)
		for i, x := range matrix(t, all, layer) {
			want[i] = float64(x)
		}
		requireClose(t, want, matrix(t, some, layer), 1e-5, "sampled")
	}
	for _, e := range f.Errors() {
		require.InDelta(t, 0, e, 1e-3, "the prompts do not differ")
	}
	require.Equal(t, d/2-1, some.Metadata["rows_per_prompt"])
}

func TestTheStandardErrorIsThatOfTheMean(t *testing.T) {
	m := modeltest.Tiny(t)
	o := jacobian.FitOptions{Skip: 3, Length: 12, Layers: []int{1}}
	f := newFit(t, m, o, 0, 1, 2)
	var each [][]float32
	for i := range 3 {
		l, err := newFit(t, m, o, i).Lens(nil)
		require.NoError(t, err)
		each = append(each, matrix(t, l, 1))
	}
	variance, norm := 0.0, 0.0
	for i := range each[0] {
		a, b, c := float64(each[0][i]), float64(each[1][i]), float64(each[2][i])
		mean := (a + b + c) / 3
		norm += mean * mean
		variance += ((a-mean)*(a-mean) + (b-mean)*(b-mean) + (c-mean)*(c-mean)) / 2 / 3
	}
	require.InEpsilon(t, math.Sqrt(variance/norm), f.Errors()[0], 1e-4)
	require.True(t, math.IsNaN(newFit(t, m, o, 0).Errors()[0]), "one prompt has no variance")
}

func TestMergedShardsAreTheFitOfAll(t *testing.T) {
	m := modeltest.Tiny(t)
	o := jacobian.FitOptions{Skip: 3, Length: 12}
	want, err := newFit(t, m, o, 0, 1, 2).Lens(nil)
	require.NoError(t, err)
	shard := func(name string, about jacobian.Metadata, prompts ...int) *jacobian.Lens {
		l, err := newFit(t, m, o, prompts...).Lens(about)
		require.NoError(t, err)
		return open(t, put(t, name, func(w io.Writer) error { return l.WritePT(w, checkpoint.F32) }))
	}
	a := shard("a.pt", jacobian.Metadata{"corpus": "x", jacobian.Digest: "1"}, 0, 1)
	b := shard("b.pt", jacobian.Metadata{"corpus": "y", jacobian.Digest: "2"}, 2)
	got, err := jacobian.Merge(a, b)
	require.NoError(t, err)
	require.Equal(t, 3, got.Prompts)
	require.Equal(t, "x, y", got.Corpus())
	for _, layer := range want.Layers {
		expected := matrix(t, want, layer)
		for i, x := range matrix(t, got, layer) {
			require.InDelta(t, expected[i], x, 1e-5)
		}
	}
	c := shard("a.pt", jacobian.Metadata{jacobian.Digest: "4", jacobian.Digests: []any{"p", "p", "q"}}, 0, 1)
	both, err := jacobian.Merge(c, shard("b.pt", jacobian.Metadata{jacobian.Digest: "5", jacobian.Digests: []any{"r"}}, 2))
	require.NoError(t, err)
	overlapping := shard("c.pt", jacobian.Metadata{jacobian.Digest: "6", jacobian.Digests: []any{"s", "q", "r"}}, 2)
	_, err = jacobian.Merge(c, overlapping)
	require.ErrorContains(t, err, "c.pt share 1 prompt, which would count twice: the first is prompt 1 of ")
	_, err = jacobian.Merge(both, overlapping)
	require.ErrorContains(t, err, "share 2 prompts")
	for says, with := range map[string]*jacobian.Lens{
		"were fitted to the same prompts, which would count twice":       shard("c.pt", jacobian.Metadata{jacobian.Digest: "1"}, 2),
		`a.pt has no model_name, and `:                                   shard("c.pt", jacobian.Metadata{"model_name": "other"}, 2),
		`c.pt has the model_name "other": they are no shards of one fit`: shard("c.pt", jacobian.Metadata{"model_name": "other"}, 2),
		"they are no shards of one fit":                                  small(t),
	} {
		_, err := jacobian.Merge(a, with)
		require.ErrorContains(t, err, says)
	}
	_, err = jacobian.Merge(a)
	require.ErrorContains(t, err, "give two or more")
	for name, write := range map[string]func(io.Writer) error{
		"m.pt":          func(w io.Writer) error { return got.WritePT(w, checkpoint.F32) },
		"m.safetensors": func(w io.Writer) error { return got.WriteSafetensors(w, checkpoint.F32) },
	} {
		merged := open(t, put(t, name, write))
		_, err = jacobian.Merge(merged, b)
		require.ErrorContains(t, err, "were fitted to the same prompts", "a part of a merged lens counts once too")
		_, err = jacobian.Merge(merged, shard("d.pt", jacobian.Metadata{jacobian.Digest: "3"}, 2))
		require.NoError(t, err)
	}
}

func TestWhatCannotBeFittedIsAnError(t *testing.T) {
	m := modeltest.Tiny(t)
	for says, o := range map[string]jacobian.FitOptions{
		"layer 2 is the last, whose matrix is the identity": {Layers: []int{0, -1}},
		"layer 7": {Layers: []int{7}},
		"of which the first 127 and the last one are left out": {Skip: 127},
		"-1 rows a prompt":                         {Rows: -1},
		"-1 rows at once":                          {Batch: -1},
		"MB are left for it: give shorter prompts": {MaxMemory: 1},
	} {
		_, err := jacobian.NewFit(m, o)
		require.ErrorContains(t, err, says)
	}
	f := newFit(t, m, jacobian.FitOptions{Skip: 3, Length: 12})
	require.NoError(t, f.Add(context.Background(), prompt(m, 0, 4), nil))
	require.Equal(t, 1, f.Short())
	_, err := f.Lens(nil)
	require.ErrorContains(t, err, "no prompt has a position to fit to: all 1 have fewer than 5 tokens")
	require.ErrorContains(t, f.Add(context.Background(), prompt(m, 0, 13), nil), "has 13 positions: want at most 12")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, f.Add(ctx, prompt(m, 0, 12), nil), context.Canceled)
}
