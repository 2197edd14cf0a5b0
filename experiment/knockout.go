package experiment

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// KnockoutSchema names the version of Knockouts' JSON form. Additions never rename.
const KnockoutSchema = "mlxlens.knockout/1"

// KnockoutOptions say from which tokens what is hidden, and what is asked.
type KnockoutOptions struct {
	Question

	Queries []int   // positions that are kept from looking; nil: the one that is read
	Keys    []int   // positions that they do not see; nil: of each all before it
	Columns Columns // "": ByPosition, a key at a time; ByHead: all keys, in one head; Together: all keys
	Layers  []int   // nil: all
	Window  int     // layers in which they are hidden at once, as in Patch; 0: 1

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
	Stop      <-chan struct{}     // closed: no further row is computed; nil: all are
}

// Knockouts is what becomes of a run whose tokens do not see each other: plain data.
type Knockouts struct {
	Schema   string         `json:"schema"`
	Made     *lens.Made     `json:"made,omitempty"` // nil: by no command
	Model    lens.ModelInfo `json:"model"`
	Run      Run            `json:"run"`
	Metric   Metric         `json:"metric"`
	Target   *lens.Token    `json:"target,omitempty"`
	Versus   *lens.Token    `json:"vs,omitempty"`
	Baseline lens.Number    `json:"baseline"` // the metric of the run as it is
	Rows     []int          `json:"rows"`     // layers
	Window   int            `json:"window"`
	Columns  Columns        `json:"columns"`
	Queries  []int          `json:"queries"`
	Keys     []int          `json:"keys"`
	Heads    int            `json:"heads,omitempty"` // columns of ByHead

	// Interrupted says that not all rows were computed; those that were not are NaN, null in JSON.
	Interrupted bool `json:"interrupted,omitempty"`

	// Values are [row][column], the metric; Effects are Values less Baseline. Where no layer of a
	// window has attention, or not the head, they are NaN, null in JSON.
	Values  [][]lens.Number `json:"values"`
	Effects [][]lens.Number `json:"effects"`

	Timing float64 `json:"knockout_s"`
}

// Knockout hides tokens from others in a window of layers, and asks what becomes of the answer
// (attention knock-out: Geva et al. 2023, arXiv:2304.14767, who hide the subject, or all other
// tokens, from the last one, in windows of nine layers). The scores are masked before softmax
// ([edit.Mask]), so that the other keys share the weight.
func Knockout(ctx context.Context, m model.Model, in edit.Input, o KnockoutOptions) (*Knockouts, error) {
	start := time.Now()
	k, err := newKnocking(m, in, &o)
	if err != nil {
		return nil, err
	}
	defer k.close()
	if err := k.baseline(ctx); err != nil {
		return nil, err
	}
	for row := range k.out.Rows {
		if k.out.Interrupted, err = k.stopped(o.Stop); err != nil {
			return nil, err
		}
		if k.out.Interrupted {
			break
		}
		if err := k.row(ctx, row); err != nil {
			return nil, err
		}
	}
	k.out.Timing = time.Since(start).Seconds()
	return k.out, nil
}

// knocking is the work of Knockout.
type knocking struct {
	*runner
	o     *KnockoutOptions
	scope *mlx.Scope
	clean *mlx.Array // the logits of the run as it is, [1, d_vocab]
	out   *Knockouts
}

func newKnocking(m model.Model, in edit.Input, o *KnockoutOptions) (*knocking, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	if err := readOne(m, &in); err != nil {
		return nil, err
	}
	out := &Knockouts{Schema: KnockoutSchema, Model: modelInfo(m), Run: describe(in, o.Label)}
	k := &knocking{o: o, out: out, scope: mlx.NewScope(m.Device())}
	if err := k.complete(m, in); err != nil {
		return nil, err
	}
	k.runner = newRunner(m, []edit.Input{in}, in.Positions[0], out.Queries[0], o.MaxMemory)
	total := 0.0
	for _, layer := range out.Rows {
		k.out.Values = append(k.out.Values, slices.Repeat([]lens.Number{lens.Number(math.NaN())}, k.columns()))
		k.out.Effects = append(k.out.Effects, slices.Clone(k.out.Values[0]))
		from, _ := around(layer, o.Window, m.Shape().Layers)
		total += k.work(k.columns(), from)
	}
	k.tell(total, o.Progress)
	return k, k.looks(m)
}

// looks refuses rows in which no layer has heads that look at keys.
func (k *knocking) looks(m model.Model) error {
	for _, layer := range k.out.Rows {
		from, to := around(layer, k.o.Window, m.Shape().Layers)
		for at := from; at < to; at++ {
			if heads(m, model.Place{Site: model.AttnScores, Layer: at}) > 0 {
				return nil
			}
		}
	}
	return refuse("no layer of %v has attention that could be knocked out", k.out.Rows)
}

