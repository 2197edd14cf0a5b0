package cli

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// lettersTokenizer has a to c, a space, "ab", "bc." and the four bytes of 😀, and two special tokens.
func lettersTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.FromJSON([]byte(`{
		"added_tokens": [{"id": 10, "content": "<end>", "special": true}, {"id": 11, "content": "<turn>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "bc.": 5, "ð": 6, "Ł": 7, "ĺ": 8, "Ģ": 9}, "merges": []}
	}`), nil)
	require.NoError(t, err)
	return tok
}

// generated feeds tokens as the command does, and returns what it printed and why it ended.
func generated(t *testing.T, tok *tokenizer.Tokenizer, ids []int, asJSON bool, stops ...string) (out, by string) {
	t.Helper()
	var b strings.Builder
	g := &generatedText{out: &b, json: asJSON, t: tok, decoder: tok.NewDecoder(), stops: generate.NewStops(stops...), label: labels(tok)}
	by = endCount
	for i, id := range ids {
		stopped, err := g.add(generate.Token{ID: id}, nil, id == 10)
		require.NoError(t, err)
		if stopped || id == 10 {
			by = map[bool]string{true: endStop, false: endOfText}[stopped]
			break
		}
		if i < len(ids)-1 {
			require.NoError(t, g.flush())
		}
		if !asJSON {
			for _, stop := range stops {
				require.NotContains(t, b.String(), stop)
			}
		}
	}
	by, err := g.finish(by)
	require.NoError(t, err)
	return b.String(), by
}

// lines reads what --json printed, and joins the texts of the tokens.
func joined(t *testing.T, out string) (lines []tokenLine, text string) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var l tokenLine
		require.NoError(t, d.Decode(&l))
		lines = append(lines, l)
		if l.Bytes == "" {
			text += l.Text
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(l.Bytes)
		require.NoError(t, err)
		text += string(raw)
	}
	return lines, text
}

func TestJSONMarksWhatAStopStringCutsOff(t *testing.T) {
	t.Parallel()
	tok := lettersTokenizer(t)
	for name, c := range map[string]struct {
		ids   []int
		stops []string
		want  string
	}{
		"within a token": {[]int{0, 5, 0}, []string{"c"}, `{"id":0,"text":"a","logprob":0} {"id":5,"text":"b","cut":"c.","logprob":0,"end":{"by":"stop","stop":"c"}}`},
		"over tokens":    {[]int{0, 4, 5}, []string{"bb"}, `{"id":0,"text":"a","logprob":0} {"id":4,"text":"a","cut":"b","logprob":0} {"id":5,"text":"","cut":"bc.","logprob":0,"end":{"by":"stop","stop":"bb"}}`},
		"a character of four tokens": {[]int{0, 6, 7, 8, 9}, []string{"😀"}, `{"id":0,"text":"a","logprob":0} {"id":6,"text":"","cut":"�","logprob":0} {"id":7,"text":"","cut":"�","logprob":0} ` +
			`{"id":8,"text":"","cut":"�","logprob":0} {"id":9,"text":"","cut":"�","logprob":0,"end":{"by":"stop","stop":"😀"}}`},
		"half a stop string":    {[]int{0, 1}, []string{"bc"}, `{"id":0,"text":"a","logprob":0} {"id":1,"text":"b","logprob":0,"end":{"by":"max_tokens"}}`},
		"half a character":      {[]int{0, 6, 7}, nil, `{"id":0,"text":"a","logprob":0} {"id":6,"text":"�","bytes":"8A==","logprob":0} {"id":7,"text":"�","bytes":"nw==","logprob":0,"end":{"by":"max_tokens"}}`},
		"its replacement":       {[]int{0, 6}, []string{"\uFFFD"}, `{"id":0,"text":"a","logprob":0} {"id":6,"text":"","cut":"�","logprob":0,"end":{"by":"stop","stop":"�"}}`},
		"a special token":       {[]int{0, 11, 1}, []string{"<turn>"}, `{"id":0,"text":"a","logprob":0} {"id":11,"text":"","cut":"<turn>","logprob":0,"end":{"by":"stop","stop":"<turn>"}}`},
		"the end of the text":   {[]int{0, 10}, []string{"x"}, `{"id":0,"text":"a","logprob":0} {"id":10,"text":"","cut":"<end>","logprob":0,"end":{"by":"end_of_text"}}`},
		"the first in the text": {[]int{0, 4, 2}, []string{"abcX", "c", "b"}, `{"id":0,"text":"a","logprob":0} {"id":4,"text":"a","cut":"b","logprob":0,"end":{"by":"stop","stop":"b"}}`},
	} {
		out, _ := generated(t, tok, c.ids, true, c.stops...)
		require.Equal(t, strings.ReplaceAll(c.want, "} {\"id", "}\n{\"id")+"\n", out, name)
	}
}

// Whatever the tokens and the stop strings: the text is that before the first stop string, and the texts of the lines of
// JSON are the same text.
func TestStopStringsNeverLeak(t *testing.T) {
	t.Parallel()
	tok := lettersTokenizer(t)
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "c", " ", "ab", "bc.", "😀", ".", "aa", "b a"}
	stopped := 0
	for range 4000 {
		var ids []int
		for range 1 + r.IntN(12) {
			if r.IntN(5) == 0 {
				ids = append(ids, 6, 7, 8, 9)
			} else {
				ids = append(ids, r.IntN(6))
			}
		}
		var stops []string
		for range r.IntN(4) {
			stops = append(stops, pieces[r.IntN(len(pieces))]+pieces[r.IntN(len(pieces))])
		}
		whole, err := tok.Decode(ids, true)
		require.NoError(t, err)
		// The text ends at the token with which the first stop string is whole.
		want, found := whole, false
		for n := range ids {
			part, err := tok.Decode(ids[:n+1], true)
			require.NoError(t, err)
			part = strings.TrimRight(part, "\uFFFD")
			for _, stop := range stops {
				if at := strings.Index(part, stop); at >= 0 && (!found || at < len(want)) {
					want, found = part[:at], true
				}
			}
			if found {
				stopped++
				break
			}
		}
		out, by := generated(t, tok, ids, false, stops...)
		require.Equal(t, want+"\n", out, "%v %q", ids, stops)
		require.Equal(t, found, by == endStop)
		lines, text := joined(t, first(generated(t, tok, ids, true, stops...)))
		require.Equal(t, want, text, "%v %q", ids, stops)
		require.Equal(t, by, lines[len(lines)-1].End.By)
		require.False(t, slices.ContainsFunc(lines[:len(lines)-1], func(l tokenLine) bool { return l.End != nil }))
	}
	require.Greater(t, stopped, 500)
}

func first(out, _ string) string { return out }
