package generate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// BenchmarkGenerate reports tokens per second of SmolLM2, of a prompt of 256 and of 64
// generated ones: the ids of tools/golden/peers.py.
func BenchmarkGenerate(b *testing.B) {
	m := modeltest.SmolLM2(b).Model
	ids := make([]int, 256)
	for i := range ids {
		ids[i] = 1000 + 37*i
	}
	b.Run("prompt", func(b *testing.B) {
		for range b.N {
			g := generator(b, m, generate.Options{})
			require.NoError(b, g.Prompt(context.Background(), edit.Input{IDs: ids}))
			g.Close()
		}
		b.ReportMetric(float64(len(ids)*b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
	b.Run("generated", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			g := generator(b, m, generate.Options{})
			require.NoError(b, g.Prompt(context.Background(), edit.Input{IDs: ids}))
			b.StartTimer()
			next(b, g, 64)
			b.StopTimer()
			g.Close()
			b.StartTimer()
		}
		b.ReportMetric(float64(64*b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
}
