package nn_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// built is a layer of a recorded case and its forward pass.
type built struct {
	module  any
	forward func(in []*mlx.Array) []*mlx.Array
}

// one is a layer of one array.
func one(l nn.Layer) built {
	return built{l, func(in []*mlx.Array) []*mlx.Array { return []*mlx.Array{l.Forward(in[0])} }}
}

// result is a module whose forward pass is f.
func result(module any, f func(in []*mlx.Array) *mlx.Array) built {
	return built{module, func(in []*mlx.Array) []*mlx.Array { return []*mlx.Array{f(in)} }}
}

// opt returns in[i], nil where there are fewer.
func opt(in []*mlx.Array, i int) *mlx.Array {
	if i < len(in) {
		return in[i]
	}
	return nil
}

// makers make the layers of the recorded cases by the first words of their names.
func makers() map[string]func(k *nn.Keys) built {
	all := map[string]func(k *nn.Keys) built{}
	for _, m := range []map[string]func(k *nn.Keys) built{denseMakers, spaceMakers, normMakers, sequenceMakers, activationMakers()} {
		maps.Copy(all, m)
	}
	return all
}

var denseMakers = map[string]func(k *nn.Keys) built{
	"linear":              func(k *nn.Keys) built { return one(nn.NewLinear(k, 4, 3, true)) },
	"linear without bias": func(k *nn.Keys) built { return one(nn.NewLinear(k, 4, 3, false)) },
	"bilinear": func(k *nn.Keys) built {
		l := nn.NewBilinear(k, 4, 5, 3, true)
		return result(l, func(in []*mlx.Array) *mlx.Array { return l.Forward(in[0], in[1]) })
	},
	"embedding": func(k *nn.Keys) built { return one(nn.NewEmbedding(k, 7, 4)) },
	"identity":  func(*nn.Keys) built { return one(&nn.Identity{}) },
	"sequential": func(k *nn.Keys) built {
		return one(nn.NewSequential(nn.NewLinear(k, 4, 8, true), nn.Func(mlx.ReLU), nn.NewLinear(k, 8, 2, true)))
	},
	"prelu":                  func(k *nn.Keys) built { return one(nn.NewPReLU(k, 4)) },
	"quantized_linear":       func(k *nn.Keys) built { return one(nn.NewSequential(nn.NewLinear(k, 64, 4, true))) },
	"quantized_linear mxfp4": func(k *nn.Keys) built { return one(nn.NewSequential(nn.NewLinear(k, 64, 4, true))) },
	"quantized_embedding":    func(k *nn.Keys) built { return one(nn.NewSequential(nn.NewEmbedding(k, 5, 64))) },
}

