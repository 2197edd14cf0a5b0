package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// withFile is the tiny tokenizer with one file beside it.
func withFile(t *testing.T, name, content string) (*Tokenizer, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(tiny("", "")), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	return Open(dir)
}

func TestIDsOfTokensThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"generation_config.json", "tokenizer_config.json"} {
		for _, key := range []string{"bos_token_id", "eos_token_id"} {
			for value, want := range map[string]string{
				`"a"`: "string", `["a"]`: "string", `[1, "2"]`: "string", `1.5`: "number 1.5", `[2.5]`: "number 2.5", `1e400`: "number 1e400",
				`18446744073709551616`: "number 18446744073709551616", `true`: "bool", `[[1]]`: "array", `{}`: "object", `[null]`: "null", `[1, null]`: "null",
				`-2`: "-2, want the id of a token", `[1, -3]`: "-3, want the id of a token",
			} {
				_, err := withFile(t, file, `{"`+key+`": `+value+`}`)
				require.ErrorContains(t, err, file, value)
				require.ErrorContains(t, err, want, value)
			}
			for _, none := range []string{`null`, `[]`, `-1`, `[-1]`} {
				tok, err := withFile(t, file, `{"`+key+`": `+none+`}`)
				require.NoError(t, err, none)
				require.Empty(t, tok.EOS(), none)
				require.Empty(t, tok.Notes(), none)
			}
		}
		tok, err := withFile(t, file, `{"eos_token_id": [99999, 1]}`)
		require.NoError(t, err)
		require.Len(t, tok.Notes(), 1)
		require.Contains(t, tok.Notes()[0], file+": eos_token_id is 99999, and the tokenizer's ids go from 0 to ")
		_, err = withFile(t, file, `{"bos_token": [1]}`)
		require.ErrorContains(t, err, file+": bos_token: it holds a JSON array, want a string")
		for _, key := range []string{"bos_token", "eos_token"} {
			_, err = withFile(t, file, `{"`+key+`": "<none>"}`)
			require.ErrorContains(t, err, file+": "+key+` "<none>" is not in the vocabulary`)
		}
	}
}
