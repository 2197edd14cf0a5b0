package jacobian

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// The reference's choices: what positions are left out at a prompt's beginning, which many models
// treat unlike the others, and how long a prompt may be.
const (
	DefaultSkip   = 16
	DefaultLength = 128
)

// FitOptions say how a lens is fitted.
type FitOptions struct {
	Layers []int // source layers; negative ones count from the end; nil: all but the last
	Skip   int   // positions that are left out at a prompt's beginning
	Length int   // that no prompt exceeds; 0: DefaultLength

	// Rows is how many rows of each matrix a prompt adds to, 0: all. With fewer, each prompt takes others, so that
	// every row is the mean over its part of the prompts: n prompts of Rows rows take the time, and have
	// the error, of n·Rows/d_model prompts of all rows.
	Rows int
	Seed uint64 // of the order of rows

	// Batch is how many rows go back together; 0: as many as MaxMemory holds, or by default as 512 MiB hold, and up to 1.5 GiB
	// where a model's blocks let many rows share matrices. It changes the last bits.
	Batch     int
	MaxMemory int64 // bound on what MLX's arrays, the weights among them, and the sums take together, in bytes; 0: none
}

// Fit is a fit on its way: sums over the prompts so far.
type Fit struct {
	m       model.Model
	o       FitOptions
	sources []int
	ways    map[int]way
	parted  map[int]*model.Parts // where the rows go back by the blocks' matrices; else nil

	sums    map[int][]float32 // by layer: [d_model, d_model]
	squares map[int][]float64 // by layer: [d_model], the sums of a row's squared norms
	counts  []int             // [d_model], how many prompts added to a row
	done    int               // prompts
	short   int               // prompts that have no position in V
}

// Check returns an error, of one option a [lens.OptionError], where the options mean nothing, by themselves or with a model of that shape.
func (o FitOptions) Check(shape model.Shape) error {
	if o.Length == 0 {
		o.Length = DefaultLength
	}
	_, err := o.sources(shape)
	return err
}

// sources returns the layers that get a matrix, ascending, of options that have a length.
func (o *FitOptions) sources(shape model.Shape) ([]int, error) {
	last := shape.Layers - 1
	switch {
	case last < 1:
		return nil, fmt.Errorf("jacobian: the model has one layer, and no layer before its last")
	case o.Skip < 0:
		return nil, lens.WrongOption("Skip", "jacobian: the first %d positions are left out: want 0 or more", o.Skip)
	case o.Length < o.Skip+2:
		return nil, lens.WrongOption("Length", "jacobian: prompts of %d positions of which the first %d and the last one are left out have none: want %d or more", o.Length, o.Skip, o.Skip+2)
	case o.Rows < 0 || o.Rows > shape.DModel:
		return nil, lens.WrongOption("Rows", "jacobian: %d rows a prompt: want 1 to %d, the model's d_model, or 0 for all", o.Rows, shape.DModel)
	case o.Seed > math.MaxInt64:
		return nil, lens.WrongOption("Seed", "jacobian: the seed %d is beyond %d, the largest that a lens' file holds", o.Seed, math.MaxInt64)
	case o.Batch < 0:
		return nil, lens.WrongOption("Batch", "jacobian: %d rows at once: want 1 or more, or 0 for as many as fit", o.Batch)
	}
	layers, err := model.Indices(o.Layers, shape.Layers, "layer")
	if err != nil {
		return nil, lens.WrongOption("Layers", "jacobian: %w", err)
	}
	switch layers = slices.Sorted(slices.Values(layers)); {
	case o.Layers == nil:
		return layers[:last], nil
	case slices.Contains(layers, last):
		return nil, lens.WrongOption("Layers", "jacobian: layer %d is the last, whose matrix is the identity: leave it out", last)
	}
	return layers, nil
}

