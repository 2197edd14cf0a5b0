package lens_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
)

// everything traces with all candidates, of which every number can be read off.
func everything(t *testing.T, o lens.Options) *lens.Grid {
	m := tiny(t)
	o.Top = m.Shape().DVocab
	return trace(t, m, sixty, o)
}

func TestTrackedTokensAreThoseOfBestRankInAnyRow(t *testing.T) {
	t.Parallel()
	all := everything(t, lens.Options{Embed: true})
	for _, device := range []bool{false, true} {
		g := trace(t, tiny(t), sixty, lens.Options{Embed: true, Top: 4, Track: 7, OnDevice: &device})
		require.Len(t, g.Tracked, 60)
		for p, tracked := range g.Tracked {
			type best struct {
				id, rank int
				prob     float64
			}
			var want []best // by rank in any row, then by probability
			for id := range 512 {
				b := best{id, math.MaxInt, 0}
				for r := range all.Cells {
					at := slices.IndexFunc(all.Cells[r][p].Top, func(c lens.Candidate) bool { return c.ID == id })
					b.rank = min(b.rank, at+1)
					if at < 4 { // where it is a candidate
						b.prob = max(b.prob, all.Cells[r][p].Top[at].Prob)
					}
				}
				want = append(want, b)
			}
			slices.SortFunc(want, func(a, b best) int {
				return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.prob, a.prob), cmp.Compare(a.id, b.id))
			})
			require.Len(t, tracked, 7)
			for i, tr := range tracked {
				require.Equal(t, want[i].id, tr.ID, "position %d, number %d", p, i)
				for r := range all.Cells {
					at := slices.IndexFunc(all.Cells[r][p].Top, func(c lens.Candidate) bool { return c.ID == tr.ID })
					assert.Equal(t, at+1, tr.Rank[r])
					logit := all.Cells[r][p].Top[at].Logit
					assert.InDelta(t, logit, tr.Logit[r], 1e-5*max(1, math.Abs(logit)))
					assert.InDelta(t, all.Cells[r][p].Top[at].Prob, tr.Prob[r], 1e-5)
				}
			}
		}
	}
}

func TestTrackFollowsNoMoreThanTheCandidates(t *testing.T) {
	t.Parallel()
	g := trace(t, tiny(t), sixty[:3], lens.Options{Top: 1, Track: 50})
	for p, tracked := range g.Tracked {
		ids := map[int]bool{}
		for r := range g.Cells {
			ids[g.Cells[r][p].Top[0].ID] = true
		}
		require.Len(t, tracked, len(ids))
	}
}

func TestRowsOfWhatIsAddedAreReadAlone(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	g := trace(t, m, sixty, lens.Options{Attn: true, MLP: true, Mid: true, Layers: []int{1}, Top: 3})
	require.Equal(t, []string{"layers.1.attn_out", "layers.1.resid_mid", "layers.1.mlp_out", "layers.1.resid_post"}, g.Rows)
	// zeroing what attention adds leaves the stream before it, which the MLP sees
	zero := traceIn(t, m, edit.Input{IDs: sixty, Edits: []edit.Edit{parsed(t, m, "layers.1.attn_out=zero")}}, lens.Options{Layers: []int{0, 1}, Mid: true, Top: 3})
	for p := range zero.Positions {
		same(t, &zero.Cells[1][p], &zero.Cells[2][p], 0) // resid_post of 0, resid_mid of 1
	}
	for p := range g.Positions {
		require.NotEqual(t, g.Cells[0][p].Norm, g.Cells[1][p].Norm)
	}
}
