package experiment

import (
	"context"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// SteeringEffect is what vectors do to the answer of prompts, the mean over these.
type SteeringEffect struct {
	Prompts   []Run         `json:"prompts"`
	Target    lens.Token    `json:"target"`
	Versus    lens.Token    `json:"vs"`
	Baseline  lens.Number   `json:"baseline"` // ln p(target) − ln p(vs), without a vector
	Strengths []lens.Number `json:"strengths"`

	// Values are [layer][strength], the same with strength·v added at all positions; NaN where there is
	// no vector.
	Values [][]lens.Number `json:"values"`
}

// checkEffect finds what is wrong with what is to be steered.
func (s *steering) checkEffect() error {
	o := s.o
	if (len(o.Strengths) == 0) != (len(o.Prompts) == 0) {
		return refuse("%d strengths and %d prompts: to steer needs both", len(o.Strengths), len(o.Prompts))
	}
	for _, x := range o.Strengths {
		if !(math.Abs(x) <= math.MaxFloat32) {
			return refuse("a strength of %v: want a number that float32 holds", x)
		}
	}
	for i := range o.Prompts {
		if err := readOne(s.m, &o.Prompts[i]); err != nil {
			return err
		}
	}
	if len(o.Strengths) == 0 {
		return nil
	}
	return s.question().check(s.m.Shape().DVocab)
}

// question is a difference of logits, which is that of log-probabilities.
func (s *steering) question() Question { return Question{LogitDiff, s.o.Target, s.o.Versus} }

// effect adds the vectors to what flows in the prompts.
func (s *steering) effect(ctx context.Context) error {
	o := s.o
	if len(o.Strengths) == 0 {
		return nil
	}
	e := &SteeringEffect{Target: token(o.Target, o.Label), Versus: token(o.Versus, o.Label), Values: make([][]lens.Number, len(s.layers))}
	for _, x := range o.Strengths {
		e.Strengths = append(e.Strengths, lens.Number(x))
	}
	for l := range e.Values {
		e.Values[l] = make([]lens.Number, len(o.Strengths))
		if s.out.Vectors[l] == nil {
			for i := range e.Values[l] {
				e.Values[l][i] = lens.Number(math.NaN())
			}
		}
	}
	for _, in := range o.Prompts {
		e.Prompts = append(e.Prompts, describe(in, o.Label))
		if err := s.steer(ctx, in, e); err != nil {
			return err
		}
	}
	s.out.Effect = e
	return nil
}

// steer adds to the means what the vectors do to one prompt.
func (s *steering) steer(ctx context.Context, in edit.Input, e *SteeringEffect) error {
	q, n := s.question(), lens.Number(len(s.o.Prompts))
	r := newRunner(s.m, []edit.Input{in}, in.Positions[0], 0, s.o.MaxMemory)
	defer r.close()
	ask := func(layer int, variants []variant, set func(i int, x lens.Number)) error {
		return r.run(ctx, layer, variants, func(of []int, last *mlx.Array) error {
			x, err := q.ask(s.m, last, nil)
			for i := range x {
				set(of[i], lens.Number(x[i])/n)
			}
			return err
		})
	}
	if err := ask(0, []variant{{}}, func(_ int, x lens.Number) { e.Baseline += x }); err != nil {
		return err
	}
	for l, layer := range s.layers {
		if stopped(s.o.Stop) {
			s.out.Interrupted = true
			for _, row := range e.Values[l:] {
				for i := range row {
					row[i] = lens.Number(math.NaN())
				}
			}
			return nil
		}
		v := edit.Value{Shape: s.sizes, Data: s.out.Vectors[l]}
		var variants []variant
		for _, strength := range s.o.Strengths {
			s.progress()
			change := edit.Edit{Place: model.Place{Site: s.site, Layer: layer}, Op: edit.Add, Value: v.Times(strength)}
			variants = append(variants, variant{edits: []edit.Edit{change}})
		}
		if v.Data == nil {
			continue
		}
		if err := ask(layer, variants, func(i int, x lens.Number) { e.Values[l][i] += x }); err != nil {
			return err
		}
	}
	return nil
}
