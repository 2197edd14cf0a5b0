package modeltest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShortModelsAreOfEveryArchitecture(t *testing.T) {
	missing := map[string]bool{}
	types := func(names []string, is bool) {
		for _, name := range names {
			var config struct {
				ModelType string `json:"model_type"`
			}
			require.NoError(t, json.Unmarshal(Recorded(t, name).Config, &config))
			require.NotEmpty(t, config.ModelType)
			if missing[config.ModelType] = is; !is {
				delete(missing, config.ModelType)
			}
		}
	}
	types(Every(t), true)
	require.Greater(t, len(missing), 8)
	types(short, false)
	require.Empty(t, missing)
	require.True(t, slices.IsSorted(short))
}
