package npz_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// zeros is a compressed archive of so many arrays of n zero bytes.
func zeros(t *testing.T, arrays int, n int64) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for i := range arrays {
		w, err := z.Create(fmt.Sprintf("x%d.npy", i))
		require.NoError(t, err)
		_, err = io.WriteString(w, v1(fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }", n)))
		require.NoError(t, err)
		_, err = io.CopyN(w, zeroReader{}, n)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return file.Bytes()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAnArchiveThatUnfoldsToMuchMoreThanItsSizeIsRefused(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("half a gigabyte of zeros")
	}
	bomb := zeros(t, 3, 128<<20)
	require.Less(t, len(bomb), 1<<20)
	_, err := npz.NewFile("bomb.npz", bytes.NewReader(bomb), int64(len(bomb)))
	require.ErrorContains(t, err, "npz: bomb.npz: has ")
	require.ErrorContains(t, err, "claims to hold more than 64 times as many")
}

func TestZerosThatAreFewAreRead(t *testing.T) {
	t.Parallel()
	file := zeros(t, 2, 1<<20)
	f, err := npz.NewFile("zeros.npz", bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	a, err := f.Array("x1", nil)
	require.NoError(t, err)
	require.Len(t, a.Bytes, 1<<20)
}
