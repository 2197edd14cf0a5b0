package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForgottenBytesAreReadAgain(t *testing.T) {
	const rows = 5000 // some pages, and parts of pages at both ends
	file := safetensorsFile("{"+stTensor("a", "F32", []int{3}, 0, 12)+","+stTensor("b", "U8", []int{rows, 4}, 12, 12+4*rows)+"}", 12+4*rows)
	c := opened(t, write(t, map[string]string{"model.safetensors": string(file), "config.json": "{}"}))
	b := c.Tensor("b")
	before := append([]byte(nil), b.Bytes()...)
	require.NotEmpty(t, before)
	b.Forget()
	c.Tensor("a").Forget() // less than a page
	require.Equal(t, before, b.Bytes())
	require.NoError(t, c.Close())
	b.Forget() // after the end: nothing
}
