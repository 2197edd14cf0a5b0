package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The texts and patterns here are drawn at random and judged by Hugging Face's tokenizers (tools/golden, *_fuzz.py).
// A few are in testdata/fuzz; make fuzz-tokenizers draws as many as one likes, and names their folder here.
const fuzzVariable = "MLXLENS_TOKENIZER_FUZZ"

// fuzzFile returns the path of forms or patterns.
func fuzzFile(name string) string {
	if dir := os.Getenv(fuzzVariable); dir != "" {
		return filepath.Join(dir, "more", name+".jsonl.gz")
	}
	return filepath.Join("testdata", "fuzz", name+".jsonl.gz")
}

// fuzzedTokenizers returns the tokenizer.json of each file of texts.
func fuzzedTokenizers(t *testing.T) map[string]string {
	dir := os.Getenv(fuzzVariable)
	if dir == "" {
		dir = filepath.Join("testdata", "fuzz")
		return map[string]string{
			filepath.Join(dir, "gpt2.jsonl.gz"):    filepath.Join("testdata", "gpt2", "tokenizer.json.gz"),
			filepath.Join(dir, "mistral.jsonl.gz"): filepath.Join("testdata", "mistral", "tokenizer.json.gz"),
		}
	}
	texts, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	require.NoError(t, err)
	files := map[string]string{}
	for _, path := range texts {
		files[path] = strings.TrimSuffix(path, ".jsonl.gz") + ".json"
	}
	return files
}

func TestFuzzedTextsAreExact(t *testing.T) {
	t.Parallel()
	type judged struct {
		Text string
		IDs  []int
		Keep string
	}
	files := fuzzedTokenizers(t)
	require.NotEmpty(t, files)
	for path, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".jsonl.gz"), func(t *testing.T) {
			tok, err := FromJSON(read(t, file), nil)
			require.NoError(t, err)
			texts, wrong := readLines[judged](t, path), 0
			require.NotEmpty(t, texts)
			for _, g := range texts {
				ids, err := tok.Encode(g.Text, true)
				require.NoError(t, err)
				keep, err := tok.Decode(g.IDs, false)
				require.NoError(t, err)
				if slices.Equal(ids, g.IDs) && keep == g.Keep {
					continue
				}
				if wrong++; wrong <= 5 {
					t.Errorf("%+.200q:\n ids %v\nwant %v\ntext %+.200q\nwant %+.200q", g.Text, head(ids), head(g.IDs), keep, g.Keep)
				}
			}
			t.Logf("%d of %d texts wrong", wrong, len(texts))
			assert.Zero(t, wrong)
		})
	}
}

func TestFormsAreThoseOfTheJudge(t *testing.T) {
	t.Parallel()
	type judged struct {
		Text                            string
		NFC, NFD, NFKC, NFKD, Lowercase string
		Digits                          []string
	}
	texts := readLines[judged](t, fuzzFile("forms"))
	require.NotEmpty(t, texts)
	forms := map[string]normalizer{}
	for _, name := range []string{"NFC", "NFD", "NFKC", "NFKD", "Lowercase"} {
		var err error
		forms[name], err = readNormalizer(json.RawMessage(`{"type":"`+name+`"}`), new(partCount))
		require.NoError(t, err)
	}
	for _, g := range texts {
		for name, want := range map[string]string{"NFC": g.NFC, "NFD": g.NFD, "NFKC": g.NFKC, "NFKD": g.NFKD, "Lowercase": g.Lowercase} {
			got, err := forms[name](g.Text, growthOf(g.Text))
			require.NoError(t, err)
			require.Equal(t, want, got, "%s of %+q", name, g.Text)
		}
		pieces, err := digitsStep(true)([]piece{{text: g.Text}})
		require.NoError(t, err)
		var got []string
		for _, p := range pieces {
			got = append(got, p.text)
		}
		require.Equal(t, g.Digits, got, "%+q", g.Text)
	}
	t.Logf("%d texts", len(texts))
}

// matchedText is a text and the places in it, in characters, that oniguruma matches.
type matchedText struct {
	text   string
	places [][2]int
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *matchedText) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&m.text, &m.places})
}

func TestPatternsMatchWhatOnigurumaMatches(t *testing.T) {
	t.Parallel()
	type line struct {
		Pattern string
		Cases   []matchedText
	}
	lines := readLines[line](t, fuzzFile("patterns"))
	refused := 0
	for _, l := range lines {
		p, err := newPattern(l.Pattern)
		if err != nil {
			refused++
			continue
		}
		for _, c := range l.Cases {
			spans, err := p.find(c.text)
			require.NoError(t, err, "%q", l.Pattern)
			got := places(c.text, spans)
			if len(got)+len(c.places) > 0 {
				require.Equal(t, c.places, got, "%q in %q", l.Pattern, c.text)
			}
		}
	}
	t.Logf("%d patterns, %d of them refused", len(lines), refused)
	require.Less(t, refused, len(lines)/4)
}

// places counts in characters.
func places(s string, spans []span) (out [][2]int) {
	at := 0
	for _, sp := range spans {
		n := len([]rune(s[sp.start:sp.end]))
		if sp.match {
			out = append(out, [2]int{at, at + n})
		}
		at += n
	}
	return out
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{`(a+)+$`, `(?i:'s|'t)|[^\r\n\p{L}]?\p{L}+|\s+(?!\S)`, `[a-z&&[^b]]{2,3}?`, `(?<=a)b`, `a++`, `\x{1F600}`, `[`, `(?`} {
		f.Add(s, "aab 's \n é😀")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		p, err := newPattern(source)
		if err != nil {
			require.Contains(t, err.Error(), "the pattern ")
			return
		}
		spans, err := p.find(text)
		if err != nil {
			require.Contains(t, err.Error(), " steps on a text of ")
			return
		}
		var b strings.Builder
		for _, sp := range spans {
			require.Less(t, sp.start, sp.end)
			b.WriteString(text[sp.start:sp.end])
		}
		require.Equal(t, text, b.String())
	})
}
