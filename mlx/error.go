package mlx

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// What an error is about, for errors.Is.
var (
	ErrLibrary = errors.New("no usable MLX library")           // not found, too old, wrong architecture
	ErrBLAS    = errors.New("no usable BLAS")                  // the one that $MLX_C_BLAS names; it is ErrLibrary too
	ErrSystem  = errors.New("too few threads or memory")       // of the process, when the library is opened: no fault of the library
	ErrRefused = errors.New("refused by the self-check")       // this library computes the function wrongly
	ErrFreed   = errors.New("array used after it was freed")   // by Free, or by its scope's Close
	ErrShape   = errors.New("shapes do not fit")               // operand or result shapes
	ErrDtype   = errors.New("data types do not fit")           // operand types, or the Go type asked for
	ErrIndex   = errors.New("index out of range")              // an axis or an element index
	ErrMemory  = errors.New("not enough memory")               // more than the memory limit
	ErrFile    = errors.New("a file cannot be used")           // missing, damaged, not writable
	ErrDevice  = errors.New("no such device")                  // a device or stream that the library cannot use
	ErrPanic   = errors.New("a function panicked")             // Go code that was called back; Stack tells where
	ErrStandIn = errors.New("a stand-in has no elements")      // an array kept beyond the function that a transformation called
	ErrStuck   = errors.New("goroutines wait for each other")  // one inside a Func or Do waits for one that evaluates
	ErrMLX     = errors.New("MLX reported an error")           // any other failure inside MLX
	errNoArray = errors.New("an operand is nil, not an array") // a nil *Array
)

// Error says which operation failed, on what, and why. Operations do not return
// it: the result carries it, and so does everything computed from that result,
// until Eval, Item, Data or Borrow returns it.
type Error struct {
	Op   string // the operation as it is named in this package, lower case
	Kind error  // one of the Err… values
	Text string // what is wrong, in MLX's words or ours

	cause error // one more that it is: the system's, for a file
	stack []uintptr
}

func (e *Error) Error() string {
	if e.Op == "" {
		return "mlx: " + e.Text
	}
	return "mlx: " + e.Op + ": " + e.Text
}

// missing is the error of a function or a writer that is nil.
func missing(op, what string) *Error {
	return newError(op, ErrShape, "the "+what+" is nil")
}

// Unwrap gives errors.Is the kind, and the system's error, or another kind, where there is one.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Kind, e.cause}
	}
	return []error{e.Kind}
}

// Stack returns where the failed operation was called, a line per frame,
// innermost first. The error's text leaves it out.
func (e *Error) Stack() string {
	var b strings.Builder
	frames := runtime.CallersFrames(e.stack)
	for {
		f, more := frames.Next()
		if f.Function != "" {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// Failed returns an array that could not be built, for a function that is made of this
// package's and finds something wrong: what is computed from it carries err, and Eval
// returns it.
func Failed(op string, err error) *Array {
	return &Array{err: newError(op, err, err.Error())}
}

// newError has the stack of its caller. A text that is another error's says "mlx:" no second time.
func newError(op string, kind error, text string) *Error {
	e := &Error{Op: op, Kind: kind, Text: strings.TrimPrefix(text, "mlx: "), stack: make([]uintptr, 32)}
	e.stack = e.stack[:runtime.Callers(2, e.stack)]
	return e
}

// fileError is the error of a file that the system refuses.
func fileError(op string, cause error) *Error {
	e := newError(op, ErrFile, cause.Error())
	e.cause = cause
	return e
}

// sourcePlace is what mlx-c appends to a message: the file and line in its source.
var sourcePlace = regexp.MustCompile(` at \S*\.(cpp|h|c|hpp|mm):\d+$`)

// reasonOf is MLX's text without that place: it is one on the machine that built the library.
func reasonOf(text string) string {
	if text = sourcePlace.ReplaceAllString(strings.TrimSpace(text), ""); text == "" {
		return "MLX gave no reason"
	}
	return text
}

// mlxError makes an error of the text that MLX raised on this goroutine.
func mlxError(op string, operands []*Array) *Error {
	for i, a := range operands {
		if a != nil && a.err == nil && a.freed() { // what was asked of it before has the shape of none
			capi.TakeError()
			return a.gone(op, fmt.Sprintf("operand %d", i+1))
		}
	}
	return textError(op, asAsked(capi.TakeError()), operands)
}

// textError makes an error of MLX's text.
func textError(op, text string, operands []*Array) *Error {
	text = reasonOf(text)
	if strings.HasPrefix(text, "[Inverse::eval_cpu]") { // where nothing else says which, as in an imported function
		text += ": a matrix is singular, or one of eigenvalues or singular values holds NaN or ∞"
	}
	if strings.Contains(text, "uncaptured inputs") {
		text += ": an argument is also captured by the function, which has to use the argument it is given"
	}
	kind := ErrMLX
	lower := strings.ToLower(text)
	for _, k := range []struct {
		word string
		kind error
	}{
		{"malloc", ErrMemory}, {"allocate", ErrMemory}, {"memory", ErrMemory},
		{"axis", ErrIndex}, {"out of range", ErrIndex}, {"out of bounds", ErrIndex}, {"invalid axes", ErrIndex},
		{"broadcast", ErrShape}, {"shape", ErrShape}, {"dimension", ErrShape}, {"reshape", ErrShape}, {"size", ErrShape},
		{"dtype", ErrDtype}, {"type", ErrDtype},
	} {
		if strings.Contains(lower, k.word) {
			kind = k.kind
			break
		}
	}
	if desc := describe(operands); desc != "" {
		text += " (operands " + desc + ")"
	}
	return newError(op, kind, text)
}

// describe lists operands as dtype[shape].
func describe(operands []*Array) string {
	var parts []string
	for _, a := range operands {
		if a == nil {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s%v", a.Dtype(), a.Shape()))
	}
	return strings.Join(parts, ", ")
}
