package checkpoint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerifyNoticesThatAFileChangedItsSize(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

func TestForgottenBytesAreReadAgain(t *testing.T) {
	t.Parallel()
	const rows = 5000 // some pages, and parts of pages at both ends
	file := safetensorsFile("{"+stTensor("a", "F32", []int{3}, 0, 12)+","+stTensor("b", "U8", []int{rows, 4}, 12, 12+4*rows)+"}", 12+4*rows)
	c := opened(t, write(t, map[string]string{"model.safetensors": string(file), "config.json": "{}"}))
	b := c.Tensor("b")
	before := append([]byte(nil), b.Bytes()...)
	require.NotEmpty(t, before)
	b.Forget()
	c.Tensor("a").Forget() // less than a page
	require.Equal(t, before, b.Bytes())
	require.NoError(t, c.Close())
	b.Forget() // after the end: nothing
}
