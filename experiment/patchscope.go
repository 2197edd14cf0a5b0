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
	"github.com/mlxlens/mlxlens/states"
)

// PatchscopeSchema names the version of Scope's JSON form. Additions never rename.
const PatchscopeSchema = "mlxlens.patchscope/1"

// PatchscopeOptions say which states are read, and where they go.
type PatchscopeOptions struct {
	Site     model.Site // of both prompts; "": resid_post
	Layers   []int      // whose states are read, a row each; nil: all that have the site
	ToLayers []int      // where they go, a column each; nil: each to its own layer

	// Map maps a layer's states on their way, as an affine map f(h) = W·h + b does; nil: they go as they
	// are, and so do those of a place that it has not.
	Map lens.Translator

	Target   *int  // whose probability is asked for; nil: what the source says at its position
	Top      int   // candidates a cell; 0 means 5
	Continue int   // tokens of the continuation; 0: none
	Stop     []int // ids that end one

	Label     func(id int) string
	MaxMemory int64              // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64) // nil: nobody is told
}

// Scope is what a prompt goes on with when a state of another is put into it: plain data.
type Scope struct {
	Schema   string         `json:"schema"`
	Made     *lens.Made     `json:"made,omitempty"`
	Model    lens.ModelInfo `json:"model"`
	Source   Run            `json:"source"` // Position is whose states are read
	Into     Run            `json:"into"`   // Position is where they go
	Site     model.Site     `json:"site"`
	Map      string         `json:"map,omitempty"`
	Layers   []int          `json:"layers"`
	ToLayers []int          `json:"to_layers,omitempty"` // none: each layer's to itself
	Target   lens.Token     `json:"target"`
	Cells    [][]Scoped     `json:"cells"`    // [layer][to layer]
	Baseline Scoped         `json:"baseline"` // the prompt as it is

	Timing float64 `json:"patchscope_s,omitempty"`
}

// Scoped is what follows the prompt with one state put into it.
type Scoped struct {
	Top       []lens.Candidate `json:"top"`
	Target    lens.Target      `json:"target"`
	Continued []lens.Token     `json:"continued,omitempty"` // greedily
}

