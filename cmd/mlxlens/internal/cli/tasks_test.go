package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name, text string) (*prompts, string) {
	t.Helper()
	p, err := readTasks(name, strings.NewReader(text), parseTask)
	require.NoError(t, err)
	var errs bytes.Buffer
	p.warn(&streams{err: &errs}, name)
	return p, errs.String()
}

func TestPromptsAreUTF8(t *testing.T) {
	for _, c := range []struct{ name, in, prompt, says string }{
		{"a.txt", "plain é\n", "plain é", ""},
		{"a.txt", "\xef\xbb\xbfmarked\r\n", "marked", "a.txt begins with a byte order mark, which is left out"},
		{"a.txt", "caf\xe9 x", "caf\ufffd x", "a.txt: 1 line is not UTF-8, the first line 1"},
		{"a.txt", "\ufffd is meant", "\ufffd is meant", ""},
		{"a.jsonl", "\xef\xbb\xbf\"marked\"", "marked", "byte order mark"},
		{"a.jsonl", `{"prompt": "caf` + "\xe9" + `"}`, "caf\ufffd", "1 line is not UTF-8"},
		{"a.jsonl", `"half \ud800 a pair"`, "half \ufffd a pair", "1 line is not UTF-8"},
		{"a.jsonl", `"\uFFFD is meant"`, "\ufffd is meant", ""},
		{"a.jsonl", `"\ud83d\ude00"`, "😀", ""},
	} {
		p, says := read(t, c.name, c.in)
		require.Len(t, p.tasks, 1, c.in)
		require.NoError(t, p.tasks[0].err, c.in)
		require.Equal(t, c.prompt, *p.tasks[0].prompt, c.in)
		if c.says == "" {
			require.Empty(t, says, c.in)
		}
		require.Contains(t, says, c.says, c.in)
	}
	for _, text := range []string{"\xff\xfeh\x00i\x00", "\xfe\xff\x00h\x00i"} {
		_, err := readTasks("a.txt", strings.NewReader(text), parseTask)
		require.ErrorContains(t, err, "a.txt is UTF-16 or UTF-32 text: save it as UTF-8")
	}
	for _, text := range []string{"h\x00i\x00\n\x00", "one\n\x00two"} {
		_, err := readTasks("a.txt", strings.NewReader(text), parseTask)
		require.ErrorContains(t, err, "has zero bytes")
	}
}

// An experiment's line stands in its answer: what is not text is told of it too, and the line is
// compared with the answer when the output is continued.
func TestLinesOfExperimentsAreUTF8(t *testing.T) {
	for _, c := range []struct{ in, input, says, fault string }{
		{`{"clean": "a", "corrupted": "b"}`, `{"clean":"a","corrupted":"b"}`, "", ""},
		{`{"clean": "a` + "\xff" + `", "corrupted": "b"}`, `{"clean":"a` + "\ufffd" + `","corrupted":"b"}`, "1 line is not UTF-8", ""},
		{`{"clean": "\ud800", "corrupted": "b"}`, `{"clean":"\ud800","corrupted":"b"}`, "1 line is not UTF-8", ""},
		{`{"clean": "\ufffd", "corrupted": "b"}`, `{"clean":"\ufffd","corrupted":"b"}`, "", ""},
		{`{"clean": "` + "\u009b\u202e<" + `", "corrupted": "b"}`, `{"clean":"\u009b\u202e<","corrupted":"b"}`, "", ""},
		{"no \xff\u009b", `"no ` + "\ufffd" + `\u009b"`, "1 line is not UTF-8", "it is no JSON object: invalid character 'o'"},
		{`{"clean": "a", "corrupted": "b", "x": 1e400}`, `{"clean":"a","corrupted":"b","x":1e400}`, "", "1e400"},
		{`[1]`, `[1]`, "", "it is no JSON object"},
	} {
		p, err := readTasks("a.jsonl", strings.NewReader(c.in), parsePair)
		require.NoError(t, err)
		var errs bytes.Buffer
		p.warn(&streams{err: &errs}, "a.jsonl")
		require.Len(t, p.tasks, 1, c.in)
		require.Equal(t, c.input, string(p.tasks[0].input), c.in)
		if c.says == "" {
			require.Empty(t, errs.String(), c.in)
		}
		require.Contains(t, errs.String(), c.says, c.in)
		if c.fault == "" {
			require.NoError(t, p.tasks[0].err, c.in)
		} else {
			require.ErrorContains(t, p.tasks[0].err, c.fault, c.in)
		}
		line := foundLine{Input: p.tasks[0].input}
		var out bytes.Buffer
		require.NoError(t, writeSealed(&out, line))
		require.Contains(t, out.String(), `"input":`+c.input, "so it stands in the answer")
	}
}

func TestLinesAreCountedWithTheEmptyOnes(t *testing.T) {
	p, says := read(t, "a.txt", "one\n\n  \nca\xe9\ncb\xe9")
	require.Equal(t, []int{4, 5}, p.invalid)
	require.Contains(t, says, "2 lines are not UTF-8, the first line 4")
	var lines []int
	for _, task := range p.tasks {
		lines = append(lines, task.line)
	}
	require.Equal(t, []int{1, 4, 5}, lines)
}

func TestADigestIsOfAllThatAnAnswerIsMadeFrom(t *testing.T) {
	base := func() origin {
		return origin{Model: "m", Revision: "r", Options: map[string]string{"--top": "5", "--last": "set"}}
	}
	of := base()
	want := of.of([]int{1, 23}).digest()
	require.Regexp(t, "^[0-9a-f]{32}$", want)
	require.Equal(t, want, of.of([]int{1, 23}).digest())
	require.NotEqual(t, want, of.of([]int{12, 3}).digest())
	require.NotEqual(t, want, of.of(nil).digest())
	for says, change := range map[string]func(*origin){
		"another model":                  func(o *origin) { o.Model = "n" },
		"revision r of the model":        func(o *origin) { o.Revision = "" },
		"--top (was 5, is 6)":            func(o *origin) { o.Options["--top"] = "6" },
		"--last (was set, is none)":      func(o *origin) { delete(o.Options, "--last") },
		`--edit (was none, is "x=zero")`: func(o *origin) { o.Options["--edit"] = `"x=zero"` },
	} {
		other := base()
		change(&other)
		require.NotEqual(t, want, other.of([]int{1, 23}).digest(), says)
		require.Contains(t, of.of(nil).differs(&other), says)
	}
}

func TestWindowsHoldTasksThatAreRunTogether(t *testing.T) {
	var got [][]int
	for w := range windows([]int{0, 63, 64, 200, 255, 256}, 64) {
		got = append(got, w)
	}
	require.Equal(t, [][]int{{0, 63}, {64}, {200, 255}, {256}}, got)
}
