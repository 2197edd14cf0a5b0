package modeltest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyRoundingsAreTheSame(t *testing.T) {
	for _, x := range [][2]any{
		{1.0, 1.0001}, {1.0, "1"}, {nil, 0.0}, {[]any{1.0}, []any{1.0, 1.0}}, {[]any{1.0, "a"}, []any{1.0, "b"}},
		{map[string]any{"a": 1.0}, map[string]any{"b": 1.0}}, {map[string]any{"a": 1.0}, map[string]any{"a": 2.0}}, {map[string]any{}, map[string]any{"a": nil}},
	} {
		require.NotEmpty(t, apart("", x[0], x[1]), "%v and %v", x[0], x[1])
	}
	require.Empty(t, apart("", map[string]any{"a": []any{1.0, nil, true}}, map[string]any{"a": []any{1.000001, nil, true}}))
}
