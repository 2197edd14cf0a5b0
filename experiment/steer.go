package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// SteerSchema names the version of Steering's JSON form. Additions never rename.
const SteerSchema = "mlxlens.steer/1"

// SteeringMethod says how a vector is made of the differences d = positive − negative of pairs.
type SteeringMethod string

// The methods.
const (
	// MeanDifference is the mean of d (contrastive activation addition: Rimsky et al. 2024, arXiv:2312.06681).
	MeanDifference SteeringMethod = "mean"

	// PCA is the first principal component of the differences taken both ways round, d and −d, whose
	// mean is 0: the direction v in which Σ(d·v)² is greatest. Its sign is that of the mean of d·v, and
	// its length the root mean square of d·v (representation reading: Zou et al. 2023,
	// arXiv:2310.01405, which takes each pair in a random order).
	PCA SteeringMethod = "pca"
)

// SteeringMethods are the methods.
func SteeringMethods() []SteeringMethod { return []SteeringMethod{MeanDifference, PCA} }

// Contrast is two prompts that differ in what a vector is to stand for. Their positions are those
// that are read, by default the last; of several the mean is taken.
type Contrast struct{ Positive, Negative edit.Input }

// SteerOptions say where states are read, and what becomes of them.
type SteerOptions struct {
	Site   model.Site     // "": resid_post
	Layers []int          // a vector each; nil: all that have the site
	Method SteeringMethod // "": MeanDifference

	// Strengths are factors of each layer's vector, which is added at all positions of Prompts; what
	// is asked there is ln p(Target) − ln p(Versus). Without strengths nothing is steered.
	Strengths      []float64
	Prompts        []edit.Input
	Target, Versus int

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
	Stop      <-chan struct{}     // closed: vectors are made, and tried no further; nil: all are tried
}

// Steering is vectors that tell the positive prompts of pairs from the negative ones: plain data.
type Steering struct {
	Schema  string          `json:"schema"`
	Made    *lens.Made      `json:"made,omitempty"`
	Model   lens.ModelInfo  `json:"model"`
	Site    model.Site      `json:"site"`
	Method  SteeringMethod  `json:"method"`
	Read    string          `json:"read,omitempty"`          // which positions, as the user wrote it
	Pairs   int             `json:"pairs"`                   // that the vectors are made of
	HeldOut int             `json:"held_out"`                // pairs that they are tried on
	Seen    int             `json:"held_out_seen,omitempty"` // of these, that the vectors were made of too
	Split   *Split          `json:"split,omitempty"`
	Shape   []int           `json:"shape"` // of a vector
	Layers  []SteeringLayer `json:"layers"`
	Effect  *SteeringEffect `json:"effect,omitempty"`

	// Interrupted says that not all vectors were tried: the values of those that were not are NaN, null in JSON.
	Interrupted bool `json:"interrupted,omitempty"`

	// Vectors are those of Layers, in Shape; nil where the states of all pairs are the same.
	Vectors [][]float32 `json:"-"`

	Timing float64 `json:"steer_s,omitempty"`
}

// SteeringLayer is what a layer's vector is like. Numbers that there are not are NaN, null in JSON.
type SteeringLayer struct {
	Layer     int         `json:"layer"`
	Norm      lens.Number `json:"norm"`       // |v|
	StateNorm lens.Number `json:"state_norm"` // root mean square of |x| over the states of the pairs
	Cosine    lens.Number `json:"cosine"`     // between v and the mean difference
	Explained lens.Number `json:"explained"`  // of PCA Σ(d·v̂)²/Σ|d|², the part of the differences along v
	Unsure    lens.Number `json:"unsure"`     // how much more that part may be: 0 for up to 128 pairs, whose component is exact

	// Of the held-out states, projected to v̂ = v/|v|: how many are on their side of the middle
	// between the means of the pairs that v is made of, and Cohen's d, the distance of the means in
	// standard deviations within the two sides.
	Threshold  lens.Number `json:"threshold"`
	Accuracy   lens.Number `json:"accuracy"`
	Separation lens.Number `json:"separation"`
}

// Steer makes a vector of each layer of pairs, and tries them on others, which may be none. The
// pairs' states are never held together: memory does not grow with their number.
func Steer(ctx context.Context, m model.Model, pairs, heldOut []Contrast, o SteerOptions) (*Steering, error) {
	start := time.Now()
	o.Method = cmp.Or(o.Method, MeanDifference)
	if !slices.Contains(SteeringMethods(), o.Method) {
		return nil, refuse("method %q is unknown (have: %v)", o.Method, SteeringMethods())
	}
	if len(pairs) == 0 {
		return nil, refuse("there is no pair to make a vector of")
	}
	r, err := newStateReader(m, o.Site, o.Layers, o.MaxMemory, func(i int) string {
		side := []string{"positive", "negative"}[i%2]
		if i < 2*len(pairs) {
			return fmt.Sprintf("the %s prompt of pair %d", side, i/2+1)
		}
		return fmt.Sprintf("the %s prompt of held-out pair %d", side, i/2-len(pairs)+1)
	})
	if err != nil {
		return nil, err
	}
	s := &steering{stateReader: r, o: &o, train: len(pairs), inputs: flat(pairs, heldOut)}
	if err := s.checkEffect(); err != nil {
		return nil, err
	}
	groups, err := r.prepare(s.inputs, int64(r.size())*4*2*sketchRows)
	if err != nil {
		return nil, err
	}
	s.out = &Steering{Schema: SteerSchema, Model: modelInfo(m), Site: r.site, Method: o.Method, Pairs: len(pairs), HeldOut: len(heldOut), Shape: r.sizes}
	s.out.Seen = seen(pairs, heldOut, func(p Contrast) string { return fmt.Sprint(p.Positive.IDs, p.Negative.IDs) })
	s.total = float64(len(groups)*len(s.inputs) + len(r.layers)*len(o.Strengths)*len(o.Prompts))
	for _, layers := range groups {
		if err := s.group(ctx, layers); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(s.out.Vectors, func(v []float32) bool { return v != nil }) {
		return nil, refuse("the two prompts of every pair have the same %s in all layers that were read: there is no difference to make a vector of; read other positions, or a later site", r.site)
	}
	if err := s.effect(ctx); err != nil {
		return nil, err
	}
	s.out.Timing = time.Since(start).Seconds()
	return s.out, nil
}

// flat are the prompts of pairs, each positive one before its negative one.
func flat(of ...[]Contrast) []edit.Input {
	var inputs []edit.Input
	for _, pairs := range of {
		for _, p := range pairs {
			inputs = append(inputs, p.Positive, p.Negative)
		}
	}
	return inputs
}

// steering is the work of Steer.
type steering struct {
	*stateReader
	o           *SteerOptions
	train       int          // pairs
	inputs      []edit.Input // of all pairs
	out         *Steering
	done, total float64
}

func (s *steering) progress() {
	if s.done++; s.o.Progress != nil {
		s.o.Progress(s.done / s.total)
	}
}
