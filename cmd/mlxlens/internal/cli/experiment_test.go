package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// half is a result of which a half was computed.
type half struct{}

func (half) Figure() *render.Figure {
	return &render.Figure{Grids: []render.Matrix{{Rows: []string{"0"}, Columns: []render.Column{{Name: "0"}}, Values: [][]float64{{1}}}}}
}

func (half) Arrays() []checkpoint.Array { return nil }

func TestNumbersOfAnInterruptedRunSayThatTheyAre(t *testing.T) {
	for _, name := range []string{"x.csv", "x.npz"} {
		for _, interrupted := range []bool{false, true} {
			o := foundFlags{how: &lens.Made{Version: "1"}, interrupted: interrupted}
			o.output = name
			require.NoError(t, o.outputFlags.check(foundFormats...))
			var out bytes.Buffer
			require.NoError(t, o.write(&streams{}, &out, half{}))
			text := bytes.ReplaceAll(out.Bytes(), []byte(`""`), []byte(`"`)) // as CSV quotes
			require.Contains(t, string(text), `{"version":"1",`)
			require.Equal(t, interrupted, bytes.Contains(text, []byte(`"interrupted":true}`)), name)
		}
	}
}
