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

// wrong returns the first of the arrays that is nil, was freed or has an error, as an array
// with an error; nil when all are well.
func wrong(arrays ...*mlx.Array) *mlx.Array {
	for _, a := range arrays {
		if a.Shape() != nil && a.Err() == nil {
			continue
		}
		if bad := mlx.Positive(a); bad.Err() != nil {
			return bad
		}
	}
	return nil
}

// errOf is a's error, that of a freed array too, which has no shape.
func errOf(a *mlx.Array) error {
	if bad := wrong(a); bad != nil && a.Err() == nil {
		return bad.Err()
	}
	return a.Err()
}
