package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	config  = `{"model_type":"llama"}`
	pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
)

func TestDirectoryWithOneFileIsOpened(t *testing.T) {
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

func TestBrokenDirectoriesAreRefused(t *testing.T) {
	const one, two = "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"
	whole := string(floats("a", "b"))
	withIndex := func(text string, files map[string]string) map[string]string {
		out := map[string]string{"config.json": config, "model.safetensors.index.json": text}
		for name, f := range files {
			out[name] = f
		}
		return out
	}
	cases := []struct {
		name  string
		files map[string]string
		want  string // $ stands for the directory
	}{
		{"empty", nil, "checkpoint: $: the directory is empty (looked for config.json and model*.safetensors)"},
		{"no config.json", map[string]string{"model.safetensors": whole}, `checkpoint: $: no config.json (found "model.safetensors")`},
		{"only a .gguf", map[string]string{"m.gguf": "x"}, `checkpoint: $: no config.json (found "m.gguf"); to open the GGUF file, give its path, "$/m.gguf"`},
		{"only a download under way", map[string]string{"model.safetensors.incomplete": "x"}, `checkpoint: $: no config.json (found "model.safetensors.incomplete"); a download is unfinished ("model.safetensors.incomplete"): let it end or download again`},
		{"no weights", map[string]string{"config.json": config, "weights.safetensors": whole}, `checkpoint: $: no model*.safetensors and no *.safetensors.index.json (found "config.json", "weights.safetensors")`},
		{"no weights yet", map[string]string{"config.json": config, ".cache/huggingface/download/abc.incomplete": "x"}, `a download is unfinished ("abc.incomplete"): let it end or download again`},
		{"config.json empty", map[string]string{"config.json": "", "model.safetensors": whole}, "checkpoint: $/config.json: the file is empty; download it again"},
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
		{"weights cut, download under way", map[string]string{"config.json": config, "model.safetensors": whole[:20], "x.incomplete": ""}, `; download it again; a download is unfinished ("x.incomplete"): let it end or download again`},
		{"weights without tensors", map[string]string{"config.json": config, "model.safetensors": string(safetensorsFile("{}", 0))}, "checkpoint: $: has no tensors"},
		{"tensor in two files", map[string]string{"config.json": config, "model-a.safetensors": whole, "model-b.safetensors": whole}, `checkpoint: $: tensor "a" is in model-a.safetensors and in model-b.safetensors`},
		{"shards missing, no index", map[string]string{"config.json": config, two: whole}, `checkpoint: $: shards are missing: "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"; download them`},
		{"shards missing", withIndex(index(t, map[string]string{"a": one, "b": two, "c": "model-00003-of-00003.safetensors"}), map[string]string{two: whole}), `checkpoint: $: shards that model.safetensors.index.json names are missing: "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"; download them`},
		{"shard lacks a tensor", withIndex(index(t, map[string]string{"a": one, "b": one, "c": one}), map[string]string{one: whole}), `checkpoint: $/model.safetensors.index.json: the index names tensors that the shards lack: "c" in model-00001-of-00003.safetensors; index and shards are of different downloads: download both again`},
		{"index does not name a tensor", withIndex(index(t, map[string]string{"a": one}), map[string]string{one: whole}), `checkpoint: $/model.safetensors.index.json: the index does not name tensors that the shards have: "b" in model-00001-of-00003.safetensors; index`},
		{"tensor in another shard", withIndex(index(t, map[string]string{"a": one, "b": two, "c": two}), map[string]string{one: whole, two: string(floats("c"))}), `the index names tensors that the shards lack: "b" in model-00002-of-00003.safetensors, and does not name tensors that the shards have: "b" in model-00001-of-00003.safetensors;`},
		{"index cut", withIndex(`{"weight_map":{"a":`, nil), "checkpoint: $/model.safetensors.index.json: the file is not JSON: it ends too soon"},
		{"index not JSON", withIndex("404: Not Found", nil), "checkpoint: $/model.safetensors.index.json: the file is not "},
		{"index a pointer", withIndex(pointer, nil), "checkpoint: $/model.safetensors.index.json: is a Git LFS pointer"},
		{"index without weight_map", withIndex(`{"metadata":{}}`, nil), "checkpoint: $/model.safetensors.index.json: the index has no weight_map, or an empty one"},
		{"weight_map an array", withIndex(`{"weight_map":[]}`, nil), "checkpoint: $/model.safetensors.index.json: weight_map is not a JSON object"},
		{"weight_map to a number", withIndex(`{"weight_map":{"a":5}}`, nil), `weight_map has 5 for tensor "a", which is not a file name`},
		{"weight_map to a file elsewhere", withIndex(`{"weight_map":{"a":"../x.safetensors"}}`, nil), `weight_map has "../x.safetensors" for tensor "a", which is not the name of a file beside the index`},
		{"weight_map to another format", withIndex(`{"weight_map":{"a":"pytorch_model.bin"}}`, nil), `weight_map has "pytorch_model.bin" for tensor "a", which is not a .safetensors file`},
		{"weight_map with a key twice", withIndex(`{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}`, nil), `weight_map has the key "a" twice`},
		{"two indexes", map[string]string{"config.json": config, "a.safetensors.index.json": "{}", "b.safetensors.index.json": "{}"}, `checkpoint: $: has 2 indexes ("a.safetensors.index.json", "b.safetensors.index.json") and none is model.safetensors.index.json`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, c.files)
			_, err := Open(dir)
			require.Error(t, err)
			assert.Contains(t, err.Error(), strings.ReplaceAll(c.want, "$", dir))
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestReferencesThatAreNoCheckpointAreRefused(t *testing.T) {
	const want = "; give a directory with config.json and model*.safetensors, or a .gguf file"
	dir := write(t, map[string]string{"model.safetensors": string(floats("a")), "empty.gguf": "", "pointer.gguf": pointer, "b.gguf.incomplete": "x", "folder.gguf/x": ""})
	cases := []struct{ ref, want string }{
		{"absent", ": no such file or directory" + want + `; a download is unfinished ("b.gguf.incomplete"): let it end or download again`},
		{"model.safetensors", ": is neither a directory nor a .gguf file" + want},
		{"model.safetensors/x", ": not a directory" + want},
		{"empty.gguf", ": the file is empty; download it again"},
		{"pointer.gguf", ": is a Git LFS pointer, not the file itself; run git lfs pull, or download it again; a download"},
		{"folder.gguf", `: no config.json (found "x")`},
	}
	for _, c := range cases {
		path := filepath.Join(dir, c.ref)
		_, err := Open(path)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "checkpoint: "+path+c.want)
	}
	_, err := Open("/dev/zero")
	require.EqualError(t, err, "checkpoint: /dev/zero: is neither a directory nor a .gguf file"+want)
}

func TestPipesAndBrokenLinksAreRefused(t *testing.T) {
	dir := write(t, map[string]string{"config.json": config})
	pipe, link := filepath.Join(dir, "pipe.gguf"), filepath.Join(dir, "link.gguf")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	_, err := Open(pipe)
	require.ErrorContains(t, err, "checkpoint: "+pipe+": is not a regular file (mode p")

	require.NoError(t, os.Symlink("../blobs/0123", link))
	_, err = Open(link)
	require.EqualError(t, err, "checkpoint: "+link+`: is a link to "../blobs/0123", which is missing; download it again`)
	shard := filepath.Join(dir, "model.safetensors")
	require.NoError(t, os.Symlink("../blobs/0123", shard))
	_, err = Open(dir)
	require.EqualError(t, err, "checkpoint: "+shard+`: is a link to "../blobs/0123", which is missing; download it again`)
}

func TestUnfinishedBlobsOfTheHubCacheAreNamed(t *testing.T) {
	dir := write(t, map[string]string{
		"models--a--b/blobs/0123.incomplete":          "x",
		"models--a--b/snapshots/main/config.json":     config,
		"models--a--b/snapshots/main/tokenizer.model": "x",
	})
	_, err := Open(filepath.Join(dir, "models--a--b", "snapshots", "main"))
	assert.ErrorContains(t, err, `; a download is unfinished ("0123.incomplete"): let it end or download again`)
}

func TestLongListsAreCut(t *testing.T) {
	weightMap := map[string]string{}
	for _, n := range shardNames("model-00001-of-00011.safetensors") {
		weightMap[n] = n
	}
	_, err := Open(write(t, map[string]string{"config.json": config, "model.safetensors.index.json": index(t, weightMap)}))
	assert.ErrorContains(t, err, `"model-00008-of-00011.safetensors" and 3 more; download them`)
}

func TestVerifyNoticesThatAFileChangedItsSize(t *testing.T) {
	file := string(ggufSpec{tensors: []ggufTensor{vector("a", 8, 0)}, data: 32}.bytes())
	path := filepath.Join(write(t, map[string]string{"m.gguf": file}), "m.gguf")
	c := opened(t, path)
	require.NoError(t, c.Verify())

	// Renaming another file onto it changes nothing: the mapping keeps the old one.
	require.NoError(t, os.WriteFile(path+".new", []byte("x"), 0o600))
	old := path + ".old"
	require.NoError(t, os.Rename(path, old))
	require.NoError(t, os.Rename(path+".new", path))
	require.NoError(t, c.Verify())

	require.NoError(t, os.Truncate(old, int64(len(file)-1)))
	assert.ErrorContains(t, c.Verify(), "checkpoint: "+path+": has 95 bytes now and had 96 when it was opened: another program changed it; open it again")
}

// Without the guard in readMapped, the reads below end the test process with SIGBUS.
func TestReadingAFileThatWasCutShortIsAnError(t *testing.T) {
	const rows = 64 << 10 / 4 // 4 pages of 16 kB, the largest page of the platforms
	path := filepath.Join(write(t, map[string]string{"m.gguf": string(ggufSpec{tensors: []ggufTensor{
		{name: "w", dims: []uint64{1, rows}}, {name: "q", dims: []uint64{32, rows / 4}, typ: 8, offset: 4 * rows},
	}, data: 4*rows + 34*rows/4}.bytes())}), "m.gguf")
	c := opened(t, path)
	require.NoError(t, os.Truncate(path, 100))
	require.Error(t, c.Verify())
	const want = `: the file was cut short while it was read: another program changed it; open it again`
	w, q := c.Tensor("w"), c.Tensor("q")
	require.EqualError(t, w.Float32(make([]float32, rows), 0, rows), "checkpoint: "+path+`: float32 of tensor "w"`+want)
	require.EqualError(t, w.Read(make([]byte, 4*rows), 0, rows), "checkpoint: "+path+`: read of tensor "w"`+want)
	require.EqualError(t, w.Rows([]int{rows - 1}).Read(make([]byte, 4), 0, 1), "checkpoint: "+path+`: read of tensor "w"`+want)
	n := rows / 4
	require.EqualError(t, q.Affine(0, n, make([]uint32, 8*n), make([]uint16, n), make([]uint16, n)), "checkpoint: "+path+`: affine of tensor "q"`+want)
}

func TestSplitGGUFIsOpenedWhole(t *testing.T) {
	part := func(no uint16, count uint16, total int32, extra []kv, tensor string) string {
		return string(ggufSpec{kvs: append([]kv{
			{"split.no", ggufUint16, no}, {"split.count", ggufUint16, count}, {"split.tensors.count", ggufInt32, total},
		}, extra...), tensors: []ggufTensor{vector(tensor, 8, 0)}, data: 32}.bytes())
	}
	arch := []kv{{"general.architecture", ggufString, "llama"}}
	const one, two = "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"
	files := map[string]string{one: part(0, 2, 2, arch, "a"), two: part(1, 2, 2, nil, "b")}
	dir := write(t, files)
	for _, name := range []string{one, two} {
		c := opened(t, filepath.Join(dir, name))
		assert.Equal(t, []string{"a", "b"}, c.Names())
		assert.Equal(t, []string{filepath.Join(dir, one), filepath.Join(dir, two)}, c.Files())
		assert.Equal(t, "llama", c.Metadata["general.architecture"])
	}

	cases := []struct {
		name  string
		open  string
		files map[string]string
		want  string
	}{
		{"part missing", two, map[string]string{two: files[two]}, `: parts of the split file are missing: "m-00001-of-00002.gguf"; download them`},
		{"renamed", "m.gguf", map[string]string{"m.gguf": files[one]}, ": is one of 2 parts by its metadata (split.count) and of 1 by its name; keep the names that the parts came with"},
		{"swapped", one, map[string]string{one: files[two], two: files[one]}, ": is part 2 by its metadata (split.no) and part 1 by its name"},
		{"tensor count", one, map[string]string{one: part(0, 2, 3, nil, "a"), two: part(1, 2, 3, nil, "b")}, ": the parts have 2 tensors, split.tensors.count says 3"},
		{"tensor in two parts", one, map[string]string{one: files[one], two: part(1, 2, 2, nil, "a")}, `: tensor "a" is in m-00001-of-00002.gguf and in m-00002-of-00002.gguf`},
		{"part damaged", one, map[string]string{one: files[one], two: files[two][:20]}, two + ": the number of tensors, 1, is more than the 4 bytes left"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(filepath.Join(write(t, c.files), c.open))
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestGGUFWithoutTensorsIsRefused(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"vocab.gguf": string(ggufSpec{kvs: []kv{{"k", ggufUint8, uint8(1)}}}.bytes())}), "vocab.gguf")
	_, err := Open(path)
	assert.EqualError(t, err, "checkpoint: "+path+": has no tensors")
}

// A failed Open must not leave files open.
func TestFailedOpenClosesItsFiles(t *testing.T) {
	dir := write(t, map[string]string{"config.json": config, "model-a.safetensors": string(floats("a")), "model-b.safetensors": "damaged"})
	open := func() int {
		listing, err := os.ReadDir("/dev/fd")
		require.NoError(t, err)
		return len(listing)
	}
	before := open()
	for range 20 {
		_, err := Open(dir)
		require.Error(t, err)
	}
	assert.Less(t, open(), before+10)
}
