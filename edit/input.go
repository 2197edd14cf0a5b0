package edit

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

// Input is what a model is given.
type Input struct {
	IDs       []int
	Positions []int  // that are read; negative ones count from the end; nil: all
	Edits     []Edit // in the order in which they are made
}

// Check returns an error unless a model can run the ids, and has what the edits change.
func (in *Input) Check(m model.Model) error {
	shape := m.Shape()
	if len(in.IDs) == 0 {
		return fmt.Errorf("the prompt is empty: there is no token to read")
	}
	if len(in.IDs) > shape.Context {
		limit := "the model was made for"
		if shape.MadeFor > 0 {
			limit = "auto.Options.Context allows"
		}
		return fmt.Errorf("the prompt has %d tokens, and %s %d: give a shorter one, or allow more with auto.Options.Context", len(in.IDs), limit, shape.Context)
	}
	if err := CheckIDs(in.IDs, shape.DVocab, "id"); err != nil {
		return err
	}
	for i := range in.Edits {
		if err := in.Edits[i].Check(m); err != nil {
			return err
		}
	}
	return nil
}

// CheckIDs returns an error that names the first id outside a vocabulary of so many tokens;
// what says what the ids are.
func CheckIDs(ids []int, vocab int, what string) error {
	for i, id := range ids {
		if id < 0 || id >= vocab {
			return fmt.Errorf("%s %d (number %d) is outside the vocabulary: ids go from 0 to %d", what, id, i+1, vocab-1)
		}
	}
	return nil
}
