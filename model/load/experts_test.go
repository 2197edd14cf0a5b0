package load

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortionsOfAnAxisArePartsOrEachNthRow(t *testing.T) {
	require.Equal(t, []int{0, 1, 4, 5}, Portion{0, 2, false}.rows(2, 2))
	require.Equal(t, []int{2, 3, 6, 7}, Portion{1, 2, false}.rows(2, 2))
	require.Equal(t, []int{0, 2, 4, 6}, Portion{0, 2, true}.rows(2, 2))
	require.Equal(t, []int{1, 3, 5, 7}, Portion{1, 2, true}.rows(2, 2))
	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, Portion{}.rows(2, 3))
}
