package checkpoint

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDirectoryWithOneFileIsOpened(t *testing.T) {
	t.Parallel()
	file := floats("b", "a")
	dir := write(t, map[string]string{
		"config.json": config, "generation_config.json": `{"eos_token_id":2}`,
		"model.safetensors": string(file), "adapters.safetensors": "of another", "README.md": "x",
	})
	c := opened(t, dir)
	assert.Equal(t, dir, c.Path)
	assert.Equal(t, Safetensors, c.Format)
	assert.Equal(t, "safetensors", c.Format.String())
	assert.JSONEq(t, config, string(c.Config))
	assert.JSONEq(t, `{"eos_token_id":2}`, string(c.GenerationConfig))
	assert.Equal(t, []string{"a", "b"}, c.Names())
	assert.Equal(t, int64(len(file)), c.Size())
	assert.Equal(t, []string{filepath.Join(dir, "model.safetensors")}, c.Files())
	assert.Equal(t, pattern(16)[8:], c.Tensor("a").Bytes())
	assert.Equal(t, c.Files()[0], c.Tensor("a").File())
	assert.Nil(t, c.Tensor("c"))
	require.NoError(t, c.Verify())
}

func TestShardsAreOpenedWithAndWithoutAnIndex(t *testing.T) {
	t.Parallel()
	const one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	files := map[string]string{
		"config.json": config, one: string(floats("a", "b")),
		two: string(safetensorsFile(`{"__metadata__":{"format":"pt"},`+stTensor("c", "U8", []int{3}, 0, 3)+"}", 3)),
	}
	check := func(c *Checkpoint) {
		assert.Equal(t, []string{"a", "b", "c"}, c.Names())
		assert.Equal(t, []string{filepath.Join(c.Path, one), filepath.Join(c.Path, two)}, c.Files())
		assert.Equal(t, int64(len(files[one])+len(files[two])), c.Size())
		assert.Equal(t, pattern(3), c.Tensor("c").Bytes())
		assert.Equal(t, map[string]any{"format": "pt"}, c.Metadata)
		assert.Nil(t, c.GenerationConfig)
	}
	check(opened(t, write(t, files)))
	for _, name := range []string{"model.safetensors.index.json", "other.safetensors.index.json"} {
		files[name] = index(t, map[string]string{"a": one, "b": one, "c": two})
		check(opened(t, write(t, files)))
		delete(files, name)
	}
}

const shardOne, shardTwo = "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"

var twoFloats = string(floats("a", "b"))

// brokenDirectory is a directory that is refused, with what the error says: $ stands for its
// path.
type brokenDirectory struct {
	name  string
	files map[string]string
	want  string
}

