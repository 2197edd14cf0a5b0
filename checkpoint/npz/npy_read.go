package npz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// maxHeader bounds an array's header; NumPy refuses more than 10,000 characters.
const maxHeader = 10_000

// ReadNPY reads a file .npy, which holds one array without a name.
func ReadNPY(path string) (checkpoint.Array, error) {
	r, size, err := regular.Open(path)
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("npz: %s: %w", path, err)
	}
	defer r.Close()
	a, err := readArray(r, uint64(size), nil)
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("npz: %s: %w", path, err)
	}
	return a, nil
}

// DecodeNPY reads what a file .npy holds, up to the reader's end.
func DecodeNPY(r io.Reader) (checkpoint.Array, error) {
	a, err := readArray(r, unknown, nil)
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("npz: the array %w", err)
	}
	return a, nil
}

// unknown is the size of a file that is read to its end.
const unknown = math.MaxUint64

// readArray reads a .npy file of so many bytes.
func readArray(r io.Reader, size uint64, want []int) (checkpoint.Array, error) {
	h, length, err := readHeader(r)
	if err != nil {
		return checkpoint.Array{}, err
	}
	if want != nil && !slices.Equal(h.shape, want) {
		return checkpoint.Array{}, fmt.Errorf("has the shape %v, not %v", h.shape, want)
	}
	bytes, err := h.bytes()
	if err != nil {
		return checkpoint.Array{}, err
	}
	if size != unknown && uint64(length)+bytes != size {
		return checkpoint.Array{}, fmt.Errorf("has %d bytes, and its header needs %d", size, uint64(length)+bytes)
	}
	a := checkpoint.Array{Type: h.typ, Shape: h.shape}
	if size == unknown { // memory is taken for what comes, not for what the header claims
		a.Bytes, err = io.ReadAll(io.LimitReader(r, int64(bytes)))
	} else {
		a.Bytes = make([]byte, bytes)
		_, err = io.ReadFull(r, a.Bytes)
	}
	if err == nil && uint64(len(a.Bytes)) < bytes {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("is truncated: %w", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) { // the end is where the checksum is compared
		return checkpoint.Array{}, fmt.Errorf("is damaged: %w", errors.Join(err, errors.New("its checksum differs")))
	}
	if h.fortran && len(h.shape) > 1 {
		_, width := h.typ.Block()
		a.Bytes = rowMajor(a.Bytes, h.shape, width)
	}
	return a, nil
}

type header struct {
	typ     checkpoint.Type
	shape   []int
	fortran bool // the first index goes fastest
}

// bytes returns what the elements take.
func (h *header) bytes() (uint64, error) {
	_, width := h.typ.Block()
	size := uint64(width)
	for _, d := range h.shape {
		hi, lo := bits.Mul64(size, uint64(d))
		if hi != 0 || lo > math.MaxInt64/2 {
			return 0, fmt.Errorf("has the shape %v, whose product overflows", h.shape)
		}
		size = lo
	}
	return size, nil
}

// readHeader reads the magic, the version, the length and the dictionary, and returns
// how many bytes those were.
func readHeader(r io.Reader) (header, int, error) {
	var fixed [12]byte
	if _, err := io.ReadFull(r, fixed[:10]); err != nil || string(fixed[:6]) != "\x93NUMPY" {
		return header{}, 0, errors.New("does not begin as NumPy's arrays do")
	}
	at, length := 10, int(binary.LittleEndian.Uint16(fixed[8:]))
	switch fixed[6] {
	case 1:
	case 2, 3: // 3 allows UTF-8, which only names of fields have
		if _, err := io.ReadFull(r, fixed[10:12]); err != nil {
			return header{}, 0, errors.New("ends inside its header")
		}
		at, length = 12, int(binary.LittleEndian.Uint32(fixed[8:]))
	default:
		return header{}, 0, fmt.Errorf("is of NumPy's format %d (have: 1, 2, 3)", fixed[6])
	}
	if length > maxHeader {
		return header{}, 0, fmt.Errorf("has a header of %d bytes (at most %d)", length, maxHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return header{}, 0, errors.New("ends inside its header")
	}
	h, err := parseHeader(string(bytes.TrimSpace(text)))
	return h, at + length, err
}

// dictionary matches the header that NumPy and MLX write, a Python literal with its
// three keys in this order.
var dictionary = regexp.MustCompile(`^\{'descr': *'([^']*)', *'fortran_order': *(True|False), *'shape': *\(([0-9, ]*)\),? *\}$`)

func parseHeader(text string) (header, error) {
	m := dictionary.FindStringSubmatch(text)
	if m == nil {
		return header{}, fmt.Errorf("has the header %.80q, which is none of an array of numbers", text)
	}
	h := header{fortran: m[2] == "True", shape: []int{}}
	descr := strings.TrimLeft(m[1], "<|=")
	var ok bool
	if h.typ, ok = types[descr]; !ok {
		return header{}, fmt.Errorf("is of type %q (have: little-endian f2, f4, f8, and integers)", m[1])
	}
	if strings.TrimSpace(m[3]) == "" {
		return h, nil
	}
	for d := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(m[3]), ","), ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(d), 10, 32)
		if err != nil {
			return header{}, fmt.Errorf("has the shape (%s), which is no list of sizes below 2³¹", m[3])
		}
		h.shape = append(h.shape, int(n))
	}
	return h, nil
}

// rowMajor returns elements whose first index goes fastest with their last doing so.
func rowMajor(src []byte, shape []int, width int) []byte {
	dst := make([]byte, len(src))
	strides := make([]int, len(shape)) // in src
	stride := 1
	for i, d := range shape {
		strides[i] = stride
		stride *= d
	}
	index := make([]int, len(shape))
	from := 0
	for to := 0; to < len(dst); to += width {
		copy(dst[to:to+width], src[from*width:])
		for axis := len(shape) - 1; axis >= 0; axis-- {
			index[axis]++
			from += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			from -= index[axis] * strides[axis]
			index[axis] = 0
		}
	}
	return dst
}

// types is keyed by the descr of a header without its byte order.
var types = map[string]checkpoint.Type{
	"f4": checkpoint.F32, "f2": checkpoint.F16, "f8": checkpoint.F64, "c8": checkpoint.C64, "V2": checkpoint.BF16,
	"i1": checkpoint.I8, "i2": checkpoint.I16, "i4": checkpoint.I32, "i8": checkpoint.I64,
	"u1": checkpoint.U8, "u2": checkpoint.U16, "u4": checkpoint.U32, "u8": checkpoint.U64, "b1": checkpoint.BOOL,
}
