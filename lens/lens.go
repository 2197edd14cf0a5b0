// Package lens shows what a language model would say if it had to answer after
// each layer: the residual stream, at any site and position, goes through the
// model's own final norm and unembedding (nostalgebraist 2020, "interpreting GPT:
// the logit lens").
//
// Results are plain data, [Grid]; the package speaks token ids and never sees a
// tokenizer.
package lens

import (
	"context"
	"iter"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Options say what Run reads and computes.
type Options struct {
	Layers  []int // rows; negative ones count from the end; nil: all
	Top     int   // candidates a cell; 0 means 5
	Embed   bool  // a row for what enters the first block
	Mid     bool  // a row after each layer's attention, before its MLP
	Attn    bool  // a row for what each layer's attention adds, read alone
	MLP     bool  // a row for what each layer's MLP adds, read alone
	Targets []int // ids whose score and rank every cell has

	// Contrasts are pairs of ids: every cell has the difference of their logits, which
	// is ln(p/q) of their probabilities.
	Contrasts [][2]int

	// Track is how many tokens to follow through all rows at each position: those of best
	// rank in any row.
	Track int

	// Experts gives the cells of each layer's last state the experts that its router chose there.
	// A model without experts is an error.
	Experts bool

	// TopOnly leaves out everything but ids and logits: Prob, LogSumExp, Entropy, KL,
	// Norm, and the ranks of targets that are no candidates, are 0. The Answer's logit
	// is NaN where it is no candidate.
	TopOnly bool

	// Translator maps the states of the rows to what the final norm can read; nil: none.
	// What rows are compared with stays the model's own last state.
	Translator Translator

	// Beside are further lenses, by each of which every place has a row beside that of Translator; nil among them
	// is the logit lens. Final is of the first lens.
	Beside []Translator

	// Check compares the last row with the model's own logits.
	Check bool

	// Label returns the bytes that an id stands for; nil labels no token.
	Label func(id int) string

	// Progress is called with the part of the work that is done, by the number of its
	// multiplications; it may be nil.
	Progress func(done float64)

	// Part is called by Run with the columns that it has just read, before the others are: a grid
	// of these positions, in the words of the whole one but without Experts, Check and Timing. The
	// parts follow each other as the positions do. What is wrong with a number is found at the end.
	// It may be nil.
	Part func(columns *Grid)

	// MaxMemory bounds, in bytes, what MLX's arrays, the weights among them, and the
	// results take together; 0: no bound. Less memory is more passes.
	MaxMemory int64

	// OnDevice makes MLX reduce the logits where it computes them, as on a GPU,
	// instead of scanning them in Go, as on a CPU. nil: by the model's device.
	OnDevice *bool
}

// lenses are those that read each place; nil is the logit lens.
func (o *Options) lenses() []Translator { return append([]Translator{o.Translator}, o.Beside...) }

// scored returns the ids whose logits every cell needs: the targets, then the contrasts.
func (o *Options) scored() []int {
	ids := slices.Clone(o.Targets)
	for _, c := range o.Contrasts {
		ids = append(ids, c[0], c[1])
	}
	return ids
}

// progress returns a function that adds to the work that is done, of total.
func (o *Options) progress(total float64) func(work float64) {
	if o.Progress == nil || total <= 0 {
		return func(float64) {}
	}
	done := 0.0
	return func(work float64) {
		done += work
		o.Progress(min(1, done/total))
	}
}

// Run traces a prompt through the model, and reads the lens at every row and at the input's
// positions, after its edits. A prompt goes through once, a long one in parts with a cache.
// The context is looked at between the pieces of the work; an evaluation is not
// interrupted. NaN or an infinity in a row is an error that names the first such row.
func Run(ctx context.Context, m model.Model, in edit.Input, o Options) (*Grid, error) {
	p, err := newPlan(m, &o)
	if err != nil {
		return nil, err
	}
	grids, err := p.run(ctx, m, []edit.Input{in}, &o)
	if err == nil {
		err = grids[0].finite()
	}
	if err != nil {
		return nil, err
	}
	return grids[0], nil
}

// RunAll reads many inputs, and yields the grid of each, or what is wrong with it, in
// their order. Short ones of like length go through the model together, whatever their
// edits. Options.Progress and Options.Part have no meaning here. The numbers are those of Run, but for the
// rounding of products of another shape.
//
// After an error of the context nothing more is yielded.
func RunAll(ctx context.Context, m model.Model, inputs []edit.Input, o Options) iter.Seq2[*Grid, error] {
	o.Progress, o.Part = nil, nil
	p, err := newPlan(m, &o)
	most := passPositions
	if o.MaxMemory > 0 {
		most = 0 // one at a time, so that the bound holds for each
	}
	check := func(in edit.Input) error {
		if err != nil {
			return err
		}
		_, err := p.batch(m, []edit.Input{in})
		return err
	}
	all := edit.Together(ctx, inputs, most, check, func(of []edit.Input) ([]*Grid, error) {
		defer mlx.TrimCache() // the next batch has another size
		return p.run(ctx, m, of, &o)
	})
	return func(yield func(*Grid, error) bool) {
		for g, err := range all {
			if err == nil {
				err = g.finite() // of one input, and no matter of those that went along
			}
			if err != nil {
				g = nil
			}
			if !yield(g, err) {
				return
			}
		}
	}
}
