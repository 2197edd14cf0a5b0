package cli

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/model/auto"
)

func TestAJacobianFitGoesOnWithTheRowsAndTheMemoryThatItBeganWith(t *testing.T) {
	m := modeltest.Tiny(t)
	var said bytes.Buffer
	path := filepath.Join(t.TempDir(), "l.pt.fit.pt")
	begin := func(o jacobian.FitOptions, options map[string]string) (*fitting, error) {
		o.Skip, o.Length = 3, 12
		of := &origin{Model: "m", Options: maps.Clone(options)}
		r := &fitting{about: jacobian.Metadata{}, keeping: keeping{s: &streams{err: &said}, of: of, path: path}, c: &corpus{sequences: [][]int{{1, 2, 3, 4, 5, 6, 7}}, names: []string{"a"}}}
		return r, r.begin(&auto.Opened{Model: m}, o)
	}
	begun := map[string]string{"--rows": "0", "--max-memory": "2GiB"}
	r, err := begin(jacobian.FitOptions{Batch: 32}, begun)
	require.NoError(t, err)
	require.NoError(t, r.run(context.Background(), r.c.sequences))
	require.NoError(t, r.keep(r.save))
	for name, c := range map[string]struct {
		batch   int
		options map[string]string
	}{"the same": {0, begun}, "neither": {0, map[string]string{"--rows": "0"}}, "the rows that it chose": {32, map[string]string{"--rows": "0"}}} {
		r, err := begin(jacobian.FitOptions{Batch: c.batch}, c.options)
		require.NoError(t, err, name)
		require.Equal(t, 32, r.f.Batch())
		require.Equal(t, begun, r.of.Options, "what it keeps is of the same fit")
	}
	_, err = begin(jacobian.FitOptions{Batch: 16}, begun)
	require.ErrorContains(t, err, "was fitted with dim_batch 32, and this fit has 16: remove it, or give another --output")
	_, err = begin(jacobian.FitOptions{}, map[string]string{"--rows": "0", "--max-memory": "1GiB"})
	require.ErrorContains(t, err, "it was made with other options: --max-memory (was 2GiB, is 1GiB): remove it, or give another --output")
}

func TestTooFewRowsAreToldHowManyAnErrorNeeds(t *testing.T) {
	path, file := modeltest.Path(t, modeltest.TinyLlama), filepath.Join(t.TempDir(), "c.jsonl")
	one := "{\"ids\": [1, 2, 3, 4, 5, 6, 7, 8]}\n"
	for text, says := range map[string]string{
		one:             "--rows 12 of 1 sequence, 12 rows: the matrices have 128; give --rows 128 or more\n",
		one + one + one: "--rows 12 of 3 sequences, 36 rows: the matrices have 128; give --rows 43 or more, and 86 or more for a standard error\n",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, _, errs := ran(t, "lens", "fit", "--jacobian", "--skip-first", "2", "--rows", "12", "--file", file, "-m", path, "-o", filepath.Join(t.TempDir(), "x.pt"))
		require.Equal(t, exitUsage, code, errs)
		require.Contains(t, errs, says)
	}
}
