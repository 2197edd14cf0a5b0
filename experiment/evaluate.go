package experiment

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// EvaluateSchema names the JSON of Evaluation.
const EvaluateSchema = "mlxlens.evaluate/1"

// Evaluation says how near lenses come to what a model answers, layer by layer.
type Evaluation struct {
	Schema string         `json:"schema"`
	Made   *lens.Made     `json:"made,omitempty"`
	Model  lens.ModelInfo `json:"model"`
	Corpus Corpus         `json:"corpus"`
	Rows   []string       `json:"rows"`   // layers.N.resid_post
	Lenses []Reading      `json:"lenses"` // the logit lens first
}

// Corpus is the texts that a number is a mean over.
type Corpus struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"` // of the ids
	Sequences int    `json:"sequences"`
	Positions int    `json:"positions"`
}

// Reading is what a lens says in each row.
type Reading struct {
	Lens string        `json:"lens"`
	KL   []lens.Number `json:"kl"` // KL(final ‖ row) in nats, mean over positions

	// Agreement is the part of positions where the likeliest token is the model's.
	Agreement []lens.Number `json:"agreement"`
}

// EvaluateOptions say how lenses are evaluated.
type EvaluateOptions struct {
	Lenses   []lens.Translator
	Layers   []int              // rows; negative ones count from the end; nil: all
	Progress func(done float64) // may be nil
}

