package mlx_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
)

// program runs operations on three arrays; each result may become an operand.
func program(t *testing.T, code []byte) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	tp := &tape{left: code}
	regs := [3]*mlx.Array{tp.array(s), tp.array(s), tp.array(s)}
	for step := 0; step < 4 && len(tp.left) > 0; step++ {
		f := operations[(tp.byte()<<8|tp.byte())%len(operations)]
		out := f(s, tp, regs[0], regs[1], regs[2])
		for _, a := range out {
			if a == nil {
				continue // a mode without biases
			}
			if a.Size() > 1<<20 {
				continue // allowed, and too long for here
			}
			if err := mlx.Eval(a); err != nil {
				var e *mlx.Error
				if !errors.As(err, &e) || e.Op == "" || e.Text == "" {
					t.Fatalf("%v is no *mlx.Error with an operation", err)
				}
				continue
			}
			if _, err := a.Format(); err != nil {
				t.Fatal(err)
			}
			regs[step%3] = a
		}
	}
}

func FuzzOps(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		code := make([]byte, 20+rng.IntN(100))
		for i := range code {
			code[i] = byte(rng.Uint32())
		}
		f.Add(code)
	}
	f.Fuzz(program)
}
