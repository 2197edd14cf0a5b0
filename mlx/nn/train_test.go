package nn_test

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/stretchr/testify/require"
)

// normed is a network whose forward pass changes its state: running statistics and keys.
func normed(seed uint64) (*nn.Sequential, *nn.Model) {
	k := nn.NewKeys(mlx.On(mlx.CPU), seed)
	net := nn.NewSequential(nn.NewLinear(k, 3, 8, true), nn.NewBatchNorm(k, 8), nn.Func(mlx.ReLU), &nn.Dropout{P: 0.3, Keys: k}, nn.NewLinear(k, 8, 2, true))
	return net, nn.NewModel(net)
}

func ofNet(net nn.Layer) nn.Loss {
	return func(b []*mlx.Array) *mlx.Array { return nn.CrossEntropy(net.Forward(b[0]), b[1]) }
}

func batchOf(s *mlx.Scope, step int) (x, y *mlx.Array) {
	keys := mlx.RandomSplit(mlx.RandomKey(s, uint64(step)), 2)
	return mlx.RandomNormal(keys[0], 0, 1, mlx.Float32, 16, 3), mlx.RandomRandint(keys[1], 0, 2, mlx.Int32, 16)
}

// trained trains step by step, each in a scope, and returns the losses.
func trained(t *testing.T, steps int, step func(x, y *mlx.Array) (*mlx.Array, error)) []float32 {
	t.Helper()
	var losses []float32
	for i := range steps {
		s := mlx.NewScope(mlx.CPU)
		loss, err := step(batchOf(s, i))
		require.NoError(t, err)
		losses = append(losses, values(t, loss)[0])
		s.Close()
	}
	return losses
}

func eager(m *nn.Model, o *nn.Optimizer, loss nn.Loss) func(x, y *mlx.Array) (*mlx.Array, error) {
	step := m.ValueAndGrad(loss)
	return func(x, y *mlx.Array) (*mlx.Array, error) {
		l, grads := step(x, y)
		return l, o.Update(m, grads, l)
	}
}

func adam() *nn.Optimizer {
	return nn.NewOptimizer(corrected(), nn.LinearSchedule(0.001, 0.01, 10))
}

func compiling(t *testing.T, mode mlx.CompileMode) {
	t.Helper()
	require.NoError(t, mlx.SetCompileMode(mode))
	t.Cleanup(func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) })
}

// The compiled step has the schedule, the keys, the running statistics and Adam's moments as
// arguments: were one of them a constant of the trace, the second loss or the third would
// differ. Without fusion the operations are the same; MLX only merges equal ones.
func TestACompiledStepIsTheSameStep(t *testing.T) {
	net, m := normed(3)
	want := trained(t, 20, eager(m, adam(), ofNet(net)))

	compiling(t, mlx.CompileNoFuse)
	traces := 0
	net2, m2 := normed(3)
	o := adam()
	forward := ofNet(net2)
	step := nn.CompileStep(m2, o, func(b []*mlx.Array) *mlx.Array { traces++; return forward(b) })
	got := trained(t, 20, func(x, y *mlx.Array) (*mlx.Array, error) { return step(x, y) })
	require.InDeltaSlice(t, want, got, 1e-5)
	require.Less(t, traces, 20, "a trace for each thread that the goroutine was on")
	require.Equal(t, 20, o.Steps())
	for path, a := range m.Parameters() {
		require.InDeltaSlice(t, values(t, a), values(t, m2.Parameters()[path]), 1e-5, path)
	}

	require.NoError(t, m2.Freeze("layers.0"))
	before := values(t, m2.Parameters()["layers.0.weight"])
	trained(t, 2, func(x, y *mlx.Array) (*mlx.Array, error) { return step(x, y) })
	require.Equal(t, before, values(t, m2.Parameters()["layers.0.weight"]), "frozen since")
	require.NotEqual(t, values(t, m.Parameters()["layers.4.weight"]), values(t, m2.Parameters()["layers.4.weight"]))
}

func TestACompiledStepSaysWhatIsWrong(t *testing.T) {
	net, m := normed(3)
	step := nn.CompileStep(m, adam(), ofNet(net))
	s := scope(t)
	_, err := step(mlx.Ones(s, mlx.Float32, 4, 5), mlx.Zeros(s, mlx.Int32, 4))
	require.ErrorIs(t, err, mlx.ErrShape)
	_, err = step(mlx.Ones(s, mlx.Float32, 4, 3), mlx.Zeros(s, mlx.Int32, 4))
	require.NoError(t, err, "the step before has changed nothing")
	require.NoError(t, m.Freeze())
	_, err = step(mlx.Ones(s, mlx.Float32, 4, 3), mlx.Zeros(s, mlx.Int32, 4))
	require.ErrorContains(t, err, "nothing to train")
}

