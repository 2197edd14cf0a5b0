package experiment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// AttentionSchema names the version of Attending's JSON form. Additions never rename.
const AttentionSchema = "mlxlens.attn/1"

// Head is a head of a layer. Its text is 3.7: layer 3, head 7.
type Head struct {
	Layer int `json:"layer"`
	Head  int `json:"head"`
}

func (h Head) String() string { return fmt.Sprintf("%d.%d", h.Layer, h.Head) }

// MarshalText writes 3.7.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 3.7.
func (h *Head) UnmarshalText(text []byte) error {
	layer, head, ok := strings.Cut(string(text), ".")
	l, badLayer := strconv.Atoi(layer)
	n, badHead := strconv.Atoi(head)
	if !ok || badLayer != nil || badHead != nil {
		return fmt.Errorf("head %q: want LAYER.HEAD, such as 3.7", text)
	}
	h.Layer, h.Head = l, n
	return nil
}

// Weight says what a pattern is multiplied by.
type Weight string

// The weights of a key k in a head: the pattern alone says how much of a value is taken, and not
// how large it is. The values are those before a gate.
const (
	Unweighted Weight = ""
	ValueNorm  Weight = "value"  // α·|v_k|
	OutputNorm Weight = "output" // α·|v_k·W_O|, what the key adds to the attention's output (Kobayashi et al. 2020, arXiv:2004.10102)
)

// AttentionOptions choose what Attention shows. The queries are the input's positions.
type AttentionOptions struct {
	Heads  []Head // nil: all, which of a large model and a long prompt are many
	Keys   []int  // nil: all up to the last query
	Weight Weight

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
}

// Attending is what heads attend to in a prompt, or how much they are of a kind: plain data.
type Attending struct {
	Schema    string         `json:"schema"`
	Made      *lens.Made     `json:"made,omitempty"` // nil: by no command
	Model     lens.ModelInfo `json:"model"`
	Prompt    *string        `json:"prompt"` // nil when ids were given instead of text
	BOSAdded  bool           `json:"bos_added"`
	Tokens    []lens.Token   `json:"tokens"`
	Edits     []string       `json:"edits"`
	Positions []int          `json:"positions"` // of the queries
	Keys      []int          `json:"keys"`
	Weight    Weight         `json:"weight,omitempty"`

	// Pattern is [query][key] of each head, after the softmax that the model used: soft-capped,
	// within its window, the sink's part left out, so that a row sums to 1 or to less, and what a
	// query does not see is 0.
	Pattern map[Head][][]float32 `json:"pattern,omitempty"`

	*Scoring // nil: no scores; by themselves they are of no one prompt

	Timing float64 `json:"attn_s"`
}

// AllHeads lists the heads of a model, or those that some layers have of some numbers; nil
// stands for all. A layer that is named and has no pattern is an error.
func AllHeads(m model.Model, layers, numbers []int) ([]Head, error) {
	chosen, err := model.Indices(layers, m.Shape().Layers, "layer")
	if err != nil {
		return nil, refuse("%w", err)
	}
	var all []Head
	for _, layer := range chosen {
		at := model.Place{Site: model.Pattern, Layer: layer}
		if err := m.Check(at); err != nil {
			if layers != nil {
				return nil, refuse("%w", err)
			}
			continue
		}
		of, err := model.Indices(numbers, heads(m, at), "head")
		if err != nil {
			return nil, refuse("layer %d: %w", layer, err)
		}
		for _, h := range of {
			all = append(all, Head{layer, h})
		}
	}
	if len(all) == 0 {
		return nil, refuse("%w", m.Check(model.Place{Site: model.Pattern}))
	}
	return all, nil
}

func compareHeads(a, b Head) int {
	return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head))
}

// checkHeads puts heads in order, each once, nil for all of them.
func checkHeads(m model.Model, chosen []Head) ([]Head, error) {
	if chosen == nil {
		return AllHeads(m, nil, nil)
	}
	for _, h := range chosen {
		if h.Layer < 0 || h.Head < 0 {
			return nil, refuse("head %s does not exist: layers and heads count from 0", h)
		}
		if _, err := AllHeads(m, []int{h.Layer}, []int{h.Head}); err != nil {
			return nil, err
		}
	}
	ordered := slices.Clone(chosen)
	slices.SortFunc(ordered, compareHeads)
	if ordered = slices.Compact(ordered); len(ordered) == 0 {
		return nil, refuse("no head was chosen")
	}
	return ordered, nil
}

