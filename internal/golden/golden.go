// Package golden loads lens results that were recorded with mlx-lm and mlxterp, and
// compares a Grid with them: ids exactly, numbers within stated tolerances, in
// forward order, so that the first difference named is where a computation departs.
package golden

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
)

// Tolerances, absolute. The files were computed in float32 and hold about seven
// digits; two independent computations of theirs, one in float64, differ by up to
// 5e-4 in a logit (the field agreement), since 30 layers of float32 sums are added
// up in another order. Everything else is a smooth function of the logits.
const (
	LogitTolerance   = 1e-3
	MetricTolerance  = 2e-3 // logsumexp, entropy, KL: a mean over differences of logits
	RelativeNormDiff = 1e-4 // of the L2 norm of a state
)

// Case is one prompt.
type Case struct {
	Name      string
	Prompt    string    `json:"prompt"`
	IDs       []int     `json:"ids"`
	TopK      int       `json:"top_k"`
	EmbedNorm []float64 `json:"embed_norm"`
	Lens      Rows      `json:"lens"`
	Final     Final     `json:"final"`
}

// Rows holds the lens, [layer][position].
type Rows struct {
	IDs       [][][]int     `json:"ids"`
	Logits    [][][]float64 `json:"logits"`
	Next      [][]float64   `json:"next"` // the logit after the last one listed
	LSE       [][]float64   `json:"lse"`
	Entropy   [][]float64   `json:"entropy"`
	KL        [][]float64   `json:"kl_final"`
	ResidNorm [][]float64   `json:"resid_norm"`
}

// Final holds the model's own logits, [position].
type Final struct {
	IDs    [][]int     `json:"ids"`
	Logits [][]float64 `json:"logits"`
	Next   []float64   `json:"next"`
	LSE    []float64   `json:"lse"`
	All    [][]float64 `json:"all"` // tiny models only
}

// Read reads a file of JSON, plain or gzip.
func Read(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("golden: %s: %w", path, err)
		}
	}
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("golden: %s: %w", path, err)
	}
	return nil
}

// Load reads a file of one case (schema mlxlens-golden/lens/1) or of several
// (mlxlens-golden/tiny/1), plain or gzip.
func Load(path string) ([]Case, error) {
	var file struct {
		Schema  string `json:"schema"`
		Name    string `json:"prompt_name"`
		TopK    int    `json:"top_k"`
		Prompts []Case `json:"prompts"`
		Case
	}
	if err := Read(path, &file); err != nil {
		return nil, err
	}
	switch file.Schema {
	case "mlxlens-golden/lens/1":
		c := file.Case
		c.Name, c.TopK = file.Name, file.TopK
		return []Case{c}, nil
	case "mlxlens-golden/tiny/1":
		for i := range file.Prompts {
			file.Prompts[i].TopK = file.TopK
			file.Prompts[i].Name = fmt.Sprintf("%d tokens", len(file.Prompts[i].IDs))
		}
		return file.Prompts, nil
	}
	return nil, fmt.Errorf("golden: %s: schema %q is unknown", path, file.Schema)
}

