package nn_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// check ends an example that cannot go on.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A network learns XOR, is saved, and read by another.
func Example() {
	device := mlx.On(mlx.CPU)
	x := mlx.FromSlice(device, []float32{0, 0, 0, 1, 1, 0, 1, 1}, 4, 2)
	y := mlx.FromSlice(device, []float32{0, 1, 1, 0}, 4, 1)
	newNet := func(seed uint64) (*nn.Sequential, *nn.Model) {
		keys := nn.NewKeys(device, seed)
		net := nn.NewSequential(nn.NewLinear(keys, 2, 8, true), nn.Func(mlx.Tanh), nn.NewLinear(keys, 8, 1, true))
		return net, nn.NewModel(net)
	}
	net, model := newNet(0)
	adam := nn.NewOptimizer(nn.NewAdamW(), nn.Constant(0.02))
	step := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.MSE(net.Forward(b[0]), b[1]) })
	for range 200 {
		loss, grads := step(x, y)
		check(adam.Update(model, grads, loss))
	}

	dir, err := os.MkdirTemp("", "nn")
	check(err)
	defer os.RemoveAll(dir)
	check(model.Save(filepath.Join(dir, "xor.safetensors")))
	other, otherModel := newNet(1)
	check(otherModel.Load(filepath.Join(dir, "xor.safetensors")))
	answers, err := mlx.Data[float32](mlx.Round(mlx.Abs(other.Forward(x)), 0))
	fmt.Println(answers, err)
	// Output: [0 1 1 0] <nil>
}

// Layers are structs; what they lack is nil.
func ExampleLinear() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	norm := &nn.RMSNorm{Weight: mlx.FromSlice(s, []float32{1, 1}), Eps: 0}
	layer := &nn.Linear{
		Weight: mlx.FromSlice(s, []float32{1, 0, 0, 1, 1, 1}, 3, 2), // [out, in]
		Bias:   mlx.FromSlice(s, []float32{0, 0, 10}),
	}
	x := mlx.FromSlice(s, []float32{1, -1, 5, 5}, 2, 2) // rows whose mean square is 1 and 25
	y := layer.Forward(norm.Forward(x))
	data, err := mlx.Data[float32](y)
	fmt.Println(y.Shape(), data, err)
	// Output: [2 3] [1 -1 10 1 1 12] <nil>
}

// Convolutions and pools serve one to three axes between the first and the last.
func ExampleConv() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	keys := nn.NewKeys(s, 0)
	net := nn.NewSequential(
		nn.NewConv(keys, 3, 8, []int{3, 3}, true, mlx.Conv{Padding: []int{1}}), nn.Func(mlx.ReLU), nn.NewMaxPool(2),
		nn.NewConv(keys, 8, 4, []int{3, 3}, true, mlx.Conv{Stride: []int{2}}))
	fmt.Println(net.Forward(mlx.Zeros(s, mlx.Float32, 1, 32, 32, 3)).Shape())
	// Output: [1 7 7 4]
}

// A loss is the mean unless its options say otherwise.
func ExampleCrossEntropy() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	logits := mlx.FromSlice(s, []float32{2, -1, -1, 2}, 2, 2)
	targets := mlx.FromSlice(s, []int32{0, 0})
	mean, err := mlx.Item[float32](nn.CrossEntropy(logits, targets))
	check(err)
	each, err := mlx.Data[float32](nn.CrossEntropy(logits, targets, nn.LossOptions{Reduction: nn.ReduceNone}))
	fmt.Printf("%.4f %.4f %v\n", mean, each, err)
	// Output: 1.5486 [0.0486 3.0486] <nil>
}

// A layer finds the line that its targets lie on.
func ExampleOptimizer() {
	device := mlx.On(mlx.CPU)
	x := mlx.FromSlice(device, []float32{-1, 0, 1, 2}, 4, 1)
	target := mlx.FromSlice(device, []float32{-3, -1, 1, 3}, 4, 1) // 2x − 1
	line := nn.NewLinear(nn.NewKeys(device, 0), 1, 1, true)
	model := nn.NewModel(line)
	step := model.ValueAndGrad(func([]*mlx.Array) *mlx.Array { return nn.MSE(line.Forward(x), target) })
	sgd := nn.NewOptimizer(&nn.SGD{Momentum: 0.5}, nn.Constant(0.1))
	for range 100 {
		_, grads := step()
		grads, _ = nn.ClipGradNorm(grads, 10)
		check(sgd.Update(model, grads))
	}
	w, err := mlx.Item[float32](line.Weight)
	check(err)
	b, err := mlx.Item[float32](line.Bias)
	fmt.Printf("%.3f %.3f %v\n", w, b, err)
	// Output: 2.000 -1.000 <nil>
}