// Evaluate reads the states after each layer, at all positions of some sequences, by the logit lens and by other
// lenses, and measures in all of them
//
//	KL(final ‖ row) = Σ p·(ln p − ln q)
//
// p being the model's own answer and q that of the row, over the whole vocabulary in float32. Where a lens
// has no translator the row is read as it is.
func Evaluate(ctx context.Context, m model.Model, sequences [][]int, o EvaluateOptions) (*Evaluation, error) {
	if len(sequences) == 0 {
		return nil, refuse("there is nothing to evaluate on")
	}
	layers, err := model.Indices(o.Layers, m.Shape().Layers, "layer")
	if err != nil {
		return nil, refuse("%w", err)
	}
	e := &Evaluation{Schema: EvaluateSchema, Model: modelInfo(m), Corpus: Corpus{Sequences: len(sequences)}}
	for i, ids := range sequences {
		if err := (&edit.Input{IDs: ids}).Check(m); err != nil {
			return nil, fmt.Errorf("experiment: sequence %d: %w", i, err)
		}
		e.Corpus.Positions += len(ids)
	}
	var places []model.Place
	for _, l := range layers {
		at := model.Place{Site: model.ResidPost, Layer: l}
		places = append(places, at)
		e.Rows = append(e.Rows, at.String())
	}
	v := &evaluating{places: places, lenses: append([]lens.Translator{nil}, o.Lenses...)}
	if err := v.prepare(); err != nil {
		return nil, err
	}
	err = lens.Against(ctx, m, sequences, places, func(final *lens.Reference, states []*mlx.Array) error {
		if err := v.add(final, states); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(float64(v.positions) / float64(e.Corpus.Positions))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.Lenses, err = v.readings(e.Rows)
	return e, err
}

// evaluating sums what the positions give.
type evaluating struct {
	places    []model.Place
	lenses    []lens.Translator // nil: none
	reads     [][]bool          // whether a lens has a translator of a place
	kl, same  [][]float64       // sums, by lens and place
	positions int
}

// prepare asks the lenses for their translators.
func (v *evaluating) prepare() error {
	for _, t := range v.lenses {
		reads := make([]bool, len(v.places))
		for i, at := range v.places {
			if t == nil {
				continue
			}
			var err error
			if reads[i], err = t.Has(at); err != nil {
				return err
			}
		}
		v.reads = append(v.reads, reads)
		v.kl, v.same = append(v.kl, make([]float64, len(v.places))), append(v.same, make([]float64, len(v.places)))
	}
	return nil
}

// add takes in some positions. What two lenses read alike is computed once.
func (v *evaluating) add(final *lens.Reference, states []*mlx.Array) error {
	v.positions += states[0].Dim(0)
	for i, h := range states {
		for l, t := range v.lenses {
			if l > 0 && !v.reads[l][i] {
				continue
			}
			scope := h.Scope().NewScope()
			x := scope.Hold(h)
			if v.reads[l][i] {
				x = t.Translate(v.places[i], x)
			}
			kl, same := final.Compare(x)
			sums, err := mlx.Data[float32](mlx.Stack(0, mlx.Sum(kl), mlx.Sum(mlx.AsType(same, mlx.Float32))))
			scope.Close()
			if err != nil {
				return err
			}
			v.kl[l][i] += float64(sums[0])
			v.same[l][i] += float64(sums[1])
		}
	}
	return nil
}

// readings are the means.
func (v *evaluating) readings(rows []string) ([]Reading, error) {
	var out []Reading
	for l, t := range v.lenses {
		r := Reading{Lens: "logit"}
		if t != nil {
			r.Lens = t.Name()
		}
		for i := range v.places {
			from := l
			if !v.reads[l][i] {
				from = 0
			}
			kl := lens.Number(v.kl[from][i] / float64(v.positions))
			if math.IsNaN(float64(kl)) || math.IsInf(float64(kl), 0) {
				return nil, fmt.Errorf("experiment: %s, read by %q, has a KL of %v: its states or the lens have NaN or infinities", rows[i], r.Lens, kl)
			}
			r.KL = append(r.KL, max(0, kl))
			r.Agreement = append(r.Agreement, lens.Number(v.same[from][i]/float64(v.positions)))
		}
		out = append(out, r)
	}
	return out, nil
}

// Figure shows both measures, a column a lens.
func (e *Evaluation) Figure() *render.Figure {
	f := &render.Figure{Title: "lenses against the model's answer", Digits: 3, Means: "KL(final ‖ row) in nats, the mean over positions"}
	f.Notes = append(named(e.Model), fmt.Sprintf("%s: %s, %s", render.Visible(e.Corpus.Name), english.Plural(e.Corpus.Sequences, "sequence", ""), english.Plural(e.Corpus.Positions, "position", "")))
	kl := render.Matrix{Name: "KL", RowsAre: "layer", Are: "lens"}
	same := render.Matrix{Name: "agreement", RowsAre: "layer", Are: "lens", Means: "the part of positions with the model's likeliest token"}
	var lenses []string
	for _, l := range e.Lenses {
		lenses = append(lenses, render.Visible(l.Lens))
	}
	for k, name := range lens.ShortNames(lenses) {
		if _, file, _ := strings.Cut(lenses[k], ": "); file != "" {
			f.Notes = append(f.Notes, name+": "+file)
		}
		kl.Columns, same.Columns = append(kl.Columns, render.Column{Name: name}), append(same.Columns, render.Column{Name: name})
	}
	for r, row := range e.Rows {
		at, _ := model.ParsePlace(row)
		kl.Rows, same.Rows = append(kl.Rows, strconv.Itoa(at.Layer)), append(same.Rows, strconv.Itoa(at.Layer))
		var kls, sames []float64
		for _, l := range e.Lenses {
			kls, sames = append(kls, float64(l.KL[r])), append(sames, float64(l.Agreement[r]))
		}
		kl.Values, same.Values = append(kl.Values, kls), append(same.Values, sames)
	}
	f.Grids = []render.Matrix{kl, same}
	return f
}

// Arrays are both measures, [lens, row].
func (e *Evaluation) Arrays() []checkpoint.Array {
	var kl, same []float32
	for _, l := range e.Lenses {
		for r := range e.Rows {
			kl, same = append(kl, float32(l.KL[r])), append(same, float32(l.Agreement[r]))
		}
	}
	shape := []int{len(e.Lenses), len(e.Rows)}
	return []checkpoint.Array{checkpoint.Float32Array("kl", kl, shape...), checkpoint.Float32Array("agreement", same, shape...)}
}
