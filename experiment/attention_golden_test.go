package experiment_test

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// recordedAttention is testdata/golden/smollm2-attention.json: what mlxterp records of
// attention_weights, some layers whole, and of all the sums of rows and the keys with the most weight.
type recordedAttention struct {
	IDs     []int                    `json:"ids"`
	Pattern map[string][][][]float64 `json:"pattern"`     // [head][query][key] of a layer
	Argmax  [][][]int                `json:"argmax"`      // [layer][head][query]
	Lead    [][][]float64            `json:"argmax_lead"` // by how much it is ahead
	Sums    [][][]float64            `json:"row_sums"`
}

func TestPatternsAreMlxterps(t *testing.T) {
	t.Parallel()
	o := modeltest.SmolLM2(t)
	data, err := os.ReadFile(modeltest.Path(t, "testdata/golden/smollm2-attention.json"))
	require.NoError(t, err)
	var golden recordedAttention
	require.NoError(t, json.Unmarshal(data, &golden))
	a, err := experiment.Attention(context.Background(), o.Model, edit.Input{IDs: golden.IDs}, experiment.AttentionOptions{})
	require.NoError(t, err)
	require.Len(t, a.Pattern, 30*9)
	require.NotEmpty(t, golden.Pattern)
	for h, rows := range a.Pattern {
		for q, row := range rows {
			sum, most := 0.0, 0
			for k, x := range row {
				if sum += float64(x); x > row[most] {
					most = k
				}
			}
			require.InDelta(t, golden.Sums[h.Layer][h.Head][q], sum, 1e-5)
			if golden.Lead[h.Layer][h.Head][q] > 1e-4 {
				require.Equal(t, golden.Argmax[h.Layer][h.Head][q], most, "%s, query %d", h, q)
			}
			if of := golden.Pattern[strconv.Itoa(h.Layer)]; of != nil {
				require.InDeltaSlice(t, of[h.Head][q], row, 5e-5, "%s, query %d", h, q)
			}
		}
	}
}
