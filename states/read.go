package states

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// Value returns what the set has at a place, as an edit takes it: of the positions that were
// captured.
func (s *Set) Value(at model.Place) (edit.Value, error) {
	a := s.Array(at.String())
	if a == nil {
		return edit.Value{}, fmt.Errorf("states: the set has nothing of %s", at)
	}
	x, err := a.Float32()
	return edit.Value{Shape: a.Shape, Data: x, Positions: slices.Clone(s.Positions)}, err
}

// valueFile is FILE.npy, .npz or .safetensors, with :NAME and @POSITIONS or without.
var valueFile = regexp.MustCompile(`(?i)^(.*?\.(?:npy|npz|safetensors))(?::([^@]+))?(?:@(.+))?$`)

// ValueFile is the file that an argument of [ReadValue] names, "" for none.
func ValueFile(arg string) string {
	if parts := valueFile.FindStringSubmatch(arg); parts != nil {
		return parts[1]
	}
	return ""
}

// FileError is the error of a file that cannot be read or is damaged: not of what was asked of it.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }

// Unwrap returns the reader's own error.
func (e *FileError) Unwrap() error { return e.Err }

// ReadValue reads what an edit of a place adds or sets: FILE[:NAME][@POSITIONS], of a .npy,
// .npz or .safetensors file. Without a name it is the array that is called as the place, or
// else the only one. Of a file that [Set] wrote, the value is of the positions that it has,
// or of some of them; of one that is chosen it is good for any position. Of a file of [Vectors]
// without a name it must be of the edit's place. What is wrong with the file is a [FileError].
// In place of a file an array of JSON may stand ([Written]).
func ReadValue(arg string, at model.Place) (edit.Value, error) {
	if Written(arg) {
		return writtenValue(arg, at)
	}
	parts := valueFile.FindStringSubmatch(arg)
	if parts == nil {
		return edit.Value{}, fmt.Errorf("value %q: want a file .npy, .npz or .safetensors, with :NAME or @POSITIONS behind it or without", arg)
	}
	f, err := openArrays(parts[1])
	if err != nil {
		return edit.Value{}, &FileError{err}
	}
	defer f.close()
	name, err := f.choose(parts[2], at)
	if err != nil {
		return edit.Value{}, err
	}
	if parts[2] == "" {
		if err := f.ofAnotherPlace(name, at); err != nil {
			return edit.Value{}, err
		}
	}
	a, err := f.read(name)
	if err != nil {
		return edit.Value{}, &FileError{err}
	}
	v := edit.Value{Shape: a.Shape, Rows: strings.HasPrefix(name, AllOf)}
	if v.Data, err = a.Float32(); err != nil {
		return edit.Value{}, &FileError{fmt.Errorf("%s: %w", f.path, err)}
	}
	positions, tokens, err := f.positions()
	if err != nil {
		return edit.Value{}, &FileError{err}
	}
	axis := 0
	if at.Site.Axis(model.Key) >= 0 {
		axis = 1
	}
	if positions != nil && len(v.Shape) == len(at.Site.Axes())-1 && v.Shape[axis] == len(positions) {
		v.Positions = positions
	} else {
		v.Shape = squeezed(v.Shape, len(at.Site.Axes())-1)
	}
	if parts[3] == "" {
		return v, nil
	}
	return chosenRows(f.path, v, axis, parts[3], tokens)
}

// squeezed drops leading axes of length 1 beyond so many, and those of an array that is a
// vector but for them.
func squeezed(shape []int, most int) []int {
	long := slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
	if len(long) == 1 {
		return long
	}
	for len(shape) > most && shape[0] == 1 {
		shape = shape[1:]
	}
	return shape
}