var spaceMakers = map[string]func(k *nn.Keys) built{
	"conv1d": func(k *nn.Keys) built {
		return one(nn.NewConv(k, 4, 6, []int{3}, true, mlx.Conv{Stride: []int{2}, Padding: []int{1}}))
	},
	"conv1d groups": func(k *nn.Keys) built {
		return one(nn.NewConv(k, 4, 6, []int{3}, false, mlx.Conv{Dilation: []int{2}, Groups: 2}))
	},
	"conv2d": func(k *nn.Keys) built {
		return one(nn.NewConv(k, 2, 3, []int{3, 2}, true, mlx.Conv{Stride: []int{2, 1}, Padding: []int{1, 0}}))
	},
	"conv3d": func(k *nn.Keys) built {
		return one(nn.NewConv(k, 2, 3, []int{2, 2, 2}, true, mlx.Conv{Padding: []int{1}}))
	},
	"conv_transpose1d": func(k *nn.Keys) built {
		return one(nn.NewConvTranspose(k, 4, 3, []int{3}, true, mlx.Conv{Stride: []int{2}, Padding: []int{1}, OutputPadding: []int{1}}))
	},
	"conv_transpose2d": func(k *nn.Keys) built {
		return one(nn.NewConvTranspose(k, 2, 3, []int{3, 3}, true, mlx.Conv{Stride: []int{2}}))
	},
	"conv_transpose3d": func(k *nn.Keys) built {
		return one(nn.NewConvTranspose(k, 2, 3, []int{2, 2, 2}, false, mlx.Conv{}))
	},
	"max_pool1d":     func(*nn.Keys) built { return one(&nn.MaxPool{Pool: strided}) },
	"avg_pool1d":     func(*nn.Keys) built { return one(&nn.AvgPool{Pool: strided}) },
	"max_pool2d":     func(*nn.Keys) built { return one(nn.NewMaxPool(2)) },
	"avg_pool2d":     func(*nn.Keys) built { return one(nn.NewAvgPool(2)) },
	"max_pool2d odd": func(*nn.Keys) built { return one(&nn.MaxPool{Pool: odd}) },
	"avg_pool2d odd": func(*nn.Keys) built { return one(&nn.AvgPool{Pool: odd}) },
	"max_pool3d":     func(*nn.Keys) built { return one(&nn.MaxPool{Pool: nn.Pool{Kernel: []int{2}, Stride: []int{1}}}) },
	"avg_pool3d":     func(*nn.Keys) built { return one(&nn.AvgPool{Pool: nn.Pool{Kernel: []int{2}, Stride: []int{1}}}) },
	"upsample linear 3d": func(*nn.Keys) built {
		return one(&nn.Upsample{Factors: []float64{2}, Mode: nn.Linearly})
	},
	"dropout":           func(k *nn.Keys) built { return one(&nn.Dropout{P: 0.4, Keys: k}) },
	"dropout inference": func(k *nn.Keys) built { return one(&nn.Dropout{P: 0.4, Keys: k}) },
	"dropout2d":         func(k *nn.Keys) built { return one(&nn.Dropout2D{Dropout: nn.Dropout{P: 0.5, Keys: k}}) },
	"dropout3d":         func(k *nn.Keys) built { return one(&nn.Dropout3D{Dropout: nn.Dropout{P: 0.5, Keys: k}}) },
}

var (
	strided = nn.Pool{Kernel: []int{3}, Stride: []int{2}, Padding: []int{1}}
	odd     = nn.Pool{Kernel: []int{3, 2}, Stride: []int{2, 1}, Padding: []int{1, 0}}
)

var normMakers = map[string]func(k *nn.Keys) built{
	"layer_norm": func(k *nn.Keys) built { return one(nn.NewLayerNorm(k, 6)) },
	"rms_norm":   func(k *nn.Keys) built { return one(nn.NewRMSNorm(k, 6)) },
	"group_norm": func(k *nn.Keys) built { return one(nn.NewGroupNorm(k, 2, 6)) },
	"group_norm pytorch": func(k *nn.Keys) built {
		n := nn.NewGroupNorm(k, 2, 6)
		n.PyTorch = true
		return one(n)
	},
	"group_norm plain":     func(*nn.Keys) built { return one(&nn.GroupNorm{Groups: 3, Eps: 1e-5}) },
	"instance_norm":        func(k *nn.Keys) built { return one(nn.NewInstanceNorm(k, 4, false)) },
	"instance_norm affine": func(k *nn.Keys) built { return one(nn.NewInstanceNorm(k, 4, true)) },
	"batch_norm":           func(k *nn.Keys) built { return one(nn.NewBatchNorm(k, 4)) },
	"batch_norm untracked": func(*nn.Keys) built { return one(&nn.BatchNorm{Eps: 1e-5, Momentum: 0.1}) },
}

// upsampled makes the Upsample that a case's name tells: "upsample MODE FACTOR ALIGN ANTI".
func upsampled(name string) built {
	u := &nn.Upsample{}
	var mode, align, anti string
	if strings.Contains(name, "(") {
		u.Factors = []float64{2, 0.7}
		name = strings.Replace(name, "(2.0, 0.7)", "0", 1)
	}
	var factor float64
	fmt.Sscanf(name, "upsample %s %g %s %s", &mode, &factor, &align, &anti)
	if u.Factors == nil {
		u.Factors = []float64{factor}
	}
	u.Mode, u.AlignCorners, u.Antialias = nn.Interpolation(mode), align == "True", anti == "True"
	return one(u)
}

// find returns the maker whose key is the longest beginning of the name.
func find(t *testing.T, all map[string]func(*nn.Keys) built, name string) func(*nn.Keys) built {
	if strings.HasPrefix(name, "upsample") && all[name] == nil {
		return func(*nn.Keys) built { return upsampled(name) }
	}
	best := ""
	for key := range all {
		if (name == key || strings.HasPrefix(name, key+" ")) && len(key) > len(best) {
			best = key
		}
	}
	require.NotEmpty(t, best, "no layer is made for %q", name)
	return all[best]
}

