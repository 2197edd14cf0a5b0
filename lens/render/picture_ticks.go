package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// tick is a number on an axis.
type tick struct {
	at   float64
	text string
}

// linearTicks are about n numbers from lo to hi, their distance 1, 2 or 5 times a
// power of ten.
func linearTicks(lo, hi float64, n int) []tick {
	if !(hi > lo) {
		return []tick{{lo, plainNumber(lo, 2)}}
	}
	step := niceStep((hi - lo) / float64(n))
	places := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var out []tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		x := i*step + 0 // + 0 because i may be −0
		out = append(out, tick{x, plainNumber(x, places)})
	}
	return out
}

func plainNumber(x float64, places int) string {
	return strings.Replace(unsigned(strconv.FormatFloat(x, 'f', places, 64)), "-", "−", 1)
}

// niceStep is the least of 1, 2, 5 times a power of ten that is not less than x.
func niceStep(x float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten >= x*(1-1e-9) {
			return m * ten
		}
	}
	return 10 * ten
}

// logTicks are the powers of ten from lo to hi, with 2 and 5 times each where there are
// few, and lo and hi themselves.
func logTicks(lo, hi float64) []tick {
	out := []tick{{lo, count(lo)}}
	if !(hi > lo) {
		return out
	}
	multiples := []float64{1}
	if hi/lo < 1000 {
		multiples = []float64{1, 2, 5}
	}
	for ten := math.Pow(10, math.Floor(math.Log10(lo))); ten <= hi; ten *= 10 {
		for _, m := range multiples {
			if x := m * ten; x > lo && x < hi {
				out = append(out, tick{x, count(x)})
			}
		}
	}
	return append(out, tick{hi, count(hi)})
}

// count writes a whole number with thin spaces between thousands.
func count(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
