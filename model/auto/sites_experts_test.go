package auto_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/model"
)

// requireExperts requires that what the experts and the shared one add is what the MLP adds,
// that the chosen are those of the greatest logits, of their group where there are some, unless these
// are corrected, and their weights descend. Where a norm follows the experts what they add is the norm of their sum.
func requireExperts(t *testing.T, m model.Model, layer int, at map[model.Place][]float32, is mixing) {
	t.Helper()
	get := func(s model.Site) []float32 { return at[model.Place{Site: s, Layer: layer}] }
	each, d, k := get(model.ExpertOut), m.Shape().DModel, m.Shape().TopK
	if each == nil {
		return
	}
	total := make([]float32, len(each)/k)
	shared := get(model.SharedOut)
	if shared != nil && !is.normed {
		copy(total, shared)
	}
	for i, x := range each {
		total[i/(k*d)*d+i%d] += x
	}
	out := get(model.MLPRaw)
	if out == nil {
		out = get(model.MLPOut)
	}
	if is.biased { // the same at every position
		bias := make([]float32, d)
		for i := range bias {
			bias[i] = out[i] - total[i]
		}
		for i := range total {
			total[i] += bias[i%d]
		}
	}
	if is.normed {
		added := make([]float32, len(out))
		for i := range out {
			added[i] = out[i] - shared[i]
		}
		before, after := model.Place{Site: model.ExpertOut, Layer: layer}, model.Place{Site: model.MLPRaw, Layer: layer}
		requireGain(t, map[model.Place][]float32{before: total, after: added}, norm{over: d, gains: d, eps: 1e-5}, before, after) // the cases' rms_norm_eps
	} else {
		requireNear(t, out, total, 1e-4)
	}
	ids, weights, logits, n := get(model.ExpertIDs), get(model.ExpertWeights), get(model.RouterLogits), m.Shape().Experts
	for i := range ids {
		require.GreaterOrEqual(t, weights[i/k*k], weights[i])
		row, id, each, better := logits[i/k*n:(i/k+1)*n], int(ids[i]), n/is.groups, 0
		for _, x := range row[id/each*each : (id/each+1)*each] {
			if x > row[id] {
				better++
			}
		}
		require.True(t, is.corrected || better < k)
	}
}

// mixing says what a mixture does to its logits and to what its experts add.
type mixing struct {
	normed    bool // a norm follows the experts
	corrected bool // a bias that does not weigh helps to choose them
	biased    bool // a matrix behind their sum has a bias
	groups    int  // of experts, of which only some count
}

func mixingOf(t *testing.T, a *golden.Architecture) mixing {
	var config struct {
		Method string `json:"topk_method"`
		Groups int    `json:"n_group"`
	}
	t.Helper()
	require.NoError(t, json.Unmarshal(a.Config, &config))
	groups := 1
	if config.Method == "group_limited_greedy" {
		groups = config.Groups
	}
	return mixing{
		groups: groups,
		normed: strings.HasPrefix(a.Name, "gemma4"),
		biased: slices.ContainsFunc(a.Tensors, func(t golden.Drawn) bool { return strings.HasSuffix(t.Name, ".fc2_latent_proj.bias") }),
		corrected: slices.ContainsFunc(a.Tensors, func(t golden.Drawn) bool {
			return strings.HasSuffix(t.Name, ".expert_bias") || strings.HasSuffix(t.Name, ".e_score_correction_bias")
		}),
	}
}