var quantizations = map[string]mlx.Quantization{
	"quantized_linear":       {GroupSize: 32, Bits: 4, Mode: "affine"},
	"quantized_linear mxfp4": {GroupSize: 32, Bits: 4, Mode: "mxfp4"},
	"quantized_embedding":    {GroupSize: 64, Bits: 8, Mode: "affine"},
}

func TestLayersComputeWhatMLXNNRecorded(t *testing.T) {
	var cases []recorded
	load(t, "layers", &cases)
	all := makers()
	used := map[string]bool{}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s := scope(t)
			k := nn.NewKeys(s, 11)
			l := find(t, all, c.Name)(k)
			m := nn.NewModel(l.module)
			if _, isFunc := l.module.(nn.Func); isFunc {
				m = nn.NewModel(&nn.Identity{})
			}
			begins(t, m, c)
			setDrawn(t, m, c.Name)
			if q, ok := quantizations[c.Name]; ok {
				require.NoError(t, nn.Quantize(m, q))
			}
			require.NoError(t, m.Train(!strings.Contains(c.Name, "inference")))
			var in []*mlx.Array
			for _, x := range c.In {
				in = append(in, x.array(t, s))
			}
			gradients(t, m, l, c, k, in)
			if c.After != nil { // running statistics have moved
				setDrawn(t, m, c.Name)
			}
			k.Seed(13)
			out := l.forward(in)
			require.Len(t, out, len(c.Out))
			for i, y := range out {
				agree(t, fmt.Sprintf("%s: result %d", c.Name, i), c.Out[i], y)
			}
			for path, want := range c.After {
				agree(t, c.Name+": "+path+" after", want, m.Parameters()[path])
			}
		})
		used[c.Name] = true
	}
	require.Greater(t, len(used), 150)
	told(t)
}

// begins checks the parameters' paths, shapes and first elements.
func begins(t *testing.T, m *nn.Model, c recorded) {
	t.Helper()
	params := m.Parameters()
	require.Equal(t, slices.Sorted(maps.Keys(c.Seeded)), append([]string(nil), params.Paths()...), c.Name)
	for path, want := range c.Seeded {
		require.Equal(t, want.Shape, params[path].Shape(), "%s: %s", c.Name, path)
		got := values(t, params[path])
		for i, w := range want.floats(t) {
			require.InDelta(t, w, got[i], 1e-7, "%s: %s from the seed", c.Name, path)
		}
	}
}

// score returns Σ result·c, as the recorder has it.
func score(l built, c recorded, in []*mlx.Array) *mlx.Array {
	var sum *mlx.Array
	for i, y := range l.forward(in) {
		c := drawn(mlx.On(mlx.CPU), fmt.Sprintf("%s/cotangent/%d", c.Name, i), 0, 1, y.Dtype(), y.Shape()...)
		if term := mlx.Sum(mlx.Multiply(y, c)); sum == nil {
			sum = term
		} else {
			sum = mlx.Add(sum, term)
		}
	}
	return sum
}

// gradients checks those of the score by each trainable parameter and operand: sums of many
// terms that cancel.
func gradients(t *testing.T, m *nn.Model, l built, c recorded, k *nn.Keys, in []*mlx.Array) {
	t.Helper()
	const tolerance = 2e-5
	if c.Grads != nil {
		k.Seed(13)
		_, grads := m.ValueAndGrad(func([]*mlx.Array) *mlx.Array { return score(l, c, in) })()
		require.Equal(t, slices.Sorted(maps.Keys(c.Grads)), grads.Paths(), c.Name)
		for path, want := range c.Grads {
			within(t, c.Name+": gradient by "+path, want, grads[path], tolerance)
		}
	}
	for i, want := range c.Inputs {
		k.Seed(13)
		by := mlx.Grad(func(a []*mlx.Array) []*mlx.Array {
			all := slices.Clone(in)
			all[i] = a[0]
			return []*mlx.Array{score(l, c, all)}
		})(in[i])
		loose := tolerance
		if want.Dtype == "bfloat16" {
			loose = 1.0 / 64
		}
		within(t, fmt.Sprintf("%s: gradient by operand %d", c.Name, i), want, by[0], loose)
	}
}
