package mamba2

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Sizes are those of a [Mixer], and what else its config says of it.
type Sizes struct {
	DModel   int
	Heads    int
	DHead    int
	DState   int
	Groups   int // of neighbouring heads, which share B and C
	Width    int // positions that the convolution sees
	ProjBias bool
	ConvBias bool
	Eps      float64 // of the norm

	LeastStep, MostStep float64 // bounds of Δ; the upper one may be +∞
}

// inner is how many numbers all heads of a position have.
func (s Sizes) inner() int { return s.Heads * s.DHead }

// Channels is how many numbers of a position are convolved: u, B and C.
func (s Sizes) Channels() int { return s.inner() + 2*s.Groups*s.DState }

// Keys are what an architecture's config.json calls sizes, for errors.
type Keys struct{ Heads, DHead, DState, Groups, Width, Step string }

// Check refuses sizes that cannot be.
func (s Sizes) Check(arch string, k Keys) error {
	err := load.CheckSizes(arch, load.Size{Key: k.Heads, Value: s.Heads}, load.Size{Key: k.DHead, Value: s.DHead}, load.Size{Key: k.DState, Value: s.DState},
		load.Size{Key: k.Groups, Value: s.Groups}, load.Size{Key: k.Width, Value: s.Width})
	switch {
	case err != nil:
		return err
	case s.Heads%s.Groups != 0:
		return fmt.Errorf("%s: config.json: %s %d is no multiple of %s %d", arch, k.Heads, s.Heads, k.Groups, s.Groups)
	case s.DHead > maxSize/s.Heads || s.DState > maxSize/s.Groups || s.Channels() > maxSize:
		return fmt.Errorf("%s: config.json: %d heads of %d dimensions and %d groups of states of %d: no model has so many", arch, s.Heads, s.DHead, s.Groups, s.DState)
	case s.Width > maxWidth:
		return fmt.Errorf("%s: config.json: %s is %d, want 1 to %d", arch, k.Width, s.Width, maxWidth)
	case !(s.LeastStep >= 0) || !(s.MostStep >= s.LeastStep) || s.LeastStep > math.MaxFloat32:
		return fmt.Errorf("%s: config.json: %s has the bounds %v and %v, want two numbers, the first from 0 and no greater than the second", arch, k.Step, s.LeastStep, s.MostStep)
	}
	return nil
}

// The most channels and positions of a convolution; the largest models have some 20,000 and 4.
const (
	maxSize  = math.MaxInt32 / 4
	maxWidth = 1 << 16
)

// Shape completes a model's sizes, of which some layers have such a mixer.
func (s Sizes) Shape(of *model.Shape) {
	of.DConv = s.Channels()
	// what is convolved, the gates, the scan's inputs, and a row of each of the matrices of a chunk
	of.DRecurrent = s.Channels() + 3*s.inner() + s.Heads*(s.DState+2*chunk)
}

// Layer completes the sizes of a layer that has one.
func (s Sizes) Layer(of *model.LayerShape) {
	of.Heads, of.DHead = s.Heads, s.DHead
	of.State = s.Heads*s.DHead*s.DState + (s.Width-1)*s.Channels()
}

// Have gives a model the sites of such mixers, which layers have that mixed names, and not those that
// attends names.
func Have(t *model.Transformer, mixed, attends func(layer int) bool) {
	delete(t.Lacks, model.ConvOut)
	delete(t.Lacks, model.AttnGate)
	for layer := range t.Sizes.Layers {
		switch {
		case mixed(layer):
			t.Lack(layer, "its mixer is a state space, whose input, B and C are in conv_out",
				model.Q, model.K, model.V, model.RotQ, model.RotK)
			t.Lack(layer, "its mixer is a state space, which has a state and no pattern", model.AttnScores, model.Pattern)
		case attends(layer):
			t.Lack(layer, "attention convolves nothing", model.ConvOut)
			t.Lack(layer, "nothing gates what attention gathered", model.AttnGate)
		}
	}
}
