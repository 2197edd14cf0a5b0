package nn_test

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

func encoder(k *nn.Keys, o nn.TransformerOptions) built {
	o.Dims, o.Heads, o.MLPDims = 8, 2, 12
	e := nn.NewTransformerEncoder(k, 2, o)
	return result(e, func(in []*mlx.Array) *mlx.Array { return e.Forward(in[0], in[1]) })
}

func transformer(k *nn.Keys, last bool) built {
	m := nn.NewTransformer(k, 1, 2, nn.TransformerOptions{Dims: 8, Heads: 2, MLPDims: 12, Activation: mlx.GELU, NormLast: last})
	return result(m, func(in []*mlx.Array) *mlx.Array {
		return m.Forward(in[0], in[1], nn.TransformerMasks{Source: in[2], Target: in[3], Memory: in[4]})
	})
}

func rnn(r *nn.RNN) built {
	return result(r, func(in []*mlx.Array) *mlx.Array { return r.Forward(in[0], opt(in, 1)) })
}

func gru(k *nn.Keys, bias bool) built {
	g := nn.NewGRU(k, 4, 5, bias)
	return result(g, func(in []*mlx.Array) *mlx.Array { return g.Forward(in[0], opt(in, 1)) })
}

func lstm(k *nn.Keys, bias bool) built {
	l := nn.NewLSTM(k, 4, 5, bias)
	return built{l, func(in []*mlx.Array) []*mlx.Array {
		h, c := l.Forward(in[0], opt(in, 1), opt(in, 2))
		return []*mlx.Array{h, c}
	}}
}

func heads(a *nn.MultiHeadAttention) built {
	return result(a, func(in []*mlx.Array) *mlx.Array { return a.Forward(in[0], in[1], in[2], opt(in, 3)) })
}

var sequenceMakers = map[string]func(k *nn.Keys) built{
	"rnn":              func(k *nn.Keys) built { return rnn(nn.NewRNN(k, 4, 5, true)) },
	"rnn without bias": func(k *nn.Keys) built { return rnn(nn.NewRNN(k, 4, 5, false)) },
	"rnn relu": func(k *nn.Keys) built {
		r := nn.NewRNN(k, 4, 5, true)
		r.Nonlinearity = mlx.ReLU
		return rnn(r)
	},
	"gru":                            func(k *nn.Keys) built { return gru(k, true) },
	"gru without bias":               func(k *nn.Keys) built { return gru(k, false) },
	"gru from a state without bias":  func(k *nn.Keys) built { return gru(k, false) },
	"lstm":                           func(k *nn.Keys) built { return lstm(k, true) },
	"lstm without bias":              func(k *nn.Keys) built { return lstm(k, false) },
	"multi_head_attention":           func(k *nn.Keys) built { return heads(nn.NewMultiHeadAttention(k, 2, nn.AttentionDims{Model: 8})) },
	"transformer_encoder":            func(k *nn.Keys) built { return encoder(k, nn.TransformerOptions{}) },
	"transformer_encoder norm last":  func(k *nn.Keys) built { return encoder(k, nn.TransformerOptions{NormLast: true}) },
	"transformer_encoder checkpoint": func(k *nn.Keys) built { return encoder(k, nn.TransformerOptions{Checkpoint: true}) },
	"transformer_encoder dropout":    func(k *nn.Keys) built { return encoder(k, nn.TransformerOptions{Dropout: 0.2}) },
	"transformer":                    func(k *nn.Keys) built { return transformer(k, false) },
	"transformer norm last":          func(k *nn.Keys) built { return transformer(k, true) },
	"multi_head_attention dims": func(k *nn.Keys) built {
		return heads(nn.NewMultiHeadAttention(k, 2, nn.AttentionDims{Model: 8, QueryIn: 4, KeyIn: 6, ValueIn: 3, Value: 12, Out: 5, Bias: true}))
	},
	"rope": func(*nn.Keys) built { return one(nn.NewRoPE(6)) },
	"rope traditional": func(*nn.Keys) built {
		return one(&nn.RoPE{Rotary: mlx.Rotary{Dims: 8, Traditional: true, Base: 100, Scale: 0.5}})
	},
	"sinusoidal": func(*nn.Keys) built { return one(nn.NewSinusoidalPositionalEncoding(mlx.On(mlx.CPU), 6)) },
	"sinusoidal cos first": func(*nn.Keys) built {
		p := &nn.SinusoidalPositionalEncoding{Scale: 1, CosFirst: true}
		p.SetFrequencies(mlx.On(mlx.CPU), 8, 0.01, 2)
		return one(p)
	},
	"alibi": func(*nn.Keys) built {
		return result(&nn.ALiBi{}, func(in []*mlx.Array) *mlx.Array { return nn.ALiBi{}.Forward(in[0], 0, nil) })
	},
}

// activationMakers make the activations by mlx.nn's names.
func activationMakers() map[string]func(k *nn.Keys) built {
	softmax := func(x *mlx.Array) *mlx.Array { return mlx.Softmax(x, -1) }
	out := map[string]func(k *nn.Keys) built{}
	for name, f := range map[string]nn.Func{
		"ReLU": mlx.ReLU, "ReLU2": nn.ReLU2, "ReLU6": nn.ReLU6, "LeakyReLU": nn.LeakyReLU(0.01), "LeakyReLU 0.2": nn.LeakyReLU(0.2), "ELU": nn.ELU(1),
		"ELU 0.7": nn.ELU(0.7), "CELU": nn.CELU(1), "CELU 0.7": nn.CELU(0.7), "SELU": nn.SELU, "SiLU": mlx.SiLU, "Mish": nn.Mish, "Softplus": nn.Softplus,
		"Softsign": nn.Softsign, "Softshrink": nn.Softshrink(0.5), "Softshrink 1": nn.Softshrink(1), "HardShrink": nn.HardShrink(0.5),
		"HardShrink 1": nn.HardShrink(1), "HardTanh": nn.HardTanh(-1, 1), "Hardswish": nn.Hardswish, "LogSigmoid": nn.LogSigmoid, "LogSoftmax": nn.LogSoftmax,
		"Softmin": nn.Softmin, "Softmax": softmax, "Sigmoid": mlx.Sigmoid, "Tanh": mlx.Tanh, "Step": nn.StepAt(0), "Step 0.5": nn.StepAt(0.5), "GLU": nn.GLU(-1),
		"GLU 0": nn.GLU(0), "GELU": mlx.GELU, "GELU precise": mlx.GELUTanh, "GELU fast": nn.GELUFast,
	} {
		out[name] = func(*nn.Keys) built { return one(f) }
	}
	return out
}