// Compare returns the first difference between a full grid (every layer and
// position, the embedding first when it has one) and the case, nil if there is
// none.
func (c *Case) Compare(g *lens.Grid) error {
	if len(g.Tokens) != len(c.IDs) {
		return fmt.Errorf("%s: %d tokens, want %d", c.Name, len(g.Tokens), len(c.IDs))
	}
	for i, id := range c.IDs {
		if g.Tokens[i].ID != id {
			return fmt.Errorf("%s: token %d is id %d, want %d", c.Name, i, g.Tokens[i].ID, id)
		}
	}
	rows, names := g.Cells, g.Rows
	if len(rows) == len(c.Lens.IDs)+1 {
		for p, want := range c.EmbedNorm {
			if got := rows[0][p].Norm; !near(got, want, RelativeNormDiff*want) {
				return fmt.Errorf("%s: %s position %d: norm %v, want %v", c.Name, names[0], p, got, want)
			}
		}
		rows, names = rows[1:], names[1:]
	}
	if len(rows) != len(c.Lens.IDs) {
		return fmt.Errorf("%s: %d rows, want %d", c.Name, len(rows), len(c.Lens.IDs))
	}
	for l := range rows {
		for p := range rows[l] {
			cell := &rows[l][p]
			for _, m := range []struct {
				name            string
				got, want, most float64
			}{
				{"norm", cell.Norm, c.Lens.ResidNorm[l][p], RelativeNormDiff * c.Lens.ResidNorm[l][p]},
				{"logsumexp", cell.LogSumExp, c.Lens.LSE[l][p], MetricTolerance},
				{"entropy", cell.Entropy, c.Lens.Entropy[l][p], MetricTolerance},
				{"kl", cell.KL, c.Lens.KL[l][p], MetricTolerance},
			} {
				if !near(m.got, m.want, m.most) {
					return fmt.Errorf("%s: %s position %d: %s %v, want %v (± %.2g)", c.Name, names[l], p, m.name, m.got, m.want, m.most)
				}
			}
			if err := compareTop(cell.Top, c.Lens.IDs[l][p], c.Lens.Logits[l][p], c.Lens.Next[l][p]); err != nil {
				return fmt.Errorf("%s: %s position %d: %w", c.Name, names[l], p, err)
			}
			if l == len(rows)-1 { // the lens of the last layer is the model
				if err := compareTop(cell.Top, c.Final.IDs[p], c.Final.Logits[p], c.Final.Next[p]); err != nil {
					return fmt.Errorf("%s: the model's own logits, position %d: %w", c.Name, p, err)
				}
			}
		}
	}
	return nil
}

// CompareExport returns the first difference between what lens/render.MLXTerp wrote of a
// full grid and the case, nil if there is none.
func (c *Case) CompareExport(r io.Reader) error {
	var layers map[string][][][]json.RawMessage
	if err := json.NewDecoder(r).Decode(&layers); err != nil {
		return err
	}
	if len(layers) != len(c.Lens.IDs) {
		return fmt.Errorf("%s: %d layers, want %d", c.Name, len(layers), len(c.Lens.IDs))
	}
	for l := range c.Lens.IDs {
		positions := layers[strconv.Itoa(l)]
		if len(positions) != len(c.IDs) {
			return fmt.Errorf("%s: layer %d has %d positions, want %d", c.Name, l, len(positions), len(c.IDs))
		}
		for p, candidates := range positions {
			top := make([]lens.Candidate, len(candidates))
			for i, triple := range candidates { // id, score, text
				if len(triple) != 3 {
					return fmt.Errorf("%s: layer %d position %d: %d fields, want 3", c.Name, l, p, len(triple))
				}
				err := json.Unmarshal(triple[0], &top[i].ID)
				if err == nil {
					err = json.Unmarshal(triple[1], &top[i].Logit)
				}
				if err != nil {
					return fmt.Errorf("%s: layer %d position %d: %w", c.Name, l, p, err)
				}
			}
			if err := compareTop(top, c.Lens.IDs[l][p], c.Lens.Logits[l][p], c.Lens.Next[l][p]); err != nil {
				return fmt.Errorf("%s: layer %d position %d: %w", c.Name, l, p, err)
			}
		}
	}
	return nil
}

func near(got, want, most float64) bool { return math.Abs(got-want) <= most } // false for NaN

// compareTop compares candidates. Inside a run of logits that lie within the
// tolerance of their neighbours the order is not determined: such runs are compared
// as sets, and a run that the end of the list cuts (next) may hold others.
func compareTop(got []lens.Candidate, ids []int, logits []float64, next float64) error {
	if len(got) < len(ids) {
		return fmt.Errorf("%d candidates, want %d", len(got), len(ids))
	}
	for i, want := range logits {
		if !near(got[i].Logit, want, LogitTolerance) {
			return fmt.Errorf("candidate %d has logit %v, want %v", i+1, got[i].Logit, want)
		}
	}
	for from := 0; from < len(ids); {
		to := from + 1
		for to < len(ids) && logits[to-1]-logits[to] <= LogitTolerance {
			to++
		}
		if to == len(ids) && logits[to-1]-next <= LogitTolerance {
			return nil
		}
		want := map[int]bool{}
		for _, id := range ids[from:to] {
			want[id] = true
		}
		for i := from; i < to; i++ {
			if !want[got[i].ID] {
				return fmt.Errorf("candidate %d is id %d (logit %v), want %v (logits %v)", i+1, got[i].ID, got[i].Logit, ids[from:to], logits[from:to])
			}
		}
		from = to
	}
	return nil
}