var brokenDirectories = []brokenDirectory{
	{"empty", nil, "checkpoint: $: the directory is empty (looked for config.json and model*.safetensors)"},
	{"no config.json", map[string]string{"model.safetensors": twoFloats}, `checkpoint: $: no config.json (found "model.safetensors")`},
	{"only a .gguf", map[string]string{"m.gguf": "x"}, `checkpoint: $: no config.json (found "m.gguf"); to open the GGUF file, give its path, "$/m.gguf"`},
	{"only a download under way", map[string]string{"model.safetensors.incomplete": "x"}, `checkpoint: $: no config.json (found "model.safetensors.incomplete"); a download is unfinished ("model.safetensors.incomplete"): let it end or download again`},
	{"no weights", map[string]string{"config.json": config, "weights.safetensors": twoFloats}, `checkpoint: $: no model*.safetensors and no *.safetensors.index.json (found "config.json", "weights.safetensors")`},
	{"no weights yet", map[string]string{"config.json": config, ".cache/huggingface/download/abc.incomplete": "x"}, `a download is unfinished ("abc.incomplete"): let it end or download again`},
	{"config.json empty", map[string]string{"config.json": "", "model.safetensors": twoFloats}, "checkpoint: $/config.json: the file is empty; download it again"},
	{"config.json a pointer", map[string]string{"config.json": pointer}, "checkpoint: $/config.json: is a Git LFS pointer, not the file itself; run git lfs pull, or download it again"},
	{"config.json cut", map[string]string{"config.json": config[:9]}, "checkpoint: $/config.json: the file is not JSON: it ends too soon"},
	{"config.json not JSON", map[string]string{"config.json": "<html>"}, "checkpoint: $/config.json: the file is not JSON: invalid character '<' looking for beginning of value"},
	{"config.json an array", map[string]string{"config.json": "[1]"}, "checkpoint: $/config.json: the file is not a JSON object"},
	{"config.json null", map[string]string{"config.json": "null"}, "checkpoint: $/config.json: the file is not one JSON object"},
	{"config.json two objects", map[string]string{"config.json": "{}{}"}, "checkpoint: $/config.json: the file is not one JSON object"},
	{"config.json a directory", map[string]string{"config.json/x": ""}, "checkpoint: $/config.json: is not a regular file (mode d"},
	{"generation_config.json cut", map[string]string{"config.json": config, "generation_config.json": "{"}, "checkpoint: $/generation_config.json: the file is not JSON: it ends too soon"},
	{"weights a pointer", map[string]string{"config.json": config, "model.safetensors": pointer}, "checkpoint: $/model.safetensors: is a Git LFS pointer, not the file itself; run git lfs pull, or download it again"},
	{"weights empty", map[string]string{"config.json": config, "model.safetensors": ""}, "checkpoint: $/model.safetensors: the file is empty; download it again"},
	{"weights cut, download under way", map[string]string{"config.json": config, "model.safetensors": twoFloats[:20], "x.incomplete": ""}, `; download it again; a download is unfinished ("x.incomplete"): let it end or download again`},
	{"weights without tensors", map[string]string{"config.json": config, "model.safetensors": string(safetensorsFile("{}", 0))}, "checkpoint: $: has no tensors"},
	{"tensor in two files", map[string]string{"config.json": config, "model-a.safetensors": twoFloats, "model-b.safetensors": twoFloats}, `checkpoint: $: tensor "a" is in model-a.safetensors and in model-b.safetensors`},
	{"shards missing, no index", map[string]string{"config.json": config, shardTwo: twoFloats}, `checkpoint: $: shards are missing: "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"; download them`},
}

// brokenIndexes returns directories whose index is damaged or does not fit the shards.
func brokenIndexes(t *testing.T) []brokenDirectory {
	withIndex := func(text string, files map[string]string) map[string]string {
		out := map[string]string{"config.json": config, "model.safetensors.index.json": text}
		maps.Copy(out, files)
		return out
	}
	return []brokenDirectory{
		{"shards missing", withIndex(index(t, map[string]string{"a": shardOne, "b": shardTwo, "c": "model-00003-of-00003.safetensors"}), map[string]string{shardTwo: twoFloats}), `checkpoint: $: shards that model.safetensors.index.json names are missing: "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"; download them`},
		{"shard lacks a tensor", withIndex(index(t, map[string]string{"a": shardOne, "b": shardOne, "c": shardOne}), map[string]string{shardOne: twoFloats}), `checkpoint: $/model.safetensors.index.json: the index names tensors that the shards lack: "c" in model-00001-of-00003.safetensors; index and shards are of different downloads: download both again`},
		{"index does not name a tensor", withIndex(index(t, map[string]string{"a": shardOne}), map[string]string{shardOne: twoFloats}), `checkpoint: $/model.safetensors.index.json: the index does not name tensors that the shards have: "b" in model-00001-of-00003.safetensors; index`},
		{"tensor in another shard", withIndex(index(t, map[string]string{"a": shardOne, "b": shardTwo, "c": shardTwo}), map[string]string{shardOne: twoFloats, shardTwo: string(floats("c"))}), `the index names tensors that the shards lack: "b" in model-00002-of-00003.safetensors, and does not name tensors that the shards have: "b" in model-00001-of-00003.safetensors;`},
		{"index cut", withIndex(`{"weight_map":{"a":`, nil), "checkpoint: $/model.safetensors.index.json: the file is not JSON: it ends too soon"},
		{"index not JSON", withIndex("404: Not Found", nil), "checkpoint: $/model.safetensors.index.json: the file is not "},
		{"index a pointer", withIndex(pointer, nil), "checkpoint: $/model.safetensors.index.json: is a Git LFS pointer"},
		{"index without weight_map", withIndex(`{"metadata":{}}`, nil), "checkpoint: $/model.safetensors.index.json: the index has no weight_map, or an empty one"},
		{"weight_map an array", withIndex(`{"weight_map":[]}`, nil), "checkpoint: $/model.safetensors.index.json: weight_map is not a JSON object"},
		{"weight_map to a number", withIndex(`{"weight_map":{"a":5}}`, nil), `weight_map has 5 for tensor "a", which is not a file name`},
		{"weight_map to a file elsewhere", withIndex(`{"weight_map":{"a":"../x.safetensors"}}`, nil), `weight_map has "../x.safetensors" for tensor "a", which is not the name of a file beside the index`},
		{"weight_map to another format", withIndex(`{"weight_map":{"a":"pytorch_model.bin"}}`, nil), `weight_map has "pytorch_model.bin" for tensor "a", which is not a .safetensors file`},
		{"weight_map with a key twice", withIndex(`{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}`, nil), `checkpoint: $/model.safetensors.index.json: it has "weight_map.a" twice: programs differ`},
		{"config.json with a key twice", map[string]string{"config.json": `{"a": {"rope_theta": 1, "rope_theta": 2}}`, "model.safetensors": ""}, `checkpoint: $/config.json: it has "a.rope_theta" twice: programs differ`},
		{"two indexes", map[string]string{"config.json": config, "a.safetensors.index.json": "{}", "b.safetensors.index.json": "{}"}, `checkpoint: $: has 2 indexes ("a.safetensors.index.json", "b.safetensors.index.json") and none is model.safetensors.index.json`},
	}
}

func TestBrokenDirectoriesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(brokenDirectories, brokenIndexes(t)) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, c.files)
			_, err := Open(dir)
			require.Error(t, err)
			assert.Contains(t, err.Error(), strings.ReplaceAll(c.want, "$", dir))
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestUnfinishedBlobsOfTheHubCacheAreNamed(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"models--a--b/blobs/0123.incomplete":          "x",
		"models--a--b/snapshots/main/config.json":     config,
		"models--a--b/snapshots/main/tokenizer.model": "x",
	})
	_, err := Open(filepath.Join(dir, "models--a--b", "snapshots", "main"))
	assert.ErrorContains(t, err, `; a download is unfinished ("0123.incomplete"): let it end or download again`)
}

func TestLongListsAreCut(t *testing.T) {
	t.Parallel()
	weightMap := map[string]string{}
	for _, n := range shardNames("model-00001-of-00011.safetensors") {
		weightMap[n] = n
	}
	_, err := Open(write(t, map[string]string{"config.json": config, "model.safetensors.index.json": index(t, weightMap)}))
	assert.ErrorContains(t, err, `"model-00008-of-00011.safetensors" and 3 more; download them`)
}

func TestAnIndexOfAnotherBuildIsIgnoredWithANote(t *testing.T) {
	t.Parallel()
	one := map[string]string{single: string(floats("a", "b"))}
	shards := map[string]string{"model-00001-of-00001.safetensors": string(floats("a", "b"))}
	for _, c := range []struct {
		name, index, says string
		files             map[string]string
	}{
		{"names shards that are not there", index(t, map[string]string{"a": shardOne, "b": shardTwo}), "names shards that are not there", one},
		{"names another set of shards", index(t, map[string]string{"a": shardOne, "b": shardTwo}), "names shards that are not there", shards},
		{"names other tensors of the file", index(t, map[string]string{"a": single, "x": single}), `names tensors that the shards lack: "x"`, one},
		{"is cut", `{"weight_map":{"a":`, "it ends too soon", one},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"config.json": config, "model.safetensors.index.json": c.index}
			maps.Copy(files, c.files)
			got := opened(t, write(t, files))
			assert.Equal(t, []string{"a", "b"}, got.Names())
			require.Len(t, got.Notes, 1)
			assert.Contains(t, got.Notes[0], c.says)
			assert.Contains(t, got.Notes[0], "model.safetensors.index.json")
			assert.Contains(t, got.Notes[0], "it is ignored")
		})
	}
}
