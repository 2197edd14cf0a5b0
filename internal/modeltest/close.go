package modeltest

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rounding is how far numbers may be apart, as a part of their size or of 1, that products of another
// number of rows make: some processors' kernels sum these in another order.
const Rounding = 1e-5

// SameJSON holds two JSON texts to be the same but for numbers that are within [Rounding] of each other.
func SameJSON(t testing.TB, want, got string, of ...any) {
	t.Helper()
	var a, b any
	require.NoError(t, json.Unmarshal([]byte(want), &a), of...)
	require.NoError(t, json.Unmarshal([]byte(got), &b), of...)
	require.Empty(t, apart("", a, b), of...)
}

// apart says where two values of JSON differ, "" where they do not.
func apart(at string, want, got any) string {
	differs := fmt.Sprintf("%s: want %v, got %v", at, want, got)
	switch want := want.(type) {
	case map[string]any:
		of, ok := got.(map[string]any)
		if !ok || len(of) != len(want) {
			return differs
		}
		for key, x := range want {
			y, ok := of[key]
			if !ok {
				return at + ": it lacks " + key
			}
			if d := apart(at+"."+key, x, y); d != "" {
				return d
			}
		}
		return ""
	case []any:
		of, ok := got.([]any)
		if !ok || len(of) != len(want) {
			return differs
		}
		for i, x := range want {
			if d := apart(fmt.Sprintf("%s[%d]", at, i), x, of[i]); d != "" {
				return d
			}
		}
		return ""
	case float64:
		if of, ok := got.(float64); ok && math.Abs(want-of) <= Rounding*max(1, math.Abs(want)) {
			return ""
		}
		return differs
	}
	if want != got {
		return differs
	}
	return ""
}