// With the same keys, dropping in a layer that is computed twice drops the same elements.
func TestCheckpointedLayersWithDropoutHaveTheSameGradients(t *testing.T) {
	run := func(checkpoint bool) (nn.Params, []float32) {
		k := nn.NewKeys(mlx.On(mlx.CPU), 9)
		e := nn.NewTransformerEncoder(k, 2, nn.TransformerOptions{Dims: 8, Heads: 2, Dropout: 0.4, Checkpoint: checkpoint})
		x := drawn(mlx.On(mlx.CPU), "x", 0, 1, mlx.Float32, 2, 5, 8)
		c := drawn(mlx.On(mlx.CPU), "c", 0, 1, mlx.Float32, 2, 5, 8)
		step := nn.NewModel(e).ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return mlx.Mean(mlx.Multiply(e.Forward(b[0], b[1]), c)) })
		mask := nn.AdditiveCausalMask(mlx.On(mlx.CPU), 5, mlx.Float32)
		_, first := step(x, mask)
		loss, second := step(x, mask)
		require.NotEqual(t, values(t, first["ln.weight"]), values(t, second["ln.weight"]), "new keys")
		return second, values(t, loss)
	}
	want, wantLoss := run(false)
	got, gotLoss := run(true)
	require.InDeltaSlice(t, wantLoss, gotLoss, 1e-6)
	for path, g := range want {
		require.InDeltaSlice(t, values(t, g), values(t, got[path]), 1e-6, path)
	}
}

// Without the collector, what a step leaves behind stays.
func TestStepsHoldNoMoreThanTheyNeed(t *testing.T) {
	network := func() (*nn.Model, nn.Loss) {
		k := nn.NewKeys(mlx.On(mlx.CPU), 1)
		net := nn.NewSequential(nn.NewLinear(k, 3, 300, true), nn.NewBatchNorm(k, 300), &nn.Dropout{P: 0.1, Keys: k}, nn.NewLinear(k, 300, 2, true))
		return nn.NewModel(net), ofNet(net)
	}
	m, loss := network()
	m2, loss2 := network()
	compiled := nn.CompileStep(m2, adam(), loss2)
	for name, step := range map[string]func(x, y *mlx.Array) (*mlx.Array, error){
		"eager":    eager(m, adam(), loss),
		"compiled": func(x, y *mlx.Array) (*mlx.Array, error) { return compiled(x, y) },
	} {
		trained(t, 10, step)
		runtime.GC()
		runtime.GC()
		percent := debug.SetGCPercent(-1)
		defer debug.SetGCPercent(percent)
		trained(t, 1, step)
		after := mlx.ActiveMemory()
		trained(t, 300, step)
		require.LessOrEqual(t, mlx.ActiveMemory(), after+300*64, "%s: an array of 300 a step would be 360 kB", name)
		debug.SetGCPercent(percent)
	}
}

// 16-bit parameters stay so through every layer's constants and every rule.
func TestNothingWidens16Bits(t *testing.T) {
	for _, d := range []mlx.Dtype{mlx.BFloat16, mlx.Float16} {
		for name, make := range optimizerMakers {
			net, m := normed(3)
			require.NoError(t, m.SetDtype(d, nil))
			trained(t, 2, eager(m, make(), func(b []*mlx.Array) *mlx.Array { return nn.CrossEntropy(net.Forward(mlx.AsType(b[0], d)), b[1]) }))
			for path, a := range m.Parameters() {
				require.Equal(t, d, a.Dtype(), "%s: %s", name, path)
			}
		}
		grads, norm := nn.ClipGradNorm(drawnParams("clip", d), 1)
		require.Equal(t, d, norm.Dtype())
		require.Equal(t, d, grads["conv.weight"].Dtype())
	}
}

// The parameters of a step may be in a scope that ends with it.
func TestTheStateOutlivesTheParametersScope(t *testing.T) {
	o := nn.NewOptimizer(&nn.SGD{Momentum: 0.5}, nn.Constant(1))
	w := float32(0)
	first := mlx.NewScope(mlx.CPU)
	require.NoError(t, o.Init(nn.Params{"w": mlx.Zeros(first, mlx.Float32, 1)}))
	first.Close()
	for range 3 {
		s := mlx.NewScope(mlx.CPU)
		next, err := o.Apply(nn.Params{"w": mlx.FromSlice(s, []float32{w})}, nn.Params{"w": mlx.FromSlice(s, []float32{-1})})
		require.NoError(t, err)
		s.Close()
		w = values(t, next["w"])[0]
	}
	require.Equal(t, float32(1+1.5+1.75), w)
	require.Zero(t, nn.NewMultiOptimizer().Rate())
}

