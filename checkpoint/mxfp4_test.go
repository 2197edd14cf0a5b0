package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Weight i of a block is in the lower half of byte i, weight i+16 in the upper one; in MLX's form
// neighbours share a byte.
func TestCodesOfMXFP4AreItsWeightsInOrder(t *testing.T) {
	t.Parallel()
	for _, c := range recordedBlocks(t) {
		if c.Type != "MXFP4" {
			continue
		}
		w, want := recordedTensor(t, c)
		n := w.NumElements()
		weight, scales := make([]byte, n/2), make([]byte, n/32)
		require.NoError(t, w.Codes(0, w.NumRows(), weight, scales))
		for i, x := range want {
			require.Equal(t, x, e8m0(scales[i/32])*e2m1[weight[i/2]>>(i%2*4)&15], "weight %d", i)
		}
		require.ErrorContains(t, w.Codes(0, 1, weight, scales), "bytes of weight")
		return
	}
	require.Fail(t, "no blocks of MXFP4 were recorded")
}

func TestAnMXFP4ScaleThatIsNaNIsFound(t *testing.T) {
	t.Parallel()
	blocks := make([]byte, 4*mxfp4Block)
	w := tensorOf(MXFP4, []int{2, 64}, blocks)
	at, err := w.NotFinite()
	require.NoError(t, err)
	assert.Equal(t, -1, at)
	blocks[2*mxfp4Block] = 0xff
	at, err = tensorOf(MXFP4, []int{2, 64}, blocks).NotFinite()
	require.NoError(t, err)
	assert.Equal(t, 64, at)
	require.ErrorContains(t, tensorOf(Q8_0, []int{1, 32}, make([]byte, 34)).Codes(0, 1, nil, nil), "type Q8_0 has no such form")
}