// Patchscope puts the state h of each layer of a source prompt into another prompt, at a layer and
// position, and reads what the model says there next (Ghandeharioun et al. 2024, arXiv:2401.06102):
// the state of (S, i, ℓ), mapped by f, takes the place of that of (T, i*, ℓ*). The source's position is
// its input's, by default the last, and into's is where the state goes, by default the last. What is
// read is the distribution after into's last token, and a greedy continuation.
func Patchscope(ctx context.Context, m model.Model, source, into edit.Input, o PatchscopeOptions) (*Scope, error) {
	start := time.Now()
	s, err := newScoping(m, source, into, &o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.capture(ctx); err != nil {
		return nil, err
	}
	if err := s.target(ctx); err != nil {
		return nil, err
	}
	if err := s.all(ctx); err != nil {
		return nil, err
	}
	s.out.Timing = time.Since(start).Seconds()
	return s.out, nil
}

// scoping is the work of Patchscope.
type scoping struct {
	m            model.Model
	o            *PatchscopeOptions
	source, into edit.Input
	from, to     []model.Place
	values       []edit.Value // by the number in from, [d] or [head, d]
	before       *model.Cache // of into's positions before the one that is patched; nil: none
	out          *Scope
}

// newScoping resolves and checks what does not need a pass.
func newScoping(m model.Model, source, into edit.Input, o *PatchscopeOptions) (*scoping, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	o.Site, o.Top = cmp.Or(o.Site, model.ResidPost), cmp.Or(o.Top, 5)
	if o.Site.Axis(model.Key) >= 0 || o.Site == model.ExpertIDs {
		return nil, refuse("%s is no state of one position: patch resid_pre, resid_mid, resid_post or what a component adds", o.Site)
	}
	shape := m.Shape()
	if o.Top < 1 || o.Top > shape.DVocab || o.Continue < 0 {
		return nil, refuse("top %d and %d tokens to continue: want 1 to %d, and 0 or more", o.Top, o.Continue, shape.DVocab)
	}
	if o.Target != nil {
		if err := edit.CheckIDs([]int{*o.Target}, shape.DVocab, "target"); err != nil {
			return nil, refuse("%w", err)
		}
	}
	for _, in := range []struct {
		what string
		of   *edit.Input
	}{{"source", &source}, {"target prompt", &into}} {
		if err := readOne(m, in.of); err != nil {
			return nil, fmt.Errorf("experiment: the %s: %w", in.what, err)
		}
	}
	b, err := edit.NewBatch(m, into)
	if err == nil {
		err = b.Reach(m, []model.Place{lastStream(m)})
	}
	if err != nil {
		return nil, fmt.Errorf("experiment: the target prompt: %w", err)
	}
	last := len(into.IDs) + o.Continue
	if last > shape.Context {
		return nil, refuse("the prompt and its continuation have %d tokens, and the model allows %d", last, shape.Context)
	}
	if short := shape.ShortContext; len(into.IDs) <= short && last-1 > short {
		return nil, refuse("the continuation crosses %d positions, at which the model's rotation changes (longrope): continue fewer tokens", short)
	}
	s := &scoping{m: m, o: o, source: source, into: into}
	if s.from, err = s.places(o.Layers); err != nil {
		return nil, err
	}
	if o.ToLayers != nil {
		if s.to, err = s.places(o.ToLayers); err != nil {
			return nil, err
		}
	}
	if err := s.sameSize(); err != nil {
		return nil, err
	}
	s.out = &Scope{Schema: PatchscopeSchema, Model: modelInfo(m), Site: o.Site, Source: describe(source, o.Label), Into: describe(into, o.Label), Layers: layersOf(s.from), ToLayers: layersOf(s.to)}
	if o.Map != nil {
		s.out.Map = o.Map.Name()
	}
	return s, nil
}

// places are those of the site in some layers; nil: in all that have it.
func (s *scoping) places(layers []int) ([]model.Place, error) {
	chosen, err := model.Indices(layers, s.m.Shape().Layers, "layer")
	if err != nil {
		return nil, refuse("%w", err)
	}
	var places []model.Place
	var lacks error
	for _, l := range chosen {
		at := model.Place{Site: s.o.Site, Layer: l}
		if err := s.m.Check(at); err == nil {
			places = append(places, at)
		} else {
			lacks = cmp.Or(lacks, err)
		}
	}
	if lacks != nil && (layers != nil || places == nil) {
		return nil, refuse("%w", lacks)
	}
	return places, nil
}

// sameSize refuses to put states where another size is wanted.
func (s *scoping) sameSize() error {
	sizes := func(at model.Place) []int { return s.m.Shape().In(at.Layer).Sizes(at.Site) }
	for _, from := range s.from {
		for _, to := range s.to {
			if !slices.Equal(sizes(from), sizes(to)) {
				return refuse("%s has the sizes %v, and %s %v: choose layers of one size", from, sizes(from), to, sizes(to))
			}
		}
	}
	return nil
}

func layersOf(places []model.Place) []int {
	var layers []int
	for _, at := range places {
		layers = append(layers, at.Layer)
	}
	return layers
}

func (s *scoping) close() { closeCache(s.before) }

// capture reads the source's states, and maps them.
func (s *scoping) capture(ctx context.Context) error {
	set, err := states.Capture(ctx, s.m, s.source, s.from)
	if err != nil {
		return fmt.Errorf("experiment: the source: %w", err)
	}
	for _, at := range s.from {
		v, err := set.Value(at)
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		v.Shape, v.Positions = v.Shape[1:], nil
		if v.Data, err = s.mapped(at, v.Data); err != nil {
			return err
		}
		s.values = append(s.values, v)
	}
	return nil
}

// target is the token whose probability is asked for.
func (s *scoping) target(ctx context.Context) error {
	if s.o.Target == nil {
		id, err := AnswerWithin(ctx, s.m, s.source, s.o.MaxMemory)
		if err != nil {
			return fmt.Errorf("experiment: the source: %w", err)
		}
		s.o.Target = &id
	}
	s.out.Target = token(*s.o.Target, s.o.Label)
	return nil
}
