package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

func TestSelfCheckSeesAWrongAnswer(t *testing.T) {
	require.NoError(t, Load())
	_ = gate.Run(func() {
		for _, c := range checks {
			p := &probe{s: DefaultStream(CPU).handle()}
			got, want := c.run(p)
			require.Empty(t, p.compare(got, want), "%v", c.ops)
			for i := range want {
				want[i] += 0.01
				require.NotEmpty(t, p.compare(got, want), "%v does not look at element %d", c.ops, i)
				want[i] -= 0.01
			}
			require.NotEmpty(t, p.compare(got, append(want, 0)), "%v", c.ops)
			p.free()
		}
	})
}

func TestFunctionThatFailedTheSelfCheckIsRefusedAndTheRestWorks(t *testing.T) {
	require.NoError(t, Load())
	s := NewScope(CPU)
	defer s.Close()
	x := FromSlice(s, []float32{1, 2, 3, 4}, 1, 1, 1, 4)
	loaded.refused = map[string]string{"rope": "element 0 is 1 instead of 2"}
	defer func() { loaded.refused = nil }()
	err := RoPE(x, Rotary{Dims: 4, Base: 10, Scale: 1}, 0).Err()
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "rope: this library computes it wrongly (element 0 is 1 instead of 2)")
	require.NoError(t, Eval(Exp(x)))
}
