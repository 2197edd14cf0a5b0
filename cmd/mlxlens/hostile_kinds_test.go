package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// tinyDense is a random Llama of two layers in float32, with a lens of each form.
const tinyDense = "../../testdata/models/tiny-llama-d-linear-rope"

// hostileKinds are the kinds of files that somebody else may have made.
func hostileKinds(t *testing.T) []*hostileKind {
	t.Helper()
	trace := []string{"trace", "-m", "DIR", "--ids", "1,5,9", "--json", "--quiet"}
	features := []string{"features", "-m", "DIR", "--ids", "1,5,9", "--sae", "SAE", "--site", "layers.1.resid_post", "--json", "--quiet"}
	whole := read(t, tinyDense, "model.safetensors")
	header := int(8 + binary.LittleEndian.Uint64(whole))
	inSafetensors := func(at int) bool { return at < header }
	gguf, ranges := tinyGGUF(t)
	text := []way{flips(never), truncations(true)}
	return []*hostileKind{
		{name: "safetensors", dir: copyOf(t, tinyDense), file: "model.safetensors", args: trace, data: whole,
			ways: append(inHeader(jsonWays), flips(inSafetensors), flipsWithin([][2]int{{8, header}}), truncations(true), lengths([][2]int{{0, 8}}), repeated(inSafetensors))},
		{name: "config", dir: copyOf(t, tinyDense), file: "config.json", args: trace, data: read(t, tinyDense, "config.json"),
			ways: append(slices.Clone(jsonWays), text...)},
		{name: "GGUF", dir: t.TempDir(), file: "m.gguf", args: replaced(trace, "DIR", "DIR/m.gguf"), data: gguf,
			ways: []way{flips(never), flipsWithin(ranges), truncations(true), lengths(ranges), repeated(never)}},
		{name: "tokenizer", dir: t.TempDir(), file: "tokenizer.json", args: []string{"tokenize", "-m", "DIR", "the thing, then", "--json"}, data: tinyTokenizer(t),
			ways: append(slices.Clone(jsonWays), text...)},
		{name: "template", dir: withTokenizer(t), file: "chat_template.jinja", args: []string{"generate", "-m", "DIR", "--chat", "the", "-n", "1", "--json", "--quiet"},
			data: []byte(tinyTemplate), ways: []way{flips(never), truncations(false), repeated(never)}},
		{name: "npz", dir: copyOf(t, tinyDense), file: "lens.npz", args: append(slices.Clone(trace), "--lens", "DIR/lens.npz"),
			data: read(t, "../../testdata/tuned", "tiny-llama-d-linear-rope.npz"), ways: append(archiveWays, inEntry("an array's header", ".npy", npyHeader, true))},
		{name: "params.pt", dir: copyOf(t, tinyDense), file: "lens/params.pt", args: append(slices.Clone(trace), "--lens", "DIR/lens"),
			data: read(t, "../../testdata/tuned/alignment/tiny-llama-d-linear-rope", "params.pt"), ways: append(archiveWays, inEntry("the pickle", "data.pkl", func(b []byte) int { return len(b) }, false))},
		{name: "dictionary config", dir: withDictionary(t), file: "sae/cfg.json", args: replaced(features, "SAE", "DIR/sae"), data: read(t, tinySparse+"topk", "cfg.json"),
			ways: append(slices.Clone(jsonWays), text...)},
		{name: "dictionary npz", dir: withDictionary(t), file: "params.npz", args: replaced(features, "SAE", "DIR/params.npz"), data: read(t, tinySparse+"gemma-scope-2b-pt-res/layer_1/width_16k/average_l0_5", "params.npz"),
			ways: append(archiveWays, inEntry("an array's header", ".npy", npyHeader, true))},
		{name: "prompts", dir: withTokenizer(t), file: "p.jsonl", args: []string{"trace", "-m", "DIR", "--file", "DIR/p.jsonl", "--quiet", "--layers", "-1"},
			data: []byte("\"the\"\n{\"prompt\": \"then the\"}\n{\"ids\": [1, 5, 9]}\n"), ways: []way{flips(never), truncations(false), repeated(never)}},
	}
}

// npyHeader is the length of the header of an array of NumPy's format 1.
func npyHeader(array []byte) int { return 10 + int(binary.LittleEndian.Uint16(array[8:])) }

// inEntry changes a byte at the beginning of an entry of an archive, and writes all anew: the
// checksums are right.
func inEntry(name, suffix string, within func(content []byte) int, structure bool) way {
	return way{name, func(r *rand.Rand, data []byte) ([]byte, bool) {
		in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			panic(err) // of the whole file
		}
		chosen := slices.DeleteFunc(slices.Clone(in.File), func(f *zip.File) bool { return !strings.HasSuffix(f.Name, suffix) })
		victim := chosen[r.IntN(len(chosen))]
		var file bytes.Buffer
		out := zip.NewWriter(&file)
		for _, f := range in.File {
			entry, _ := f.Open()
			content, _ := io.ReadAll(entry)
			if f == victim {
				content[r.IntN(within(content))] ^= byte(1 + r.IntN(255))
			}
			w, _ := out.CreateHeader(&zip.FileHeader{Name: f.Name})
			_, _ = w.Write(content)
		}
		_ = out.Close()
		return file.Bytes(), structure
	}}
}

// An archive has a checksum of each entry: whatever is changed in it is its structure.
var archiveWays = []way{flips(always), truncations(true), repeated(always)}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

// copyOf copies a model, with the configs of the lenses beside it.
func copyOf(t *testing.T, model string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(model)))
	name := filepath.Base(model)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lens.json"), read(t, "../../testdata/tuned", name+".json"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lens"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lens", "config.json"), read(t, "../../testdata/tuned/alignment/"+name, "config.json"), 0o600))
	return dir
}

