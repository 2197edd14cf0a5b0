package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wrapped returns n components within Sequences of one.
func wrapped(n int, list, inner string) string {
	return strings.Repeat(`{"type":"Sequence","`+list+`":[`, n) + inner + strings.Repeat(`]}`, n)
}

func repeated(n int, list, inner string) string {
	return `{"type":"Sequence","` + list + `":[` + strings.Repeat(inner+",", n-1) + inner + `]}`
}

func TestNormalizersAndPreTokenizersThatGrowATextAreErrors(t *testing.T) {
	t.Parallel()
	double := `{"type":"Replace","pattern":{"String":"a"},"content":"aa"}`
	byPattern := `{"type":"Replace","pattern":{"Regex":"a"},"content":"aa"}`
	byteLevel := `{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`
	for _, c := range []struct{ key, value, want string }{
		{"normalizer", repeated(60, "normalizers", double), "normalizer 17 of 60 would make more than 65536 bytes of a text of 1"},
		{"normalizer", repeated(60, "normalizers", byPattern), "normalizer 17 of 60 would make more than 65536 bytes of a text of 1"},
		{"normalizer", `{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("x", 100_000) + `"}`, "normalizer Replace would make more than 65536 bytes"},
		{"normalizer", `{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"` + strings.Repeat("x", 100_000) + `"}]}`, "would make more than 65536 bytes"},
		{"pre_tokenizer", repeated(60, "pretokenizers", byteLevel), "of 60 would make more than 65536 bytes of a text of 2"},
	} {
		tok, err := FromJSON([]byte(tiny(`"`+c.key+`":null`, `"`+c.key+`":`+c.value)), nil)
		require.NoError(t, err)
		text := "a"
		if c.key == "pre_tokenizer" {
			text = "é"
		}
		ids, err := tok.Encode(text, true)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "damaged or hostile")
		assert.Nil(t, ids)
	}
}

// Each step alone keeps to the bound: the second would pass it, and is refused before it takes the memory. (Not parallel:
// it counts what the program allocates.)
func TestGrowthIsCountedOverAllStepsBeforeItIsMade(t *testing.T) {
	tenfold := func(to string) string {
		return `{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat(to, 10) + `"}`
	}
	whole := "\ufdfa"    // of its three bytes NFKD and NFKC make 33
	composed := "\u1f82" // three bytes, of which NFD makes nine
	for _, c := range []struct{ steps, want string }{
		{tenfold("a") + "," + tenfold("a"), "normalizer 2 of 2"},
		{tenfold("a") + "," + strings.Replace(tenfold("a"), "String", "Regex", 1), "normalizer 2 of 2"},
		{tenfold(whole) + `,{"type":"NFKD"}`, "normalizer 2 of 2"},
		{tenfold(whole) + `,{"type":"NFKC"}`, "normalizer 2 of 2"},
		{tenfold(composed) + `,{"type":"NFD"}`, "normalizer 2 of 2"},
		{`{"type":"Sequence","normalizers":[` + tenfold("a") + `]},` + tenfold("a"), "normalizer 2 of 2"},
		{tenfold("a") + `,{"type":"Sequence","normalizers":[{"type":"NFC"},` + tenfold("a") + `]}`, "normalizer 2 of 2"},
	} {
		tok, err := FromJSON([]byte(tiny(`"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[`+c.steps+`]}`)), nil)
		require.NoError(t, err)
		text := strings.Repeat("a", 100_000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = tok.Encode(text, false)
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, c.want+" would make more than 3200000 bytes of a text of 100000: the tokenizer's file is damaged or hostile", c.steps)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40<<20), c.steps)
	}
}

