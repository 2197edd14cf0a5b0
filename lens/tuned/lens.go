package tuned

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/model"
)

// Lens is a tuned lens in memory.
type Lens struct {
	Path   string // that it was read from
	DModel int

	// Site is whose state translator i reads in layer i: ResidPost or ResidPre.
	Site model.Site

	// Residual says that a translator's output is added to the state.
	Residual bool

	// Model names what it was trained for; "" where the file does not say.
	Model string

	// Unembedding is the SHA-256, in hexadecimal, that [Unembedding] gives; "" where the
	// file does not say.
	Unembedding string

	Translators []Affine // one a layer of the model
}

// Affine is W·h + b.
type Affine struct {
	Weight []float32 // W: [d_model, d_model], row by row: [out, in]
	Bias   []float32 // b: [d_model]
}

// Layers returns how many layers the model has that the lens is for.
func (l *Lens) Layers() int { return len(l.Translators) }

// Form is the equation of a translator.
func (l *Lens) Form() string {
	if l.Residual {
		return formResidual
	}
	return formAffine
}

// check refuses what no training gives.
func (l *Lens) check() error {
	if l.Site != model.ResidPost && l.Site != model.ResidPre {
		return fmt.Errorf("tuned: %s: reads %s (have: resid_post, resid_pre)", l.Path, l.Site)
	}
	if len(l.Translators) == 0 {
		return fmt.Errorf("tuned: %s: has no translators", l.Path)
	}
	for i, t := range l.Translators {
		if len(t.Weight) != l.DModel*l.DModel || len(t.Bias) != l.DModel {
			return fmt.Errorf("tuned: %s: translator %d has %d weights and %d biases, and d_model %d wants %d and %d",
				l.Path, i, len(t.Weight), len(t.Bias), l.DModel, l.DModel*l.DModel, l.DModel)
		}
		for _, part := range []struct {
			name string
			x    []float32
		}{{"weight", t.Weight}, {"bias", t.Bias}} {
			for at, x := range part.x {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					return fmt.Errorf("tuned: %s: the %s of translator %d has %v at %d: its training went wrong, or the file is damaged",
						l.Path, part.name, i, x, at)
				}
			}
		}
	}
	return nil
}

// identity returns the translator that changes nothing.
func identity(d int, residual bool) Affine {
	t := Affine{make([]float32, d*d), make([]float32, d)}
	if !residual {
		plusIdentity(t.Weight, d, 1)
	}
	return t
}

// plusIdentity adds c·I.
func plusIdentity(w []float32, d int, c float32) {
	for i := range d {
		w[i*d+i] += c
	}
}

// as returns t in the other form: W·h = h + (W − I)·h.
func (t Affine) as(residual, want bool, d int) Affine {
	if residual == want {
		return t
	}
	c := float32(1)
	if want {
		c = -1
	}
	w := append([]float32(nil), t.Weight...)
	plusIdentity(w, d, c)
	return Affine{w, t.Bias}
}

// OfPost returns the lens as mlxterp has it: W·h + b of resid_post. One that reads
// resid_pre loses the translator of the embedding, and gets the identity after the last
// layer, where it has none.
func (l *Lens) OfPost() *Lens {
	to := *l
	to.Site, to.Residual = model.ResidPost, false
	to.Translators = make([]Affine, l.Layers())
	for i := range to.Translators {
		switch {
		case l.Site == model.ResidPost:
			to.Translators[i] = l.Translators[i].as(l.Residual, false, l.DModel)
		case i+1 < l.Layers():
			to.Translators[i] = l.Translators[i+1].as(l.Residual, false, l.DModel)
		default:
			to.Translators[i] = identity(l.DModel, false)
		}
	}
	return &to
}

// OfPre returns the lens as AlignmentResearch has it: h + W·h + b of resid_pre. One that
// reads resid_post loses the translator after the last layer, and gets 0, the identity,
// of the embedding.
func (l *Lens) OfPre() *Lens {
	to := *l
	to.Site, to.Residual = model.ResidPre, true
	to.Translators = make([]Affine, l.Layers())
	for i := range to.Translators {
		switch {
		case l.Site == model.ResidPre:
			to.Translators[i] = l.Translators[i].as(l.Residual, true, l.DModel)
		case i > 0:
			to.Translators[i] = l.Translators[i-1].as(l.Residual, true, l.DModel)
		default:
			to.Translators[i] = identity(l.DModel, true)
		}
	}
	return &to
}
