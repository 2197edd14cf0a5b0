package load

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigWithIDsOfTokensThatAreNone(t *testing.T) {
	t.Parallel()
	read := func(text string) error {
		var c struct{}
		return ReadConfig("x", []byte(text), &c, nil)
	}
	for _, key := range []string{"bos_token_id", "eos_token_id", "pad_token_id", "image_token_id"} {
		for value, held := range map[string]string{
			`"a"`: "a", `["a"]`: "a", `[1, "2"]`: "2", `1.5`: "1.5", `[1, 2.5]`: "2.5", `-2`: "-2", `[1, -7]`: "-7", `true`: "true",
			`[[1]]`: "[1]", `{}`: "map[]", `[null]`: "<nil>", `18446744073709551616`: "1.8446744073709552e+19",
		} {
			err := read(`{"` + key + `": ` + value + `}`)
			require.EqualError(t, err, `x: config.json: `+key+` holds "`+held+`", want the id of a token or a list of ids`, value)
		}
		for _, fine := range []string{`null`, `[]`, `0`, `-1`, `[1, 2]`, `2.0`} {
			require.NoError(t, read(`{"`+key+`": `+fine+`, "vocab_size": 3}`), fine)
		}
	}
	for _, key := range []string{"bos_token_id", "eos_token_id"} {
		require.EqualError(t, read(`{"`+key+`": [1, 3], "vocab_size": 3}`), "x: config.json: "+key+" holds 3, and the vocabulary has the ids 0 to 2")
	}
	require.NoError(t, read(`{"pad_token_id": 3, "vocab_size": 3}`), "rows that nothing reads")
	require.NoError(t, read(`{"eos_token_id": 3}`), "the vocabulary is told elsewhere")
}