// Attention shows what heads attend to, from the computation that the model makes. Only the chosen
// heads' rows of the input's positions are kept; nothing is computed behind the last of them, nor
// above the last layer.
func Attention(ctx context.Context, m model.Model, in edit.Input, o AttentionOptions) (*Attending, error) {
	start := time.Now()
	a, err := newAttending(m, in, &o)
	if err != nil {
		return nil, err
	}
	if err := a.watch.run(ctx, a); err != nil {
		return nil, err
	}
	if err := a.share(); err != nil {
		return nil, err
	}
	if err := a.finish(); err != nil {
		return nil, err
	}
	a.out.Timing = time.Since(start).Seconds()
	return a.out, nil
}

// attending is the work of Attention.
type attending struct {
	*watch
	o     *AttentionOptions
	out   *Attending
	rows  map[int]int        // of a query in the result
	norms map[Head][]float32 // of each key so far
}

func newAttending(m model.Model, in edit.Input, o *AttentionOptions) (*attending, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	chosen, err := checkHeads(m, o.Heads)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]Weight{Unweighted, ValueNorm, OutputNorm}, o.Weight) {
		return nil, refuse("weight %q: want %q, %q, or none", o.Weight, ValueNorm, OutputNorm)
	}
	inputs := []edit.Input{in}
	if o.Weight != Unweighted {
		inputs = append(inputs, in)
	}
	w, err := newWatch(m, inputs, chosen)
	if err != nil {
		return nil, err
	}
	queries := w.batch.Inputs[0].Positions
	a := &attending{watch: w, o: o, rows: map[int]int{}, norms: map[Head][]float32{}, out: &Attending{
		Schema: AttentionSchema, Model: modelInfo(m), Positions: queries, Weight: o.Weight, Pattern: map[Head][][]float32{},
	}}
	w.tokens = queries[len(queries)-1] + 1
	if o.Keys == nil {
		a.out.Keys, _ = model.Indices(nil, w.tokens, "key")
	} else if a.out.Keys, err = model.Indices(o.Keys, len(in.IDs), "key"); err != nil {
		return nil, refuse("%w", err)
	}
	if last := a.out.Keys[len(a.out.Keys)-1]; last >= w.tokens {
		return nil, refuse("key %d is behind the last position that is asked for, %d, and none sees it", last, w.tokens-1)
	}
	a.out.describe(in, o.Label)
	w.progress = o.Progress
	for i, q := range queries {
		a.rows[q] = i
	}
	if err := a.checkWeighted(in); err != nil {
		return nil, err
	}
	return a, a.bound(o.MaxMemory)
}

// describe says what prompt a result is of.
func (a *Attending) describe(in edit.Input, label func(id int) string) {
	in.Positions = []int{0} // none is read
	run := describe(in, label)
	a.Tokens, a.Edits = run.Tokens, run.Edits
}

// checkWeighted refuses a weight where no number is the norm of what a key gives.
func (a *attending) checkWeighted(in edit.Input) error {
	if a.o.Weight == Unweighted {
		return nil
	}
	for layer := range a.of {
		if a.o.Weight == OutputNorm && a.m.Check(model.Place{Site: model.AttnGate, Layer: layer}) == nil {
			return refuse("in layer %d each query gates what it takes, so that a key has another norm behind W_O for each query, which this weight has not: weight by %q, which is before the gate", layer, ValueNorm)
		}
		for _, e := range in.Edits {
			if e.Place.Layer == layer && slices.Contains([]model.Site{model.Z, model.HeadOut, model.AttnGate}, e.Place.Site) {
				return refuse("the edit %s changes what a head gathered from all keys, so that none has a norm of its own: leave it or the weight out", &e)
			}
		}
	}
	return nil
}

// bound sees that the work and its result fit.
func (a *attending) bound(most int64) error {
	each := 0 // numbers that a position of a part takes beside its block
	for _, of := range a.of {
		each += len(of) * a.tokens
	}
	if a.o.Weight == OutputNorm {
		each += 2 * a.m.Shape().Heads * a.m.Shape().DModel
	}
	result := int64(4*len(a.heads)) * int64(len(a.out.Positions)*len(a.out.Keys))
	return a.fit(most, each, result)
}

