package mlx_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// amounts are how much is computed where it shall last.
type amounts struct {
	side  int // of the matrices that long multiplies
	many  int // products of these are several parts
	depth int // the elements that single sums up
}

// lasting gives a product of long a millisecond of two cores with a BLAS, and single a tenth of a second.
// An emulated processor multiplies 2,000 times slower, and then the first part alone has 85 products.
func lasting() amounts {
	if emulated.Processor() {
		return amounts{side: 128, many: 105, depth: 16}
	}
	return amounts{side: 512, many: 150, depth: 2048}
}

// long returns the average of the rows' sums of a product of n matrices, which is 1.
func long(s *mlx.Scope, n int) *mlx.Array {
	side := lasting().side
	m := mlx.Divide(mlx.Ones(s, mlx.Float32, side, side), mlx.Scalar(s, float32(side)))
	x := m
	for range n {
		x = mlx.Matmul(x, m)
	}
	return mlx.Divide(mlx.Sum(x), mlx.Scalar(s, float32(side)))
}

// gradient is long, of which this package does not see what it is made of.
func gradient(s *mlx.Scope, n int) *mlx.Array {
	f := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Multiply(a[0], long(a[0].Scope(), n))) }
	return mlx.Grad(f)(mlx.Scalar(s, float32(1)))[0]
}

// wide is the side of single's result, which alone is more than a part.
const wide = 2048

// single is one operation, of which each element is lasting().depth.
func single(s *mlx.Scope) *mlx.Array {
	depth := lasting().depth
	return mlx.Matmul(mlx.Ones(s, mlx.Float32, wide, depth), mlx.Ones(s, mlx.Float32, depth, wide))
}

func small(s *mlx.Scope) *mlx.Array { return mlx.Exp(mlx.Zeros(s, mlx.Float32, 3)) }

func otherStream(t *testing.T) *mlx.Scope {
	t.Helper()
	stream, err := mlx.NewStream(mlx.CPU)
	require.NoError(t, err)
	s := stream.Scope().NewScope()
	t.Cleanup(s.Close)
	return s
}

// Small evaluations take their turns between the parts of a large one, on the same stream.
func TestSmallEvaluationsPassALargeOne(t *testing.T) {
	for name, s := range map[string]*mlx.Scope{"a scope": scope(t), "no scope to close": mlx.On(mlx.CPU)} {
		passed := 0
		for n := lasting().many; n <= lasting().many<<4 && passed <= 8; n *= 2 { // longer where many fast cores, or few busy ones, leave time for few
			passed = passing(t, s, long(s, n))
		}
		// before: as many as came first, and one
		require.Greater(t, passed, 8, name)
	}
}

// passing returns how many small evaluations end while x is evaluated.
func passing(t *testing.T, s *mlx.Scope, x *mlx.Array) (passed int) {
	t.Helper()
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		require.Equal(t, []float32{1}, floats(t, x))
	})
	for ; !done.Load(); passed++ {
		require.Equal(t, []float32{1, 1, 1}, floats(t, small(s)))
	}
	wg.Wait()
	return passed
}

// A small evaluation waits for one long operation on its stream, not for two: behind what lasts long
// the same evaluation starts nothing there. On another stream it does.
func TestOfLongOperationsOneIsUnderWayOnAStream(t *testing.T) {
	if mlx.GPU.Available() {
		t.Skip("beside CUDA two streams of a CPU were not seen under way at once")
	}
	s := scope(t)
	ones := mlx.Ones(s, mlx.Float32, 1<<24)
	require.NoError(t, mlx.Eval(ones))
	apart := otherStream(t).Hold(ones)
	require.Zero(t, mlx.Aloft())
	one := mlx.Sin(mlx.Sin(mlx.Sin(ones))) // some tenths of a second each, on whatever machine: MLX does it on one thread
	require.Equal(t, 1, mostAloft(t, one))
	require.Equal(t, 2, mostOfTries(t, func() []*mlx.Array { return []*mlx.Array{mlx.Sin(ones), mlx.Sin(apart)} }))
	require.Equal(t, 2, mostOfTries(t, func() []*mlx.Array { return []*mlx.Array{long(s, lasting().many)} }), "of short ones")
}

// A further stream has one user, for whom it shall not stand still: its next part is handed out though the operations of the one under way
// last as long as those above.
func TestOfAFurtherStreamTwoPartsOfLongOperationsAreUnderWay(t *testing.T) {
	if mlx.GPU.Available() {
		t.Skip("beside CUDA two streams of a CPU were not seen under way at once")
	}
	for range 12 { // what MLX hands out is shared by all of them: a part is eight operations
		otherStream(t)
	}
	x := mlx.Ones(otherStream(t), mlx.Float32, 1<<24)
	require.NoError(t, mlx.Eval(x))
	for range 17 {
		x = mlx.Sin(x)
	}
	require.Equal(t, 2, mostAloft(t, x))
}

