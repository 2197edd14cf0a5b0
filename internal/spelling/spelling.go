// Package spelling finds what a word that is unknown may be a slip of.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// Near returns the known words that a word may be a slip of, the nearest first and three at most:
// those that differ in few letters, and those that begin with it.
func Near[T ~string](word string, known []T) []string {
	type like struct {
		word         string
		far, letters int // letters differ
	}
	var found []like
	lower := strings.ToLower(word)
	for _, one := range known {
		k := string(one)
		letters := distance(lower, strings.ToLower(k))
		far := letters
		switch {
		case lower == "" || k == word:
			continue
		case len(lower) > 1 && strings.HasPrefix(strings.ToLower(k), lower):
			far = min(far, 1)
		case far > max(1, min(len(lower), len(k))/3):
			continue
		}
		found = append(found, like{k, far, letters})
	}
	slices.SortStableFunc(found, func(a, b like) int { return cmp.Or(a.far-b.far, a.letters-b.letters) })
	var out []string
	for _, f := range found[:min(3, len(found))] {
		out = append(out, f.word)
	}
	return out
}

// DidYouMean goes on with a sentence on a word that is unknown: "; did you mean rank?", or nothing.
func DidYouMean[T ~string](word string, known []T) string {
	return Meant(Near(word, known))
}

// Meant is DidYouMean of what is near, at most three.
func Meant(like []string) string {
	if len(like) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(like[:min(3, len(like))], " or ") + "?"
}

// distance is how many letters must be put in, left out, changed or swapped with the next to make b
// of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			changed := last[j]
			if x[i] != y[j] {
				changed++
			}
			row[j+1] = min(changed, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