// A long text is normalized in parts: as its parts are alone, between letters that compose with nothing.
func TestLongTextsAreNormalizedAsShortOnes(t *testing.T) {
	t.Parallel()
	parts := []string{"e\u0323\u0302", "\u1112\u1161\u11ab", "한글", "ﷺ", "a\u0301\u0316\u0300", "ﬁ", "\u0958", "\u0344", "é", "漢字", strings.Repeat("\u0301\u0316", 3000)}
	for _, form := range []normalForm{{}, {compose: true}, {compatible: true}, {true, true}} {
		f := unicodeForm(form)
		var text, want strings.Builder
		for i := range 6000 {
			part := parts[i%(len(parts)-1)]
			if i == 3000 {
				part = "x" + parts[len(parts)-1]
			}
			short, err := f(part, growthOf(part))
			require.NoError(t, err)
			text.WriteString("가" + part) // which composes with a T behind it
			want.WriteString(map[bool]string{true: "가", false: "\u1100\u1161"}[form.compose] + short)
		}
		got, err := f(text.String(), growthOf(text.String()))
		require.NoError(t, err)
		require.True(t, want.String() == got, form.name())
	}
}

// A prefix for each of many stretches between added tokens.
func TestGrowthIsCountedOverAllOfAText(t *testing.T) {
	t.Parallel()
	tok, err := FromJSON([]byte(tiny(`"normalizer":null`, `"normalizer":{"type":"Prepend","prepend":"`+strings.Repeat("b", 60_000)+`"}`)), nil)
	require.NoError(t, err)
	ids, err := tok.Encode("<s>a", false)
	require.NoError(t, err)
	require.Len(t, ids, 60_002)
	_, err = tok.Encode(strings.Repeat("<s>a", 1000), false)
	require.ErrorContains(t, err, "all normalizers and pre-tokenizers together would make more than 128000 bytes of a text of 4000")
}

func TestDecodersThatGrowATextAreErrors(t *testing.T) {
	t.Parallel()
	file := func(content string, n int) string {
		return tiny(`{"type":"Fuse"}`, repeated(n, "decoders", `{"type":"Replace","pattern":{"String":"a"},"content":"`+content+`"}`))
	}
	_, err := FromJSON([]byte(file("aa", 5)), nil)
	require.NoError(t, err)
	_, err = FromJSON([]byte(file("aa", 6)), nil)
	require.EqualError(t, err, "tokenizer: tokenizer.json: decoder: its Replace make up to 64 bytes of one, want 32 at most: the file is damaged or hostile")
}

func TestFilesWithTooManyComponentsAreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, list, inner string }{
		{"normalizer", "normalizers", `{"type":"NFC"}`},
		{"pre_tokenizer", "pretokenizers", `{"type":"ByteLevel"}`},
		{"post_processor", "processors", `{"type":"ByteLevel"}`},
		{"decoder", "decoders", `{"type":"ByteFallback"}`},
	} {
		file := func(value string) string {
			return `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"` + c.key + `":` + value + `}`
		}
		_, err := FromJSON([]byte(file(repeated(63, c.list, c.inner))), nil)
		require.NoError(t, err)
		for _, value := range []string{repeated(64, c.list, c.inner), wrapped(64, c.list, c.inner), wrapped(3000, c.list, c.inner)} {
			_, err = FromJSON([]byte(file(value)), nil)
			require.EqualError(t, err, "tokenizer: tokenizer.json: "+c.key+" has more than 64 components: the file is damaged or hostile")
		}
	}
}

// Each is exponential, or at least quadratic, for an engine that tries all ways.
func TestPatternsTakeStepsInProportionToTheText(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`(a+)+$`, `(a|aa)+b`, `(a|a)+$`, `(?:a+){3}b|a`, `a+b`, `(.*a){5}b|a`, `(?:a{1,20}){1,20}b`} {
		p, err := newPattern(source)
		require.NoError(t, err)
		steps := func(n int) int {
			m := &matching{s: strings.Repeat("a", n) + "c", forks: p.forks, left: 1 << 40}
			for at := range len(m.s) {
				m.run(p.code, at)
			}
			return 1<<40 - m.left
		}
		assert.LessOrEqual(t, steps(2000), 3*steps(1000), source)
	}
}

