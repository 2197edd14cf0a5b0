package nn_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// inGroup marks a process that TestShardedLayersAreTheWholeOnes has started.
const inGroup = "MLXLENS_TEST_IN_GROUP"

func sharedLinear(in, out int) *nn.Linear {
	return nn.NewLinear(nn.NewKeys(mlx.On(mlx.CPU), 4), in, out, true)
}

func TestShardedLayersOfOneProcessAreTheLayer(t *testing.T) {
	group, err := mlx.InitDistributed(t.Context(), mlx.AnyBackend, false)
	require.NoError(t, err)
	l := sharedLinear(8, 6)
	x := drawn(scope(t), "x", 0, 1, mlx.Float32, 3, 8)
	a, err := nn.NewAllToShardedLinear(l, 3, group)
	require.NoError(t, err)
	b, err := nn.NewShardedToAllLinear(l, 2, group)
	require.NoError(t, err)
	require.Equal(t, values(t, l.Forward(x)), values(t, a.Forward(x)))
	require.Equal(t, values(t, l.Forward(x)), values(t, b.Forward(x)))
	require.Equal(t, []string{"bias", "weight"}, nn.NewModel(a).Parameters().Paths())
	_, err = nn.NewAllToShardedLinear(l, 4, group)
	require.ErrorContains(t, err, "nn: all to sharded linear: axis -2 of [6 8] in 4 segments for 1 processes (want: a multiple)")
	_, err = nn.NewShardedToAllLinear(l, 5, group)
	require.ErrorContains(t, err, "axis -1 of [6 8]")
}

// Two processes over TCP compute what one does: y and the gradients of an MLP whose first
// layer's outputs, and second layer's inputs, are spread over them.
func TestShardedLayersAreTheWholeOnes(t *testing.T) {
	if os.Getenv(inGroup) != "" {
		shardedMLP(t)
		return
	}
	if testing.Short() {
		t.Skip("two processes: not in short mode")
	}
	if !mlx.Ring.Available() {
		t.Skip("the library has no ring")
	}
	var hosts [][]string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
		require.NoError(t, err)
		hosts = append(hosts, []string{l.Addr().String()})
		require.NoError(t, l.Close())
	}
	raw, err := json.Marshal(hosts)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "hosts.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	done := make(chan error, 2)
	for rank := range 2 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestShardedLayersAreTheWholeOnes$", "-test.timeout", "60s")
		cmd.Env = append(os.Environ(), inGroup+"=1", "MLX_HOSTFILE="+file, fmt.Sprint("MLX_RANK=", rank))
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			done <- err
		}()
	}
	for range 2 {
		require.NoError(t, <-done)
	}
}

// shardedMLP runs in each of the processes.
func shardedMLP(t *testing.T) {
	group, err := mlx.InitDistributed(t.Context(), mlx.Ring, true)
	require.NoError(t, err)
	require.Equal(t, 2, group.Size())
	up, down := sharedLinear(4, 12), sharedLinear(12, 4)
	first, err := nn.NewAllToShardedLinear(up, 1, group)
	require.NoError(t, err)
	second, err := nn.NewShardedToAllLinear(down, 1, group)
	require.NoError(t, err)
	require.Equal(t, []int{6, 4}, first.Weight.Shape())
	require.Equal(t, []int{4, 6}, second.Weight.Shape())
	s := scope(t)
	x, c := drawn(s, "x", 0, 1, mlx.Float32, 3, 4), drawn(s, "c", 0, 1, mlx.Float32, 3, 4)
	score := func(a, b nn.Layer) mlx.Func {
		return func(in []*mlx.Array) []*mlx.Array {
			return []*mlx.Array{mlx.Sum(mlx.Multiply(c, b.Forward(mlx.Tanh(a.Forward(in[0])))))}
		}
	}
	want, wantGrad := mlx.ValueAndGrad(score(up, down))(x)
	got, gotGrad := mlx.ValueAndGrad(score(first, second))(x)
	require.NoError(t, mlx.Eval(got[0], gotGrad[0])) // in one order in both processes
	require.InDeltaSlice(t, values(t, want[0]), values(t, got[0]), 1e-5)
	require.InDeltaSlice(t, values(t, wantGrad[0]), values(t, gotGrad[0]), 1e-5)

	own := nn.Params{"w": mlx.Full(s, float64(1+2*group.Rank()), mlx.Float32, 2)}
	require.Equal(t, []float32{2, 2}, values(t, nn.AverageGradients(own, group)["w"]), "of 1 and 3")
}
