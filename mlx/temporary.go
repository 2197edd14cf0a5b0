package mlx

import (
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// freeTemporary ends handles that an operation made for itself.
func freeTemporary(hs ...capi.Array) {
	live := hs[:0]
	for _, h := range hs {
		if h != 0 {
			live = append(live, h)
		}
	}
	gate.Free(live...)
}

func itoa(x int) string { return strconv.Itoa(x) }

func quote(s string) string { return strconv.Quote(s) }