func TestPatternsThatTakeTooLongAreErrors(t *testing.T) {
	t.Parallel()
	p, err := newPattern(`(?>a+)b`) // an atomic group forgets: quadratic
	require.NoError(t, err)
	_, err = p.find(strings.Repeat("a", 100))
	require.NoError(t, err)
	_, err = p.find(strings.Repeat("a", 10_000))
	require.EqualError(t, err, `the pattern "(?>a+)b" took more than 3000000 steps on a text of 10000 bytes: cut the text into parts, or the tokenizer's file is damaged or hostile`)
	p, err = newPattern(`(?<=b(?:a{250}){15})c`) // goes back 3751 characters, and fails at the first
	require.NoError(t, err)
	_, err = p.find(strings.Repeat("c", 100))
	require.NoError(t, err)
	_, err = p.find(strings.Repeat("c", 10_000))
	require.ErrorContains(t, err, "took more than 3000000 steps on a text of 10000 bytes")
	p, err = newPattern(`(?:a{1,40}){1,40}b`)
	require.NoError(t, err)
	_, err = p.find(strings.Repeat("a", 2_000_000))
	require.EqualError(t, err, `the pattern "(?:a{1,40}){1,40}b" has 1599 choices, too many for a text of 2000000 bytes: cut the text into parts`)
}

func TestPatternErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`a*`:                     "it matches the empty text, which is not implemented, at byte 0",
		`(?:a*)*b`:               "what may be empty is repeated, which is not implemented, at byte 7",
		`a)`:                     "a ) closes nothing, at byte 1",
		`*a`:                     "'*' repeats nothing, at byte 1",
		`(a)\1`:                  `\1 is not implemented, at byte 5`,
		`(?<n>a)`:                "the group (?<n> is not implemented (have: (?:, (?i:, (?>, (?=, (?!, (?<=, (?<!), at byte 2",
		`(?<=a+)b`:               "what stands behind must have one length, other is not implemented, at byte 7",
		`[[:alpha:]]`:            "[:…:] is not implemented, at byte 1",
		`[z-a]`:                  "a range has no end, at byte 4",
		`[&-&&]`:                 "a range ends with a class or &&, at byte 3",
		`[a-[b]]`:                "a range ends with a class or &&, at byte 3",
		`[a&&]`:                  "&& without a class on each side, at byte 4",
		`[&&a]`:                  "&& without a class on each side, at byte 3",
		`[a&&&&b]`:               "&& without a class on each side, at byte 6",
		`\p{Cherokee}`:           `\p{Cherokee} is not implemented (have: general categories and twelve scripts), at byte 3`,
		`(?i:é)`:                 "without case only ASCII characters are implemented, at byte 6",
		`(?i:ss)`:                `"ss" without case is also one character, which is not implemented, at byte 6`,
		`a{9999}`:                "{9999} is not a count up to 256, at byte 1",
		`a{2}?`:                  "{n}? is not implemented, at byte 5",
		`[a`:                     "it ends early, at byte 2",
		strings.Repeat("(", 100): "more than 64 groups within each other, at byte 64",
		"a" + `\x{110000}`:       `\x110000 is no character, at byte 5`,
	} {
		_, err := newPattern(pattern)
		require.EqualError(t, err, fmt.Sprintf("the pattern %q cannot be used: %s", pattern, want))
	}
	_, err := newPattern(strings.Repeat("a", 1<<14+1))
	require.ErrorContains(t, err, "…\" cannot be used: it has 16385 bytes, want 16384 at most")
	_, err = newPattern(`(?:(?:a{250}){250}){250}`)
	require.ErrorContains(t, err, "it is longer than 4096 steps with its repeats written out")
}

// What oniguruma matches of the printable ASCII characters, as Hugging Face's tokenizers 0.23.3 call it.
func TestIntersectionsOfClassesAreOnigurumas(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := ' '; r <= '~'; r++ {
		all.WriteRune(r)
	}
	for source, want := range intersections {
		p, err := newPattern(source)
		require.NoError(t, err)
		spans, err := p.find(all.String())
		require.NoError(t, err)
		var got strings.Builder
		for _, sp := range spans {
			if sp.match {
				got.WriteString(all.String()[sp.start:sp.end])
			}
		}
		assert.Equal(t, want, got.String(), source)
	}
}

