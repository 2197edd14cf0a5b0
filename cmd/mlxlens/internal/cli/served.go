package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// A watch follows a command. Any of its functions may be nil.
type watch struct {
	note     func(text string)
	progress func(done float64)
	part     func(columns *lens.Grid)
}

// served are the models of a server, and the files that its requests may name: those that it was
// started with, and no others.
type served struct {
	opened  *auto.Opened // kept, as all here: who runs a command closes nothing
	others  map[string]*auto.Opened
	lenses  map[string]lens.Translator // on opened
	vectors []string                   // files that edits may read
}

// model is the one that is called so; "" is the first.
func (v *served) model(ref string) (*auto.Opened, error) {
	if ref == "" || ref == v.opened.Info.Ref {
		return v.opened, nil
	}
	if other, ok := v.others[ref]; ok {
		return other, nil
	}
	have := append([]string{v.opened.Info.Ref}, slices.Sorted(maps.Keys(v.others))...)
	return nil, usagef("the server has no model %q (have: %s): start it with --model-b and this one", ref, strings.Join(have, ", "))
}

// reads refuses files that the server was not started with.
func (v *served) reads(path, what string) error {
	if slices.Contains(v.vectors, path) {
		return nil
	}
	have := "none"
	if len(v.vectors) > 0 {
		have = strings.Join(v.vectors, ", ")
	}
	return fmt.Errorf("%q, %s: the server reads only files that it was started with (have: %s): start it with --vectors and this one", path, what, have)
}

// lens is the one of a file that the server has opened.
func (v *served) lens(path string, on *auto.Opened) (lens.Translator, error) {
	t, ok := v.lenses[path]
	if !ok {
		have := append([]string{logitLens, embeddingLens, negatedLens}, slices.Sorted(maps.Keys(v.lenses))...)
		return nil, usagef("--lens %q: the server has no such lens (have: %s): start it with --lens and this one", path, strings.Join(have, ", "))
	}
	if on != v.opened {
		return nil, usagef("--lens %q is of the model %s, and reads no other", path, v.opened.Info.Ref)
	}
	return t, nil
}
