package audit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/render"
)

// Figure shows the audit: its numbers in notes, layers, positions, and the modules that are most to blame.
func (r *Result) Figure() *render.Figure {
	f := &render.Figure{Title: r.title(), Means: "KL(reference ‖ candidate) of the lens, in nats", Notes: r.notes()}
	f.Grids = append(f.Grids, r.byLayer(), r.byPosition())
	if r.Blame != nil {
		for _, ranking := range r.Blame.Rankings {
			if len(ranking.Modules) > 0 {
				f.Grids = append(f.Grids, r.Blame.grids(ranking)...)
			}
		}
	}
	f.Digits = digits(f)
	return f
}

// title says what is held against what, over which corpus.
func (r *Result) title() string {
	title := "audit of " + r.Candidate.called(&r.Reference) + " against " + r.Reference.called(&r.Candidate)
	if r.Corpus.Name != "" {
		title += " over " + render.Visible(r.Corpus.Name)
	}
	return title
}

// digits are as many that the smaller of two greatest numbers, of the end and of what is blamed, has three that count.
func digits(f *render.Figure) int {
	const least, most = 3, 7
	n := least
	for _, m := range f.Grids[1:] {
		greatest := 0.0
		for _, row := range m.Values {
			for _, x := range row {
				if finite(x) {
					greatest = max(greatest, math.Abs(x))
				}
			}
		}
		if greatest > 0 {
			n = max(n, 2-int(math.Floor(math.Log10(greatest))))
		}
	}
	return min(n, most)
}

// notes say the numbers of the whole.
func (r *Result) notes() []string {
	f := r.Final
	plus := func(e Estimate, scale float64, digits int) string {
		return fmt.Sprintf("%.*f ± %.*f", digits, float64(e.Mean)*scale, digits, float64(e.Error)*scale)
	}
	lines := []string{
		"reference: " + r.Reference.text(&r.Candidate), "candidate: " + r.Candidate.text(&r.Reference),
		fmt.Sprintf("%s, %s scored", english.Plural(r.Corpus.Sequences, "sequence", ""), english.Plural(r.Corpus.Tokens, "token", "")),
		fmt.Sprintf("KL(reference ‖ candidate) %s nats: median %.6f, 90 %% %.6f, 99 %% %.6f, maximum %.6f",
			plus(f.KL, 1, 6), f.klAt(50), f.klAt(90), f.klAt(99), f.klAt(100)),
		fmt.Sprintf("perplexity %s, of the reference %s: ln of their ratio %s", plus(f.PPLCandidate, 1, 4), plus(f.PPLReference, 1, 4), plus(f.LnRatio, 1, 6)),
		fmt.Sprintf("best tokens the same in %s %%; Δp of the next token %s %%, root mean square %s %%", plus(f.SameTop, 100, 3), plus(f.Delta, 100, 3), plus(f.DeltaRMS, 100, 3)),
	}
	if r.Parts.Row == nil {
		lines = append(lines, fmt.Sprintf("the lenses have not parted at the end: KL is at most %g", r.Parts.Threshold))
	} else {
		lines = append(lines, fmt.Sprintf("the lenses part from %s on: KL is above %g in all rows from there", *r.Parts.Row, r.Parts.Threshold))
	}
	if r.Blame != nil {
		lines = append(lines, r.Blame.notes()...)
	}
	return lines
}

// called is a side's name, with the folder where the other has the same name.
func (s *Side) called(other *Side) string {
	name := render.ModelName(s.ModelInfo)
	if name == render.ModelName(other.ModelInfo) {
		name = render.Visible(s.Ref)
	}
	return name
}

// text names a side, and says how its weights are held.
func (s *Side) text(other *Side) string {
	parts := []string{s.called(other)}
	for _, more := range []string{s.Quantization, s.Weights} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, ", ")
}

func (f *Final) klAt(percent float64) Number {
	i := slices.IndexFunc(f.KLPercentiles, func(p Percentile) bool { return p.Percent == percent })
	return f.KLPercentiles[i].Value
}

func (b *Blamed) notes() []string {
	lines := []string{fmt.Sprintf("modules ranked by %s, %s; with all of the reference's KL is %.2g",
		english.Plural(b.Sequences, "sequence", ""), english.Plural(b.Tokens, "token", ""), float64(b.Left))}
	for _, r := range b.Rankings {
		for _, d := range b.Directions {
			if s := float64(r.Stability[d]); finite(s) {
				lines = append(lines, fmt.Sprintf("by %s, %s: Spearman's rank correlation of two halves of the sequences %.3f", r.By, d, s))
			}
		}
	}
	if n := len(b.Same); n > 0 {
		lines = append(lines, english.Plural(n, "module is", "modules are")+" the same in both")
	}
	for i, only := range [][]string{b.OnlyReference, b.OnlyCandidate} {
		if len(only) > 0 {
			lines = append(lines, fmt.Sprintf("only the %s has %s", []string{"reference", "candidate"}[i], short(only)))
		}
	}
	return lines
}

// byLayer are the layers over all positions.
func (r *Result) byLayer() render.Matrix {
	m := render.Matrix{Name: "by layer", RowsAre: "layer", Plain: true, Columns: []render.Column{{Name: "KL"}, {Name: "error of the stream"}, {Name: "best differs"}}}
	for _, row := range r.Layers {
		m.Rows = append(m.Rows, layerName(row.Row))
		m.Values = append(m.Values, []float64{float64(row.KL.Mean), float64(row.Apart), 1 - float64(row.SameTop.Mean)})
	}
	return m
}

// layerName is the number of a row.
func layerName(row string) string {
	layer, _ := placed(row)
	return strconv.Itoa(layer)
}