// tinySparse has dictionaries for models as small.
const tinySparse = "../../testdata/sparse/"

func withDictionary(t *testing.T) string {
	t.Helper()
	dir := copyOf(t, tinyDense)
	require.NoError(t, os.CopyFS(filepath.Join(dir, "sae"), os.DirFS(tinySparse+"topk")))
	return dir
}

func withTokenizer(t *testing.T) string {
	t.Helper()
	dir := copyOf(t, tinyDense)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), tinyTokenizer(t), 0o600))
	return dir
}

func replaced(args []string, old, by string) []string {
	out := slices.Clone(args)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], old, by)
	}
	return out
}

const tinyTemplate = `{%- for m in messages -%}
{%- if m.role == "system" and not loop.first -%}{{ raise_exception("system comes first") }}{%- endif -%}
{{ m.role | upper }}: {{ m.content | trim }}{{ "\n" if not loop.last else "" }}
{%- endfor -%}
{%- set x = namespace(n=0) -%}{%- if add_generation_prompt %}
THE{{ x.n + 1 }}:{% endif -%}`

// tinyTokenizer is a byte-level BPE of all printable bytes and a few merges.
func tinyTokenizer(t *testing.T) []byte {
	t.Helper()
	vocab := map[string]int{"Ġ": 0, "Ċ": 1}
	for b := '!'; b <= '~'; b++ {
		vocab[string(b)] = len(vocab)
	}
	for _, merged := range []string{"th", "the", "Ġthe", "in"} {
		vocab[merged] = len(vocab)
	}
	for len(vocab) < 255 { // as many as the model has
		vocab[fmt.Sprintf("word%d", len(vocab))] = len(vocab)
	}
	text, err := json.MarshalIndent(map[string]any{
		"version":        "1.0",
		"added_tokens":   []map[string]any{{"id": len(vocab), "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}},
		"normalizer":     map[string]any{"type": "NFC"},
		"pre_tokenizer":  map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"post_processor": map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
		"decoder":        map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model":          map[string]any{"type": "BPE", "dropout": nil, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []string{"t h", "th e", "Ġ the", "i n"}},
	}, "", " ")
	require.NoError(t, err)
	return text
}

// ggufNames are llama.cpp's names for the parts of ours.
var ggufNames = strings.NewReplacer("model.layers.", "blk.", "self_attn.q_proj", "attn_q", "self_attn.k_proj", "attn_k", "self_attn.v_proj", "attn_v",
	"self_attn.o_proj", "attn_output", "mlp.gate_proj", "ffn_gate", "mlp.up_proj", "ffn_up", "mlp.down_proj", "ffn_down", "post_attention_layernorm", "ffn_norm",
	"input_layernorm", "attn_norm", "model.embed_tokens", "token_embd", "model.norm", "output_norm", "lm_head", "output")

// tinyGGUF writes the same model as GGUF. The ranges are those of its structure: the counts, and
// of each tensor the number of dimensions, the dimensions, the type and the offset.
func tinyGGUF(t *testing.T) (file []byte, structure [][2]int) {
	t.Helper()
	var config struct {
		Hidden  int `json:"hidden_size"`
		MLP     int `json:"intermediate_size"`
		Layers  int `json:"num_hidden_layers"`
		Heads   int `json:"num_attention_heads"`
		KVHeads int `json:"num_key_value_heads"`
		Context int `json:"max_position_embeddings"`
	}
	require.NoError(t, json.Unmarshal(read(t, tinyDense, "config.json"), &config))
	ck, err := checkpoint.Open(tinyDense)
	require.NoError(t, err)
	defer ck.Close()
	le := binary.LittleEndian
	text := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
	numbers := map[string]int{"embedding_length": config.Hidden, "feed_forward_length": config.MLP, "block_count": config.Layers,
		"attention.head_count": config.Heads, "attention.head_count_kv": config.KVHeads, "context_length": config.Context}
	names := ck.Names()
	file = le.AppendUint32([]byte("GGUF"), 3)
	file = le.AppendUint64(le.AppendUint64(file, uint64(len(names))), uint64(len(numbers)+2))
	structure = append(structure, [2]int{0, 8}, [2]int{8, 16}, [2]int{16, 24})
	file = text(le.AppendUint32(text(file, "general.architecture"), 8), "llama")
	for _, key := range slices.Sorted(maps.Keys(numbers)) {
		file = le.AppendUint32(le.AppendUint32(text(file, "llama."+key), 4), uint32(numbers[key]))
	}
	file = le.AppendUint32(le.AppendUint32(text(file, "llama.attention.layer_norm_rms_epsilon"), 6), 0x3727c5ac) // 1e-5
	var data []byte
	for _, name := range names {
		a, err := ck.Tensor(name).Array()
		require.NoError(t, err)
		file = text(file, ggufNames.Replace(name))
		from := len(file)
		file = le.AppendUint32(file, uint32(len(a.Shape)))
		for i := len(a.Shape) - 1; i >= 0; i-- {
			file = le.AppendUint64(file, uint64(a.Shape[i]))
		}
		types := map[checkpoint.Type]uint32{checkpoint.F32: 0, checkpoint.F16: 1, checkpoint.BF16: 30}
		file = le.AppendUint64(le.AppendUint32(file, types[a.Type]), uint64(len(data)))
		structure = append(structure, [2]int{from, len(file)})
		data = append(data, a.Bytes...)
		data = append(data, make([]byte, -len(data)&31)...)
	}
	file = append(file, make([]byte, -len(file)&31)...)
	return append(file, data...), structure
}
