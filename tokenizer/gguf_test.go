package tokenizer

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smolLM2Metadata is the tokenizer's part of the metadata of SmolLM2-135M-Instruct.Q4_1.gguf, in the Go types of a
// GGUF reader.
func smolLM2Metadata(t testing.TB) map[string]any {
	t.Helper()
	var file struct {
		Model    string   `json:"tokenizer.ggml.model"`
		Pre      string   `json:"tokenizer.ggml.pre"`
		Tokens   []string `json:"tokenizer.ggml.tokens"`
		Types    []int32  `json:"tokenizer.ggml.token_type"`
		Merges   []string `json:"tokenizer.ggml.merges"`
		BOS      uint32   `json:"tokenizer.ggml.bos_token_id"`
		EOS      uint32   `json:"tokenizer.ggml.eos_token_id"`
		Unknown  uint32   `json:"tokenizer.ggml.unknown_token_id"`
		AddBOS   bool     `json:"tokenizer.ggml.add_bos_token"`
		Template string   `json:"tokenizer.chat_template"`
	}
	require.NoError(t, json.Unmarshal(read(t, "testdata", "smollm2", "metadata.json.gz"), &file))
	return map[string]any{
		"general.architecture":            "llama",
		"tokenizer.ggml.model":            file.Model,
		"tokenizer.ggml.pre":              file.Pre,
		"tokenizer.ggml.tokens":           file.Tokens,
		"tokenizer.ggml.token_type":       file.Types,
		"tokenizer.ggml.merges":           file.Merges,
		"tokenizer.ggml.bos_token_id":     file.BOS,
		"tokenizer.ggml.eos_token_id":     file.EOS,
		"tokenizer.ggml.unknown_token_id": file.Unknown,
		"tokenizer.ggml.add_bos_token":    file.AddBOS,
		"tokenizer.chat_template":         file.Template,
	}
}

func TestSmolLM2FromGGUFEncodesTheLensPrompts(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(smolLM2Metadata(t))
	require.NoError(t, err)
	var prompts []struct {
		Name, Prompt string
		IDs          []int
		Tokens       []string
	}
	require.NoError(t, json.Unmarshal(read(t, "testdata", "smollm2", "prompts.json.gz"), &prompts))
	require.Len(t, prompts, 14)
	for _, p := range prompts {
		ids, err := tok.Encode(p.Prompt, false)
		require.NoError(t, err)
		assert.Equal(t, p.IDs, ids, p.Name)
		for i, id := range p.IDs {
			text, err := tok.Decode([]int{id}, false)
			require.NoError(t, err)
			assert.Equal(t, p.Tokens[i], text, p.Name)
		}
	}
	assert.Equal(t, 49152, tok.VocabSize())
	assert.False(t, tok.AddsBOS())
	assert.Equal(t, []int{2}, tok.EOS())
	bos, ok := tok.BOS()
	assert.True(t, ok)
	assert.Equal(t, 1, bos)
	assert.Contains(t, tok.ChatTemplate(), "You are a helpful AI assistant named SmolLM")
}

// toGGUF writes a tokenizer.json as llama.cpp's converter does: types 1 normal, 2 unknown, 3 control, 4 added by the
// user, 6 byte. The scores have the order of the merges, which Hugging Face's converter made of SentencePiece's scores.
func toGGUF(t *testing.T, tokenizerJSON []byte, model, pre string) map[string]any {
	t.Helper()
	p, err := parseJSON(tokenizerJSON)
	require.NoError(t, err)
	size := len(p.vocab)
	for _, a := range p.added {
		size = max(size, a.ID+1)
	}
	tokens, types, scores := make([]string, size), make([]int32, size), make([]float32, size)
	for token, id := range p.vocab {
		tokens[id], types[id] = token, 1
		if _, ok := byteToken(token); ok {
			types[id] = 6
		}
	}
	for _, a := range p.added {
		tokens[a.ID], types[a.ID] = a.Content, 4
		if a.Special {
			types[a.ID] = 3
		}
		if a.Content == "<unk>" {
			types[a.ID] = 2
		}
	}
	meta := map[string]any{
		"tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
	}
	if model == "llama" {
		for _, v := range p.merges {
			if scores[v.NewId] == 0 || scores[v.NewId] < -float32(v.Rank)-1 {
				scores[v.NewId] = -float32(v.Rank) - 1
			}
		}
		meta["tokenizer.ggml.scores"] = scores
	} else {
		merges := make([]string, len(p.merges))
		for pair, v := range p.merges {
			merges[v.Rank] = tokens[pair.C1] + " " + tokens[pair.C2]
		}
		meta["tokenizer.ggml.merges"] = merges
	}
	if p.template != nil && len(p.template.before) > 0 {
		meta["tokenizer.ggml.bos_token_id"] = uint32(p.template.before[0])
	}
	return meta
}

// The same vocabulary as GGUF metadata gives the ids of Hugging Face too.
func TestGGUFMetadataGivesTheIDsOfTheTokenizerJSON(t *testing.T) {
	t.Parallel()
	for _, d := range goldenDirs() {
		t.Run(d.name, func(t *testing.T) {
			if d.shared {
				needShared(t, "tokenizers")
			}
			kind, pre := "gpt2", map[string]string{"gpt2": "gpt-2", "qwen3": "qwen2", "llama3_1": "llama-bpe"}[d.model]
			if d.model == "mistral" {
				kind = "llama"
			}
			tok, err := FromGGUF(toGGUF(t, d.json(t), kind, pre))
			require.NoError(t, err)
			checkGoldens(t, tok, readLines[golden](t, d.dir, "golden.jsonl.gz"))
			assert.Equal(t, d.model == "mistral" || d.model == "llama3_1", tok.AddsBOS())
		})
	}
}

