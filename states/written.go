package states

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
)

// Written reports whether what an edit adds or sets stands in its text, as an array of JSON, and not in
// a file.
func Written(arg string) bool { return strings.HasPrefix(arg, "[") && strings.HasSuffix(arg, "]") }

// writtenValue reads an array of JSON: [0.5, -1] or, of positions or heads, [[0.5, -1], [0, 2]].
func writtenValue(arg string, at model.Place) (edit.Value, error) {
	var v any
	if err := json.Unmarshal([]byte(arg), &v); err != nil {
		return edit.Value{}, fmt.Errorf("the numbers are no JSON array: %w", exactjson.Explain(err))
	}
	value := edit.Value{}
	for inner := v; ; { // the first of each axis says how long it is
		list, ok := inner.([]any)
		if !ok {
			break
		}
		value.Shape = append(value.Shape, len(list))
		if len(list) == 0 {
			return edit.Value{}, fmt.Errorf("the numbers have an empty list")
		}
		inner = list[0]
	}
	if err := flatten(v, value.Shape, &value.Data); err != nil {
		return edit.Value{}, err
	}
	value.Shape = squeezed(value.Shape, len(at.Site.Axes())-1)
	return value, nil
}

// flatten appends the numbers of a nested list of a shape.
func flatten(v any, shape []int, to *[]float32) error {
	if len(shape) == 0 {
		x, ok := v.(float64)
		if !ok {
			return fmt.Errorf("want numbers in lists of equal depth, and there is %.40v among them", v)
		}
		*to = append(*to, float32(x))
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) != shape[0] {
		return fmt.Errorf("want lists of equal length, of %d, and there is %.40v among them", shape[0], v)
	}
	for _, inner := range list {
		if err := flatten(inner, shape[1:], to); err != nil {
			return err
		}
	}
	return nil
}
