package jacobian

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
)

// BenchmarkRows is the time of a row of all 29 matrices of SmolLM2 from a sequence of 128 tokens: a fit takes 576 of
// them for each sequence.
func BenchmarkRows(b *testing.B) {
	m := modeltest.SmolLM2(b).Model
	f, err := NewFit(m, FitOptions{Skip: DefaultSkip})
	require.NoError(b, err)
	back, err := newBackward(context.Background(), m, someIDs(m, DefaultLength), f.sources, DefaultSkip, f.ways, f.parted)
	require.NoError(b, err)
	defer back.Close()
	rows := make([]int, f.Batch())
	for i := range rows {
		rows[i] = i
	}
	for b.Loop() {
		require.NoError(b, f.add(context.Background(), back, rows))
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*len(rows)), "ms/row")
	b.ReportMetric(float64(mlx.PeakMemory()>>20), "peak-MB")
}
