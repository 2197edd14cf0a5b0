package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/model/auto"
)

// sparseFiles are files by which a sparse autoencoder is known, and no lens.
var sparseFiles = []string{"cfg.json", "sae_weights.safetensors", "params.safetensors", "params.npz"}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isSparse reports whether a path is that of a sparse autoencoder.
func isSparse(path string) bool {
	if !isFolder(path) {
		return slices.Contains(sparseFiles, filepath.Base(path)) && exists(path)
	}
	return slices.ContainsFunc(sparseFiles, func(name string) bool { return exists(filepath.Join(path, name)) })
}

// namesSparse returns the dictionary that a name of a lens is of: DIR, or DIR#FEATURE.
func namesSparse(name string) (dir string, ok bool) {
	if parts := featureArg.FindStringSubmatch(name); parts != nil && !exists(name) {
		name = parts[1]
	}
	return name, isSparse(name)
}

// reader returns what reads rows by a name of --lens: a lens, or a sparse autoencoder, DIR or DIR#FEATURE, and what to
// call at the end.
func (o *lensesFlags) reader(s *streams, opened *auto.Opened, name string) (lens.Translator, func(), error) {
	dir, feature := name, -1
	if parts := featureArg.FindStringSubmatch(name); parts != nil && (s.served != nil || !exists(name)) {
		var err error
		if feature, err = strconv.Atoi(parts[2]); err != nil {
			return nil, nil, usagef("--lens %s: %q is no number of a feature", name, parts[2])
		}
		dir = parts[1]
	}
	if s.served != nil && !s.served.has(dir) {
		return o.one(name).reader(s, opened) // of those that the server has open, or an error
	}
	if o.one(dir).named() && feature < 0 {
		return o.one(name).reader(s, opened)
	}
	at, _, err := s.local(dir, besideLens)
	if err != nil {
		return nil, nil, err
	}
	if feature < 0 && !isSparse(at) {
		return o.one(name).reader(s, opened)
	}
	t, err := openRow(s, opened, dir, feature)
	if err != nil {
		return nil, nil, err
	}
	if len(o.paths) == 1 {
		t.Close()
		return nil, nil, usagef("--lens %s reads one place: its row stands beside those of a lens, as in --lens logit --lens %s", name, name)
	}
	return t, t.Close, nil
}

// openRow opens the row of a dictionary, or of one of its features.
func openRow(s *streams, opened *auto.Opened, dir string, feature int) (*sparse.Reader, error) {
	a, err := openSparse(s, dir)
	if err != nil {
		return nil, err
	}
	tellModel(s, opened, a)
	e, err := a.On(opened.Model, sparse.Options{})
	if err != nil {
		a.Close()
		if errors.Is(err, sparse.ErrNoIn) {
			return nil, failf("%s: the file does not say which place its row reads, and Gemma Scope's path does: keep it in the folders that it has on the hub, such as gemma-scope-2b-pt-res/layer_12", dir)
		}
		return nil, err
	}
	read := e.Reader
	if feature >= 0 {
		read = func() (*sparse.Reader, error) { return e.Feature(feature) }
	}
	t, err := read()
	if err != nil {
		e.Close()
		return nil, err
	}
	return t, nil
}
