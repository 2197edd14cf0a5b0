package tokenizer

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each component, option and their order, on a small vocabulary, against Hugging Face (testdata/NOTE.md).
func TestEveryComponentIsExact(t *testing.T) {
	t.Parallel()
	type line struct {
		Texts     []string // the first line
		Name      string
		Tokenizer json.RawMessage
		Cases     []golden
	}
	lines := readLines[line](t, "testdata", "variants", "variants.jsonl.gz")
	require.Len(t, lines, 43)
	for _, v := range lines[1:] {
		t.Run(v.Name, func(t *testing.T) {
			require.NotEmpty(t, v.Cases)
			for i := range v.Cases {
				v.Cases[i].Text = lines[0].Texts[v.Cases[i].ID]
			}
			tok, err := FromJSON(v.Tokenizer, nil)
			require.NoError(t, err)
			checkGoldens(t, tok, v.Cases)
		})
	}
}
