package tuned

import (
	"context"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Step does one step, and returns what it found before it.
func (t *Trainer) Step(ctx context.Context) (Step, error) {
	sequences := t.order(len(t.steps))
	s := Step{KL: make([]float64, len(t.places))}
	for _, ids := range sequences {
		s.Tokens += len(ids)
	}
	scope := mlx.NewScope(t.m.Device())
	defer scope.Close()
	sums := make([]nn.Params, len(t.places))
	err := lens.Against(ctx, t.m, sequences, t.places, func(final *lens.Reference, states []*mlx.Array) error {
		return t.add(scope, final, states, sums, &s)
	})
	if err != nil {
		return s, err
	}
	if err := t.update(sums); err != nil {
		return s, err
	}
	for i, x := range s.KL {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return s, fmt.Errorf("tuned: the loss at %s is %v at step %d: take a smaller learning rate", t.places[i], x, len(t.steps))
		}
	}
	t.steps = append(t.steps, s)
	return s, nil
}

// add adds the gradients of some positions to sums, in the scope kept, and their losses to s.
func (t *Trainer) add(kept *mlx.Scope, final *lens.Reference, states []*mlx.Array, sums []nn.Params, s *Step) error {
	for i, h := range states {
		one := h.Scope().NewScope()
		kl, grads := t.gradient(final, one.Hold(h), t.layers[i], s.Tokens)
		total := mlx.Sum(kl)
		evaluated := []*mlx.Array{total}
		for part, g := range grads {
			if sums[i] != nil {
				g = mlx.Add(g, one.Hold(sums[i][part]))
			}
			grads[part] = kept.Hold(g)
			evaluated = append(evaluated, g)
		}
		err := mlx.Eval(evaluated...)
		if err == nil {
			var x float32
			x, err = mlx.Item[float32](total)
			s.KL[i] += float64(x) / float64(s.Tokens)
		}
		one.Close()
		if err != nil {
			return err
		}
		for _, old := range sums[i] {
			old.Free()
		}
		sums[i] = grads
	}
	return nil
}

// gradient returns KL of the positions of h, [n], and what the mean over so many positions changes by the parameters:
// with δ_i = ∂KL_i/∂y_i of y = h + W·h + b
//
//	∂/∂W = Σ δ_i·h_iᵀ,  ∂/∂b = Σ δ_i,  of W = Up·Down  ∂/∂Up = Σ δ_i·(Down·h_i)ᵀ,  ∂/∂Down = Σ (Upᵀ·δ_i)·h_iᵀ
func (t *Trainer) gradient(final *lens.Reference, h *mlx.Array, of nn.Params, positions int) (kl *mlx.Array, grads nn.Params) {
	kl, delta := final.Gradient(translate(h, of, true))
	over := float64(positions)
	if t.o.OverLayers {
		over *= float64(t.m.Shape().Layers)
	}
	delta = mlx.Scale(delta, 1/over)
	across := mlx.Transpose(delta, 1, 0) // [d_model, n]
	grads = nn.Params{partBias: mlx.Sum(delta, 0)}
	switch {
	case of[partWeight] != nil:
		grads[partWeight] = mlx.Matmul(across, h)
	case of[partUp] != nil:
		grads[partUp] = mlx.Matmul(across, mlx.MatmulT(h, of[partDown]))
		grads[partDown] = mlx.Matmul(mlx.Transpose(mlx.Matmul(delta, of[partUp]), 1, 0), h)
	}
	return kl, grads
}

// update clips the gradients and changes the parameters, layer by layer.
func (t *Trainer) update(sums []nn.Params) error {
	factor, err := t.clip(sums)
	if err != nil {
		return err
	}
	for i, grads := range sums {
		if factor < 1 {
			for part, g := range grads {
				grads[part] = mlx.Scale(g, factor)
			}
		}
		next, err := t.rules[i].Apply(t.layers[i], grads)
		if err != nil {
			return fmt.Errorf("tuned: %s: %w", t.places[i], err)
		}
		for _, old := range t.layers[i] {
			old.Free()
		}
		t.layers[i] = next
	}
	return nil
}

// clip returns what the gradients are multiplied by, so that the norm of all of them is no more than
// Clip: as clip_grad_norm_ of PyTorch and mlx.optimizers have it.
func (t *Trainer) clip(sums []nn.Params) (float64, error) {
	if t.o.Clip == 0 {
		return 1, nil
	}
	total := 0.0
	for i, grads := range sums {
		for _, part := range grads.Paths() {
			x, err := mlx.Item[float32](mlx.Sum(mlx.Square(grads[part])))
			if err != nil {
				return 0, fmt.Errorf("tuned: %s: %w", t.places[i], err)
			}
			total += float64(x)
		}
	}
	norm := math.Sqrt(total)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return 0, fmt.Errorf("tuned: the gradient of step %d has a norm of %v: take a smaller learning rate", len(t.steps), norm)
	}
	return min(1, t.o.Clip/(norm+1e-6)), nil
}
