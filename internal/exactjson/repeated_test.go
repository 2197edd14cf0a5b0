package exactjson_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

func TestAKeyThatStandsTwiceIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "a": 1}`:                         "a",
		`{"b": {"a": 1, "c": 2, "a": 3}}`:          "b.a",
		`{"b": [0, {"a": 1}, {"x": [], "x": {}}]}`: "b[2].x",
		`[{"a":1,"\u0061":2}]`:                     "[0].a",
		`{"a\"b": 1, "a\u0022b": 2}`:               `a"b`,
		`{"a\\": 1, "b": "\\", "a\\" : 2}`:         `a\`,
		`{"x": Infinity, "x": NaN}`:                "x",
		"{\"Ġ\": 1, \"\\u0120\"\n: 2}":             "Ġ",
		`{"": 1, "": 2}`:                           "",
		`{"a": {"b": 1}, "c": {"b": 1}, "c": 0}`:   "c",
	} {
		require.EqualError(t, exactjson.Repeated([]byte(text)), fmt.Sprintf("it has %q twice: programs differ in which they read; remove one", want), text)
	}
}

func TestWhatStandsOnceIsNotTwice(t *testing.T) {
	for _, text := range []string{
		`{"a": "a", "b": ["a", "a"], "A": 1, "c": {"a": 1}, "d": {"a": 1}}`,
		`["a", "a"]`, `"a"`, `3`, ``, `{`, `}`, `}{"a":1,`, `{"a": 1, "a`, `{"a": 1 "a": 2`, `{"a\"`,
		`{"\ud800": 1, "\udc00": 2}`, // two halves of pairs of UTF-16, which encoding/json reads as one
		`{"a:": 1, "a": 2}`,
		strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000),
		strings.Repeat(`[`, 100_000) + `{"a": 1, "a": 2}` + strings.Repeat("]", 100_000), // too deep for encoding/json
	} {
		require.NoError(t, exactjson.Repeated([]byte(text)), "%.80s", text)
	}
}

// 8 bytes a key, and as much again while the list grows: a tokenizer of 30 MB has 260,000.
func BenchmarkRepeated(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"vocab": {`)
	for i := range 260_000 {
		fmt.Fprintf(&text, "      \"Ġtoken%d\": %d,\n", i, i)
	}
	text.WriteString(`"end": 1}}`)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if err := exactjson.Repeated([]byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}