// NewFit returns a fit without prompts.
func NewFit(m model.Model, o FitOptions) (*Fit, error) {
	if err := model.Whole(m, "jacobian: a fit"); err != nil {
		return nil, err
	}
	shape := m.Shape()
	if o.Length == 0 {
		o.Length = DefaultLength
	}
	f := &Fit{m: m, o: o, ways: map[int]way{}, counts: make([]int, shape.DModel)}
	var err error
	if f.sources, err = o.sources(shape); err != nil {
		return nil, err
	}
	if err := f.fitBatch(); err != nil {
		return nil, err
	}
	f.sums, f.squares = map[int][]float32{}, map[int][]float64{}
	for _, layer := range f.sources {
		f.sums[layer], f.squares[layer] = make([]float32, shape.DModel*shape.DModel), make([]float64, shape.DModel)
	}
	return f, nil
}

// What the rows that go back together take when no bound is given: one after the other through a block's
// operations, or all through its matrices, which more rows share.
const (
	backwardBytes = 512 << 20
	closedMost    = 2 << 30
)

// fitBatch chooses how many rows go back together, and how.
func (f *Fit) fitBatch() error {
	shape, positions := f.m.Shape(), f.o.Length-1-f.o.Skip
	rows := cmp.Or(f.o.Rows, shape.DModel)
	closed := partsOf(f.m, f.sources)
	if f.o.Batch > 0 {
		if closedPays(shape, min(f.o.Batch, rows)) {
			f.parted = closed
		}
		return nil
	}
	free, most := int64(backwardBytes), int64(closedMost)
	if f.o.MaxMemory > 0 {
		sums := 4 * int64(len(f.sources)) * int64(shape.DModel) * int64(shape.DModel)
		streams := 4 * int64(shape.Layers) * int64(f.o.Length) * int64(shape.DModel)
		free = f.o.MaxMemory - int64(mlx.ActiveMemory()) - sums - streams
		most = free
	}
	on, err := lanesOf(f.m.Device())
	if err != nil {
		return err
	}
	for n := rows; closed != nil && closedPays(shape, n); n = (n + 1) / 2 {
		if closedBytes(shape, len(on), n, positions, f.o.Length-1) <= most {
			f.parted, f.o.Batch = closed, n
			return nil
		}
	}
	blocks := 0
	for _, s := range parts(f.m, f.sources) {
		blocks = max(blocks, s.to-s.from)
	}
	each := 8 * int64(blocks) * int64(shape.Block(1, positions, f.o.Length-1)) // there and back, in float32
	if f.o.MaxMemory > 0 && free < each {
		return fmt.Errorf("jacobian: one row of prompts of %d positions needs %d MB beside the weights and the matrices, and %d MB are left for it: give shorter prompts or fewer layers, or allow more memory",
			f.o.Length, each>>20, max(0, free>>20))
	}
	f.o.Batch = int(min(max(1, free/each), int64(shape.DModel)))
	for closed != nil && closedPays(shape, min(f.o.Batch, rows)) {
		f.o.Batch-- // a checkpoint keeps the number, and the way follows from it
	}
	return nil
}

// Sources returns the source layers, ascending.
func (f *Fit) Sources() []int { return slices.Clone(f.sources) }

// Batch returns how many rows go back together.
func (f *Fit) Batch() int { return f.o.Batch }

// Done returns how many prompts were added, and Short how many had no position to add.
func (f *Fit) Done() int { return f.done }

// Short returns how many prompts had no position in V, and were left out.
func (f *Fit) Short() int { return f.short }

// Shortest returns how many tokens a prompt has at least that has a position in V.
func (f *Fit) Shortest() int { return f.o.Skip + 2 }

// Add adds a prompt, or leaves one out that has no position in V. progress is called with the part of the prompt that is done; it may
// be nil. Several goroutines compute, which cannot inside mlx.Do. After an error the fit is of no use: go on from what was saved.
func (f *Fit) Add(ctx context.Context, ids []int, progress func(done float64)) error {
	if len(ids) < f.Shortest() {
		f.short++
		return nil
	}
	if len(ids) > f.o.Length {
		return fmt.Errorf("jacobian: a prompt has %d positions: want at most %d", len(ids), f.o.Length)
	}
	b, err := newBackward(ctx, f.m, ids, f.sources, f.o.Skip, f.ways, f.parted)
	if err != nil {
		return err
	}
	defer b.Close()
	rows := f.rows()
	for from := 0; from < len(rows); from += f.o.Batch {
		some := rows[from:min(from+f.o.Batch, len(rows))]
		if err := f.add(ctx, b, some); err != nil {
			return err
		}
		if progress != nil {
			progress(float64(from+len(some)) / float64(len(rows)))
		}
	}
	for _, r := range rows {
		f.counts[r]++
	}
	f.done++
	mlx.ClearCache()
	return nil
}

