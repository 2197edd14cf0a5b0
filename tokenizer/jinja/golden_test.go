package jinja

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record is what jinja2 made of a template (tools/golden/chat_templates.py).
type record struct {
	Template           string
	File, Conversation string
	Answer             bool
	Want               *string
	Error              string
}

func fixedNow() time.Time { return time.Date(2026, 7, 4, 15, 5, 9, 123456000, time.UTC) }

func records(t *testing.T, in io.Reader) (out []record) {
	t.Helper()
	for d := json.NewDecoder(bufio.NewReader(in)); d.More(); {
		var r record
		require.NoError(t, d.Decode(&r))
		out = append(out, r)
	}
	return out
}

func readJSON(t *testing.T, name string) any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	v, err := FromJSON(data)
	require.NoError(t, err)
	return v
}

// variables are the items of a dict.
func variables(v any) map[string]any {
	out := map[string]any{}
	if d, ok := v.(*Dict); ok {
		for i, k := range d.keys {
			out[k.(string)] = d.values[i]
		}
	}
	return out
}

// given are the variables of a conversation, as transformers passes them.
func given(t *testing.T, conversations any, r record) map[string]any {
	t.Helper()
	for _, c := range conversations.(*List).Items {
		c := variables(c)
		if c["name"] != r.Conversation {
			continue
		}
		out := map[string]any{"messages": c["messages"], "tools": c["tools"], "documents": c["documents"], "bos_token": "<s>", "eos_token": "</s>"}
		out["add_generation_prompt"] = r.Answer
		for k, v := range variables(c["variables"]) {
			out[k] = v
		}
		return out
	}
	t.Fatalf("no conversation %q", r.Conversation)
	return nil
}

func run(template string, variables map[string]any) (string, error) {
	parsed, err := Parse(template)
	if err != nil {
		return "", err
	}
	return parsed.Render(variables, Options{Now: fixedNow})
}

// verdict compares a result with jinja2's: "text" and "error" are as they should be, "refused" is said, and "wrong" is
// anything else. A text with an object's address is recorded as an error.
func verdict(r record, got string, err error) string {
	var e *Error
	switch {
	case err == nil && r.Want != nil && got == *r.Want:
		return "text"
	case err == nil || !errors.As(err, &e):
		return "wrong"
	case e.Kind == refused && r.Want != nil:
		return "refused"
	case e.Kind == refused:
		return "refused, an error there too"
	case r.Want == nil && (e.Kind == r.Error || synonyms[r.Error] == e.Kind):
		return "error"
	}
	return "wrong"
}

// Python's parser and its recursion have names of their own for what is found here at another place.
var synonyms = map[string]string{"SyntaxError": syntaxError, "RecursionError": limitReached}

func TestTemplatesRenderAsJinja2(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("testdata", "expected.jsonl.gz"))
	require.NoError(t, err)
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	require.NoError(t, err)
	vars, conversations := variables(readJSON(t, "variables.json")), readJSON(t, "conversations.json")
	counts := map[string]int{}
	for _, r := range records(t, unpacked) {
		kind, template, v := "expressions: ", r.Template, vars
		if r.File != "" {
			data, err := os.ReadFile(filepath.Join("testdata", "templates", r.File))
			require.NoError(t, err)
			kind, template, v = "templates: ", string(data), given(t, conversations, r)
		}
		got, err := run(template, v)
		is := verdict(r, got, err)
		counts[kind+is]++
		if is == "wrong" {
			want := "error " + r.Error
			if r.Want != nil {
				want = *r.Want
			}
			t.Errorf("%s%s %s: %v\n got %q (error %v)\nwant %q", r.Template, r.File, r.Conversation, r.Answer, got, err, want)
		}
	}
	t.Logf("%v", counts)
	assert.NotContains(t, counts, "templates: refused")
}

// MLXLENS_JINJA_FUZZ names a file of templates with jinja2's results, from tools/golden/chat_fuzz.py.
func TestRandomTemplatesRenderAsJinja2(t *testing.T) {
	path := os.Getenv("MLXLENS_JINJA_FUZZ")
	if path == "" {
		t.Skip("MLXLENS_JINJA_FUZZ names no file: make chat-fuzz writes one")
	}
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	vars := variables(readJSON(t, "variables.json"))
	counts := map[string]int{}
	for _, r := range records(t, f) {
		got, err := run(r.Template, vars)
		is := verdict(r, got, err)
		counts[is]++
		if is == "wrong" && counts[is] < 40 {
			want := "error " + r.Error
			if r.Want != nil {
				want = *r.Want
			}
			t.Errorf("%s\n got %q (error %v)\nwant %q", strings.TrimSpace(r.Template), got, err, want)
		}
	}
	t.Logf("%v", counts)
}
