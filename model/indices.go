package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseIndices reads a selection such as 0,4,8:12,-1 of n things called what:
// single indices, and ranges start:stop:step without stop, either end left out for
// the first or past the last. Negative ones count from the end. The result is
// ascending, each once.
func ParseIndices(text string, n int, what string) ([]int, error) {
	out, err := ParseInOrder(text, n, what)
	slices.Sort(out)
	return out, err
}

// ParseInOrder is [ParseIndices] in the order that is written, in which an edit's value has its rows.
func ParseInOrder(text string, n int, what string) ([]int, error) {
	out := []int{}
	seen := map[int]bool{}
	add := func(i int) {
		if !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		bounds := strings.Split(part, ":")
		if len(bounds) > 3 || part == "" {
			return nil, fmt.Errorf("%s %q: want indices and ranges such as 0,4,8:12,-1", what, text)
		}
		number := func(i, missing int) (int, error) {
			if i >= len(bounds) || bounds[i] == "" && len(bounds) > 1 {
				return missing, nil
			}
			x, err := strconv.Atoi(bounds[i])
			if err != nil {
				if from, last, ok := strings.Cut(bounds[i], "-"); ok && len(bounds) == 1 && allDigits(from) && allDigits(last) {
					end, _ := strconv.Atoi(last)
					return 0, fmt.Errorf("%s %q: %q is no number: a range is %s:%d, whose end is not in it", what, text, bounds[i], from, end+1)
				}
				return 0, fmt.Errorf("%s %q: %q is no number", what, text, bounds[i])
			}
			if x < 0 && i < 2 {
				x += n
			}
			return x, nil
		}
		first, err := number(0, 0)
		if err != nil {
			return nil, err
		}
		if len(bounds) == 1 {
			if first < 0 || first >= n {
				return nil, fmt.Errorf("%s %s does not exist: there are %d (0–%d)", what, part, n, n-1)
			}
			add(first)
			continue
		}
		stop, err := number(1, n)
		if err != nil {
			return nil, err
		}
		step, err := number(2, 1)
		if err != nil {
			return nil, err
		}
		if first < 0 || stop > n || step < 1 || first >= stop {
			return nil, fmt.Errorf("%s %s is no range in 0:%d", what, part, n)
		}
		for i := first; i < stop; i += step {
			add(i)
		}
	}
	return out, nil
}

// Indices resolves negative indices of n things called what, and checks them; nil means
// all n. The result is ascending, each once.
func Indices(given []int, n int, what string) ([]int, error) {
	if given == nil {
		out := make([]int, n)
		for i := range out {
			out[i] = i
		}
		return out, nil
	}
	if len(given) == 0 {
		return nil, fmt.Errorf("no %s was asked for", what)
	}
	out := make([]int, 0, len(given))
	for _, i := range given {
		at := i
		if at < 0 {
			at += n
		}
		if at < 0 || at >= n {
			return nil, fmt.Errorf("%s %d does not exist: there are %d (0–%d)", what, i, n, n-1)
		}
		out = append(out, at)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func allDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
