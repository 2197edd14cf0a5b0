package audit_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
)

type recordedEstimate struct{ Mean, Error float64 }

// recorded is what tools/golden/audit.py computes in float64.
type recorded struct {
	IDs   [][]int `json:"ids"`
	Final struct {
		KL          recordedEstimate   `json:"kl"`
		KLs         map[string]float64 `json:"kl_percentiles"`
		Candidate   float64            `json:"ppl_candidate"`
		Reference   float64            `json:"ppl_reference"`
		LnRatio     recordedEstimate   `json:"ln_ppl_ratio"`
		Correlation float64            `json:"correlation"`
		Delta       recordedEstimate   `json:"delta_p"`
		Deltas      map[string]float64 `json:"delta_p_percentiles"`
		RMS         recordedEstimate   `json:"delta_p_rms"`
		SameTop     float64            `json:"same_top"`
		Tokens      int                `json:"tokens"`
	} `json:"final"`
	Rows []struct {
		KL        recordedEstimate `json:"kl"`
		SameTop   float64          `json:"same_top"`
		Apart     float64          `json:"relative_error"`
		Reference float64          `json:"ppl_reference"`
		Candidate float64          `json:"ppl_candidate"`
	} `json:"rows"`
	Blame map[string]map[audit.Direction]recordedEstimate `json:"blame"`
}

// The models compute in float32; their logits are in the hundreds, and differ from float64's by 1e-4.
const (
	relative = 1e-4
	absolute = 1e-4
)

func near(t *testing.T, want, got float64, what string) {
	t.Helper()
	require.InDelta(t, want, got, absolute+relative*max(want, -want), what)
}

func nearEstimate(t *testing.T, want recordedEstimate, got audit.Estimate, what string) {
	t.Helper()
	near(t, want.Mean, float64(got.Mean), what)
	near(t, want.Error, float64(got.Error), "error of "+what)
}

func TestNumbersAreThoseOfFloat64(t *testing.T) {
	raw, err := os.ReadFile("../testdata/golden/audit.json")
	require.NoError(t, err)
	var want recorded
	require.NoError(t, json.Unmarshal(raw, &want))
	reference, candidate := modeltest.Tiny(t), modeltest.Tiny(t)
	spoil(t, candidate)
	for _, onDevice := range []bool{false, true} {
		r := run(t, begin(t, reference, candidate, audit.Options{OnDevice: &onDevice, Blame: audit.Blame{Sequences: 3, Directions: audit.Directions()}}), want.IDs)
		requireFinal(t, &want, &r.Final)
		require.Equal(t, want.Final.Tokens, r.Corpus.Tokens)
		for i, row := range want.Rows {
			nearEstimate(t, row.KL, r.Layers[i].KL, "KL of a row")
			near(t, row.SameTop, float64(r.Layers[i].SameTop.Mean), "same top of a row")
			near(t, row.Apart, float64(r.Layers[i].Apart), "error of the stream")
			require.InEpsilon(t, row.Reference, float64(r.Layers[i].PPLReference), 10*relative)
			require.InEpsilon(t, row.Candidate, float64(r.Layers[i].PPLCandidate), 10*relative)
		}
		modules := r.Blame.Rankings[0].Modules
		require.Len(t, modules, 2)
		require.Equal(t, "layers.0.mlp_out", modules[0].Name)
		for i, path := range []string{"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"} {
			for _, d := range audit.Directions() {
				nearEstimate(t, want.Blame[path][d], modules[i].Effects[d].Estimate, path)
			}
		}
	}
}

func requireFinal(t *testing.T, want *recorded, got *audit.Final) {
	t.Helper()
	f := &want.Final
	nearEstimate(t, f.KL, got.KL, "KL")
	require.InEpsilon(t, f.Candidate, float64(got.PPLCandidate.Mean), 10*relative)
	require.InEpsilon(t, f.Reference, float64(got.PPLReference.Mean), 10*relative)
	nearEstimate(t, f.LnRatio, got.LnRatio, "ln ratio")
	near(t, f.Correlation, float64(got.Correlation), "correlation")
	nearEstimate(t, f.Delta, got.Delta, "Δp")
	nearEstimate(t, f.RMS, got.DeltaRMS, "RMS Δp")
	near(t, f.SameTop, float64(got.SameTop.Mean), "same top")
	for _, of := range []struct {
		want map[string]float64
		got  []audit.Percentile
	}{{f.KLs, got.KLPercentiles}, {f.Deltas, got.DeltaPercentiles}} {
		for percent, x := range of.want {
			p, err := strconv.ParseFloat(percent, 64)
			require.NoError(t, err)
			i := slices.IndexFunc(of.got, func(q audit.Percentile) bool { return q.Percent == p })
			near(t, x, float64(of.got[i].Value), percent)
		}
	}
}
