package mlx

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// C's int has 32 bits. What does not fit becomes the nearest number that does, which no axis,
// length or place can be either, so that MLX refuses it, by that number. The error names the one
// that was asked: it is remembered, as MLX's text is, for the goroutine that asks.

// asked are the numbers that did not fit, of the operation that a goroutine is building.
var asked struct {
	some atomic.Bool
	mu   sync.Mutex
	by   map[uint64][]int
}

// c32 is x as C's int, or the nearest that is one.
func c32(x int) int32 {
	if math.MinInt32 < x && x < math.MaxInt32 {
		return int32(x)
	}
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if asked.by == nil {
		asked.by = map[uint64][]int{}
	}
	id := capi.GoroutineID()
	asked.by[id] = append(asked.by[id], x)
	asked.some.Store(true)
	return int32(max(math.MinInt32, min(math.MaxInt32, x)))
}

// forgetAsked is called before an operation is built.
func forgetAsked() {
	if asked.some.Load() {
		takeAsked()
	}
}

func takeAsked() []int {
	asked.mu.Lock()
	defer asked.mu.Unlock()
	id := capi.GoroutineID()
	xs := asked.by[id]
	delete(asked.by, id)
	asked.some.Store(len(asked.by) > 0)
	return xs
}

var integer = regexp.MustCompile(`-?\d+`)

// mostAxes is how many axes an array has at most: MLX adds them to a negative axis.
const mostAxes = 64

// asAsked is MLX's text with the number that was asked, the first of its sign, in place of what it became.
func asAsked(text string) string {
	if !asked.some.Load() {
		return text
	}
	xs := takeAsked()
	return integer.ReplaceAllStringFunc(text, func(digits string) string {
		n, err := strconv.Atoi(digits)
		if err != nil || n != math.MaxInt32 && (n < math.MinInt32 || n > math.MinInt32+mostAxes) {
			return digits
		}
		i := slices.IndexFunc(xs, func(x int) bool { return (x < 0) == (n < 0) })
		if i < 0 {
			return digits
		}
		return strconv.Itoa(xs[i])
	})
}
