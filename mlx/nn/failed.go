package nn

import (
	"errors"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
)

var (
	errNoKeys     = errors.New("nn: there are no keys to draw random numbers with: set Keys (NewKeys)")
	errNoGradient = errors.New("nn: nothing to train: all parameters are fixed or frozen")
)

// reason is an error of a kind of package mlx with a text of its own.
type reason struct {
	kind error
	text string
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.kind }

// failed returns an array that carries an error of the kind.
func failed(op string, kind error, format string, args ...any) *mlx.Array {
	return mlx.Failed(op, &reason{kind, fmt.Sprintf(format, args...)})
}

// wrong returns the first of the arrays that is nil or has an error, as an array with an
// error; nil when all are well.
func wrong(arrays ...*mlx.Array) *mlx.Array {
	for _, a := range arrays {
		if a == nil || a.Err() != nil {
			return mlx.Positive(a)
		}
	}
	return nil
}
