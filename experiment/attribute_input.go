package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// InputOptions say how a metric is attributed to the tokens of a prompt.
type InputOptions struct {
	Question
	Method   Method // "": AtGradient
	Steps    int    // of IntegratedGradients; 0: 32
	Baseline *int   // the token whose embedding the path begins at, at every position; nil: the zero vector

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
}

// InputAttribution is what each token of a prompt does to a metric: plain data.
type InputAttribution struct {
	Schema   string         `json:"schema"`
	Made     *lens.Made     `json:"made,omitempty"`
	Method   Method         `json:"method"`
	Steps    int            `json:"steps,omitempty"`
	Model    lens.ModelInfo `json:"model"`
	Run      Run            `json:"run"`
	By       string         `json:"by"` // "token"
	Metric   Metric         `json:"metric"`
	Target   *lens.Token    `json:"target,omitempty"`
	Versus   *lens.Token    `json:"vs,omitempty"`
	Baseline *lens.Token    `json:"baseline,omitempty"` // absent: the zero vector

	Value  lens.Number   `json:"value"`  // the metric of the run
	Values []lens.Number `json:"values"` // of each token up to the position that is read
	From   lens.Number   `json:"from"`   // the metric of the baseline, NaN for AtGradient
	Gap    lens.Number   `json:"gap"`    // Value − From − Σ Values: what the steps miss; NaN for AtGradient
	Timing float64       `json:"attribute_s"`
}

// AttributeInput attributes a metric to the embeddings of a prompt's tokens, of which e is one and b its
// baseline: by the gradient times the input (Shrikumar et al. 2016, arXiv:1605.01713),
//
//	e·∂metric/∂e
//
// or by integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), integrated along the straight
// path of all embeddings together, by Gauss and Legendre's rule,
//
//	(e − b)·∫₀¹ ∂metric/∂e at b + α(e − b) dα
//
// which sum to the metric less that of the baseline, but for a gap that more steps make smaller. Norms
// begin at the zero vector with a gradient without bound: a token as the baseline takes fewer steps.
// Learned positions, and embeddings that layers have of their own, stay as they are.
func AttributeInput(ctx context.Context, m model.Model, in edit.Input, o InputOptions) (*InputAttribution, error) {
	start := time.Now()
	if err := o.prepare(m, &in); err != nil {
		return nil, err
	}
	answer := in.Positions[0]
	embedded, err := embeddings(ctx, m, in.IDs[:answer+1])
	if err != nil {
		return nil, err
	}
	base := make([]float32, len(embedded))
	if o.Baseline != nil {
		if base, err = embeddings(ctx, m, slices.Repeat([]int{*o.Baseline}, answer+1)); err != nil {
			return nil, err
		}
	}
	a := &inputAttributing{m: m, o: &o, in: in, answer: answer, embedded: embedded, base: base}
	out, err := a.all(ctx)
	if err != nil {
		return nil, err
	}
	out.Timing = time.Since(start).Seconds()
	return out, nil
}

// Fits returns an error where [AttributeInput] would refuse what is asked of a prompt, as [EstimateOptions.Fits] does.
func (o InputOptions) Fits(m model.Model, in edit.Input) error {
	o.Question = anything
	return o.prepare(m, &in)
}

// prepare checks what is asked, and whether a bound has room for it.
func (o *InputOptions) prepare(m model.Model, in *edit.Input) error {
	if err := onOneProcess(m, "the attribution to tokens"); err != nil {
		return err
	}
	if err := o.complete(m); err != nil {
		return err
	}
	if err := readOne(m, in); err != nil {
		return err
	}
	if slices.ContainsFunc(in.Edits, func(e edit.Edit) bool { return e.Place.Site == model.Embed }) {
		return refuse("an edit of embed changes what is attributed to: the tokens' embeddings")
	}
	rows := 1
	if o.Method == IntegratedGradients {
		rows = max(2, min(o.Steps, passRows/(in.Positions[0]+1)))
	}
	return (&gradients{m: m, answer: in.Positions[0], bound: o.MaxMemory}).fit(rows)
}

func (o *InputOptions) complete(m model.Model) error {
	o.Method = cmp.Or(o.Method, AtGradient)
	switch {
	case o.Method != AtGradient && o.Method != IntegratedGradients:
		return refuse("method %q: want %q or %q", o.Method, AtGradient, IntegratedGradients)
	case o.Method == AtGradient && (o.Steps != 0 || o.Baseline != nil):
		return refuse("a gradient times the input has no steps and no baseline: take %q", IntegratedGradients)
	case o.Steps < 0 || o.Steps > mostSteps:
		return refuse("%d steps: want 1 to %d", o.Steps, mostSteps)
	case o.Metric.Distance():
		return refuse("%s is a distance of two runs, and here is one: take a metric of a token", o.Metric)
	}
	if o.Method == IntegratedGradients {
		o.Steps = cmp.Or(o.Steps, 32)
	}
	if o.Baseline != nil {
		if err := edit.CheckIDs([]int{*o.Baseline}, m.Shape().DVocab, "baseline"); err != nil {
			return refuse("%w", err)
		}
	}
	if err := o.Question.check(m.Shape().DVocab); err != nil {
		return err
	}
	return o.Question.differentiable(false)
}