// chosenRows keeps the rows of some positions.
func chosenRows(path string, v edit.Value, axis int, text string, tokens int) (edit.Value, error) {
	if v.Positions == nil {
		return v, fmt.Errorf("%s: the array does not say which positions its rows are: choose none with @", path)
	}
	chosen, err := model.ParseIndices(text, tokens, "position")
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	outer, inner := 1, 1
	for _, n := range v.Shape[:axis] {
		outer *= n
	}
	for _, n := range v.Shape[axis+1:] {
		inner *= n
	}
	out := edit.Value{Shape: slices.Clone(v.Shape)}
	out.Shape[axis] = len(chosen)
	for o := range outer {
		for _, p := range chosen {
			row := slices.Index(v.Positions, p)
			if row < 0 {
				return v, fmt.Errorf("%s has nothing of position %d (it has: %v)", path, p, v.Positions)
			}
			from := (o*v.Shape[axis] + row) * inner
			out.Data = append(out.Data, v.Data[from:from+inner]...)
		}
	}
	if axis == 0 && len(chosen) == 1 {
		out.Shape = out.Shape[1:]
	}
	return out, nil
}

// arrays is a file of named arrays.
type arrays struct {
	path  string
	names []string
	read  func(name string) (checkpoint.Array, error)
	close func() error
	said  map[string]string // what safetensors have beside arrays, nil in another file
}

func openArrays(path string) (*arrays, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy":
		a, err := npz.ReadNPY(path)
		if err != nil {
			return nil, err
		}
		return &arrays{path: path, names: []string{""}, read: func(string) (checkpoint.Array, error) { return a, nil }, close: func() error { return nil }}, nil
	case ".npz":
		f, err := npz.Open(path)
		if err != nil {
			return nil, err
		}
		return &arrays{path: path, names: f.Names(), read: func(name string) (checkpoint.Array, error) { return f.Array(name, nil) }, close: f.Close}, nil
	}
	c, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	for key, value := range c.Metadata {
		if text, ok := value.(string); ok {
			said[key] = text
		}
	}
	return &arrays{path: path, names: c.Names(), read: func(name string) (checkpoint.Array, error) { return c.Tensor(name).Array() }, close: c.Close, said: said}, nil
}

// choose returns the name that was given, the place's, or the only one.
func (f *arrays) choose(name string, at model.Place) (string, error) {
	if name == "" && slices.Contains(f.names, at.String()) {
		name = at.String()
	}
	beside := []string{"ids", "metadata", "positions"} // that a Set writes
	have := slices.DeleteFunc(slices.Clone(f.names), func(n string) bool { return slices.Contains(beside, n) })
	switch {
	case slices.Contains(f.names, name):
		return name, nil
	case name == "" && len(have) == 1:
		return have[0], nil
	}
	if slices.Equal(f.names, []string{""}) {
		return "", fmt.Errorf("%s holds one array, which has no name: leave %q out", f.path, ":"+name)
	}
	if name != "" {
		return "", fmt.Errorf("%s has no array %q (have: %s)", f.path, name, strings.Join(have, ", "))
	}
	return "", fmt.Errorf("%s: name one of its arrays behind a colon (have: %s)", f.path, strings.Join(have, ", "))
}

// positions returns those that a Set wrote, nil in another file, and how many tokens its
// prompt had.
func (f *arrays) positions() (positions []int, tokens int, err error) {
	if !slices.Contains(f.names, "positions") || !slices.Contains(f.names, "ids") {
		return nil, 0, nil
	}
	a, err := f.read("positions")
	if err != nil {
		return nil, 0, err
	}
	ids, err := f.read("ids")
	if err != nil {
		return nil, 0, err
	}
	tokens = len(ids.Bytes) / 4
	for i := 0; i+4 <= len(a.Bytes) && a.Type == checkpoint.I32; i += 4 {
		p := int(int32(binary.LittleEndian.Uint32(a.Bytes[i:])))
		if p < 0 || p >= tokens {
			return nil, 0, fmt.Errorf("%s: position %d of a prompt of %d tokens", f.path, p, tokens)
		}
		positions = append(positions, p)
	}
	return positions, tokens, nil
}
