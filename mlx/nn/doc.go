// Package nn trains: layers, losses, optimizers and schedules of mlx.nn and mlx.optimizers.
//
// A layer is a struct of parameters with a Forward, and a module is a pointer to any struct of
// layers. [NewModel] sees it as a tree of parameters by mlx.nn's paths, to train, freeze, save
// and load:
//
//	keys := nn.NewKeys(mlx.On(mlx.CPU), 0)
//	net := nn.NewSequential(nn.NewLinear(keys, 2, 16, true), nn.Func(mlx.Tanh), nn.NewLinear(keys, 16, 1, true))
//	model := nn.NewModel(net)
//	adam := nn.NewOptimizer(nn.NewAdamW(), nn.Constant(1e-2))
//	step := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.MSE(net.Forward(b[0]), b[1]) })
//	for range 200 {
//		loss, grads := step(x, y)
//		if err := adam.Update(model, grads, loss); err != nil {
//			return err
//		}
//	}
//	err := model.Save("net.safetensors")
//
// # Names
//
// Names are mlx.nn's; a parameter that a layer may lack is nil. Activations without parameters
// are functions, here or in package mlx, which [Func] makes layers. [Conv], [ConvTranspose],
// [MaxPool] and [AvgPool] serve one to three axes, and [Linear] and [Embedding] are packed by
// [Quantize] as they are. Constructors draw from [Keys], and with the same seed make the
// weights that Python makes. [LossOptions] are the mean unless said otherwise.
//
// # Memory
//
// A model's and an optimizer's arrays belong to no scope. Update computes them and frees those
// that they replace, so that a loop with a scope for each step holds no more than it needs.
//
// # Numbers
//
// A constant beside an array takes its type, as Python's do: nothing here widens a bfloat16.
// Where mlx.nn has a float32 array, such as Upsample's weights, so has this package.
package nn
