package generate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// The square of 1e30 is no number of float32, and the final norm would make 0 of such a stream: every
// token would be as likely, and the first one chosen.
func TestAnOverflowChoosesNoToken(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	for _, at := range []model.Place{{Site: model.Embed}, {Site: model.MLPOut, Layer: m.Shape().Layers - 1}} {
		for _, temperature := range []float64{0, 1} {
			g, err := generate.New(m, generate.Options{Sampling: generate.Sampling{Temperature: temperature}})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Prompt(context.Background(), edit.Input{IDs: []int{1, 2, 3}, Edits: []edit.Edit{{Place: at, Op: edit.Scale, Factor: 1e30}}}))
			_, err = g.Next(context.Background())
			require.ErrorContains(t, err, "beyond float32", "%s at temperature %v", at, temperature)
		}
	}
}
