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
	"github.com/mlxlens/mlxlens/states"
)

// DecomposeSchema names the version of Decomposition's JSON form. Additions never rename.
const DecomposeSchema = "mlxlens.decompose/1"

// The algorithms of a decomposition, by TransformerLens' names.
const (
	MatchingPursuit = "nonnegative_orthogonal_matching_pursuit" // all coordinates are fitted anew at each step
	GradientPursuit = "gradient_pursuit"                        // they take one step along the gradient
)

// DecomposeOptions say how states are decomposed.
type DecomposeOptions struct {
	Lens     lens.Translator // whose directions tokens have; nil: the logit lens
	Places   []model.Place   // whose states are decomposed
	K        int             // most tokens of a state; 0 means 25, as in the paper
	Gradient bool            // GradientPursuit

	Label     func(id int) string
	MaxMemory int64              // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64) // nil: nobody is told
}

// Decomposition are states as sums of few directions of tokens: plain data.
type Decomposition struct {
	Schema    string         `json:"schema"`
	Made      *lens.Made     `json:"made,omitempty"`
	Model     lens.ModelInfo `json:"model"`
	Lens      string         `json:"lens"`
	Algorithm string         `json:"algorithm"`
	K         int            `json:"k"`
	Prompt    *string        `json:"prompt"` // nil when ids were given instead of text
	BOSAdded  bool           `json:"bos_added"`
	Tokens    []lens.Token   `json:"tokens"`
	Edits     []string       `json:"edits"`
	Positions []int          `json:"positions"`
	Rows      []string       `json:"rows"`  // places
	Cells     [][]Decomposed `json:"cells"` // [row][position]
	Timing    float64        `json:"decompose_s,omitempty"`
}

// Decomposed is a state h.
type Decomposed struct {
	Parts    []TokenPart `json:"parts"`    // in the order in which they were chosen
	Selected []int       `json:"selected"` // ids, those too whose coordinate is 0

	Norm      lens.Number `json:"norm"`      // |h|
	Explained lens.Number `json:"explained"` // |Πh|²/|h|², Π onto the span of all that were selected
	Error     lens.Number `json:"error"`     // |h − Σ c·v|
}

// TokenPart is a token of the sum Σ c·v.
type TokenPart struct {
	Token      lens.Token `json:"token"`
	Coordinate float64    `json:"coordinate"` // c
	Length     float64    `json:"length"`     // c·|v|
}

// Decompose writes the states at an input's positions as sums of few directions of tokens, in the
// coordinates of a lens (Gurnee et al. 2026):
//
//	h ≈ Σ_t c_t·v_t,  c_t ≥ 0
//
// Each step takes in the token whose direction is most in line with what is left, and fits the coordinates. It ends
// after K steps, or where no direction is. Tokens whose direction is 0, as rows of a padded vocabulary are, take no part.
func Decompose(ctx context.Context, m model.Model, in edit.Input, o DecomposeOptions) (*Decomposition, error) {
	start := time.Now()
	d := &decomposing{m: m, o: &o, in: in}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	set, err := d.capture(ctx)
	if err != nil {
		return nil, err
	}
	for i, at := range o.Places {
		v, err := set.Value(at)
		if err != nil {
			return nil, err
		}
		row, err := d.row(ctx, i, v.Data)
		if err != nil {
			return nil, err
		}
		d.out.Rows, d.out.Cells = append(d.out.Rows, at.String()), append(d.out.Cells, row)
	}
	d.out.Timing = time.Since(start).Seconds()
	return d.out, nil
}

// decomposing is the work of Decompose.
type decomposing struct {
	m   model.Model
	o   *DecomposeOptions
	in  edit.Input
	by  []*lens.Coordinates // of each place
	out *Decomposition
}

func (d *decomposing) prepare() error {
	if d.m == nil || len(d.o.Places) == 0 {
		return refuse("there is no model, or no place")
	}
	vocab := d.m.Shape().DVocab
	if d.o.K = cmp.Or(d.o.K, 25); d.o.K < 1 || d.o.K > vocab {
		return refuse("%d tokens of a state: want 1 to %d", d.o.K, vocab)
	}
	b, err := edit.NewBatch(d.m, d.in)
	if err == nil {
		err = b.Reach(d.m, d.o.Places)
	}
	if err != nil {
		return refuse("%w", err)
	}
	for _, at := range d.o.Places {
		c, err := lens.NewCoordinates(d.m, d.o.Lens, at)
		if err != nil {
			return refuse("%w", err)
		}
		d.by = append(d.by, c)
	}
	d.in.Positions = b.Inputs[0].Positions
	run := describe(d.in, d.o.Label)
	d.out = &Decomposition{Schema: DecomposeSchema, Model: modelInfo(d.m), Lens: "logit", Algorithm: MatchingPursuit, K: d.o.K, Tokens: run.Tokens, Edits: run.Edits, Positions: d.in.Positions}
	if d.o.Lens != nil {
		d.out.Lens = d.o.Lens.Name()
	}
	if d.o.Gradient {
		d.out.Algorithm = GradientPursuit
	}
	return nil
}

