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

	// Half says that its own form has the numbers in float16.
	Half bool

	// Fitted says how it was trained; zero where the file does not say.
	Fitted Fitted

	Translators []Affine // one a layer of the model
}

// Fitted is what a training was of.
type Fitted struct {
	Recipe    string `json:"recipe,omitempty"`
	Revision  string `json:"revision,omitempty"` // of the model
	Corpus    string `json:"corpus,omitempty"`   // digest of its ids
	Sequences int    `json:"sequences,omitempty"`
	Tokens    int    `json:"tokens,omitempty"` // of the corpus
	Steps     int    `json:"steps,omitempty"`
}

// Affine is W·h + b. W may be given by factors, or be none: only of a residual lens.
type Affine struct {
	Weight []float32 // W: [d_model, d_model], row by row: [out, in]; nil where it is Up·Down, or 0
	Up     []float32 // [d_model, rank]
	Down   []float32 // [rank, d_model]
	Bias   []float32 // b: [d_model]
}

// Rank returns the rank that the translators' weights are limited to, d_model where they are not, 0
// where there are only biases.
func (l *Lens) Rank() int {
	if len(l.Translators) == 0 || l.Translators[0].Weight != nil {
		return l.DModel
	}
	return len(l.Translators[0].Up) / l.DModel
}

// dense returns t with its weight multiplied out.
func (t Affine) dense(d int) Affine {
	if t.Weight != nil {
		return t
	}
	w, rank := make([]float32, d*d), len(t.Up)/d
	for i := range d {
		for k := range rank {
			u := t.Up[i*rank+k]
			for j, x := range t.Down[k*d : (k+1)*d] {
				w[i*d+j] += u * x
			}
		}
	}
	return Affine{Weight: w, Bias: t.Bias}
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
		if err := l.checkSizes(i, t); err != nil {
			return err
		}
		for _, name := range partNames(l.DModel, l.Rank()) {
			for at, x := range *t.part(name) {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					return fmt.Errorf("tuned: %s: the %s of translator %d has %v at %d: its training went wrong, or the file is damaged",
						l.Path, name, i, x, at)
				}
			}
		}
	}
	return nil
}

// checkSizes checks a translator's, which is of the form that the first has.
func (l *Lens) checkSizes(i int, t Affine) error {
	rank, d := l.Rank(), l.DModel
	if l.Translators[0].Weight != nil {
		if len(t.Weight) != d*d || len(t.Bias) != d {
			return fmt.Errorf("tuned: %s: translator %d has %d weights and %d biases, and d_model %d wants %d and %d",
				l.Path, i, len(t.Weight), len(t.Bias), d, d*d, d)
		}
		return nil
	}
	if !l.Residual {
		return fmt.Errorf("tuned: %s: its translators have no weights, and only those of the form %s may lack them", l.Path, formResidual)
	}
	if t.Weight != nil || len(t.Up) != d*rank || len(t.Down) != d*rank || len(t.Bias) != d {
		return fmt.Errorf("tuned: %s: translator %d has factors of %d and %d numbers and %d biases, and rank %d and d_model %d want %d, %d and %d",
			l.Path, i, len(t.Up), len(t.Down), len(t.Bias), rank, d, d*rank, d*rank, d)
	}
	return nil
}

// The names of the parts.
const (
	partWeight, partUp, partDown, partBias = "weight", "up", "down", "bias"
)

// shapeOf returns the shape of a part.
func shapeOf(name string, d, rank int) []int {
	switch name {
	case partWeight:
		return []int{d, d}
	case partUp:
		return []int{d, rank}
	case partDown:
		return []int{rank, d}
	}
	return []int{d}
}

// partNames are those of translators of a rank: d_model where it is not limited.
func partNames(d, rank int) []string {
	switch rank {
	case d:
		return []string{partWeight, partBias}
	case 0:
		return []string{partBias}
	}
	return []string{partUp, partDown, partBias}
}

// part returns where one of the arrays is.
func (t *Affine) part(name string) *[]float32 {
	switch name {
	case partWeight:
		return &t.Weight
	case partUp:
		return &t.Up
	case partDown:
		return &t.Down
	}
	return &t.Bias
}

// identity returns the translator that changes nothing.
func identity(d int, residual bool) Affine {
	t := Affine{Weight: make([]float32, d*d), Bias: make([]float32, d)}
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
	t = t.dense(d)
	if residual == want {
		return t
	}
	c := float32(1)
	if want {
		c = -1
	}
	w := append([]float32(nil), t.Weight...)
	plusIdentity(w, d, c)
	return Affine{Weight: w, Bias: t.Bias}
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
