package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectorOf writes one vector as safetensors and opens it.
func vectorOf(t *testing.T, typ Type, data []byte, shape ...int) *Tensor {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, WriteSafetensors(&file, nil, []Array{{Name: "x", Type: typ, Shape: shape, Bytes: data}}))
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	c, err := OpenFile(path)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.Tensor("x")
}

func TestTheFirstNumberThatIsNoneIsFound(t *testing.T) {
	t.Parallel()
	// the largest finite number, an infinity and two NaN of each type
	for typ, bits := range map[Type][4]uint64{
		F64:  {0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000001, 0x7fffffffffffffff},
		F32:  {0xff7fffff, 0xff800000, 0x7f800001, 0xffffffff},
		BF16: {0xff7f, 0x7f80, 0xff81, 0x7fff},
		F16:  {0xfbff, 0xfc00, 0x7c01, 0xffff},
	} {
		_, width := typ.Block()
		for n := 1; n < 12; n++ {
			put := func(at int, value uint64) []byte {
				data := make([]byte, n*width)
				for i := range n {
					var b [8]byte
					binary.LittleEndian.PutUint64(b[:], bits[0])
					if i == at {
						binary.LittleEndian.PutUint64(b[:], value)
					}
					copy(data[i*width:(i+1)*width], b[:])
				}
				return data
			}
			for at := -1; at < n; at++ {
				for _, value := range bits[1:] {
					got, err := vectorOf(t, typ, put(at, value), n).NotFinite()
					require.NoError(t, err)
					require.Equal(t, at, got, "%s, %d of %d", typ, at, n)
				}
			}
		}
	}
}

// Where the factors of a block stand is what the decoder of the type says: a NaN there, and
// nowhere else, makes weights NaN.
func TestAFactorOfABlockThatIsNoNumberIsFound(t *testing.T) {
	t.Parallel()
	for typ, at := range factors {
		elements, size := typ.Block()
		for from := 0; from+2 <= size; from += 2 {
			block := make([]byte, 2*size)
			binary.LittleEndian.PutUint16(block[size+from:], 0x7e00)
			out := make([]float32, 2*elements)
			widenTo[typ](out, block)
			isNaN := false
			for _, x := range out {
				isNaN = isNaN || math.IsNaN(float64(x))
			}
			tensor := &Tensor{Type: typ, file: &mapping{data: block}, size: len(block)}
			got, err := tensor.NotFinite()
			require.NoError(t, err)
			require.Equal(t, isNaN, got >= 0, fmt.Sprintf("%s with NaN at byte %d of %d (%v)", typ, from, size, at))
			if isNaN {
				require.Equal(t, elements, got)
			}
		}
	}
	x := vectorOf(t, U8, []byte{0x7e, 0, 0xff}, 3)
	got, err := x.FindByte(0x7f, 0x7f)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	got, err = x.NotFinite()
	require.NoError(t, err)
	require.Equal(t, -1, got)
}
