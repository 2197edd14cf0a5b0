package lens

import "github.com/mlxlens/mlxlens/model"

// Edited returns a tap that edits a prompt of so many tokens before another tap sees it.
func Edited(edits []Edit, tokens int, then *model.Tap) (*model.Tap, error) {
	g, err := newEditing(edits, 0, tokens)
	if err != nil {
		return nil, err
	}
	return g.tap(then), nil
}

// DifferenceOf compares two distributions by their logits.
func DifferenceOf(a, b []float32) Difference {
	s := &stream{run: &run{o: &Options{}}}
	return (&comparing{sides: [2]*stream{s, s}, top: 1}).difference(a, b)
}

// AtDepth is atDepth.
var AtDepth = atDepth