// watched is what a rank has read of its heads.
type watched struct {
	Pattern map[Head][][]float32
	Norms   map[Head][]float32
}

// share gives every rank what the others have read of their layers.
func (a *attending) share() error {
	part := a.m.Part()
	if part == nil {
		return nil
	}
	all, err := model.ExchangeAs(part.Ranks, watched{a.out.Pattern, a.norms}, nil)
	for _, of := range all {
		maps.Copy(a.out.Pattern, of.Pattern)
		maps.Copy(a.norms, of.Norms)
	}
	return err
}

// finish multiplies by the norms, and refuses what is no number.
func (a *attending) finish() error {
	for h, rows := range a.out.Pattern {
		for _, row := range rows {
			for i, k := range a.out.Keys {
				if a.o.Weight != Unweighted {
					row[i] *= a.norms[h][k]
				}
				if row[i]-row[i] != 0 {
					return fmt.Errorf("experiment: the pattern of head %s is %v: scores are beyond float32; look for an edit or a number of the config that is far too large", h, row[i])
				}
			}
		}
	}
	return nil
}

// sites are those that the tap needs.
func (a *attending) sites() []model.Site {
	switch a.o.Weight {
	case ValueNorm:
		return []model.Site{model.Pattern, model.AttnGate, model.Z, model.AttnOut}
	case OutputNorm:
		return []model.Site{model.Pattern, model.HeadOut, model.AttnOut}
	}
	return []model.Site{model.Pattern}
}

// visit keeps what is asked for. To weigh, a second row of the batch, of the same prompt, lets
// each position look at itself alone: what a head then gathers is that position's value, whatever
// the architecture makes values of. What the row's attention adds is put right again behind it.
func (a *attending) visit(p *part, at model.Place, x *mlx.Array) *mlx.Array {
	first := mlx.Slice(x, 0, mlx.Between(0, 1))
	switch at.Site {
	case model.Pattern:
		a.pattern(p, at.Layer, mlx.Squeeze(first, 0))
		if a.o.Weight == Unweighted {
			return x
		}
		return mlx.Concatenate(0, first, p.self(first))
	case model.AttnGate:
		return mlx.Concatenate(0, first, mlx.OnesLike(first))
	case model.AttnOut:
		return mlx.Concatenate(0, first, first)
	}
	second := mlx.AsType(mlx.Squeeze(mlx.Slice(x, 0, mlx.Between(1, 2)), 0), mlx.Float32) // [pos, head, d]
	norms := mlx.Sqrt(mlx.Sum(mlx.Square(mlx.Take(second, p.numbers(at.Layer), 1)), -1))  // [pos, head]
	p.keep(norms, func(data []float32) {
		of := a.of[at.Layer]
		for i, v := range data {
			h := Head{at.Layer, of[i%len(of)]}
			a.norms[h] = append(a.norms[h], v)
		}
	})
	return x
}

// pattern keeps the rows of the chosen heads and queries of x, [head, pos, key].
func (a *attending) pattern(p *part, layer int, x *mlx.Array) {
	var at []int32
	var rows []int
	for _, q := range a.out.Positions {
		if q >= p.from && q < p.to {
			at, rows = append(at, int32(q-p.from)), append(rows, a.rows[q])
		}
	}
	if len(at) == 0 {
		return
	}
	keys := x.Dim(2)
	chosen := mlx.Take(mlx.Take(x, p.numbers(layer), 0), mlx.FromSlice(x.Scope(), at, len(at)), 1)
	p.keep(mlx.AsType(chosen, mlx.Float32), func(data []float32) {
		for i, head := range a.of[layer] {
			h := Head{layer, head}
			if a.out.Pattern[h] == nil {
				a.out.Pattern[h] = make([][]float32, len(a.out.Positions))
			}
			for j, row := range rows {
				to := make([]float32, len(a.out.Keys))
				for n, k := range a.out.Keys {
					if seen := k - (p.to - keys); seen >= 0 && seen < keys {
						to[n] = data[(i*len(rows)+j)*keys+seen]
					}
				}
				a.out.Pattern[h][row] = to
			}
		}
	})
}
