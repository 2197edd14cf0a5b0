package lens_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// prompt is n ids that are spread over the vocabulary.
func prompt(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 1000 + 37*i
	}
	return ids
}

// BenchmarkLens times the lens of SmolLM2 (30 layers, all positions, top 10), and
// beside it, in turns, the bare matrix products of the same size: [30·n, 576] by the
// head, in slices that fit the cache. The metric ratio is the one by the other.
func BenchmarkLens(b *testing.B) {
	o := smollm2(b)
	shape := o.Model.Shape()
	for _, n := range []int{8, 64} {
		for name, opts := range map[string]lens.Options{"top": {Top: 10, TopOnly: true}, "metrics": {Top: 10}} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := mlx.NewScope(o.Model.Device())
				defer s.Close()
				h := mlx.Full(s, 0.5, mlx.Float32, shape.Layers*n, shape.DModel)
				require.NoError(b, mlx.Eval(h))
				best, bare := time.Duration(1<<62), time.Duration(1<<62)
				for range b.N {
					g, err := lens.Run(context.Background(), o.Model, edit.Input{IDs: prompt(n)}, opts)
					require.NoError(b, err)
					best = min(best, time.Duration(g.Timing.Lens*1e9))
					start := time.Now()
					const slice = 4096
					for from := 0; from < shape.DVocab; from += slice {
						y := o.Model.Unembed(h, from, min(from+slice, shape.DVocab))
						require.NoError(b, mlx.Eval(y))
						y.Free()
					}
					bare = min(bare, time.Since(start))
				}
				b.ReportMetric(float64(best.Microseconds())/1e3, "lens-ms")
				b.ReportMetric(float64(bare.Microseconds())/1e3, "product-ms")
				b.ReportMetric(best.Seconds()/bare.Seconds(), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkForward times a forward pass of SmolLM2 to the logits.
func BenchmarkForward(b *testing.B) {
	o := smollm2(b)
	for _, n := range []int{8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tokens := make([]int32, n)
			for i, id := range prompt(n) {
				tokens[i] = int32(id)
			}
			for range b.N {
				s := mlx.NewScope(o.Model.Device())
				require.NoError(b, mlx.Eval(model.Forward(o.Model, mlx.FromSlice(s, tokens, 1, n), nil, nil)))
				s.Close()
			}
		})
	}
}
