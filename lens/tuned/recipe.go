package tuned

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Optimizer is how the parameters follow their gradients.
type Optimizer string

// The optimizers: stochastic gradient descent with Nesterov's momentum, and Adam with decoupled
// weight decay and bias correction (Loshchilov and Hutter 2017, arXiv:1711.05101).
const (
	SGD   Optimizer = "sgd"
	AdamW Optimizer = "adamw"
)

// TrainOptions say how a lens is trained.
type TrainOptions struct {
	Recipe string // that they come from, for Fitted

	Site     model.Site // whose state translator i reads in layer i: ResidPost or ResidPre
	Rank     int        // limits W = Up·Down to it; 0: W is not limited
	BiasOnly bool       // no W at all

	Steps int
	Batch int // sequences in a step, whose positions weigh the same

	Optimizer   Optimizer
	Rate        float64 // the learning rate λ, before warm-up and decay
	Momentum    float64 // of SGD, and β1 of AdamW
	WeightDecay float64 // of SGD added to the gradient, of AdamW decoupled
	Warmup      int     // steps in which λ grows from 0
	Clip        float64 // of the norm of all layers' gradients together; 0: none

	// WarmupDecay ends the linear decay of λ so many steps as those of the warm-up before the last, as tuned-lens has it.
	WarmupDecay bool

	// OverLayers divides the loss by the number of layers, as mlxterp does: for the gradient and Clip.
	OverLayers bool

	// Scaled multiplies the biases' λ by the size of each layer's states, the median root mean
	// square of a position behind a sequence's first: Adam's steps are of one size, and states grow with the layers.
	Scaled bool

	// Shuffle draws the order of the sequences anew for each time through them, by Seed. Without it
	// they come as they are.
	Shuffle bool
	Seed    uint64

	// MaxMemory refuses a training that MLX's arrays, the weights among them, may take more for, in bytes; 0: none is refused. How
	// sequences are cut does not depend on it.
	MaxMemory int64
}

// recipes are the options by their names.
var recipes = map[string]TrainOptions{
	"adamw": {
		Site: model.ResidPost, Steps: 250, Batch: 8, Optimizer: AdamW, Rate: 1e-3, Momentum: 0.9, WeightDecay: 1e-3, Clip: 1, Scaled: true, Shuffle: true,
	},
	// tuned-lens 0.2.0, scripts/ingredients.py: λ is 1·(1 − momentum), as in PyTorch momentum sums
	"tuned-lens": {
		Site: model.ResidPre, Steps: 250, Batch: 8, Optimizer: SGD, Rate: 0.1, Momentum: 0.9, WeightDecay: 1e-3, Clip: 1, WarmupDecay: true, Shuffle: true,
	},
	// mlxterp 0.1.0, tuned_lens.py
	"mlxterp": {
		Site: model.ResidPost, Steps: 250, Batch: 1, Optimizer: SGD, Rate: 1, Momentum: 0.9, Clip: 1, OverLayers: true,
	},
}

// Recipes returns the names of the recipes.
func Recipes() []string { return []string{"adamw", "tuned-lens", "mlxterp"} }

// Recipe returns the options of a recipe: adamw, mlxlens' own; tuned-lens, the reference's
// (0.2.0); or mlxterp's (0.1.0).
func Recipe(name string) (TrainOptions, error) {
	o, ok := recipes[name]
	if !ok {
		return o, fmt.Errorf("tuned: recipe %q is unknown (have: %s)", name, strings.Join(Recipes(), ", "))
	}
	o.Recipe = name
	return o, nil
}

// Check refuses what cannot be trained, of any model, by a [lens.OptionError].
func (o *TrainOptions) Check() error {
	const most = 1e6 // of a learning rate
	switch {
	case o.Site != model.ResidPost && o.Site != model.ResidPre:
		return lens.WrongOption("Site", "tuned: a lens of %q (have: resid_post, resid_pre)", o.Site)
	case o.Rank < 0:
		return lens.WrongOption("Rank", "tuned: rank %d: want 1 or more, or 0 for weights that are not limited", o.Rank)
	case o.Rank > 0 && o.BiasOnly:
		return lens.WrongOption("Rank", "tuned: rank %d, and only biases: want one of them", o.Rank)
	case o.Steps < 1:
		return lens.WrongOption("Steps", "tuned: %d steps: want 1 or more", o.Steps)
	case o.Batch < 1:
		return lens.WrongOption("Batch", "tuned: %d sequences in a step: want 1 or more", o.Batch)
	case !slices.Contains([]Optimizer{SGD, AdamW}, o.Optimizer):
		return lens.WrongOption("Optimizer", "tuned: optimizer %q is unknown (have: %s, %s)", o.Optimizer, SGD, AdamW)
	case !(o.Rate > 0 && o.Rate <= most):
		return lens.WrongOption("Rate", "tuned: a learning rate of %g: want more than 0, and at most %g", o.Rate, most)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return lens.WrongOption("Momentum", "tuned: a momentum of %g: want 0 to below 1", o.Momentum)
	case !(o.WeightDecay >= 0 && o.WeightDecay*o.Rate < 1):
		return lens.WrongOption("WeightDecay", "tuned: a weight decay of %g: want 0 to below %g, which takes all at a learning rate of %g", o.WeightDecay, 1/o.Rate, o.Rate)
	case !(o.Clip >= 0):
		return lens.WrongOption("Clip", "tuned: a gradient's largest norm of %g: want more than 0, or 0 for any", o.Clip)
	case o.Warmup < 0:
		return lens.WrongOption("Warmup", "tuned: %d steps of warm-up: want 0 or more", o.Warmup)
	case o.Warmup >= o.Steps:
		return lens.WrongOption("Warmup", "tuned: %d steps of warm-up of %d: want fewer", o.Warmup, o.Steps)
	}
	return nil
}

// rank is that of a lens of d_model d.
func (o *TrainOptions) rank(d int) int {
	switch {
	case o.BiasOnly:
		return 0
	case o.Rank > 0:
		return o.Rank
	}
	return d
}

// schedule returns λ by step, counted from 0: it grows linearly through the warm-up, and falls to 0 at the end.
func (o *TrainOptions) schedule() nn.Schedule {
	end := o.Steps
	if o.WarmupDecay {
		end -= o.Warmup
	}
	return func(step int) float64 {
		if step < o.Warmup {
			return o.Rate * float64(step) / float64(o.Warmup)
		}
		return o.Rate * max(0, float64(end-step)/float64(max(1, end-o.Warmup)))
	}
}

// rule returns how one parameter changes.
func (o *TrainOptions) rule() nn.Rule {
	if o.Optimizer == SGD {
		return &nn.SGD{Momentum: o.Momentum, WeightDecay: o.WeightDecay, Nesterov: o.Momentum > 0}
	}
	return &nn.AdamW{Adam: nn.Adam{Beta1: o.Momentum, Beta2: 0.999, Eps: 1e-8, BiasCorrection: true}, WeightDecay: o.WeightDecay}
}