// embeddings returns those of tokens, one after the other.
func embeddings(ctx context.Context, m model.Model, ids []int) ([]float32, error) {
	at := model.Place{Site: model.Embed}
	values, _, err := captured(ctx, m, edit.Input{IDs: ids}, []model.Place{at})
	if err != nil {
		return nil, err
	}
	return values[at].Data, nil
}

// inputAttributing is the work of AttributeInput.
type inputAttributing struct {
	m              model.Model
	o              *InputOptions
	in             edit.Input
	answer         int
	embedded, base []float32 // [pos, d_model]
}

func (a *inputAttributing) all(ctx context.Context) (*InputAttribution, error) {
	nan := lens.Number(math.NaN())
	out := &InputAttribution{
		Schema: AttributeSchema, Method: a.o.Method, Steps: a.o.Steps, Model: modelInfo(a.m), Run: describe(a.in, a.o.Label), By: "token", Metric: a.o.Metric,
		From: nan, Gap: nan,
	}
	out.Target, out.Versus = a.o.tokens(a.o.Label)
	if a.o.Baseline != nil {
		t := token(*a.o.Baseline, a.o.Label)
		out.Baseline = &t
	}
	if a.o.Method == AtGradient {
		values := make([]float64, a.answer+1)
		metrics, err := a.gradient(ctx, []float64{1}, []float64{1}, values)
		if err != nil {
			return nil, err
		}
		out.Value, out.Values = lens.Number(metrics[0]), numbers(values)
		return out, finite(out.Values, a.o.Metric)
	}
	values := make([]float64, a.answer+1)
	points, weights := legendre(a.o.Steps)
	rows := max(1, passRows/(a.answer+1))
	for from := 0; from < len(points); from += rows {
		to := min(from+rows, len(points))
		if _, err := a.gradient(ctx, points[from:to], weights[from:to], values); err != nil {
			return nil, err
		}
	}
	ends, err := a.gradient(ctx, []float64{0, 1}, []float64{0, 0}, values)
	if err != nil {
		return nil, err
	}
	out.From, out.Value, out.Values = lens.Number(ends[0]), lens.Number(ends[1]), numbers(values)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	out.Gap = lens.Number(ends[1] - ends[0] - sum)
	return out, finite(out.Values, a.o.Metric)
}

func finite(values []lens.Number, of Metric) error {
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("experiment: the gradient of %s by the embedding at position %d is no number: the numbers of the run grow beyond float32; look for an edit or a number of the config that is far too large", of, i)
		}
	}
	return nil
}

// gradient adds to each position's value the weighted products of differences and gradients at points of
// the path, and returns the metrics there.
func (a *inputAttributing) gradient(ctx context.Context, points, weights, values []float64) ([]float64, error) {
	width := a.m.Shape().DModel
	rows := make([]edit.Input, len(points))
	for i, t := range points {
		rows[i] = edit.Input{IDs: a.in.IDs, Edits: slices.Clone(a.in.Edits)}
		if t == 1 {
			continue // as it is
		}
		between := edit.Value{Shape: []int{a.answer + 1, width}, Data: make([]float32, len(a.embedded))}
		for j, b := range a.base {
			between.Data[j] = b + float32(t)*(a.embedded[j]-b)
		}
		rows[i].Edits = append(rows[i].Edits, edit.Edit{Place: model.Place{Site: model.Embed}, Op: edit.Set, Positions: upTo(a.answer), Value: between})
	}
	scope := mlx.NewScope(a.m.Device())
	defer scope.Close()
	g := gradients{m: a.m, q: a.o.Question, answer: a.answer, bound: a.o.MaxMemory, wanted: []model.Site{model.Embed}}
	if err := g.fit(len(rows)); err != nil {
		return nil, err
	}
	g.clean, g.rows = mlx.Zeros(scope, mlx.Float32, 1), rows
	return g.run(ctx, func(_ model.Place, x []float32) error {
		for row, weight := range weights {
			if weight == 0 {
				continue // at a zero vector a norm may have none
			}
			for j, e := range a.embedded {
				values[j/width] += weight * float64(x[row*len(a.embedded)+j]) * (float64(e) - float64(a.base[j]))
			}
		}
		return nil
	})
}
