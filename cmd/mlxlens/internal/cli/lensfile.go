package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model/auto"
)

// lensFlags name a tuned lens.
type lensFlags struct {
	path string
	any  bool
}

func (o *lensFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.path, "lens", "", "what reads the rows: logit, embed (the input embedding: which tokens a state resembles), negated (which it speaks against), or a tuned lens: mlxterp's files, tuned-lens' folder, or a .safetensors")
	f.BoolVar(&o.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
}

func (o *lensFlags) check() error {
	if o.any && o.path == "" {
		return usagef("--any-unembedding needs --lens")
	}
	return o.checkNamed()
}

// lensFiles are the files of a lens, which tuned.Open finds by one of them, by what their
// names begin with, or by their folder.
func lensFiles(path string) (files []string) {
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	all := []string{path, path + ".npz", path + ".json", stem + ".npz", stem + ".json"}
	if filepath.Base(path) == "params.pt" {
		all = append(all, filepath.Join(filepath.Dir(path), "config.json"))
	}
	for _, file := range all {
		if _, err := os.Stat(file); err == nil && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// open puts the lens on a model, nil without one. The caller closes what it returns.
func (o *lensFlags) open(s *streams, opened *auto.Opened) (*tuned.Translator, error) {
	if o.path == "" {
		return nil, nil
	}
	if err := readsLens(s, o.path); err != nil {
		return nil, err
	}
	l, err := tuned.Open(o.path)
	if err != nil {
		return nil, err
	}
	return l.On(opened.Model, tuned.Options{AnyUnembedding: o.any})
}
