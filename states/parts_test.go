package states_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// long opens a recorded model with room for long prompts.
func long(t *testing.T, name string) model.Model {
	t.Helper()
	return modeltest.Architecture(t, name, func(a *golden.Architecture) {
		a.Config = regexp.MustCompile(`("(max_position_embeddings|n_positions|n_ctx)": *)\d+`).ReplaceAll(a.Config, []byte("${1}2048"))
		for i := range a.Tensors {
			if strings.Contains(a.Tensors[i].Name, "wpe") {
				a.Tensors[i].Shape[0] = 2048
			}
		}
	})
}

// sliding has windows of 16 keys.
func sliding(t *testing.T) model.Model { return long(t, "llama-sliding") }

func TestPositionsOfAnEmbeddingGoOnFromPartToPart(t *testing.T) {
	t.Parallel()
	m := long(t, "gpt2")
	ids := make([]int, 700)
	want := tapped(t, m, ids)
	for _, text := range []string{"pos_embed", "embed,pos_embed", "layers.0.resid_pre"} {
		s := captureOf(t, m, ids, text)
		for i := range s.Arrays {
			x, err := mlx.Data[float32](want[s.Arrays[i].Name])
			require.NoError(t, err)
			require.Equal(t, x, numbers(t, &s.Arrays[i]), text)
		}
	}
}

// A prompt of 513 has a second part of a single position, which a layer with a window
// treats in its own way.
func TestPartsOfALongPromptGiveWhatOnePassGives(t *testing.T) {
	t.Parallel()
	m := sliding(t)
	lengths := []int{513, 1100}
	if testing.Short() {
		lengths = lengths[:1]
	}
	for _, n := range lengths {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = (37*i + 11) % m.Shape().DVocab
		}
		want := tapped(t, m, ids)
		for _, positions := range [][]int{nil, {0, 5, 500, 511, 512}, {-1}} {
			s, err := states.Capture(context.Background(), m, edit.Input{IDs: ids, Positions: positions}, places(t, m, everywhere(m)))
			require.NoError(t, err)
			require.Len(t, s.Arrays, len(want))
			for i := range s.Arrays {
				a := &s.Arrays[i]
				x, err := mlx.Data[float32](chosen(want[a.Name], a.Name, s.Positions))
				require.NoError(t, err)
				got := numbers(t, a)
				require.Len(t, got, len(x), a.Name)
				for j := range x {
					if d := x[j] - got[j]; !(d < 1e-4 && d > -1e-4) {
						t.Fatalf("%s[%d] of %d tokens: %v, and one pass has %v", a.Name, j, n, got[j], x[j])
					}
				}
			}
		}
	}
}

// chosen picks positions of one pass' array, and the keys up to the last of them.
func chosen(x *mlx.Array, name string, positions []int) *mlx.Array {
	at := make([]int32, len(positions))
	for i, p := range positions {
		at[i] = int32(p)
	}
	axis := 1
	if strings.HasSuffix(name, "pattern") || strings.HasSuffix(name, "attn_scores") {
		axis = 2
		x = mlx.Slice(x, 3, mlx.Between(0, positions[len(positions)-1]+1))
	}
	return mlx.Contiguous(mlx.Take(x, mlx.FromSlice(x.Scope(), at, len(at)), axis))
}
