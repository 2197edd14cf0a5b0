package exactjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// What goes over the bytes of a text agrees with what walks its tokens, on all that is JSON.
func FuzzRepeated(f *testing.F) {
	for _, text := range []string{`{"a": 1, "a": {"b": "\"", "b": []}}`, `[{"\u0061": 1, "a": "\\"}, {"{": "}", ":": ":"}]`, `{"a:": [], "\ud83d\ude00": "😀"}`, `{`, "2" + strings.Repeat("0", 310)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Repeated(text)
		if !json.Valid(text) || bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) || bytes.Contains(text, []byte("\ufffd")) || !utf8.Valid(text) {
			return // what encoding/json reads as U+FFFD it takes for each other
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // of any size
		walked := findRepeated(d, "", 0)
		require.Equal(t, walked == nil, err == nil, "%q: %v, %v", text, err, walked)
	})
}
