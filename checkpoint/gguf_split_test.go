package checkpoint

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSplitGGUFIsOpenedWhole(t *testing.T) {
	t.Parallel()
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