// add adds some rows of a prompt.
func (f *Fit) add(ctx context.Context, b *backward, rows []int) error {
	d := f.m.Shape().DModel
	scope := mlx.NewScope(f.m.Device())
	defer scope.Close()
	units := make([]float32, len(rows)*d)
	for i, r := range rows {
		units[i*d+r] = 1
	}
	return b.rows(ctx, mlx.FromSlice(scope, units, len(rows), d), func(layer, from int, x []float32) error {
		sum, squares := f.sums[layer], f.squares[layer]
		for i, r := range rows[from : from+len(x)/d] {
			square := 0.0
			for j, v := range x[i*d : (i+1)*d] {
				sum[r*d+j] += v
				square += float64(v) * float64(v)
			}
			if math.IsNaN(square) || math.IsInf(square, 0) {
				return fmt.Errorf("jacobian: row %d of layer %d is not finite: the model's numbers are too large for its type", r, layer)
			}
			squares[r] += square
		}
		return nil
	})
}

// rows are those that the next prompt adds to, ascending: the next so many of random orders of all rows, one order
// behind another.
func (f *Fit) rows() []int {
	d := f.m.Shape().DModel
	n := f.o.Rows
	if n == 0 {
		n = d
	}
	var rows []int
	for at := f.done * n; at < (f.done+1)*n; at++ {
		order := rand.New(rand.NewPCG(f.o.Seed, uint64(at/d))).Perm(d)
		for ; at < (f.done+1)*n; at++ {
			rows = append(rows, order[at%d])
			if (at+1)%d == 0 {
				break
			}
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// Lens returns the mean of the prompts so far. metadata are added to what the fit knows of
// itself.
func (f *Fit) Lens(metadata Metadata) (*Lens, error) {
	d := f.m.Shape().DModel
	if f.done == 0 {
		return nil, fmt.Errorf("jacobian: no prompt has a position to fit to: all %d have fewer than %d tokens", f.short, f.Shortest())
	}
	if r := slices.Index(f.counts, 0); r >= 0 {
		return nil, fmt.Errorf("jacobian: row %d was in none of %d prompts of %d rows: give %d prompts or more, or more rows", r, f.done, f.o.Rows, (d+f.o.Rows-1)/f.o.Rows)
	}
	matrices := map[int][]float32{}
	for layer, sum := range f.sums {
		j := make([]float32, len(sum))
		for r, n := range f.counts {
			for i := r * d; i < (r+1)*d; i++ {
				j[i] = sum[i] / float32(n)
			}
		}
		matrices[layer] = j
	}
	return New(matrices, d, f.done, f.m.Shape().Layers-1, f.about(metadata))
}

// about is what a lens and a checkpoint say of the fit, with what is added to it.
func (f *Fit) about(added Metadata) Metadata {
	m := Metadata{
		keyEstimator: "jacobian_lens", keySkip: f.o.Skip, keyLength: f.o.Length, keyDimBatch: f.o.Batch, "hook_convention": "blocks.{layer}.hook_out",
	}
	if f.o.Rows > 0 {
		m[keyRows], m[keySeed] = f.o.Rows, int(f.o.Seed)
	}
	maps.Copy(m, added)
	return m
}

// Errors returns the relative standard error of each source layer's matrix: the root of the summed variances
// of its elements' means over prompts, as a part of its Frobenius norm. NaN where a row has fewer than two prompts.
func (f *Fit) Errors() []float64 {
	d := f.m.Shape().DModel
	out := make([]float64, len(f.sources))
	for k, layer := range f.sources {
		variance, norm := 0.0, 0.0
		for r, count := range f.counts {
			n, square := float64(count), 0.0
			for _, v := range f.sums[layer][r*d : (r+1)*d] {
				square += float64(v) * float64(v)
			}
			norm += square / (n * n)
			variance += max(0, f.squares[layer][r]-square/n) / ((n - 1) * n) // 0/0 of one prompt
		}
		out[k] = math.Sqrt(variance / norm)
	}
	return out
}
