package load_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/load"
)

func TestRopeThatIsNotImplementedIsRefused(t *testing.T) {
	ck, err := checkpoint.Open("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	defer ck.Close()
	require.NoError(t, mlx.Load())
	l, err := load.NewLoader(ck, nil, mlx.CPU, load.Packed, nil, true, nil)
	require.NoError(t, err)
	defer l.Weights().Free()
	for config, want := range map[string]string{
		`"rope_scaling": {"type": "ntk", "factor": 4}`:                                   `rope_scaling type "ntk" is not implemented (have: default, linear, dynamic, llama3, yarn, longrope, proportional)`,
		`"rope_scaling": {"type": "linear"}`:                                             "factor 0",
		`"rope_scaling": {"type": "yarn"}`:                                               "factor 0",
		`"rope_scaling": {"rope_type": "llama3", "factor": -8}`:                          "factor -8",
		`"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 5}`:     "needs 0 < low_freq_factor ≤ high_freq_factor",
		`"rope_scaling": {"rope_type": "dynamic", "factor": 2}`:                          "needs max_position_embeddings",
		`"rope_scaling": {"rope_type": "longrope", "short_factor": [1, 2]}`:              "short_factor has 2 factors, want 8",
		`"rope_scaling": {"rope_type": "linear", "factor": 2, "truncate": false}`:        "truncate is not implemented",
		`"rope_scaling": {"rope_type": "linear", "factor": 2, "attention_factor": 2}`:    "attention_factor is not implemented",
		`"rope_scaling": {"rope_type": "dynamic", "factor": 2, "alpha": 2}`:              "alpha is not implemented",
		`"rope_scaling": {"rope_type": "default", "mrope_section": [1, 2, 3]}`:           "mrope_section",
		`"rope_scaling": {"rope_type": "yarn", "factor": 2, "beta_slow": -1}`:            "beta_slow above 0",
		`"partial_rotary_factor": 0.1`:                                                   "turns 1 dimensions, want an even number",
		`"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1, 1, 1, 1, 0]}`: "short_factor 7 is 0",
	} {
		c, err := load.ReadRope([]byte("{"+config+"}"), 10_000, "")
		require.NoError(t, err, config)
		_, err = c.Rotation(l, 16)
		require.ErrorContains(t, err, want, config)
	}
	for config, want := range map[string]string{
		`"rope_theta": 0`:                                                            "rope_theta is 0",
		`"partial_rotary_factor": 1.5`:                                               "partial_rotary_factor is 1.5",
		`"rope_scaling": "yarn"`:                                                     "rope_scaling",
		`"rope_parameters": {"factor": []}`:                                          "rope_scaling",
		`"rope_theta": 1, "rope_parameters": {"rope_theta": 2}`:                      "rope_theta is 1, and 2 in rope_scaling or rope_parameters",
		`"rope_theta": 1, "rope_scaling": {"rope_theta": 2}`:                         "remove the wrong one",
		`"partial_rotary_factor": 0.5, "rope_scaling": {"partial_rotary_factor": 1}`: "partial_rotary_factor is 0.5, and 1 in",
		`"original_max_position_embeddings": 8, "rope_scaling": {"original_max_position_embeddings": 9}`:      "original_max_position_embeddings is 8, and 9 in",
		`"rope_scaling": {"type": "yarn", "rope_type": "linear"}`:                                             `type "yarn" and rope_type "linear"`,
		`"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"type": "linear", "factor": 4}`: "have different factor, 2 and 4",
	} {
		_, err := load.ReadRope([]byte("{"+config+"}"), 10_000, "")
		require.ErrorContains(t, err, want, config)
	}
}

func TestWhatSaysNothingOfTheRotationIsAbsent(t *testing.T) {
	for config, theta := range map[string]float64{
		`"rope_scaling": {}, "rope_parameters": {"rope_theta": 5e5}`:                           5e5,
		`"rope_scaling": null, "rope_parameters": {"rope_theta": 5e5}`:                         5e5,
		`"rope_parameters": {}, "rope_theta": 5e5`:                                             5e5,
		`"rope_theta": 5e5, "rope_parameters": {"rope_theta": 500000, "rope_type": "default"}`: 5e5,
		`"rope_scaling": {}`:            10_000,
		`"Rope_Theta": 7`:               10_000,
		`"rope_scaling": {"Factor": 7}`: 10_000,
		`"rope_parameters": {"full_attention": {"rope_theta": 3}, "sliding_attention": {"rope_theta": 4}}`: 3,
		`"rope_scaling": {"rope_theta": 3}, "rope_parameters": {"rope_type": "default"}`:                   3,
	} {
		c, err := load.ReadRope([]byte("{"+config+"}"), 10_000, "full_attention")
		require.NoError(t, err, config)
		require.Equal(t, theta, c.Theta, config)
		require.Equal(t, "default", c.Kind(), config)
	}
}

// The first pairs turn as if all of a head turned, and the others stand still.
func TestProportionalRopeTurnsPartOfAHeadByTheWholesFrequencies(t *testing.T) {
	c, err := load.ReadRope([]byte(`{"rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6, "factor": 2}}`), 10_000, "")
	require.NoError(t, err)
	r, err := c.Rotation(loader(t), 16)
	require.NoError(t, err)
	require.Equal(t, 16, r.Dims)
	periods, err := mlx.Data[float32](r.Freqs)
	require.NoError(t, err)
	still := float32(math.Inf(1))
	require.InDeltaSlice(t, []float32{2, 2 * float32(math.Pow(1e6, 2.0/16))}, periods[:2], 1e-5)
	require.Equal(t, []float32{still, still, still, still, still, still}, periods[2:])
	for _, wrong := range []string{`"partial_rotary_factor": 0.2`, `"partial_rotary_factor": 0.1`, `"factor": -1`, `"attention_factor": 2`} {
		c, err := load.ReadRope([]byte(`{"rope_parameters": {"rope_type": "proportional", `+wrong+`}}`), 10_000, "")
		require.NoError(t, err)
		_, err = c.Rotation(loader(t), 16)
		require.Error(t, err, wrong)
	}
}
