package auto_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

var layerInName = regexp.MustCompile(`(?:^|\.)(?:layers|h)\.(\d+)\.`)

// What is in a shard of its own where the head has another matrix: the first rank's alone.
var (
	embedding = regexp.MustCompile(`(?:^|\.)(?:embed_tokens|embed_in|wte)\.`)
	head      = regexp.MustCompile(`(?:^|\.)(?:lm_head|embed_out)\.weight$`)
)

// sharded rewrites a checkpoint with a shard for each layer, one for an embedding that is not the head, and one for all else.
func sharded(t *testing.T, dir string) {
	t.Helper()
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer ck.Close()
	shards, index := map[string][]checkpoint.Array{}, map[string]string{}
	untied := slices.ContainsFunc(ck.Names(), head.MatchString)
	for _, name := range ck.Names() {
		shard := "rest.safetensors"
		if m := layerInName.FindStringSubmatch(name); m != nil {
			shard = fmt.Sprintf("layer%s.safetensors", m[1])
		} else if untied && embedding.MatchString(name) {
			shard = embeddingShard
		}
		a, err := ck.Tensor(name).Array()
		require.NoError(t, err)
		a.Bytes = append([]byte(nil), a.Bytes...)
		shards[shard], index[name] = append(shards[shard], a), shard
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "model.safetensors")))
	for shard, arrays := range shards {
		f, err := os.Create(filepath.Join(dir, shard))
		require.NoError(t, err)
		require.NoError(t, checkpoint.WriteSafetensors(f, nil, arrays))
		require.NoError(t, f.Close())
	}
	text, err := json.Marshal(map[string]any{"weight_map": index})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), text, 0o644))
}

const embeddingShard = "embedding.safetensors"

// without copies a sharded checkpoint without the shards that a rank does not need.
func without(t *testing.T, dir string, held model.Span) string {
	t.Helper()
	own := t.TempDir()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		var layer int
		if _, err := fmt.Sscanf(f.Name(), "layer%d.safetensors", &layer); err == nil && !held.Has(layer) {
			continue
		}
		if f.Name() == embeddingShard && held.From > 0 {
			continue
		}
		require.NoError(t, os.Link(filepath.Join(dir, f.Name()), filepath.Join(own, f.Name())))
	}
	return own
}

// Every architecture gives the numbers of one process on two ranks, each of which has the shards of
// its own layers alone; or it says why it cannot be divided.
func TestEveryArchitectureIsDivided(t *testing.T) {
	divided, names := 0, modeltest.Sample(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			a := architecture(t, name)
			dir := t.TempDir()
			require.NoError(t, a.Write(dir))
			whole := modeltest.Open(t, dir, auto.Options{}).Model
			sharded(t, dir)
			layers := whole.Shape().Layers
			if layers < 2 {
				return
			}
			parts := []model.Span{{From: 0, To: layers / 2}, {From: layers / 2, To: layers}}
			if err := whole.Shape().Divisible(parts); err != nil {
				require.Contains(t, err.Error(), "cannot be divided before layer")
				return
			}
			ids := a.Runs[2].IDs
			want := twoPasses(t, whole, ids)
			modeltest.OnRanks(t, 2, func(r *model.Ranks) error {
				own := without(t, dir, parts[r.Rank()])
				opened, err := auto.Open(own, modeltest.Float32(t, auto.Options{Ranks: r, PerRank: []int{parts[0].Len(), parts[1].Len()}, NoTokenizer: true}))
				if err != nil && strings.Contains(err.Error(), "have other layers") {
					return nil
				}
				if err != nil {
					return err
				}
				defer opened.Close()
				require.Equal(t, parts[r.Rank()], model.Held(opened.Model))
				require.Equal(t, want, twoPasses(t, opened.Model, ids), "rank %d", r.Rank())
				return nil
			})
			divided++
		})
	}
	require.Greater(t, divided, 2*len(names)/3)
}

// twoPasses runs a prompt in two parts with a cache.
func twoPasses(t *testing.T, m model.Model, ids []int32) []float32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	cache := model.NewCache(m)
	defer cache.Close()
	var all []float32
	for _, part := range [][]int32{ids[:len(ids)-1], ids[len(ids)-1:]} {
		flat, err := mlx.Data[float32](mlx.AsType(model.Forward(m, mlx.FromSlice(s, part, 1, len(part)), cache, nil), mlx.Float32))
		require.NoError(t, err)
		all = append(all, flat...)
	}
	return all
}
