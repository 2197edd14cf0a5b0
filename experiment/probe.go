package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// ProbeSchema names the version of Probing's JSON form. Additions never rename.
const ProbeSchema = "mlxlens.probe/1"

// Labelled is a prompt of a class. Its positions are those that are read, by default the last; of
// several the mean is taken.
type Labelled struct {
	Input edit.Input
	Label string
}

// ProbeOptions say where states are read, and how a probe is fitted.
type ProbeOptions struct {
	Site   model.Site // "": resid_post
	Layers []int      // a probe each; nil: all that have the site
	L2     float64    // λ of the penalty λ/2·|w|²; 0: 1

	MaxMemory int64              // bytes, of all that MLX has, and a quarter of it for the states; 0: no bound, and 1 GiB
	Progress  func(done float64) // nil: nobody is told; done goes from 0 to 1
}

// Probing is linear probes of states, layer by layer: plain data.
type Probing struct {
	Schema   string         `json:"schema"`
	Made     *lens.Made     `json:"made,omitempty"`
	Model    lens.ModelInfo `json:"model"`
	Site     model.Site     `json:"site"`
	Read     string         `json:"read,omitempty"` // which positions, as the user wrote it
	L2       float64        `json:"l2"`
	Prompts  int            `json:"prompts"` // that the probes are fitted to
	HeldOut  int            `json:"held_out"`
	Seen     int            `json:"held_out_seen,omitempty"` // of these, that were learnt from too
	Split    *Split         `json:"split,omitempty"`
	Classes  []Class        `json:"classes"`
	Majority lens.Number    `json:"majority"` // accuracy on the held-out prompts of always saying the class that most others have
	Shape    []int          `json:"shape"`    // of a direction
	Layers   []ProbeLayer   `json:"layers"`

	// Directions are [layer][class], in Shape; of two classes there is one, from the first to the
	// second. Each has the length by which the class's mean differs from that of the others along it;
	// nil where the states are the same.
	Directions [][][]float32 `json:"-"`

	Timing float64 `json:"probe_s,omitempty"`
}

// Class is a label, and how many prompts have it.
type Class struct {
	Label   string `json:"label"`
	Prompts int    `json:"prompts"`
	HeldOut int    `json:"held_out"`
}

// ProbeLayer is what a layer's probe is like.
type ProbeLayer struct {
	Layer    int         `json:"layer"`
	Accuracy lens.Number `json:"accuracy"` // on the held-out prompts; NaN, null in JSON, without any
	Training lens.Number `json:"training"` // on those that it was fitted to
	Loss     lens.Number `json:"loss"`     // −Σ ln p + λ/2·|w|² of the fit, in nats

	// The log-odds of a class, of two of the second, are Gain·direction·x + Bias.
	Gain []lens.Number `json:"gain"`
	Bias []lens.Number `json:"bias"`
}

// Probe fits a linear classifier to the states of prompts in each layer, and tries it on others,
// which may be none: logistic regression (Alain and Bengio 2016, arXiv:1610.01644) of states
// z = (x − mean)/deviation, by number,
//
//	min −Σ ln softmax(W·z + b)_label + λ/2·|W|²
//
// of two classes with the logistic function of one row. Classes are in the labels' order.
func Probe(ctx context.Context, m model.Model, prompts, heldOut []Labelled, o ProbeOptions) (*Probing, error) {
	start := time.Now()
	if o.L2 = cmp.Or(o.L2, 1); !(o.L2 > 0) || math.IsInf(o.L2, 0) {
		return nil, refuse("a penalty of %v: want more than 0, without which separable classes have no best probe", o.L2)
	}
	classes, err := classesOf(prompts, heldOut)
	if err != nil {
		return nil, err
	}
	r, err := newStateReader(m, o.Site, o.Layers, o.MaxMemory, func(i int) string {
		if i < len(prompts) {
			return fmt.Sprintf("prompt %d", i+1)
		}
		return fmt.Sprintf("held-out prompt %d", i-len(prompts)+1)
	})
	if err != nil {
		return nil, err
	}
	p := &probing{stateReader: r, o: &o}
	for _, l := range slices.Concat(prompts, heldOut) {
		p.inputs = append(p.inputs, l.Input)
		p.of = append(p.of, slices.IndexFunc(classes, func(c Class) bool { return c.Label == l.Label }))
	}
	p.train = len(prompts)
	layer := int64(len(p.inputs)*r.size()) * 4
	if layer > r.most {
		return nil, fmt.Errorf("experiment: the states of %d prompts at one layer take %d MB, and %d MB are for them: give fewer prompts, or allow more memory", len(p.inputs), (layer+1<<20-1)>>20, r.most>>20)
	}
	groups, err := r.prepare(p.inputs, layer)
	if err != nil {
		return nil, err
	}
	p.out = &Probing{Schema: ProbeSchema, Model: modelInfo(m), Site: r.site, L2: o.L2, Prompts: len(prompts), HeldOut: len(heldOut), Classes: classes, Majority: majority(classes), Shape: r.sizes}
	p.out.Seen = seen(prompts, heldOut, func(l Labelled) string { return fmt.Sprint(l.Label, l.Input.IDs) })
	p.total = float64(len(groups)*len(p.inputs) + len(r.layers))
	for _, layers := range groups {
		if err := p.group(ctx, layers); err != nil {
			return nil, err
		}
	}
	p.out.Timing = time.Since(start).Seconds()
	return p.out, nil
}

