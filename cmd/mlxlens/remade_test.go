package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// experiments are command lines, one of each form that has a result of its own.
var experiments = map[string]string{
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
		if strings.HasSuffix(key, "_s") {
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

func TestFilesOfEveryFormSayHowTheyWereMade(t *testing.T) {
	t.Parallel()
	find := map[string]func(t *testing.T, raw []byte) string{
		"csv": func(t *testing.T, raw []byte) string {
			lines, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
			require.NoError(t, err)
			require.Equal(t, "made", lines[0][5])
			return lines[1][5]
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
		"png": func(t *testing.T, raw []byte) string {
			_, text, ok := bytes.Cut(raw, []byte("iTXtmade\x00\x00\x00\x00\x00"))
			require.True(t, ok)
			return string(text[:bytes.IndexByte(text, '}')+1])
		},
	}
	for format, of := range find {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run(t, command(t, dir, nil, "attn", "--ids", "30,7,500", "--heads", "1.2", "-q", "-o", "out."+format), 0)
			raw, err := os.ReadFile(filepath.Join(dir, "out."+format))
			require.NoError(t, err)
			var how made
			require.NoError(t, json.Unmarshal([]byte(of(t, raw)), &how))
			require.Equal(t, []string{"attn", "--ids", "30,7,500", "--heads", "1.2", "-q", "-o", "out." + format}, how.Command)
			require.NotEmpty(t, how.Version)
			require.NotEmpty(t, how.Ref)
			require.Len(t, how.Digest, 32)
		})
	}
}