// capture reads the states.
func (d *decomposing) capture(ctx context.Context) (*states.Set, error) {
	result, work, err := states.Memory(d.m, d.in, d.o.Places)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	need := max(result+work, result+4*4*directionNumbers)
	free, err := model.Free(d.m, d.o.MaxMemory)
	if err != nil {
		return nil, err
	}
	if d.o.MaxMemory > 0 && need > free {
		return nil, fmt.Errorf("experiment: to decompose the states takes %d MB beside the weights, and %d MB are left for it: read fewer positions or layers, or allow more memory", (need+1<<20-1)>>20, max(0, free>>20))
	}
	set, err := states.Capture(ctx, d.m, d.in, d.o.Places)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	return set, nil
}

// row decomposes the states x [pos, d_model] of the place number i.
func (d *decomposing) row(ctx context.Context, i int, x []float32) ([]Decomposed, error) {
	width := d.m.Shape().DModel
	all := make([]*pursuit, len(d.in.Positions))
	for p := range all {
		if all[p] = newPursuit(x[p*width : (p+1)*width]); !(all[p].length < math.MaxFloat32) {
			return nil, fmt.Errorf("experiment: the state of %s at position %d is not finite", d.o.Places[i], d.in.Positions[p])
		}
	}
	lengths, err := d.lengths(ctx, d.by[i])
	if err != nil {
		return nil, err
	}
	for k := range d.o.K {
		if err := d.step(ctx, d.by[i], lengths, all); err != nil {
			return nil, err
		}
		if d.o.Progress != nil {
			d.o.Progress((float64(i) + float64(k+1)/float64(d.o.K)) / float64(len(d.by)))
		}
	}
	row := make([]Decomposed, len(all))
	for p := range all {
		if row[p], err = d.decomposed(all[p]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// directionNumbers bounds the numbers of directions that are there at once; directionRows their rows,
// whose cotangents are a square.
const directionNumbers, directionRows = 4 << 20, 512

// blocks calls f for ids, some at a time.
func (d *decomposing) blocks(ctx context.Context, most int, f func(scope *mlx.Scope, ids []int) error) error {
	vocab := d.m.Shape().DVocab
	for from := 0; from < vocab; from += most {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids := make([]int, min(most, vocab-from))
		for i := range ids {
			ids[i] = from + i
		}
		scope := mlx.NewScope(d.m.Device())
		err := f(scope, ids)
		scope.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// lengths are those of all directions.
func (d *decomposing) lengths(ctx context.Context, c *lens.Coordinates) ([]float32, error) {
	var out []float32
	most := max(1, min(directionRows, directionNumbers/d.m.Shape().DModel))
	err := d.blocks(ctx, most, func(scope *mlx.Scope, ids []int) error {
		x, err := mlx.Data[float32](mlx.Sqrt(mlx.Sum(mlx.Square(c.Rows(scope, ids)), -1)))
		out = append(out, x...)
		return err
	})
	for id, x := range out {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, fmt.Errorf("experiment: the direction of id %d has the length %v: the lens or the unembedding is damaged", id, x)
		}
	}
	return out, err
}

// step takes in one direction more of each state that has one.
func (d *decomposing) step(ctx context.Context, c *lens.Coordinates, lengths []float32, all []*pursuit) error {
	var open []*pursuit
	var left []float32
	for _, p := range all {
		if !p.ended {
			open = append(open, p)
			for _, x := range p.residual {
				left = append(left, float32(x))
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	best, most := make([]int, len(open)), make([]float32, len(open))
	width := d.m.Shape().DModel
	err := d.blocks(ctx, max(1, directionNumbers/max(width, len(open))), func(scope *mlx.Scope, ids []int) error {
		scores := c.Scores(mlx.FromSlice(scope, left, len(open), width), ids)
		return mlx.Borrow(mlx.Contiguous(scores), func(x []float32) error {
			for i, p := range open {
				for j, id := range ids {
					if along := x[i*len(ids)+j] / lengths[id]; lengths[id] > 0 && along > most[i] && !slices.Contains(p.chosen, id) {
						best[i], most[i] = id, along
					}
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for i, p := range open {
		if p.ended = float64(most[i]) <= choiceTolerance*p.length; p.ended {
			continue
		}
		row, err := d.direction(c, best[i])
		if err != nil {
			return err
		}
		if err := p.add(best[i], row, d.o.Gradient); err != nil {
			return err
		}
	}
	return nil
}

// direction is a token's.
func (d *decomposing) direction(c *lens.Coordinates, id int) ([]float64, error) {
	scope := mlx.NewScope(d.m.Device())
	defer scope.Close()
	x, err := mlx.Data[float32](mlx.Contiguous(c.Rows(scope, []int{id})))
	return wide(x), err
}

// decomposed is what a pursuit found.
func (d *decomposing) decomposed(p *pursuit) (Decomposed, error) {
	out := Decomposed{Parts: []TokenPart{}, Selected: append([]int{}, p.chosen...), Norm: lens.Number(p.length), Error: lens.Number(p.length)}
	inside, err := within(p.rows, p.x)
	if err != nil {
		return out, err
	}
	left := slices.Clone(p.x)
	for i, id := range p.chosen {
		if !p.active(i) {
			continue
		}
		out.Parts = append(out.Parts, TokenPart{token(id, d.o.Label), p.coordinates[i], p.coordinates[i] * size(p.rows[i])})
		left = subtract(left, combine(p.rows[i:i+1], p.coordinates[i:i+1]))
	}
	out.Error = lens.Number(size(left))
	out.Explained = lens.Number(dot(inside, inside) / dot(p.x, p.x)) // NaN, null in JSON, of a state that is 0
	return out, nil
}
