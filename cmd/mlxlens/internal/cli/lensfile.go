package cli

import (
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
	f.StringVar(&o.path, "lens", "", "a tuned lens to read the rows by: mlxterp's files, tuned-lens' folder, or a .safetensors")
	f.BoolVar(&o.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
}

func (o *lensFlags) check() error {
	if o.any && o.path == "" {
		return usagef("--any-unembedding needs --lens")
	}
	return nil
}

// open puts the lens on a model, nil without one. The caller closes what it returns.
func (o *lensFlags) open(opened *auto.Opened) (*tuned.Translator, error) {
	if o.path == "" {
		return nil, nil
	}
	l, err := tuned.Open(o.path)
	if err != nil {
		return nil, err
	}
	return l.On(opened.Model, tuned.Options{AnyUnembedding: o.any})
}
