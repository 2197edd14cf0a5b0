package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/jacobian"
)

// fileOf writes a file that write makes.
func fileOf(t *testing.T, path string, write func(io.Writer) error) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

func TestAFolderWithJacobianLensesSaysHowEachIsNamed(t *testing.T) {
	dir := t.TempDir()
	j, err := jacobian.New(map[int][]float32{0: {1, 0, 0, 1}}, 2, 1, 1, nil)
	require.NoError(t, err)
	pt := func(w io.Writer) error { return j.WritePT(w, checkpoint.F32) }
	one, both := filepath.Join(dir, "one"), filepath.Join(dir, "both")
	fileOf(t, filepath.Join(one, "l.pt"), pt)
	fileOf(t, filepath.Join(one, "notes.pt"), func(w io.Writer) error { _, err := w.Write([]byte("no lens")); return err })
	fileOf(t, filepath.Join(both, "l.pt"), pt)
	fileOf(t, filepath.Join(both, "j.safetensors"), func(w io.Writer) error { return j.WriteSafetensors(w, checkpoint.F32) })
	fileOf(t, filepath.Join(both, "t.safetensors"), func(io.Writer) error { return nil }) // known by its name
	empty := t.TempDir()
	for path, says := range map[string]string{
		one:   one + " is a folder with a Jacobian lens, which is named by its file: give " + filepath.Join(one, "l.pt") + "\n",
		both:  both + ": the folder has 3 lenses: give one of " + filepath.Join(both, "j.safetensors") + " (Jacobian), " + filepath.Join(both, "l.pt") + " (Jacobian), " + filepath.Join(both, "t.safetensors") + " (tuned)\n",
		empty: empty + ": the folder has no lens: want NAME.safetensors, mlxterp's",
	} {
		code, _, errs := ran(t, "lens", "info", path)
		require.NotZero(t, code)
		require.Contains(t, errs, says)
	}
	require.Equal(t, "hub:a/b/lens/l.pt@v1", inFolder("hub:a/b/lens@v1", "l.pt"))
	code, out, errs := ran(t, "lens", "info", filepath.Join(one, "l.pt"))
	require.Zero(t, code, errs)
	require.Contains(t, out, "jacobian")
}
