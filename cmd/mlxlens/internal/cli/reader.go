package cli

import (
	"cmp"
	"slices"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// Lenses that a model has of itself, which --lens names in place of a file.
const (
	logitLens     = "logit"
	embeddingLens = "embed"
	negatedLens   = "negated"
	noLens        = "none" // of the second side of a comparison
)

// named reports whether the lens is one that the model has of itself.
func (o *lensFlags) named() bool {
	return slices.Contains([]string{logitLens, embeddingLens, negatedLens}, o.path)
}

// checkNamed refuses what is said of the file of a lens, where there is none.
func (o *lensFlags) checkNamed() error {
	if o.any && o.named() {
		return usagef("%v %s is made of the model itself, and --any-unembedding is of the file of a lens: leave it out (a file of that name is ./%s)", cmp.Or(o.flag, "lens"), o.path, o.path)
	}
	return nil
}

// ownLast returns an error where the last row is not what the model itself says.
func (o *lensFlags) ownLast() error {
	if o.path == embeddingLens || o.path == negatedLens {
		return usagef("--check compares the last row with the model's own logits, and with --lens %s the last row is no reading of the model's: leave one of them out", o.path)
	}
	return nil
}

// reader returns what reads the rows, nil for the logit lens, and what to call at the end.
func (o *lensFlags) reader(s *streams, opened *auto.Opened) (lens.Translator, func(), error) {
	if o.named() {
		return namedReader(o.path, opened.Model), func() {}, nil
	}
	if s.served != nil && o.path != "" {
		t, err := s.served.lens(o, opened)
		return t, func() {}, err
	}
	t, err := o.open(s, opened)
	if err != nil || t == nil {
		return nil, func() {}, err
	}
	return t, t.Close, nil
}

func namedReader(name string, m model.Model) lens.Translator {
	switch name {
	case embeddingLens:
		return lens.Embedding(m)
	case negatedLens:
		return lens.Negated()
	}
	return nil
}