// mostColumns bounds those of a picture: more positions are put together.
const mostColumns = 12

// byPosition is the KL of the lens by layer and position.
func (r *Result) byPosition() render.Matrix {
	m := render.Matrix{Name: "KL of the lens by position", RowsAre: "layer", Are: "position"}
	n := len(r.Positions)
	columns := min(n, mostColumns)
	edge := func(c int) int { return c * n / max(columns, 1) }
	for c := range columns {
		name := strconv.Itoa(r.Positions[edge(c)].Position)
		if last := edge(c+1) - 1; last > edge(c) {
			name += "–" + strconv.Itoa(r.Positions[last].Position)
		}
		m.Columns = append(m.Columns, render.Column{Name: name})
	}
	for i, row := range r.Layers {
		m.Rows = append(m.Rows, layerName(row.Row))
		var values []float64
		for c := range columns {
			sum, tokens := 0.0, 0.0
			for p := edge(c); p < edge(c+1); p++ {
				w := float64(r.Positions[p].Tokens)
				sum, tokens = sum+w*float64(r.means[i][p].KL), tokens+w
			}
			values = append(values, sum/tokens)
		}
		m.Values = append(m.Values, values)
	}
	return m
}

// mostRanked bounds the modules of a table.
const mostRanked = 20

// grids are the modules that are most to blame, and where each stands in its layer there is a grid of all by
// layer and kind.
func (b *Blamed) grids(r Ranking) []render.Matrix {
	table := render.Matrix{Name: "by " + string(r.By) + ", the worst first (nats)", RowsAre: string(r.By), TopDown: true, Means: "KL that the module brings or takes, in nats"}
	for _, d := range b.Directions {
		table.Columns = append(table.Columns, render.Column{Name: string(d)}, render.Column{Name: "±"})
		for h := range halves {
			table.Columns = append(table.Columns, render.Column{Name: fmt.Sprintf("half %d", h+1)})
		}
	}
	for _, m := range r.Modules[:min(mostRanked, len(r.Modules))] {
		table.Rows = append(table.Rows, m.Name)
		var values []float64
		for _, d := range b.Directions {
			e := m.Effects[d]
			values = append(values, float64(e.Mean), float64(e.Error), float64(e.Halves[0]), float64(e.Halves[1]))
		}
		table.Values = append(table.Values, values)
	}
	out := []render.Matrix{table}
	if r.By == ByTensor {
		for _, d := range b.Directions {
			out = append(out, r.inLayers(d))
		}
	}
	return out
}

// inLayers has the modules by layer and kind.
func (r *Ranking) inLayers(d Direction) render.Matrix {
	m := render.Matrix{Name: string(d) + ", by layer and kind (nats)", RowsAre: "layer", Are: "module", Means: "KL that the module brings or takes, in nats"}
	column, row := map[string]int{}, map[int]int{}
	var layers []int
	var kinds []string
	inOrder := slices.Clone(r.Modules)
	slices.SortFunc(inOrder, func(a, b Ranked) int { return cmp.Compare(a.place, b.place) })
	for _, of := range inOrder {
		layer, kind := placed(of.Name)
		if !slices.Contains(layers, layer) {
			layers = append(layers, layer)
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(layers)
	for i, kind := range kinds {
		column[kind] = i
		m.Columns = append(m.Columns, render.Column{Name: kind})
	}
	for i, layer := range layers {
		row[layer] = i
		name := strconv.Itoa(layer)
		if layer < 0 {
			name = "none"
		}
		m.Rows = append(m.Rows, name)
		m.Values = append(m.Values, slices.Repeat([]float64{math.NaN()}, len(kinds)))
	}
	for _, of := range r.Modules {
		layer, kind := placed(of.Name)
		m.Values[row[layer]][column[kind]] = float64(of.Effects[d].Mean)
	}
	return m
}

// Arrays are the means [row, position] of the lens, the KL and Δp of each scored token in the order
// of the corpus, and the effects of modules [module, (mean, error, half 1, half 2)] in the order of the ranking.
func (r *Result) Arrays() []checkpoint.Array {
	positions := make([]int, len(r.Positions))
	for i, p := range r.Positions {
		positions[i] = p.Position
	}
	out := []checkpoint.Array{checkpoint.Int32Array("positions", positions)}
	for _, of := range []struct {
		name string
		get  func(m rowMeans) Number
	}{
		{"kl", func(m rowMeans) Number { return m.KL }}, {"same_top", func(m rowMeans) Number { return m.SameTop }},
		{"relative_error", func(m rowMeans) Number { return m.Apart }},
		{"ppl_reference", func(m rowMeans) Number { return m.PPLReference }}, {"ppl_candidate", func(m rowMeans) Number { return m.PPLCandidate }},
	} {
		var x []float32
		for _, row := range r.means {
			for _, m := range row {
				x = append(x, float32(of.get(m)))
			}
		}
		out = append(out, checkpoint.Float32Array(of.name, x, len(r.means), len(positions)))
	}
	out = append(out, checkpoint.Float32Array("token_kl", r.eachKL, len(r.eachKL)), checkpoint.Float32Array("token_delta_p", r.eachDelta, len(r.eachDelta)))
	if r.Blame == nil {
		return out
	}
	for _, ranking := range r.Blame.Rankings {
		for _, d := range r.Blame.Directions {
			var x []float32
			for _, m := range ranking.Modules {
				e := m.Effects[d]
				x = append(x, float32(e.Mean), float32(e.Error), float32(e.Halves[0]), float32(e.Halves[1]))
			}
			out = append(out, checkpoint.Float32Array(fmt.Sprintf("blame/%s/%s", ranking.By, d), x, len(ranking.Modules), 2+halves))
		}
	}
	return out
}
