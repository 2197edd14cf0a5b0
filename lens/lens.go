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
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Options say what Run reads and computes.
type Options struct {
	Layers    []int // rows; negative ones count from the end; nil: all
	Positions []int // columns, likewise
	Top       int   // candidates a cell; 0 means 5
	Embed     bool  // a row for what enters the first block
	Mid       bool  // a row after each layer's attention, before its MLP
	Attn      bool  // a row for what each layer's attention adds, read alone
	MLP       bool  // a row for what each layer's MLP adds, read alone
	Targets   []int // ids whose score and rank every cell has

	// Contrasts are pairs of ids: every cell has the difference of their logits, which
	// is ln(p/q) of their probabilities.
	Contrasts [][2]int

	// Track is how many tokens to follow through all rows at each position: those that
	// come nearest to the top in any row.
	Track int

	// TopOnly leaves out everything but ids and logits: Prob, LogSumExp, Entropy, KL,
	// Norm, and the ranks of targets that are no candidates, are 0. The Answer's logit
	// is NaN where it is no candidate.
	TopOnly bool

	// Decoder translates the states of the rows before the final norm reads them; nil:
	// none. What rows are compared with stays the model's own last state.
	Decoder Decoder

	// Edits change what flows through the model.
	Edits []Edit

	// Check compares the last row with the model's own logits.
	Check bool

	// Label returns the bytes that an id stands for; nil labels no token.
	Label func(id int) string

	// Progress is called with the part of the work that is done, by the number of its
	// multiplications; it may be nil.
	Progress func(done float64)

	// MaxMemory bounds, in bytes, what MLX's arrays, the weights among them, and the
	// results take together; 0: no bound. Less memory is more passes.
	MaxMemory int64

	// OnDevice makes MLX reduce the logits where it computes them, as on a GPU,
	// instead of scanning them in Go, as on a CPU. nil: by the model's device.
	OnDevice *bool
}

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

// Run traces a prompt's ids through the model, and reads the lens at every row and
// position asked for. A prompt goes through once, a long one in parts with a cache. The
// context is looked at between the pieces of the work; an evaluation is not
// interrupted.
func Run(ctx context.Context, m model.Model, ids []int, o Options) (*Grid, error) {
	p, err := planRows(m, &o)
	if err != nil {
		return nil, err
	}
	prompt := Prompt{IDs: ids, Positions: o.Positions}
	if prompt.Positions, err = p.positions(m, prompt); err != nil {
		return nil, err
	}
	grids, err := p.run(ctx, m, []Prompt{prompt}, &o)
	if err != nil {
		return nil, err
	}
	return grids[0], nil
}

// defaultTop is how many candidates a cell has when nobody says.
const defaultTop = 5

// reading is what is read of every prompt, resolved and checked.
type reading struct {
	places []model.Place // that states are kept of, in forward order
	rows   []row         // the last is the reference
	hidden bool          // the reference was not asked for
	most   room          // that is ever used
	room   room          // of the prompts at hand
}

// row is a state, by its number in places, and what translates it.
type row struct {
	state   int
	decoder Decoder // nil: none
}

func (p *reading) place(r int) model.Place { return p.places[p.rows[r].state] }

// shown is how many rows were asked for.
func (p *reading) shown() int {
	if p.hidden {
		return len(p.rows) - 1
	}
	return len(p.rows)
}

// positions checks a prompt, and resolves what is read of it.
func (p *reading) positions(m model.Model, prompt Prompt) ([]int, error) {
	shape := m.Shape()
	if len(prompt.IDs) == 0 {
		return nil, fmt.Errorf("lens: the prompt is empty: there is no token to read")
	}
	if len(prompt.IDs) > shape.Context {
		return nil, fmt.Errorf("lens: the prompt has %d tokens, and the model was made for %d", len(prompt.IDs), shape.Context)
	}
	if err := inVocabulary(prompt.IDs, shape.DVocab, "id"); err != nil {
		return nil, err
	}
	return indices(prompt.Positions, len(prompt.IDs), "position")
}