// small is the least metadata of each model.
func small(model string) map[string]any {
	meta := map[string]any{
		"tokenizer.ggml.model":      model,
		"tokenizer.ggml.tokens":     []string{"<s>", "a", "b", "ab", "▁", "▁a"},
		"tokenizer.ggml.token_type": []int32{3, 1, 1, 1, 1, 1},
	}
	if model == "gpt2" {
		meta["tokenizer.ggml.pre"] = "gpt-2"
		meta["tokenizer.ggml.merges"] = []string{"a b"}
	} else {
		meta["tokenizer.ggml.scores"] = []float32{0, 0, 0, -1, -2, -3}
	}
	return meta
}

func TestGGUFOptionsAreFollowed(t *testing.T) {
	t.Parallel()
	meta := small("llama")
	meta["tokenizer.ggml.add_space_prefix"] = false
	meta["tokenizer.ggml.bos_token_id"] = int64(0)
	meta["tokenizer.ggml.eos_token_id"] = uint8(2)
	meta["tokenizer.ggml.eot_token_id"] = uint64(3)
	meta["tokenizer.ggml.add_eos_token"] = true
	tok, err := FromGGUF(meta)
	require.NoError(t, err)
	ids, err := tok.Encode("ab a", true)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 3, 5, 2}, ids)
	assert.Equal(t, []int{2, 3}, tok.EOS())
	assert.True(t, tok.AddsBOS())

	delete(meta, "tokenizer.ggml.add_space_prefix")
	meta["tokenizer.ggml.add_bos_token"] = false
	tok, err = FromGGUF(meta)
	require.NoError(t, err)
	ids, err = tok.Encode("a", true)
	require.NoError(t, err)
	assert.Equal(t, []int{5, 2}, ids)
	assert.False(t, tok.AddsBOS())
}

func TestGGUFErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, key string
		value      any // nil: the key is missing
		want       string
	}{
		{"gpt2", "model", nil, `tokenizer: gguf: tokenizer.ggml.model is missing: the file holds no tokenizer`},
		{"gpt2", "model", "t5", `tokenizer: gguf: tokenizer.ggml.model "t5" is not implemented (have: gpt2, llama)`},
		{"gpt2", "pre", "viking", `tokenizer: gguf: tokenizer.ggml.pre "viking" is not known (have: default, ` + strings.Join(slices.Sorted(maps.Keys(ggufPre)), ", ") + ")"},
		{"gpt2", "pre", uint32(3), `tokenizer: gguf: tokenizer.ggml.pre is a uint32, want a string`},
		{"gpt2", "tokens", nil, `tokenizer: gguf: tokenizer.ggml.tokens has 0 tokens, want 1 to 4194304`},
		{"gpt2", "tokens", []string{"a", "b", "a", "c", "d", "e"}, `tokenizer: gguf: tokenizer.ggml.tokens has one token twice: 6 tokens, 5 different`},
		{"gpt2", "token_type", []int32{1}, `tokenizer: gguf: tokenizer.ggml.token_type has 1 entries for 6 tokens`},
		{"gpt2", "token_type", "x", `tokenizer: gguf: tokenizer.ggml.token_type is a string, want a list of integers`},
		{"gpt2", "merges", nil, `tokenizer: gguf: tokenizer.ggml.merges is missing`},
		{"gpt2", "merges", []string{"ab"}, `tokenizer: gguf: tokenizer.ggml.merges: entry 0 ("ab") is not two tokens with a space between`},
		{"gpt2", "merges", []string{"b a"}, `tokenizer: gguf: tokenizer.ggml.merges: merge 0 ("b" + "a") needs the token "ba", which is not in the vocabulary`},
		{"gpt2", "bos_token_id", "six", `tokenizer: gguf: tokenizer.ggml.bos_token_id is six, want an id from 0 to 5`},
		{"gpt2", "add_bos_token", "yes", `tokenizer: gguf: tokenizer.ggml.add_bos_token is a string, want a bool`},
		{"llama", "scores", nil, `tokenizer: gguf: tokenizer.ggml.scores has 0 entries for 6 tokens`},
		{"llama", "scores", []int32{1}, `tokenizer: gguf: tokenizer.ggml.scores is a []int32, want a list of numbers`},
		{"llama", "remove_extra_whitespaces", true, `tokenizer: gguf: tokenizer.ggml.remove_extra_whitespaces is not implemented (want false)`},
	} {
		meta := maps.Clone(small(c.model))
		if c.value == nil {
			delete(meta, "tokenizer.ggml."+c.key)
		} else {
			meta["tokenizer.ggml."+c.key] = c.value
		}
		_, err := FromGGUF(meta)
		assert.EqualError(t, err, c.want)
	}
	meta := small("gpt2")
	meta["tokenizer.chat_template"] = 1
	_, err := FromGGUF(meta)
	assert.EqualError(t, err, "tokenizer: gguf: tokenizer.chat_template is a int, want a string")
}

func BenchmarkLoadSmolLM2FromGGUF(b *testing.B) {
	meta := smolLM2Metadata(b)
	b.ReportAllocs()
	for b.Loop() {
		_, err := FromGGUF(meta)
		require.NoError(b, err)
	}
}
