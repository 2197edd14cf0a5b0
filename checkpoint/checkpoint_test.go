package checkpoint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	config  = `{"model_type":"llama"}`
	pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
)

func TestReferencesThatAreNoCheckpointAreRefused(t *testing.T) {
	t.Parallel()
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

func TestBrokenLinksAreRefused(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"config.json": config})
	link := filepath.Join(dir, "link.gguf")
	require.NoError(t, os.Symlink("../blobs/0123", link))
	_, err := Open(link)
	require.EqualError(t, err, "checkpoint: "+link+`: is a link to "../blobs/0123", which is missing; download it again`)
	shard := filepath.Join(dir, "model.safetensors")
	require.NoError(t, os.Symlink("../blobs/0123", shard))
	_, err = Open(dir)
	require.EqualError(t, err, "checkpoint: "+shard+`: is a link to "../blobs/0123", which is missing; download it again`)
}

func TestGGUFWithoutTensorsIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(write(t, map[string]string{"vocab.gguf": string(ggufSpec{kvs: []kv{{"k", ggufUint8, uint8(1)}}}.bytes())}), "vocab.gguf")
	_, err := Open(path)
	assert.EqualError(t, err, "checkpoint: "+path+": has no tensors")
}
