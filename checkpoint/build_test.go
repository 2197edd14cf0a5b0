package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// safetensorsFile puts a length before a header and data after it.
func safetensorsFile(header string, data int) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), pattern(data)...)
}

// pattern returns n bytes that differ from their neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + 3)
	}
	return b
}

// stTensor is one line of a safetensors header.
func stTensor(name, dtype string, shape []int, start, end int) string {
	dims := strings.Join(strings.Fields(fmt.Sprint(shape)), ",")
	return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, dims, start, end)
}

// floats is a safetensors file of float32 vectors with 2 elements each.
func floats(names ...string) []byte {
	lines := make([]string, len(names))
	for i, n := range names {
		lines[i] = stTensor(n, "F32", []int{2}, 8*i, 8*i+8)
	}
	return safetensorsFile("{"+strings.Join(lines, ",")+"}", 8*len(names))
}

// kv is a metadata pair of a GGUF file. A raw value is written as it is, after
// the type number.
type kv struct {
	key   string
	typ   uint32
	value any
}

type ggufTensor struct {
	name   string
	dims   []uint64 // as in the file: innermost first
	typ    uint32
	offset uint64
}

// ggufSpec is a GGUF file that writes itself; fields that are not zero override what
// would be right.
type ggufSpec struct {
	magic       string
	version     uint32
	tensorCount uint64
	kvCount     uint64
	kvs         []kv
	tensors     []ggufTensor
	alignment   int // of the data; 32 when 0
	data        int
}

func (s ggufSpec) bytes() []byte {
	b := []byte("GGUF")
	if s.magic != "" {
		b = []byte(s.magic)
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, or(s.version, 3))
	b = le.AppendUint64(b, or(s.tensorCount, uint64(len(s.tensors))))
	b = le.AppendUint64(b, or(s.kvCount, uint64(len(s.kvs))))
	for _, p := range s.kvs {
		b = appendString(b, p.key)
		b = le.AppendUint32(b, p.typ)
		b = appendValue(b, p.value)
	}
	for _, t := range s.tensors {
		b = appendString(b, t.name)
		b = le.AppendUint32(b, uint32(len(t.dims)))
		for _, d := range t.dims {
			b = le.AppendUint64(b, d)
		}
		b = le.AppendUint32(b, t.typ)
		b = le.AppendUint64(b, t.offset)
	}
	for alignment := or(s.alignment, 32); len(b)%alignment != 0; {
		b = append(b, 0)
	}
	return append(b, pattern(s.data)...)
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// ggufArrayOf is an array value: its elements' type, and a count that may lie.
type ggufArrayOf struct {
	typ    uint32
	count  uint64
	values any
}

func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return appendString(b, v)
	case []string:
		for _, s := range v {
			b = appendString(b, s)
		}
		return b
	case ggufArrayOf:
		b = binary.LittleEndian.AppendUint32(b, v.typ)
		b = binary.LittleEndian.AppendUint64(b, v.count)
		return appendValue(b, v.values)
	}
	b, err := binary.Append(b, binary.LittleEndian, value)
	if err != nil {
		panic(err)
	}
	return b
}

// write puts files, named by their paths below it, into a new folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// index is the text of an index with this weight_map.
func index(t testing.TB, weightMap map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 8}, "weight_map": weightMap})
	require.NoError(t, err)
	return string(text)
}

// opened opens a checkpoint for the length of a test.
func opened(t testing.TB, ref string) *Checkpoint {
	t.Helper()
	c, err := Open(ref)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// openedGGUF writes and opens a GGUF file.
func openedGGUF(t testing.TB, spec ggufSpec) *Checkpoint {
	t.Helper()
	return opened(t, filepath.Join(write(t, map[string]string{"m.gguf": string(spec.bytes())}), "m.gguf"))
}

// littleEndian is v in the bytes of a file.
func littleEndian(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.LittleEndian, v))
	return b.Bytes()
}
