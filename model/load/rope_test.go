package load_test

import (
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
	l, err := load.NewLoader(ck, nil, mlx.CPU, load.Packed, nil, false)
	require.NoError(t, err)
	defer l.Weights().Free()
	for config, want := range map[string]string{
		`"rope_scaling": {"type": "ntk", "factor": 4}`:                                  `rope_scaling type "ntk" is not implemented (have: default, linear, dynamic, llama3, yarn, longrope)`,
		`"rope_scaling": {"type": "linear"}`:                                            "factor 0",
		`"rope_scaling": {"type": "yarn"}`:                                              "factor 0",
		`"rope_scaling": {"rope_type": "llama3", "factor": -8}`:                         "factor -8",
		`"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 5}`:    "needs 0 < low_freq_factor < high_freq_factor",
		`"rope_scaling": {"rope_type": "dynamic", "factor": 2}`:                         "needs max_position_embeddings",
		`"rope_scaling": {"rope_type": "longrope", "long_factor": [1, 2]}`:              "has 2 long factors (long_factor), want 8",
		`"rope_scaling": {"rope_type": "yarn", "factor": 2, "truncate": false}`:         "truncate are not implemented",
		`"rope_scaling": {"rope_type": "default", "mrope_section": [1, 2, 3]}`:          "mrope_section",
		`"rope_scaling": {"rope_type": "yarn", "factor": 2, "beta_slow": 0}`:            "beta_slow above 0",
		`"partial_rotary_factor": 0.1`:                                                  "turns 1 dimensions, want an even number",
		`"rope_scaling": {"type": "longrope", "long_factor": [1, 1, 1, 1, 1, 1, 1, 0]}`: "long_factor 7 is 0",
	} {
		c, err := load.ReadRope([]byte("{"+config+"}"), 10_000, "")
		require.NoError(t, err, config)
		_, err = c.Rotation(l, 16)
		require.ErrorContains(t, err, want, config)
	}
	for config, want := range map[string]string{
		`"rope_theta": 0`:                   "rope_theta is 0",
		`"partial_rotary_factor": 1.5`:      "partial_rotary_factor is 1.5",
		`"rope_scaling": "yarn"`:            "rope_scaling",
		`"rope_parameters": {"factor": []}`: "rope_scaling",
	} {
		_, err := load.ReadRope([]byte("{"+config+"}"), 10_000, "")
		require.ErrorContains(t, err, want, config)
	}
}
