package auto

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSupportedFamiliesAreAllThatOpenKnows(t *testing.T) {
	var kinds, ggufs, names []string
	for _, f := range Supported() {
		kinds, ggufs, names = append(kinds, f.Types...), append(ggufs, f.GGUF...), append(names, strings.ToLower(f.Name))
		require.NotEmpty(t, f.With, f.Name)
	}
	require.ElementsMatch(t, types(architectures), kinds)
	slices.Sort(ggufs)
	require.Equal(t, types(ggufArchitectures), slices.Compact(ggufs))
	require.True(t, slices.IsSorted(names))
	for _, f := range LeftOut() {
		require.NotEmpty(t, f.With)
		for _, kind := range f.Types {
			require.NotContains(t, kinds, kind)
		}
	}
}

func TestAConfigAloneIsChecked(t *testing.T) {
	require.NoError(t, CheckConfig([]byte(`{"model_type": "gpt_oss", "quantization": {"group_size": 64, "bits": 4}}`)))
	for config, want := range map[string]string{
		`{`:                         "config.json: it is not JSON",
		`{}`:                        "config.json has no model_type",
		`{"model_type": "mamba"}`:   `model_type "mamba" is not supported`,
		`{"model_type": "gemma3n"}`: `model_type "gemma3n" is not supported: Gemma 3n is left out: AltUp carries four streams`,
		`{"model_type": "llama"}`:   "hidden_size is 0, want a number above 0",
		`{"model_type": "gpt_oss", "quantization_config": {"quant_method": "awq"}}`: "quant_method",
	} {
		require.ErrorContains(t, CheckConfig([]byte(config)), want)
	}
}
