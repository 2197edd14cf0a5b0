package npz_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

func TestAnOpenNPYIsReadWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.npy")
	a := checkpoint.Float32Array("", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	var b bytes.Buffer
	require.NoError(t, npz.EncodeNPY(&b, a))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	open, err := npz.OpenNPY(path)
	require.NoError(t, err)
	assert.Equal(t, checkpoint.F32, open.Type)
	assert.Equal(t, []int{2, 3}, open.Shape)
	got := make([]byte, 24)
	require.NoError(t, open.Read(got))
	assert.Equal(t, a.Bytes, got)
	assert.ErrorContains(t, open.Read(got[:8]), "has 24 bytes of elements, and the destination 8")

	require.NoError(t, os.WriteFile(path, append(b.Bytes(), 0), 0o600))
	assert.ErrorContains(t, open.Read(got), "has 153 bytes now and had 152 when it was opened")
	require.NoError(t, os.Truncate(path, 140))
	assert.ErrorContains(t, open.Read(got), "the file was cut short after it was opened")
	require.NoError(t, open.Close())
	require.ErrorIs(t, open.Read(got), os.ErrClosed)

	_, err = npz.OpenNPY(path)
	require.ErrorContains(t, err, "has 140 bytes, and its header needs 152")
	_, err = npz.OpenNPY("/dev/zero")
	require.ErrorContains(t, err, "is not a regular file")
	_, err = npz.OpenNPY(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStreamedElementsMustFillTheArray(t *testing.T) {
	t.Parallel()
	write := func(n int) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(make([]byte, n))
			return err
		}
	}
	require.NoError(t, npz.StreamNPY(io.Discard, checkpoint.F16, []int{2, 2}, write(8)))
	require.ErrorContains(t, npz.StreamNPY(io.Discard, checkpoint.F16, []int{2, 2}, write(7)), "7 bytes were written, and its type and shape take 8")
	broken := errors.New("broken")
	require.ErrorIs(t, npz.StreamNPY(io.Discard, checkpoint.F16, []int{2}, func(io.Writer) error { return broken }), broken)
	require.ErrorContains(t, npz.StreamNPY(io.Discard, checkpoint.BF16, []int{2}, write(4)), "NumPy has no type BF16")

	list := []checkpoint.Array{{Name: "a", Type: checkpoint.U8, Shape: []int{3}}}
	err := checkpoint.StreamSafetensors(io.Discard, nil, list, func(_ int, w io.Writer) error { return write(4)(w) })
	require.ErrorContains(t, err, `array "a": 4 bytes were written, and its type and shape take 3`)
}
