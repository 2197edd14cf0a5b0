package mlx

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// An array of a file is read at its first use as an operand, not when the file is opened. MLX
// has a primitive for that, whose reading happens inside an evaluation: a read that fails there
// leaves garbage and status 0, and what was computed from it cannot be told from the rest.
// Here a failed read is the error of the array, and of what is built from it.

// waiting is the state of an array that is unread: below 0, so that acquire passes it on to
// fetch, and far from ended.
const waiting = math.MinInt32 / 2

// waits tells the states of an unread array from those of one that was freed.
func waits(state int32) bool { return state < 0 && state > waiting-1<<24 }

// unread is what stands for the elements of an array until they are read.
type unread struct {
	shape []int
	dtype Dtype
	name  string

	mu     sync.Mutex
	source *source // nil when the array was read, freed, or could not be read
	from   elements
	h      capi.Array // once read
	err    *Error     // why it could not be
}

// source is an open file with unread arrays. The last one to be read or freed closes it.
type source struct {
	users atomic.Int64
	close func() error
}

// drop ends one use.
func (s *source) drop() {
	if s.users.Add(-1) == 0 {
		_ = s.close() // it was only read
	}
}

// elements are those of one array in a file, in row-major order.
type elements interface {
	Read(dst []byte) error
	Copy(w io.Writer) error // without taking their size in memory
}

// fromSource makes an array of s of the elements in a file.
func fromSource(s *Scope, file *source, name string, d Dtype, shape []int, from elements) *Array {
	const op = "load"
	if e := checkShape(op, shape, d); e != nil {
		return &Array{err: e}
	}
	if d == Float64 && s.Device() == GPU {
		return failed(op, ErrDtype, "float64 exists on the cpu only")
	}
	n := numElements(shape)
	if n == 0 {
		return FromBytes(s, nil, d, shape...)
	}
	a := &Array{stream: s.stream, unread: &unread{shape: shape, dtype: d, name: name, source: file, from: from}}
	a.most.Store(int64(n))
	a.state.Store(waiting)
	if !s.owns() {
		a.collect()
	} else if a.scope.Store(s.owner()); !s.adopt(a) {
		return failed(op, ErrFreed, "the scope is closed")
	}
	file.users.Add(1)
	return a
}

// header returns what is known of a while its elements are in their file, nil after that.
func (a *Array) header() *unread {
	u := a.unread
	if u == nil || !waits(a.state.Load()) {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.source == nil {
		return nil
	}
	return u
}

// fetch is acquire of an array that is not in memory, or no longer.
func (a *Array) fetch() bool {
	u := a.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.source != nil && u.make() {
		a.h = u.h
		live.Add(1)
		a.state.Add(-waiting) // from here on others may acquire a
	}
	if a.state.Add(1) < 0 {
		a.release()
		return false
	}
	return true
}

// make reads the elements into a new array of MLX's. The caller holds mu.
func (u *unread) make() bool {
	defer func() {
		u.source.drop()
		u.source, u.from = nil, nil
	}()
	const op = "load"
	n := numElements(u.shape) * u.dtype.Size()
	blank, done, err := zeros(n)
	if err != nil {
		u.err = newError(op, ErrMemory, fmt.Sprintf("%d bytes for %q: %v", n, u.name, err))
		return false
	}
	h := capi.ArrayNewData(capi.Data(blank), int32s(u.shape), capi.Dtype(u.dtype))
	done()
	if h == 0 {
		u.err = mlxError(op, nil)
		return false
	}
	// nobody else has the array yet: it may be written to
	data := capi.SliceAt[byte](capi.NewArrayMemory(h), n)
	if err := u.from.Read(data); err != nil {
		u.err = fileError(op, err)
	} else if u.dtype == Bool {
		u.err = checkBools(u.name, data)
	}
	if u.err != nil {
		gate.Free(h)
		return false
	}
	u.h = h
	return true
}

// copyUnread writes the elements of an array that is unread from their file, and leaves it unread;
// false when it is not.
func (a *Array) copyUnread(w io.Writer) (copied bool, err error) {
	u := a.unread
	if u == nil || !waits(a.state.Load()) {
		return false, nil
	}
	u.mu.Lock()
	source, from := u.source, u.from
	if source != nil {
		source.users.Add(1)
	}
	u.mu.Unlock()
	if source == nil {
		return false, nil
	}
	defer source.drop()
	if u.dtype == Bool {
		w = &boolWriter{w: w, name: u.name}
	}
	return true, from.Copy(w)
}

// boolWriter refuses what checkBools does.
type boolWriter struct {
	w    io.Writer
	name string
}

func (w *boolWriter) Write(p []byte) (int, error) {
	if e := checkBools(w.name, p); e != nil {
		return 0, e
	}
	return w.w.Write(p)
}

// zeros returns n bytes for MLX to copy where it only takes memory that is filled: pages of
// the system's that are never written to and take no memory. done ends them.
func zeros(n int) (blank []byte, done func(), err error) {
	if n <= 1<<16 {
		return make([]byte, n), func() {}, nil
	}
	return blankPages(n)
}

// checkBools refuses bytes that are neither 0 nor 1, which would be both true and false.
func checkBools(name string, data []byte) *Error {
	for i, b := range data {
		if b > 1 {
			return newError("load", ErrFile, fmt.Sprintf("element %d of %q is %d, not a boolean", i, name, b))
		}
	}
	return nil
}

// discard ends an array that is still unread; false when it is not, or no longer.
func (a *Array) discard() bool {
	u := a.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	if !waits(a.state.Load()) {
		return false
	}
	u.abandon()
	a.cleanup.Stop()
	a.state.Add(ended + 1 - waiting)
	return true
}

// abandon gives up reading. The caller holds mu.
func (u *unread) abandon() {
	if u.source != nil {
		u.source.drop()
		u.source, u.from = nil, nil
	}
}

// collect has the collector queue the end of an array without a scope, read or not.
func (u *unread) collect(a *Array) {
	a.cleanup = runtime.AddCleanup(a, func(u *unread) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.abandon()
		if u.h != 0 {
			live.Add(-1)
			gate.Free(u.h)
		}
	}, u)
}

// leave hands an array that is still unread to the collector; false when it is not.
func (u *unread) leave(a *Array) bool {
	u.mu.Lock() // against discard
	defer u.mu.Unlock()
	if !waits(a.state.Load()) {
		return false
	}
	a.collect()
	a.scope.Store(nil)
	return true
}

// failure is why the elements could not be read.
func (u *unread) failure() *Error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
