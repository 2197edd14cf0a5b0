package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// experiments are command lines, one of each form that has a result of its own.
var experiments = map[string]string{
	"trace":     "trace --ids 30,7,500 --layers 0,-1 -k 2",
	"compare":   "compare --ids 30,7,500 --ids-b 30,8,500 --layers 1:",
	"patch":     "patch --ids 30,7,500 --ids-b 30,8,500 --metric kl --sites mlp_out",
	"paths":     "patch --ids 30,7,500 --ids-b 30,8,500 --metric kl --sites z --to logits",
	"attn":      "attn --random 6 --samples 2 --kinds induction",
	"pattern":   "attn --ids 30,7,500 --heads 1.2",
	"knockout":  "attn --ids 30,7,500 --knockout --metric kl",
	"direct":    "attribute --ids 30,7,500 --by head",
	"token":     "attribute --ids 30,7,500 --by token",
	"estimate":  "attribute --ids 30,7,500 --ids-b 30,8,500 --metric kl --exact 3",
	"edges":     "attribute --ids 30,7,500 --ids-b 30,8,500 --metric kl --edges",
	"steer":     "steer --file pairs.jsonl --layers 1 --held-out 0.5",
	"probe":     "probe --file labelled.jsonl --layers 1 --held-out 0.5",
	"knock all": "attn --ids 30,7,500 --knockout=all --metric l2",
}

// made is what a file says of how it was made.
type made struct {
	Version string   `json:"version"`
	Command []string `json:"command"`
	Ref     string   `json:"model_ref"`
	Digest  string   `json:"model_digest"`
}

// filesOfIDs writes the files of ids that steer and probe read.
func filesOfIDs(t *testing.T, dir string) {
	t.Helper()
	var pairs, labelled strings.Builder
	for i := range 6 {
		a, b := []int{i + 1, 40}, []int{i + 1, 90}
		line, err := json.Marshal(map[string][]int{"positive": a, "negative": b})
		require.NoError(t, err)
		pairs.Write(append(line, '\n'))
		for label, ids := range [][]int{a, b} {
			line, err := json.Marshal(map[string]any{"prompt": ids, "label": label})
			require.NoError(t, err)
			labelled.Write(append(line, '\n'))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pairs.jsonl"), []byte(pairs.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labelled.jsonl"), []byte(labelled.String()), 0o600))
}

// numbersOf is a result's JSON without its times.
func numbersOf(t *testing.T, path string) (map[string]any, made) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(raw, &all))
	for key := range all {
		if strings.HasSuffix(key, "_s") || key == "timing" {
			delete(all, key)
		}
	}
	var of struct {
		Made made `json:"made"`
	}
	require.NoError(t, json.Unmarshal(raw, &of))
	return all, of.Made
}

func TestTheCommandThatAFileNamesMakesItAgain(t *testing.T) {
	t.Parallel()
	for name, line := range experiments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			filesOfIDs(t, dir)
			out := filepath.Join(dir, "out.json")
			run(t, command(t, dir, nil, append(strings.Fields(line), "-q", "-o", "out.json")...), 0)
			first, how := numbersOf(t, out)
			require.NotEmpty(t, how.Version)
			require.Len(t, how.Digest, 32)
			require.NoError(t, os.Remove(out))
			run(t, command(t, dir, nil, how.Command...), 0)
			again, _ := numbersOf(t, out)
			require.Equal(t, first, again)
		})
	}
}

