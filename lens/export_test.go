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