func TestAStepWithoutGradientsIsOne(t *testing.T) {
	_, m := normed(1)
	o := nn.NewOptimizer(&nn.SGD{Momentum: 0.9}, nn.ExponentialDecay(0.1, 0.9))
	require.Equal(t, 0.1, o.Rate())
	for range 5 {
		require.NoError(t, o.Update(m, nil))
	}
	require.InDelta(t, 0.06561, o.Rate(), 1e-12, "mlx.optimizers.exponential_decay's example")
	require.Equal(t, []string{"learning_rate", "step"}, o.State(scope(t)).Paths())
	require.NoError(t, o.Init(m.Trainable()))
	require.Len(t, o.State(scope(t)), 2+len(m.Trainable()))
}

func TestARateMayBeSetOnTheWay(t *testing.T) {
	p := nn.Params{"w": mlx.Full(mlx.On(mlx.CPU), 1, mlx.Float32, 1)}
	g := nn.Params{"w": mlx.Full(mlx.On(mlx.CPU), 1, mlx.Float32, 1)}
	o := nn.NewOptimizer(&nn.SGD{}, nn.Constant(0.25))
	p, err := o.Apply(p, g)
	require.NoError(t, err)
	require.Equal(t, 0.25, o.Rate())
	o.SetRate(nn.Constant(0.5))
	p, err = o.Apply(p, g)
	require.NoError(t, err)
	require.Equal(t, []float32{0.25}, values(t, p["w"]))
	require.Equal(t, 0.5, o.Rate())
}

func TestAFailedStepChangesNothing(t *testing.T) {
	net, m := normed(3)
	o := adam()
	s := scope(t)
	loss, grads := m.ValueAndGrad(ofNet(net))(mlx.Ones(s, mlx.Float32, 4, 9), mlx.Zeros(s, mlx.Int32, 4))
	require.ErrorIs(t, loss.Err(), mlx.ErrShape)
	require.ErrorIs(t, o.Update(m, grads), nn.ErrParams)
	require.Zero(t, o.Steps())
	require.NoError(t, m.Eval())
	trained(t, 2, eager(m, o, ofNet(net)))

	panics, _ := m.ValueAndGrad(func([]*mlx.Array) *mlx.Array { panic("no") })(mlx.Ones(s, mlx.Float32, 1))
	require.ErrorIs(t, panics.Err(), mlx.ErrPanic)
	require.NoError(t, m.Eval(), "the parameters are back")
}

func TestModelsForInference(t *testing.T) {
	net, m := normed(3)
	x, _ := batchOf(scope(t), 1)
	first, second := values(t, net.Forward(x)), values(t, net.Forward(x))
	require.NotEqual(t, first, second, "dropout")
	require.NoError(t, m.Train(false))
	mean := values(t, m.Parameters()["layers.1.running_mean"])
	require.Equal(t, values(t, net.Forward(x)), values(t, net.Forward(x)))
	require.Equal(t, mean, values(t, m.Parameters()["layers.1.running_mean"]))
	require.NoError(t, m.Train(true))
	require.NotEqual(t, values(t, net.Forward(x)), values(t, net.Forward(x)))
}

// A loss that failed is the failure of each gradient: the error has it once, with their paths.
func TestTheFailureOfALossIsToldOnce(t *testing.T) {
	k := nn.NewKeys(mlx.On(mlx.CPU), 1)
	net := &struct{ First, Second *nn.Linear }{nn.NewLinear(k, 3, 4, true), nn.NewLinear(k, 5, 2, true)}
	m := nn.NewModel(net)
	loss, grads := m.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return mlx.Sum(net.Second.Forward(net.First.Forward(b[0]))) })(mlx.Ones(nil, mlx.Float32, 2, 3))
	require.Error(t, loss.Err())
	require.Len(t, grads, 4)
	update := func() error { return nn.NewOptimizer(nn.NewAdam(), nn.Constant(1e-3)).Update(m, grads, loss) }
	for name, err := range map[string]error{"optimizer": update(), "model": m.Update(grads)} {
		require.ErrorContains(t, err, "failed: first.bias, first.weight, second.bias, second.weight: "+loss.Err().Error(), name)
		require.Equal(t, 1, strings.Count(err.Error(), loss.Err().Error()), name)
	}
}
