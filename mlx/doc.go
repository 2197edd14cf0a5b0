// Package mlx is a Go binding of Apple's MLX: lazy n-dimensional arrays on the CPU of any
// machine and the GPU of a Mac, with gradients. It calls the mlx-c library at run time,
// without cgo; Load finds it, and every function that needs it calls Load.
//
// An operation only adds to a graph. Eval, Data, Borrow and Item compute:
//
//	s := mlx.NewScope(mlx.DefaultDevice())
//	defer s.Close()
//	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
//	y := mlx.Softmax(mlx.Matmul(x, x), -1)
//	rows, err := mlx.Data[float32](y)
//
// Names are those of Python's mlx.core in Go's spelling, each in one form; [Index] is
// Python's brackets, [Flat] its axis=None, and [KeepDims] keeps reduced axes. Random numbers
// come from keys ([RandomKey]), never from a hidden state.
//
// # Functions
//
// [Grad], [ValueAndGrad], [VJP], [JVP], [Vmap], [Checkpoint], [CustomFunction] and [Compile] take a
// [Func], a Go function from arrays to arrays, and look through it:
//
//	loss := func(p []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Square(p[0]))} }
//	values, grads := mlx.ValueAndGrad(loss)(w)
//
// # Errors
//
// An operation returns no error and never panics: on failure its result carries the
// reason, and so does everything computed from that. What computes returns it, as an
// [*Error] that knows the operation, its operands and where it was called. errors.Is
// tells the kinds apart: ErrShape, ErrDtype, ErrIndex, ErrMemory, ErrFreed and so on. What
// MLX would answer with a crash is an error here; so is a panic in a Func.
//
// # Memory
//
// A [Scope] owns what is made in it and what is computed from that; Close frees it
// all but what was kept. Arrays without a scope, such as a model's weights, and those of a
// scope that was lost without being closed, are freed by Free, or when the garbage collector
// finds them: it sees some 150 bytes of an array that may hold gigabytes, and is called when
// arrays have doubled. In a long computation [Within] lets intermediate results go. The
// arrays of a file ([LoadSafetensors], [LoadNpy]) take memory when they are first used.
//
// # Goroutines
//
// Any goroutine may call anything at any time. Evaluations take turns; [Do] keeps a
// turn for a whole loop. Building operations waits for no one.
package mlx