// labelText is how a label may be written, which names an array of a file.
var labelText = regexp.MustCompile(`^[^\pC@*/:\\"]{1,100}$`)

// classesOf returns the classes in the labels' order.
func classesOf(prompts, heldOut []Labelled) ([]Class, error) {
	count := map[string]*Class{}
	for i, l := range slices.Concat(prompts, heldOut) {
		if !labelText.MatchString(l.Label) {
			return nil, refuse("prompt %d has the label %q: want 1 to 100 characters, none of them @ * / : \\ or a quote", i+1, l.Label)
		}
		if count[l.Label] == nil {
			count[l.Label] = &Class{Label: l.Label}
		}
		if i < len(prompts) {
			count[l.Label].Prompts++
		} else {
			count[l.Label].HeldOut++
		}
	}
	var classes []Class
	for _, c := range count {
		if c.Prompts == 0 {
			return nil, refuse("the label %q is of held-out prompts alone: no probe knows it", c.Label)
		}
		classes = append(classes, *c)
	}
	if len(classes) < 2 {
		return nil, refuse("the prompts have one label: a probe tells two or more apart")
	}
	slices.SortFunc(classes, func(a, b Class) int { return cmp.Compare(a.Label, b.Label) })
	return classes, nil
}

// majority is the part of the held-out prompts that are of the class that most others are of.
func majority(classes []Class) lens.Number {
	most, all := classes[0], 0
	for _, c := range classes {
		if all += c.HeldOut; c.Prompts > most.Prompts {
			most = c
		}
	}
	return lens.Number(float64(most.HeldOut) / float64(all))
}

// probing is the work of Probe.
type probing struct {
	*stateReader
	o           *ProbeOptions
	train       int
	inputs      []edit.Input
	of          []int // the class of each
	out         *Probing
	done, total float64
}

func (p *probing) progress() {
	if p.done++; p.o.Progress != nil {
		p.o.Progress(p.done / p.total)
	}
}

// group fits and tries the probes of some layers.
func (p *probing) group(ctx context.Context, layers []int) error {
	x := make([][][]float32, len(layers)) // [layer][prompt]
	err := p.each(ctx, layers, p.inputs, func(_ int, of [][]float32) error {
		p.progress()
		for l := range of {
			x[l] = append(x[l], of[l])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for l, layer := range layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		fit, err := fitLogistic(x[l][:p.train], p.of[:p.train], len(p.out.Classes), p.o.L2)
		if err != nil {
			return fmt.Errorf("experiment: layer %d: %w", layer, err)
		}
		about := ProbeLayer{Layer: layer, Training: fit.accuracy(x[l][:p.train], p.of[:p.train]), Accuracy: fit.accuracy(x[l][p.train:], p.of[p.train:]), Loss: lens.Number(fit.loss)}
		directions := make([][]float32, len(fit.weights))
		for c, w := range fit.weights {
			class := c
			if len(fit.weights) == 1 {
				class = 1
			}
			gain := lens.Number(math.NaN())
			if apart := distance(w, x[l][:p.train], p.of[:p.train], class); apart > 0 {
				directions[c], gain = scaled(w, apart), lens.Number(1/apart)
			}
			about.Gain, about.Bias = append(about.Gain, gain), append(about.Bias, lens.Number(fit.bias[c]))
		}
		p.out.Layers, p.out.Directions = append(p.out.Layers, about), append(p.out.Directions, directions)
		p.progress()
	}
	return nil
}

// distance returns the factor by which w has the length of the difference, along it, of the mean of
// a class from that of the others; not above 0 for none.
func distance(w []float32, x [][]float32, of []int, class int) float64 {
	var in, out sums
	for i, row := range x {
		if of[i] == class {
			in.add(inner(row, w))
		} else {
			out.add(inner(row, w))
		}
	}
	return math.Abs(in.mean-out.mean) / inner(w, w)
}
