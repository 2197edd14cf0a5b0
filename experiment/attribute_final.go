package experiment

import (
	"context"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// captured returns what an input computes at some places at its positions, and the type of the last one's.
func captured(ctx context.Context, m model.Model, in edit.Input, places []model.Place) (map[model.Place]edit.Value, mlx.Dtype, error) {
	in, err := edit.Reaching(m, in, places) // the run that this is of may go further
	if err != nil {
		return nil, 0, fmt.Errorf("experiment: %w", err)
	}
	set, err := states.Capture(ctx, m, in, places)
	if err != nil {
		return nil, 0, fmt.Errorf("experiment: %w", err)
	}
	values, typ := map[model.Place]edit.Value{}, mlx.Float32
	for _, at := range places {
		if values[at], err = set.Value(at); err != nil {
			return nil, 0, err
		}
		if a := set.Array(at.String()); a.Type.String() != "F32" {
			typ = mlx.BFloat16
		}
	}
	return values, typ, nil
}

// fits returns an error where what a layer computes does not fit a bound.
func fits(m model.Model, in edit.Input, s *store, bound int64) error {
	in.Edits = nil // which take nothing here
	for layer := range m.Shape().Layers {
		places := s.places(layer, layer+1)
		if len(places) == 0 {
			continue
		}
		_, work, err := states.Memory(m, in, places)
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		if free := bound - int64(mlx.ActiveMemory()); work > free {
			return fmt.Errorf("experiment: what layer %d computes of %d positions needs %d MB beside the weights, and %d MB are left for it: read fewer positions, give a shorter prompt, or allow more memory",
				layer, len(in.IDs), (work+1<<20-1)>>20, max(0, free>>20))
		}
	}
	return nil
}

// final reads the logits of the stream behind the last block, and finds how the final norm and the
// unembedding, the norm's scale held, read it: a direction for each position, and constants.
func (d *direct) final(stream edit.Value) error {
	s := mlx.NewScope(d.m.Device())
	defer s.Close()
	n, width := stream.Shape[0], d.m.Shape().DModel
	ids, signs := []int{d.o.Target}, []float32{1}
	if d.o.Versus != nil {
		ids, signs = append(ids, *d.o.Versus), append(signs, -1)
	}
	probes := make([]float32, 3*width) // 0, 1, and signs without a mean
	for i, sign := range balanced(width) {
		probes[width+i], probes[2*width+i] = 1, float32(sign)
	}
	normed := func(x []float32, rows int) *mlx.Array { return d.m.FinalNorm(mlx.FromSlice(s, x, rows, width)) }
	y := normed(stream.Data, n)
	sum := func(of *mlx.Array) *mlx.Array { // [row]
		return mlx.Sum(mlx.Multiply(of, mlx.FromSlice(s, signs)), -1)
	}
	zero := mlx.Zeros(s, mlx.Float32, 1, width)
	_, word := mlx.VJP(func(h []*mlx.Array) []*mlx.Array { return []*mlx.Array{d.m.UncappedIDs(h[0], ids)} },
		[]*mlx.Array{zero}, []*mlx.Array{mlx.FromSlice(s, signs, 1, len(ids))})
	read, err := evaluated(sum(d.m.UncappedIDs(y, ids)), sum(d.m.UnembedIDs(y, ids)), y, normed(probes, 3), word[0], sum(d.m.UncappedIDs(zero, ids)))
	if err != nil {
		return err
	}
	d.out.Whole, d.out.Capped, d.word = numbers(read[0]), numbers(read[1]), read[4]
	norm, err := newFrozenNorm(read[3], width)
	if err != nil {
		return err
	}
	for i := range n {
		direction, err := norm.back(d.word, wide(stream.Data[i*width:(i+1)*width]), read[2][i*width:(i+1)*width])
		if err != nil {
			return err
		}
		d.read = append(d.read, direction)
	}
	for _, constant := range []struct {
		name  string
		value float64
	}{{"final_norm.bias", dot(d.word, norm.bias)}, {"unembedding.bias", read[5][0]}} {
		if constant.value != 0 {
			values := make([]float64, n)
			for i := range values {
				values[i] = constant.value
			}
			d.add(Contribution{Name: constant.name}, values)
		}
	}
	return nil
}

// frozenNorm is γ⊙C(x)/σ + β, with or without the mean's taking off, C.
type frozenNorm struct {
	gain, bias []float64
	centred    bool
}

// newFrozenNorm finds a norm by what it makes of 0, of 1 everywhere, and of signs without a mean, rows.
func newFrozenNorm(rows []float64, d int) (*frozenNorm, error) {
	f := &frozenNorm{bias: rows[:d], gain: make([]float64, d)}
	ones, alternating := rows[d:2*d], rows[2*d:]
	flat, size := 0.0, 0.0
	for i, sign := range balanced(d) {
		f.gain[i] = (alternating[i] - f.bias[i]) / sign
		flat += math.Abs(ones[i] - f.bias[i])
		size += math.Abs(f.gain[i])
	}
	f.centred = flat < 1e-2*size
	return f, nil
}

// back maps the gradient by the norm's output to that by its input x, whose scale is that by which
// the norm makes y of it.
func (f *frozenNorm) back(word, x, y []float64) ([]float64, error) {
	centred := f.centre(x)
	k, err := scale(f.gain, centred, subtract(y, f.bias), "the final norm")
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(word))
	for i := range out {
		out[i] = k * f.gain[i] * word[i]
	}
	return f.centre(out), nil // C is symmetric
}

// balanced returns d numbers, none of them 0, whose mean is.
func balanced(d int) []float64 {
	out := make([]float64, d)
	for i := range out {
		out[i] = float64(1 - 2*(i%2))
	}
	if d%2 == 1 { // the last 1 has no partner
		out[1] = -2
	}
	return out
}

func (f *frozenNorm) centre(x []float64) []float64 {
	if !f.centred {
		return x
	}
	mean := 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v - mean
	}
	return out
}

// scale returns the k of y = k·gain⊙x, and an error where y is no such thing.
func scale(gain, x, y []float64, what string) (float64, error) {
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		gx := gain[i] * x[i]
		xy, xx, yy = xy+gx*y[i], xx+gx*gx, yy+y[i]*y[i]
	}
	if yy == 0 {
		return 0, nil
	}
	k := xy / xx
	// Σ(y − k·g⊙x)² = yy − k·xy
	if off := (yy - k*xy) / yy; !(off < 1e-3) {
		return 0, fmt.Errorf("experiment: %s is no norm whose scale can be held: what it gives is not in line with its gain", what)
	}
	return k, nil
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func subtract(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// evaluated computes arrays together, and returns their numbers.
func evaluated(arrays ...*mlx.Array) ([][]float64, error) {
	for i, a := range arrays {
		arrays[i] = mlx.AsType(mlx.Contiguous(a), mlx.Float32)
	}
	if err := mlx.Eval(arrays...); err != nil {
		return nil, err
	}
	out := make([][]float64, len(arrays))
	for i, a := range arrays {
		x, err := mlx.Data[float32](a)
		if err != nil {
			return nil, err
		}
		out[i] = wide(x)
	}
	return out, nil
}