// Matrices inside a model go by one rule, the rest by another.
func ExampleNewMultiOptimizer() {
	matrices := func(path string, p *mlx.Array) bool { return p.Ndim() == 2 && path != "embedding.weight" }
	optimizer := nn.NewMultiOptimizer(
		nn.Group{Of: matrices, Rule: nn.NewMuon(), Rate: nn.Constant(0.02)},
		nn.Group{Rule: nn.NewAdamW(), Rate: nn.Constant(1e-3)})
	fmt.Println(optimizer.Steps(), optimizer.Rate())
	// Output: 0 0.02
}

// A warm-up, and a fall behind it.
func ExampleJoinSchedules() {
	rate := nn.JoinSchedules(nn.CosineDecay(0.1, 40, 0), nn.Until{Schedule: nn.LinearSchedule(0, 0.1, 10), Step: 10})
	for _, step := range []int{0, 5, 10, 30, 50} {
		fmt.Printf("%.3f ", rate(step))
	}
	// Output: 0.000 0.050 0.100 0.050 0.000
}

// Any struct of layers is a module.
func ExampleModel() {
	keys := nn.NewKeys(mlx.On(mlx.CPU), 0)
	type mlp struct{ GateProj, DownProj *nn.Linear }
	net := &struct {
		Layers []*mlp
		Norm   *nn.RMSNorm `nn:"final_norm"`
	}{[]*mlp{{nn.NewLinear(keys, 4, 8, false), nn.NewLinear(keys, 8, 4, true)}}, nn.NewRMSNorm(keys, 4)}
	model := nn.NewModel(net)
	for _, path := range model.Parameters().Paths() {
		fmt.Println(path, model.Parameters()[path].Shape())
	}
	check(model.Freeze("layers"))
	fmt.Println(model.Parameters().Count(), "parameters, to train:", model.Trainable().Paths())
	fmt.Println(model.Update(nn.Params{"norm": net.Norm.Weight}))
	// Output:
	// final_norm.weight [4]
	// layers.0.down_proj.bias [4]
	// layers.0.down_proj.weight [4 8]
	// layers.0.gate_proj.weight [8 4]
	// 72 parameters, to train: [final_norm.weight]
	// nn: arrays do not fit the module: update: unknown: norm
}

// A constant beside a bfloat16 stays one.
func ExampleLeakyReLU() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.AsType(mlx.FromSlice(s, []float32{-2, 4}), mlx.BFloat16)
	y := nn.LeakyReLU(0.5)(x)
	data, err := mlx.Data[float32](mlx.AsType(y, mlx.Float32))
	fmt.Println(y.Dtype(), data, err)
	// Output: bfloat16 [-1 4] <nil>
}

// The whole step is one compiled function: the model's and the optimizer's state are among its
// arguments and results.
func ExampleCompileStep() {
	device := mlx.On(mlx.CPU)
	keys := nn.NewKeys(device, 0)
	net := nn.NewSequential(nn.NewLinear(keys, 2, 4, true), nn.NewBatchNorm(keys, 4), &nn.Dropout{P: 0.1, Keys: keys}, nn.NewLinear(keys, 4, 2, true))
	adam := nn.NewOptimizer(nn.NewAdam(), nn.ExponentialDecay(0.05, 0.99))
	step := nn.CompileStep(nn.NewModel(net), adam, func(b []*mlx.Array) *mlx.Array { return nn.CrossEntropy(net.Forward(b[0]), b[1]) })
	x, y := mlx.FromSlice(device, []float32{1, 2, 2, 1, 3, 4, 4, 3}, 4, 2), mlx.FromSlice(device, []int32{0, 1, 0, 1})
	for range 30 {
		_, err := step(x, y)
		check(err)
	}
	fmt.Println(adam.Steps())
	// Output: 30
}