// mostOfTries is the most of mostAloft in up to ten tries, which may all look at moments between parts.
func mostOfTries(t *testing.T, arrays func() []*mlx.Array) (most int) {
	t.Helper()
	for i := 0; i < 10 && most < 2; i++ {
		most = max(most, mostAloft(t, arrays()...))
	}
	return most
}

// mostAloft evaluates arrays and returns how many parts were under way at once, at most.
func mostAloft(t *testing.T, arrays ...*mlx.Array) (most int) {
	t.Helper()
	done := make(chan error)
	go func() { done <- mlx.Eval(arrays...) }()
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			return most
		case <-time.After(time.Millisecond):
			most = max(most, mlx.Aloft())
		}
	}
}

// Nothing holds the gate while it waits: what is on another stream is there first.
func TestAWaitHoldsUpNoOtherStream(t *testing.T) {
	s, beside := scope(t), otherStream(t)
	for name, evaluate := range map[string]func(x *mlx.Array) error{
		"eval":  func(x *mlx.Array) error { return mlx.Eval(x) },
		"async": func(x *mlx.Array) error { return mlx.AsyncEval(x) },
		"data": func(x *mlx.Array) error {
			_, err := mlx.Data[float32](x)
			return err
		},
		"after async": func(x *mlx.Array) error {
			if err := mlx.AsyncEval(x); err != nil {
				return err
			}
			return x.Wait()
		},
		"synchronize": func(x *mlx.Array) error {
			if err := mlx.AsyncEval(x); err != nil {
				return err
			}
			return s.Stream().Synchronize()
		},
	} {
		x := single(s)
		started, passed := make(chan struct{}), 0
		var wg sync.WaitGroup
		wg.Go(func() {
			close(started)
			require.NoError(t, evaluate(x), name)
		})
		<-started
		for !x.Ready() {
			require.NoError(t, mlx.Eval(small(beside)))
			if !x.Ready() {
				passed++
			}
		}
		wg.Wait()
		require.Greater(t, passed, 3, name)
		require.NoError(t, mlx.Eval(x))
	}
}

// Do returns at the end of its context whatever is under way, and that goes on.
func TestDoDoesNotWaitForWhatIsUnderWay(t *testing.T) {
	s := scope(t)
	for name, x := range map[string]*mlx.Array{"in parts": long(s, lasting().many), "in one part": gradient(s, 100), "one operation": mlx.Sum(single(s))} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		var inner, after error
		err := mlx.Do(ctx, func() error {
			inner = mlx.Eval(x)
			after = mlx.Eval(small(s))
			return nil
		})
		ready := x.Ready()
		cancel()
		require.ErrorIs(t, inner, context.DeadlineExceeded, name)
		require.ErrorIs(t, after, context.DeadlineExceeded, name)
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		if name != "in one part" { // Ready waits for the gate, which MLX is still inside
			require.False(t, ready, name)
		}
		require.Equal(t, []float32{1, 1, 1}, floats(t, small(s)), name)
		want := map[string]float32{"in parts": 1, "in one part": 1, "one operation": float32(wide * wide * lasting().depth)}[name]
		require.Equal(t, []float32{want}, floats(t, x), name)
	}
}

// The context of Do ends while the first part is under way, and the last, which nobody was to wait for, has begun.
func TestAnAsynchronousEvaluationMayBeLeftBetweenItsParts(t *testing.T) {
	side := lasting().side
	first := mlx.FirstWork / (3 * side * side) // a product goes through two operands and the result
	for _, after := range []time.Duration{1, 2, 5, 10, 20, 40} {
		x := long(scope(t), first+3) // two parts
		ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
		err := mlx.Do(ctx, func() error { return mlx.AsyncEval(x) })
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Equal(t, []float32{1}, floats(t, x), "it goes on by itself, and is waited for once")
	}
}

// What fails when nobody waits for it any more has failed all the same.
func TestAFailureAfterTheDeadlineStays(t *testing.T) {
	s := scope(t)
	zero := mlx.Subtract(long(s, 100), mlx.Scalar(s, float32(1)))
	inverse := mlx.Inv(mlx.Multiply(mlx.Ones(s, mlx.Float32, 3, 3), zero))
	sum := mlx.Sum(inverse)
	for _, x := range []*mlx.Array{sum, inverse} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		require.Error(t, mlx.Do(ctx, func() error { return mlx.Eval(x) }))
		cancel()
		require.Equal(t, []float32{1, 1, 1}, floats(t, small(s)))
	}
	require.ErrorContains(t, mlx.Eval(sum), "singular")
	require.ErrorContains(t, mlx.Eval(inverse), "singular")
}

