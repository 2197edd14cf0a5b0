package edit

import (
	"cmp"
	"context"
	"iter"
	"slices"
)

// Lookahead is how many inputs [Together] sorts by length at a time: the more, the less
// padding there is, and the more work is lost when the program is stopped.
const Lookahead = 64

// Together runs many inputs, those of like length in batches whose padded tokens are at most
// so many, and yields the result of each, or what is wrong with it, in their order. check
// says what is wrong with one by itself; run gives the results of a batch. After an error of
// the context nothing more is yielded.
func Together[R any](ctx context.Context, inputs []Input, most int, check func(Input) error, run func([]Input) ([]R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for window := range slices.Chunk(inputs, Lookahead) {
			results, errs := runWindow(window, most, check, run)
			for i := range window {
				if !yield(results[i], errs[i]) || ctx.Err() != nil {
					return
				}
			}
		}
	}
}

func runWindow[R any](inputs []Input, most int, check func(Input) error, run func([]Input) ([]R, error)) ([]R, []error) {
	results, errs := make([]R, len(inputs)), make([]error, len(inputs))
	var order []int // numbers of inputs that nothing is wrong with, by ascending length
	for i, in := range inputs {
		if errs[i] = check(in); errs[i] == nil {
			order = append(order, i)
		}
	}
	length := func(i int) int { return len(inputs[i].IDs) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(length(a), length(b)) })
	for len(order) > 0 {
		n := 1 // the shortest is at least three quarters of the longest
		for n < len(order) && (n+1)*length(order[n]) <= most && 4*length(order[0]) >= 3*length(order[n]) {
			n++
		}
		var of []Input
		for _, i := range order[:n] {
			of = append(of, inputs[i])
		}
		all, err := run(of)
		for j, i := range order[:n] {
			if errs[i] = err; err == nil {
				results[i] = all[j]
			}
		}
		order = order[n:]
	}
	return results, errs
}
