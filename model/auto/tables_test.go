package auto_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// bytesOf returns what a role's weight takes for each number that it stands for.
func bytesOf(t *testing.T, o *auto.Opened, role string) float64 {
	t.Helper()
	for _, r := range o.Info.Modules {
		if r.Role == role {
			return float64(r.Bytes) / float64(r.Shape[0]*r.Shape[1])
		}
	}
	t.Fatalf("no %s", role)
	return 0
}

// A table of which rows are looked up stays packed where matrices are unpacked: 4 bits, and a scale and
// a bias of 32 numbers. One that is the head's matrix too is a matrix.
func TestATableOfRowsStaysAsItIsStored(t *testing.T) {
	t.Parallel()
	const matrix = 4.0
	for name, most := range map[string]map[string]float64{
		"gemma4-text-4bit": {"per_layer_embed": 1, "embed": matrix},
		"llama4-4bit":      {"embed": 1, "unembed": matrix},
	} {
		a := architecture(t, name)
		dir := t.TempDir()
		require.NoError(t, a.Write(dir))
		o := modeltest.Open(t, dir, auto.Options{Weights: load.Dense})
		for role, bytes := range most {
			if bytes == matrix {
				require.InDelta(t, matrix, bytesOf(t, o, role), 1e-9, "%s: %s", name, role)
			} else {
				require.LessOrEqual(t, bytesOf(t, o, role), bytes, "%s: %s", name, role)
			}
		}
		total := 0
		for _, r := range o.Info.Modules {
			total += r.Bytes
		}
		require.Equal(t, total, o.Info.WeightBytes)
	}
}

// A table of 16 bits is no more in memory than in the file, and its rows are float32.
func TestRowsOfATableOf16BitsAreWidened(t *testing.T) {
	t.Parallel()
	a := architecture(t, "llama-untied-biases")
	for i := range a.Tensors {
		if strings.Contains(a.Tensors[i].Name, "embed_tokens") || strings.Contains(a.Tensors[i].Name, "lm_head") {
			a.Tensors[i].Type = "bfloat16"
		}
	}
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	o := modeltest.Open(t, dir, auto.Options{})
	require.InDelta(t, 2, bytesOf(t, o, "embed"), 1e-9)
	require.InDelta(t, 4, bytesOf(t, o, "unembed"), 1e-9)
	embed := func(o *auto.Opened) []float32 {
		at, _ := sites(t, o.Model, a.Runs[1].IDs, nil, func(s model.Site) bool { return s == model.Embed })
		return at[model.Place{Site: model.Embed}]
	}
	stored := modeltest.Open(t, dir, auto.Options{AsStored: true})
	require.Equal(t, embed(stored), embed(o))
}