// findsMade finds what a file says of how it was made, by the form.
func findsMade() map[string]func(t *testing.T, raw []byte) string {
	from := func(before string) func(t *testing.T, raw []byte) string {
		return func(t *testing.T, raw []byte) string {
			_, text, ok := strings.Cut(string(raw), before)
			require.True(t, ok)
			return html.UnescapeString(text[:strings.IndexByte(text, '}')+1])
		}
	}
	return map[string]func(t *testing.T, raw []byte) string{
		"csv": func(t *testing.T, raw []byte) string {
			lines, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
			require.NoError(t, err)
			last := len(lines[0]) - 1
			require.Equal(t, "made", lines[0][last])
			require.Empty(t, lines[2][last])
			return lines[1][last]
		},
		"npz": func(t *testing.T, raw []byte) string {
			z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
			require.NoError(t, err)
			f, err := z.Open("made.npy")
			require.NoError(t, err)
			defer f.Close()
			text, err := io.ReadAll(f)
			require.NoError(t, err)
			_, text, _ = bytes.Cut(text, []byte("\n")) // the header's end
			return string(text)
		},
		"png":      from("iTXtmade\x00\x00\x00\x00\x00"),
		"svg":      from("<dcterms:provenance>"),
		"trace of": from(`<meta name="mlxlens-made" content="`),
		"figure":   from(`id="made">`),
	}
}

func TestFilesOfEveryFormSayHowTheyWereMade(t *testing.T) {
	t.Parallel()
	find := findsMade()
	for _, c := range []struct {
		line, find, format string
		placed             bool // the command says where
	}{
		{"attn --ids 30,7,500 --heads 1.2 -q", "csv", "csv", true},
		{"attn --ids 30,7,500 --heads 1.2 -q", "npz", "npz", true},
		{"attn --ids 30,7,500 --heads 1.2 -q", "png", "png", true},
		{"attn --ids 30,7,500 --heads 1.2 -q", "svg", "svg", true},
		{"attn --ids 30,7,500 --heads 1.2 -q", "figure", "html", true},
		{"trace --ids 30,7,500 -q", "png", "png", false},
		{"trace --ids 30,7,500 -q", "svg", "svg", false},
		{"trace --ids 30,7,500 -q", "trace of", "html", false},
		{"compare --ids 30,7,500 --ids-b 30,8,500 -q", "png", "png", false},
		{"compare --ids 30,7,500 --ids-b 30,8,500 -q", "figure", "html", false},
	} {
		t.Run(c.line[:5]+" "+c.format, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := "out." + c.format
			run(t, command(t, dir, nil, append(strings.Fields(c.line), "-o", out)...), 0)
			raw, err := os.ReadFile(filepath.Join(dir, out))
			require.NoError(t, err)
			var how made
			require.NoError(t, json.Unmarshal([]byte(find[c.find](t, raw)), &how))
			want := strings.Fields(c.line)
			if c.placed {
				want = append(want, "-o", out)
			}
			require.Equal(t, want, how.Command)
			require.NotEmpty(t, how.Version)
			require.NotEmpty(t, how.Ref)
			require.Len(t, how.Digest, 32)
		})
	}
}

// What reads the rows decides over a result as the model does: a lens' files have their digest beside it, and so has a second
// model.
func TestALensAndASecondModelAreTold(t *testing.T) {
	t.Parallel()
	type told struct {
		Files map[string]string `json:"files"`
		B     string            `json:"model_b_digest"`
		Model string            `json:"model_digest"`
	}
	tuned, err := filepath.Abs("../../testdata/tuned/tiny-llama-a-llama3rope")
	require.NoError(t, err)
	models, err := filepath.Abs("../../testdata/models")
	require.NoError(t, err)
	of := func(args ...string) told {
		out, err := command(t, t.TempDir(), nil, append(args, "--json", "-q", "-m", filepath.Join(models, "tiny-llama-a-llama3rope"))...).Output()
		require.NoError(t, err)
		var all struct{ Made told }
		require.NoError(t, json.Unmarshal(out, &all))
		return all.Made
	}
	one := of("trace", "--ids", "30,7,500", "--lens", tuned)
	require.Len(t, one.Files[tuned], 32)
	require.Empty(t, one.B)
	require.Empty(t, of("trace", "--ids", "30,7,500", "--lens", "embed").Files)
	two := of("compare", "--ids", "30,7,500", "--lens-b", tuned)
	require.Equal(t, one.Files, two.Files)
	require.Empty(t, two.B)
	require.Empty(t, of("compare", "--ids", "30,7,500", "--lens", tuned, "--lens-b", "none").B)
	other := of("compare", "--ids", "30,7,500", "--weights-b", "dense")
	require.Equal(t, other.Model, other.B)
}
