package mlx

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A file of an exported function ends with the lengths of its traces for other shapes: JSON, its length in
// sixteen hexadecimal digits, and a mark. MLX reads as many traces as the file's head says, and no further.

const (
	tapesMark = "mlxlensT"
	mostTapes = 1 << 28 // bytes
)

// newTape is nil for a trace that serves its own shapes only.
func newTape(shapeless bool, names []string) *lengthsTape {
	if !shapeless {
		return nil
	}
	return &lengthsTape{Names: names}
}

// equal reports whether two traces make the same of lengths.
func (t *lengthsTape) equal(other *lengthsTape) bool {
	return slices.Equal(t.Types, other.Types) && reflect.DeepEqual(t.Was, other.Was) && reflect.DeepEqual(t.Steps, other.Steps)
}

// usable refuses a trace that does not hold for the arguments that it was made with.
func (t *lengthsTape) usable(op string) error {
	if e := t.check(op, t.Was[:len(t.Types)]); e != nil {
		return e
	}
	return nil
}

func appendTapes(path string, tapes ...*lengthsTape) error {
	const op = "export_function"
	if len(tapes) == 0 {
		return nil
	}
	text, err := json.Marshal(tapes)
	if err != nil {
		return fileError(op, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fileError(op, err)
	}
	text = fmt.Appendf(text, "%016x%s", len(text), tapesMark)
	_, err = file.Write(text)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fileError(op, err)
	}
	return nil
}

// readTapes reads the end of a file; none of one that another front end wrote.
func readTapes(file *os.File) ([]*lengthsTape, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	const tail = int64(16 + len(tapesMark))
	end := make([]byte, tail)
	if info.Size() < tail {
		return nil, nil
	}
	if _, err := file.ReadAt(end, info.Size()-tail); err != nil {
		return nil, err
	}
	digits, marked := strings.CutSuffix(string(end), tapesMark)
	if !marked {
		return nil, nil
	}
	n, err := strconv.ParseUint(digits, 16, 63)
	if err != nil || n > mostTapes || int64(n) > info.Size()-tail {
		return nil, fmt.Errorf("the lengths of its traces take %s bytes of %d", digits, info.Size())
	}
	var tapes []*lengthsTape
	text := io.NewSectionReader(file, info.Size()-tail-int64(n), int64(n))
	if err := json.NewDecoder(text).Decode(&tapes); err != nil {
		return nil, fmt.Errorf("the lengths of its traces: %w", err)
	}
	for _, t := range tapes {
		if t == nil || !t.sound() {
			return nil, fmt.Errorf("the lengths of its traces are not those of a trace")
		}
	}
	return tapes, nil
}

// sound reports whether the steps of a tape from a file name arrays that there are by then.
func (t *lengthsTape) sound() bool {
	if len(t.Was) < len(t.Types) {
		return false
	}
	there := map[int]bool{}
	for i := range t.Types {
		there[i] = true
	}
	for _, step := range t.Steps {
		for _, n := range step.In {
			if !there[n] {
				return false
			}
		}
		if step.Out >= len(t.Was) || there[step.Out] {
			return false
		}
		if step.Out >= 0 {
			there[step.Out] = true
		}
		if !step.agrees(t.Was) {
			return false
		}
	}
	return true
}

// agrees reports whether a step gives the lengths of the trace itself.
func (s lengthStep) agrees(was [][]int) (so bool) {
	defer func() {
		if recover() != nil { // of axes that no operation has
			so = false
		}
	}()
	out, holds := s.lengths(was, was)
	return s.ends(was) || holds && (s.Out < 0 || slices.Equal(out, was[s.Out]))
}

// holds checks that a trace of the file holds for these arguments.
func (f *ImportedFunction) holds(op string, args []*Array, kwargs map[string]*Array) *Error {
	if len(f.tapes) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(kwargs))
	all := slices.Clone(args)
	for _, name := range names {
		all = append(all, kwargs[name])
	}
	if bad := required(op, all...); bad != nil {
		return bad.err
	}
	shapes := argumentShapes(all)
	for _, t := range f.tapes {
		if t.isFor(all, names, shapes) {
			if e := t.check(op, shapes); e != nil {
				e.Text += ": export a trace for these shapes"
				return e
			}
		}
	}
	return nil
}
