package auto_test

import "testing"

func TestGemmasNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"gemma", "rope_theta", 11000.0},
		{"gemma", "rms_norm_eps", 1e-3},
		{"gemma-untied-biases-linear", "rope_scaling.factor", 4.1},
		{"gemma-untied-biases-linear", "rope_theta", 3300.0},
	})
}

func TestGemmaRefusesWhatNoProgramReads(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"gemma", "hidden_act", "relu", `gemma: config.json: hidden_act "relu" is not implemented`},
		{"gemma", "hidden_activation", "relu", "hidden_activation relu is not implemented"},
		{"gemma", "use_bidirectional_attention", true, "use_bidirectional_attention true is not implemented"},
	})
}