// Many goroutines on several streams, with failures among them: each gets its own.
func TestResultsAndFailuresBesideEachOther(t *testing.T) {
	streams := []*mlx.Scope{scope(t), otherStream(t), otherStream(t)}
	shared := mlx.Exp(mlx.Zeros(nil, mlx.Float32, 4, 4)) // computed by whoever comes first
	var wg sync.WaitGroup
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	for g := range 12 {
		s := streams[g%3].NewScope()
		wg.Go(func() {
			defer s.Close()
			for i := range rounds {
				inner := s.NewScope()
				x := mlx.Add(mlx.FromSlice(inner, []float32{1, 2, 2, 4}, 2, 2), mlx.Sum(mlx.Subtract(shared, mlx.Ones(inner, mlx.Float32, 4, 4))))
				bad, good := mlx.Inv(x), mlx.Sum(x)
				if i%3 == 0 {
					require.NoError(t, mlx.AsyncEval(good))
				}
				if i%2 == 0 {
					require.ErrorContains(t, mlx.Eval(good, mlx.Sum(bad)), "singular")
				}
				require.Equal(t, []float32{9}, floats(t, good))
				require.Error(t, mlx.Eval(bad))
				require.Equal(t, []float32{.5}, floats(t, mlx.Inv(mlx.FromSlice(inner, []float32{2}, 1, 1))))
				if g == 0 && i%10 == 0 {
					require.Equal(t, []float32{1}, floats(t, long(inner, 20)))
				}
				inner.Close()
			}
		})
	}
	wg.Wait()
}

// A large evaluation computes what it needs, and nothing else.
func TestPartsAreOfWhatIsAskedFor(t *testing.T) {
	s := scope(t)
	x := long(s, 30)
	aside := mlx.Add(x, x)
	zeros := mlx.ZerosLike(x)
	require.NoError(t, mlx.Eval(zeros))
	require.False(t, x.Ready(), "only its shape counts")
	require.NoError(t, mlx.Eval(mlx.Add(x, mlx.Sum(single(s)))))
	require.True(t, x.Ready())
	require.False(t, aside.Ready())
}

func TestHoldMovesToTheStreamOfTheScope(t *testing.T) {
	s, beside := scope(t), otherStream(t)
	x := mlx.Exp(mlx.Zeros(s, mlx.Float32, 2))
	h := beside.Hold(x)
	require.Equal(t, beside.Stream(), h.Stream())
	require.Equal(t, beside.Stream(), mlx.Add(h, h).Stream())
	require.Equal(t, []float32{2, 2}, floats(t, mlx.Add(h, h)))
	require.Equal(t, s.Stream(), x.Stream())
	require.Equal(t, s.Stream(), (*mlx.Scope)(nil).Hold(x).Stream())
}

func TestPlansSeeWhatAnArrayIsMadeOf(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	ten := func(x *mlx.Array) *mlx.Array {
		for range 10 {
			x = mlx.Exp(x)
		}
		return x
	}
	inner := s.NewScope()
	closed := s.Hold(ten(inner.Hold(ten(x))))
	inner.Close()
	split := mlx.Split(ten(x), 2, 0)
	for name, c := range map[string]struct {
		of     *mlx.Array
		places int
		whole  bool
	}{
		"computed":            {x, 0, true},
		"a chain":             {ten(x), 10, true},
		"two operands":        {mlx.Add(ten(x), ten(x)), 21, true},
		"many operands":       {mlx.Concatenate(0, ten(x), ten(x), ten(x), ten(x)), 41, true},
		"the same twice":      {mlx.Multiply(split[0], split[1]), 13, true},
		"a scope in a scope":  {mlx.Within(ten(x), ten), 11, true}, // the operand, and the result
		"a scope that closed": {closed, 11, true},
		"its shape only":      {mlx.ZerosLike(ten(x)), 1, true},
		"a gradient":          {mlx.Exp(mlx.Grad(func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(ten(a[0]))) })(x)[0]), 2, false},
		"a compiled function": {mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return one(ten(a[0])) }, false)(one(x))[0], 1, false},
	} {
		places, whole := mlx.PlanOf(c.of)
		require.Equal(t, c.places, places, name)
		require.Equal(t, c.whole, whole, name)
		require.NoError(t, mlx.Eval(c.of), name)
		places, whole = mlx.PlanOf(c.of)
		require.Zero(t, places, "%s, evaluated", name)
		require.True(t, whole, name)
	}
}

// What the collector owns does not stay for a plan.
func TestPlansHoldNothingOfTheCollectors(t *testing.T) {
	base := mlx.FromSlice[float32](nil, []float32{1, 2})
	middle := mlx.Exp(base)
	collected := make(chan struct{})
	runtime.AddCleanup(middle, func(c chan struct{}) { close(c) }, collected)
	x := mlx.Exp(middle)
	places, whole := mlx.PlanOf(x)
	require.Equal(t, 2, places)
	require.True(t, whole)
	runtime.KeepAlive(middle)
	middle = nil
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-collected:
			return true
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond)
	places, whole = mlx.PlanOf(x)
	require.Equal(t, 1, places)
	require.False(t, whole)
	require.NoError(t, mlx.Eval(x))
}