// complete checks the options and sets those that were left out.
func (k *knocking) complete(m model.Model, in edit.Input) error {
	o, out, read := k.o, k.out, in.Positions[0]
	o.Columns, o.Window = cmp.Or(o.Columns, ByPosition), cmp.Or(o.Window, 1)
	out.Metric, out.Window, out.Columns = o.Metric, o.Window, o.Columns
	var errs [3]error
	out.Rows, errs[0] = model.Indices(o.Layers, m.Shape().Layers, "layer")
	if o.Queries == nil {
		o.Queries = []int{read}
	}
	out.Queries, errs[1] = model.Indices(o.Queries, len(in.IDs), "position")
	out.Keys, errs[2] = model.Indices(o.Keys, len(in.IDs), "key")
	if err := cmp.Or(errs[:]...); err != nil {
		return refuse("%w", err)
	}
	last := out.Queries[len(out.Queries)-1]
	if o.Keys == nil {
		out.Keys = slices.DeleteFunc(out.Keys, func(key int) bool { return key >= last })
	}
	if err := cmp.Or(o.Columns.check(), checkWindow(m, o.Window)); err != nil {
		return err
	}
	switch {
	case len(out.Keys) == 0:
		return refuse("there is no key before position %d that could be hidden", last)
	case last > read:
		return refuse("position %d looks behind the one that is read, %d, and changes nothing there", last, read)
	case out.Keys[len(out.Keys)-1] > last:
		return refuse("key %d is behind the last position that is kept from looking, %d, and not seen anyway", out.Keys[len(out.Keys)-1], last)
	}
	heads, err := AllHeads(m, nil, nil)
	if err != nil {
		return err
	}
	if o.Columns == ByHead {
		for _, h := range heads {
			out.Heads = max(out.Heads, h.Head+1)
		}
	}
	out.Target, out.Versus = o.tokens(o.Label)
	return o.check(m.Shape().DVocab)
}

func (k *knocking) columns() int {
	switch k.o.Columns {
	case ByPosition:
		return len(k.out.Keys)
	case ByHead:
		return k.out.Heads
	}
	return 1
}

// baseline asks the metric of the run as it is.
func (k *knocking) baseline(ctx context.Context) error {
	return k.run(ctx, 0, []variant{{from: k.out.Queries[0]}}, func(_ []int, last *mlx.Array) error {
		k.clean = k.scope.Hold(model.ToLogits(k.m, last))
		x, err := k.o.ask(k.m, last, k.clean)
		if err == nil {
			k.out.Baseline = lens.Number(x[0])
		}
		return err
	})
}

// row makes the runs of a row.
func (k *knocking) row(ctx context.Context, row int) error {
	from, to := around(k.out.Rows[row], k.o.Window, k.m.Shape().Layers)
	runs := &sweep{runner: k.runner, layer: from, ask: func(last *mlx.Array) ([]float64, error) { return k.o.ask(k.m, last, k.clean) }}
	runs.set = func(c cell, x float64) {
		k.out.Values[row][c.column], k.out.Effects[row][c.column] = lens.Number(x), lens.Number(x)-k.out.Baseline
	}
	for column := range k.columns() {
		v := variant{from: k.out.Queries[0]}
		for layer := from; layer < to; layer++ {
			v.edits = append(v.edits, k.masks(layer, column)...)
		}
		if v.edits == nil {
			continue
		}
		if err := runs.add(ctx, cell{row: row, column: column}, v); err != nil {
			return err
		}
	}
	return runs.finish(ctx)
}

// masks hide a column's keys in a layer; nil where it has no attention, or not the head. Keys that were not named
// are those before each query, which always sees itself.
func (k *knocking) masks(layer, column int) []edit.Edit {
	at := model.Place{Site: model.AttnScores, Layer: layer}
	n, keys, of := heads(k.m, at), k.out.Keys, []int(nil)
	switch k.o.Columns {
	case ByPosition:
		keys = keys[column : column+1]
	case ByHead:
		if of = []int{column}; column >= n {
			return nil
		}
	}
	if n == 0 {
		return nil
	}
	hide := func(queries, keys []int) edit.Edit {
		return edit.Edit{Place: at, Positions: queries, Keys: keys, Heads: of, Op: edit.Mask}
	}
	if k.o.Keys != nil {
		return []edit.Edit{hide(k.out.Queries, keys)}
	}
	var all []edit.Edit
	for _, q := range k.out.Queries {
		if n, _ := slices.BinarySearch(keys, q); n > 0 {
			all = append(all, hide([]int{q}, keys[:n]))
		}
	}
	return all
}

func (k *knocking) close() {
	k.runner.close()
	k.scope.Close()
}