// planRows resolves and checks all but the prompt.
func planRows(m model.Model, o *Options) (*reading, error) {
	shape := m.Shape()
	if err := inVocabulary(o.scored(), shape.DVocab, "target"); err != nil {
		return nil, err
	}
	if o.Top == 0 {
		o.Top = defaultTop
	}
	if o.Top < 0 || o.Top > shape.DVocab {
		return nil, fmt.Errorf("lens: top %d: want 1 to %d, the size of the vocabulary", o.Top, shape.DVocab)
	}
	if o.Track < 0 || o.Track > 0 && o.TopOnly {
		return nil, fmt.Errorf("lens: track %d: want 0 or more, and none where only the top is wanted: it needs ranks", o.Track)
	}
	for _, e := range o.Edits {
		if err := e.check(m); err != nil {
			return nil, err
		}
	}
	layers, err := indices(o.Layers, shape.Layers, "layer")
	if err != nil {
		return nil, err
	}
	p := &reading{}
	add := func(asked bool, place model.Place) {
		if asked {
			p.places = append(p.places, place)
			p.rows = append(p.rows, row{state: len(p.places) - 1})
		}
	}
	add(o.Embed, firstState(m))
	for _, l := range layers {
		add(o.Attn, model.Place{Site: model.AttnOut, Layer: l})
		add(o.Mid, model.Place{Site: model.ResidMid, Layer: l})
		add(o.MLP, model.Place{Site: model.MLPOut, Layer: l})
		add(true, model.Place{Site: model.ResidPost, Layer: l})
	}
	if err := p.decode(o.Decoder); err != nil {
		return nil, err
	}
	p.refer(model.Place{Site: model.ResidPost, Layer: shape.Layers - 1})
	p.most = room{passPositions, max(1, chunkRows/len(p.rows))}
	p.room = p.most
	o.Track = min(o.Track, o.Top*p.shown()) // there are no more candidates
	return p, nil
}

// decode gives the rows their translators.
func (p *reading) decode(d Decoder) error {
	if d == nil {
		return nil
	}
	for i := range p.rows {
		ok, err := d.Has(p.place(i))
		if err != nil {
			return err
		}
		if ok {
			p.rows[i].decoder = d
		}
	}
	return nil
}

// refer ends the rows with the last layer as the model reads it, to which KL and the
// answer refer, whether it is shown or not.
func (p *reading) refer(last model.Place) {
	n := len(p.rows) - 1
	shown := p.place(n) == last
	if shown && p.rows[n].decoder == nil {
		return
	}
	if !shown {
		p.places = append(p.places, last)
	}
	p.rows = append(p.rows, row{state: len(p.places) - 1})
	p.hidden = true
}

// firstState is the stream that enters the first block: the embedding, or where
// positions are embedded too (GPT-2) the sum of both.
func firstState(m model.Model) model.Place {
	if _, ok := m.Paths().Modules[model.PosEmbed]; ok {
		return model.Place{Site: model.ResidPre}
	}
	return model.Place{Site: model.Embed}
}

func inVocabulary(ids []int, vocab int, what string) error {
	for i, id := range ids {
		if id < 0 || id >= vocab {
			return fmt.Errorf("lens: %s %d (number %d) is outside the vocabulary: ids go from 0 to %d", what, id, i+1, vocab-1)
		}
	}
	return nil
}

func int32s(xs []int) []int32 {
	out := make([]int32, len(xs))
	for i, x := range xs {
		out[i] = int32(x)
	}
	return out
}

// checkTolerance bounds the difference between the last lens row and the model's
// own logits. In float32 both are the same numbers through the same operations in
// another blocking: a sum of d_model products of size 1 errs by about √d_model ε.
// A 16-bit model rounds its own logits to 8 or 11 bits.
func checkTolerance(d mlx.Dtype, largest float64) float64 {
	switch d {
	case mlx.BFloat16:
		return largest / 64
	case mlx.Float16:
		return largest / 512
	}
	return 1e-4 * max(1, largest/16)
}

// check compares the reference row with the logits of the model's own forward pass.
func (p *reading) check(m model.Model, states []*mlx.Array, own *mlx.Array) (*Check, error) {
	d := own.Dtype()
	scope := states[0].Scope().NewScope()
	defer scope.Close()
	own = mlx.AsType(scope.Hold(own), mlx.Float32)
	lens := mlx.AsType(model.ToLogits(m, scope.Hold(states[len(states)-1])), mlx.Float32)
	difference, err := mlx.Item[float32](mlx.Max(mlx.Abs(mlx.Subtract(own, lens))))
	if err != nil {
		return nil, err
	}
	largest, err := mlx.Item[float32](mlx.Max(mlx.Abs(own)))
	if err != nil {
		return nil, err
	}
	c := &Check{MaxDifference: float64(difference), Tolerance: checkTolerance(d, float64(largest))}
	c.OK = c.MaxDifference <= c.Tolerance // false for NaN
	return c, nil
}
