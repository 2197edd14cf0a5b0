package lens

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Prompt is one of the sequences that RunAll reads.
type Prompt struct {
	IDs       []int
	Positions []int // columns; negative ones count from the end; nil: all
}

// RunAll reads many prompts, and yields the grid of each, or what is wrong with it, in
// their order. Short ones of like length go through the model together. Options.Positions
// and Options.Progress have no meaning here. The numbers are those of Run, but for the
// rounding of products of another shape.
//
// After an error of the context nothing more is yielded.
func RunAll(ctx context.Context, m model.Model, prompts []Prompt, o Options) iter.Seq2[*Grid, error] {
	o.Progress = nil
	return func(yield func(*Grid, error) bool) {
		p, err := planRows(m, &o)
		for from := 0; from < len(prompts); from += Window {
			of := prompts[from:min(from+Window, len(prompts))]
			var results []result
			if err != nil {
				results = fail(make([]result, len(of)), err)
			} else {
				results = p.runWindow(ctx, m, of, &o)
			}
			for _, r := range results {
				if !yield(r.grid, r.err) || ctx.Err() != nil {
					return
				}
			}
		}
	}
}

// Window is how many prompts RunAll looks at for ones of like length: the more, the less
// padding, and the more is lost when the program is stopped.
const Window = 64

type result struct {
	grid *Grid
	err  error
}

func fail(rs []result, err error) []result {
	for i := range rs {
		rs[i].err = err
	}
	return rs
}

// runWindow reads prompts in batches of like length.
func (p *reading) runWindow(ctx context.Context, m model.Model, prompts []Prompt, o *Options) []result {
	results := make([]result, len(prompts))
	var right []int // numbers of prompts that nothing is wrong with
	resolved := slices.Clone(prompts)
	for i, prompt := range prompts {
		positions, err := p.positions(m, prompt)
		if err != nil {
			results[i].err = err
			continue
		}
		resolved[i].Positions = positions
		right = append(right, i)
	}
	slices.SortStableFunc(right, func(a, b int) int { return cmp.Compare(len(prompts[a].IDs), len(prompts[b].IDs)) })
	for len(right) > 0 {
		n := p.together(resolved, right, o)
		var of []Prompt
		for _, i := range right[:n] {
			of = append(of, resolved[i])
		}
		grids, err := p.run(ctx, m, of, o)
		for j, i := range right[:n] {
			if results[i].err = err; err == nil {
				results[i].grid = grids[j]
			}
		}
		right = right[n:]
		mlx.ClearCache() // the next batch has another size
	}
	return results
}

// together returns how many of the prompts, by ascending length, go through the model in
// one pass: as fill it, with the shortest at least three quarters of the longest. What
// edits touch is counted from a prompt's own end, so that with edits it is one.
func (p *reading) together(prompts []Prompt, order []int, o *Options) int {
	if len(o.Edits) > 0 || o.MaxMemory > 0 {
		return 1
	}
	shortest := len(prompts[order[0]].IDs)
	n := 1
	for ; n < len(order); n++ {
		longest := len(prompts[order[n]].IDs)
		if (n+1)*longest > passPositions || 4*shortest < 3*longest {
			break
		}
	}
	return n
}
