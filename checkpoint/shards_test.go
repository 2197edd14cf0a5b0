package checkpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One name says that there are 99,999 files. With work that grows with their square, 50,000 of
// them take minutes.
func TestAShardOfManyTakesWorkForEachNameOnce(t *testing.T) {
	t.Parallel()
	missing := missingShards([]string{"model-00007-of-99999.safetensors"})
	require.Len(t, missing, 99_998)
	require.Equal(t, "model-00001-of-99999.safetensors", missing[0])
	require.NotContains(t, missing, "model-00007-of-99999.safetensors")

	var half []string
	for i := 1; i <= 99_999; i += 2 {
		half = append(half, fmt.Sprintf("model-%05d-of-99999.safetensors", i))
	}
	require.Len(t, missingShards(half), 49_999)

	require.Nil(t, shardNames("model-00000-of-00003.safetensors"))
	require.Nil(t, shardNames("model-00004-of-00003.safetensors"))
	require.Len(t, shardNames("model-00003-of-00003.gguf"), 3)
	require.Equal(t, []string{"a-00002-of-00002.gguf", "b-00001-of-00002.gguf"},
		missingShards([]string{"a-00001-of-00002.gguf", "b-00002-of-00002.gguf"}), "two split files")
}

func TestNumbersOfShards(t *testing.T) {
	t.Parallel()
	for files, want := range map[string]string{
		"model-00000-of-00001":                         "",
		"model-00001-of-00001":                         "",
		"model-00000-of-00000":                         "",
		"model-00002-of-00001":                         "", // says nothing of others
		"model-00003-of-00002 model-00001-of-00002":    "model-00002-of-00002",
		"model-00000-of-00002":                         "model-00001-of-00002",
		"model-00000-of-00002 model-00001-of-00002":    "",
		"model-00001-of-00002":                         "model-00002-of-00002",
		"model-00001-of-00003 model-00000-of-00003":    "model-00002-of-00003",
		"model-00000-of-00001 model-vl-00002-of-00002": "model-vl-00001-of-00002",
	} {
		var names []string
		for _, f := range strings.Fields(files) {
			names = append(names, f+".safetensors")
		}
		missing := strings.Join(missingShards(names), " ")
		require.Equal(t, want, strings.ReplaceAll(missing, ".safetensors", ""), files)
	}
}
