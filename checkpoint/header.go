package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sort"
	"unicode"
	"unicode/utf8"
)

// headerTensor is what a header says of one tensor, checked against the file's size.
type headerTensor struct {
	name       string
	typ        Type
	shape      []int // row-major, outermost first
	start, end int   // bytes of the file
}

// maxDim is the largest dimension: MLX and most readers hold it in an int32.
const maxDim = math.MaxInt32

// maxDims is the largest number of dimensions in safetensors; GGML has 4.
const maxDims = 16

// checkName refuses what no exporter writes and what other programs that read
// the file take for something else: a % for a printf verb, a NUL for the end.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a tensor's name is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("the tensor name %q is not UTF-8", name)
	}
	for _, r := range name {
		if r == '%' || !unicode.IsPrint(r) {
			return fmt.Errorf("the tensor name %q has the character %q, which no tensor name may have", name, r)
		}
	}
	return nil
}

// storedSize returns how many bytes a tensor takes, or an error when the shape
// overflows or its rows do not fill whole blocks.
func storedSize(typ Type, shape []int) (int, error) {
	count := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(count, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("has shape %v, whose product overflows", shape)
		}
		count = lo
	}
	elements, size := typ.Block()
	if elements > 1 && (len(shape) == 0 || shape[len(shape)-1]%elements != 0) {
		return 0, fmt.Errorf("has type %s and shape %v: the last dimension is not a multiple of the block of %d weights", typ, shape, elements)
	}
	hi, lo := bits.Mul64(count/uint64(elements), uint64(size))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("has type %s and shape %v, whose size in bytes overflows", typ, shape)
	}
	return int(lo), nil
}

// checkOverlap sorts entries by where they stand in the file and fails when two
// share a byte.
func checkOverlap(entries []headerTensor) error {
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		return a.start < b.start || a.start == b.start && a.end < b.end
	})
	for i := 1; i < len(entries); i++ {
		if a, b := &entries[i-1], &entries[i]; b.start < a.end {
			return fmt.Errorf("tensors %q (bytes %d to %d of the file) and %q (bytes %d to %d) overlap",
				a.name, a.start, a.end, b.name, b.start, b.end)
		}
	}
	return nil
}

// lfsPrefix begins a Git LFS pointer, the small text that stands in a clone for a
// large file (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
const lfsPrefix = "version https://git-lfs"

// checkContent refuses what is plainly another thing than a model file.
func checkContent(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("the file is empty; download it again")
	case bytes.HasPrefix(data, []byte(lfsPrefix)):
		return errors.New("is a Git LFS pointer, not the file itself; run git lfs pull, or download it again")
	}
	return nil
}