var intersections = map[string]string{
	`[a-z&&[^aeiou]]`:           "bcdfghjklmnpqrstvwxyz",
	`[a-z&&aeiou]`:              "aeiou",
	`[^a-z&&\w]`:                " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`{|}~",
	`[\w&&[^\d_]&&[a-f0-9A-B]]`: "ABabcdef",
	`[a-f&&[b-z]&&[^c]x]`:       "bdef",
	`[^\W&&[^a-zA-Z]]`:          "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
	`[&-)]`:                     "&'()",
	`[a&b]`:                     "&ab",
	`[-&&[\p{P}]]`:              "-",
	`[[a-d]&&[c-f]g]`:           "cd",
}

// A file of the cases: (a+)+$ before a vocabulary of stories.
func TestAPatternBombIsHarmless(t *testing.T) {
	t.Parallel()
	path := needShared(t, "cases", "files", "tokenizer-regex-bomb.json")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	tok, err := FromJSON(data, nil)
	require.NoError(t, err)
	ids, err := tok.Encode(strings.Repeat("a", 100_000)+"b", true)
	require.NoError(t, err)
	require.Len(t, ids, 100_002)
}

// Merges without a split before them take a text as one word: what that takes is in proportion to its length, whether it
// merges into few tokens or many. (Not parallel: it counts what the program allocates.)
func TestMergesOfOneLongWordTakeMemoryInProportionToIt(t *testing.T) {
	vocab, merges := map[string]int{}, []string{}
	for c := 'a'; c <= 'z'; c++ {
		vocab[string(c)] = len(vocab)
	}
	for text := "a"; len(text) < 1<<15; text += text {
		vocab[text+text] = len(vocab)
		merges = append(merges, text+" "+text)
	}
	for c := 'b'; c <= 'z'; c++ {
		vocab["a"+string(c)] = len(vocab)
		merges = append(merges, "a "+string(c))
	}
	file, err := json.Marshal(map[string]any{"added_tokens": []any{}, "model": map[string]any{"type": "BPE", "vocab": vocab, "merges": merges}})
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), file, 0o600))
	tok, err := Open(dir)
	require.NoError(t, err)
	for _, unit := range []string{"a", "ab", "aab", "zyxw"} {
		perByte := func(n int) float64 {
			var before, after runtime.MemStats
			text := strings.Repeat(unit, n/len(unit))
			runtime.ReadMemStats(&before)
			_, err := tok.Encode(text, false)
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			return float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
		}
		perByte(1000)
		short, long := perByte(60_000), perByte(960_000)
		t.Logf("%q: %.0f and %.0f bytes for each of the text", unit, short, long)
		require.Less(t, long, 3*short, "of a text 16 times as long; lists that grow are allocated twice")
		require.Less(t, long, 1000.0)
	}
}

// A few bytes may name a special token of many ids, many times: the product is refused before it is made.
func TestTemplatesThatMultiplyIDsAreErrors(t *testing.T) {
	t.Parallel()
	file := func(times, ids int) []byte {
		piece := `{"SpecialToken":{"id":"s","type_id":0}},`
		template := `{"type":"TemplateProcessing","single":[` + strings.Repeat(piece, times) + `{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"s":{"id":"s","ids":[` +
			strings.Repeat("0,", ids-1) + `0],"tokens":["a"]}}}`
		return []byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"post_processor":` + template + `}`)
	}
	for _, c := range []struct{ times, ids int }{{1, 1025}, {1025, 1}, {10_000, 100_000}} {
		_, err := FromJSON(file(c.times, c.ids), nil)
		require.ErrorContains(t, err, "post_processor TemplateProcessing puts more than 1024 ids around a text")
	}
	tok, err := FromJSON(file(32, 32), nil)
	require.NoError(t, err)
	ids, err := tok.Encode("a", true)
	require.NoError(t, err)
	require.Len(t, ids, 1025)
}
