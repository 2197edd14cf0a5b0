package nn_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// attention and network are modules as a user writes them.
type attention struct {
	QProj, KProj *nn.Linear
	Scale        float64
	hiddenState  *mlx.Array
}

type block struct {
	SelfAttn *attention
	MLP      struct{ Up *nn.Linear }
}

type network struct {
	Embed  *nn.Embedding `nn:"tok_embeddings"`
	Layers []*block
	Heads  map[string]*nn.Linear
	Gates  map[string]*mlx.Array
	Gain   *mlx.Array
	Extra  []*mlx.Array
	Mask   *mlx.Array `nn:"-"`
	Stats  *mlx.Array `nn:",fixed"`
	Act    nn.Layer
	Tied   *nn.Embedding
	Scope  *mlx.Scope
}

func newNetwork() *network {
	k := nn.NewKeys(mlx.On(mlx.CPU), 1)
	linear := func() *nn.Linear { return nn.NewLinear(k, 2, 2, false) }
	array := func() *mlx.Array { return mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 2) }
	n := &network{
		Embed: nn.NewEmbedding(k, 3, 2), Heads: map[string]*nn.Linear{"b": linear(), "a": linear()}, Gates: map[string]*mlx.Array{"z": array()},
		Gain: array(), Extra: []*mlx.Array{array(), nil, array()}, Mask: array(), Stats: array(), Act: nn.Func(mlx.ReLU), Scope: mlx.On(mlx.CPU),
	}
	n.Tied = n.Embed
	for range 2 {
		b := &block{SelfAttn: &attention{QProj: linear(), KProj: linear(), hiddenState: array()}}
		b.MLP.Up = linear()
		n.Layers = append(n.Layers, b)
	}
	return n
}

var networkPaths = []string{
	"extra.0", "extra.2", "gain", "gates.z", "heads.a.weight", "heads.b.weight",
	"layers.0.mlp.up.weight", "layers.0.self_attn.k_proj.weight", "layers.0.self_attn.q_proj.weight",
	"layers.1.mlp.up.weight", "layers.1.self_attn.k_proj.weight", "layers.1.self_attn.q_proj.weight",
	"stats", "tok_embeddings.weight",
}

func TestPathsAreThoseOfMLXNN(t *testing.T) {
	m := nn.NewModel(newNetwork())
	require.Equal(t, networkPaths, m.Parameters().Paths())
	require.Equal(t, 3*2+5*2+8*4, m.Parameters().Count())
	require.NotContains(t, m.Trainable().Paths(), "stats")
	require.Len(t, m.Trainable(), len(networkPaths)-1)
	require.Equal(t, []string{"k_proj.weight", "q_proj.weight"}, m.Parameters().Under("layers.1.self_attn").Paths())
	var modules []string
	require.NoError(t, m.Modules(func(path string, _ any) { modules = append(modules, path) }))
	require.Equal(t, []string{"", "tok_embeddings", "layers.0", "layers.0.self_attn", "layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj",
		"layers.0.mlp.up", "layers.1", "layers.1.self_attn", "layers.1.self_attn.q_proj", "layers.1.self_attn.k_proj", "layers.1.mlp.up", "heads.a", "heads.b"}, modules)
}

func TestWhatIsNoModuleIsAnError(t *testing.T) {
	for text, module := range map[string]any{
		"a module is a pointer to a struct, and this is nn.Linear": nn.Linear{},
		"a module is a pointer to a struct, and this is <nil>":     nil,
		`two arrays are at "a": tag one of the fields`: &struct {
			A *mlx.Array
			B *mlx.Array `nn:"a"`
		}{mlx.Scalar(mlx.On(mlx.CPU), float32(1)), mlx.Scalar(mlx.On(mlx.CPU), float32(2))},
		`"layer.weight" is in a struct that is held by value: hold a pointer`: &struct{ Layer any }{nn.Embedding{Weight: mlx.Scalar(mlx.On(mlx.CPU), float32(1))}},
	} {
		m := nn.NewModel(module)
		require.ErrorContains(t, m.Err(), text)
		require.ErrorContains(t, m.Parameters()[""].Err(), text)
		require.ErrorContains(t, m.Freeze(), text)
		require.ErrorContains(t, m.Update(nil), text)
		require.ErrorContains(t, m.Save(filepath.Join(t.TempDir(), "x")), text)
		loss, grads := m.ValueAndGrad(func([]*mlx.Array) *mlx.Array { return nil })()
		require.ErrorContains(t, loss.Err(), text)
		require.ErrorContains(t, nn.NewOptimizer(&nn.SGD{}, nn.Constant(1)).Update(m, grads), text)
	}
}

// A module may lead to itself.
func TestACycleIsEnteredOnce(t *testing.T) {
	type ring struct {
		W    *mlx.Array
		Next *ring
	}
	r := &ring{W: mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 1)}
	r.Next = &ring{W: mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 1), Next: r}
	require.Equal(t, []string{"next.w", "w"}, nn.NewModel(r).Parameters().Paths())
}

func TestFrozenParametersAreNotTrained(t *testing.T) {
	m := nn.NewModel(newNetwork())
	require.NoError(t, m.Freeze("layers.0", "gain"))
	require.Equal(t, []string{"extra.0", "extra.2", "gates.z", "heads.a.weight", "heads.b.weight",
		"layers.1.mlp.up.weight", "layers.1.self_attn.k_proj.weight", "layers.1.self_attn.q_proj.weight", "tok_embeddings.weight"}, m.Trainable().Paths())
	require.NoError(t, m.Freeze())
	require.Empty(t, m.Trainable())
	require.NoError(t, m.Unfreeze("layers.1.mlp"))
	require.Equal(t, []string{"layers.1.mlp.up.weight"}, m.Trainable().Paths())
	require.NoError(t, m.Unfreeze())
	require.Len(t, m.Trainable(), len(networkPaths)-1, "stats are fixed")
	m.FreezeWhere(func(_ string, a *mlx.Array) bool { return a.Ndim() == 1 })
	require.NotContains(t, m.Trainable().Paths(), "gain")

	err := m.Freeze("layers.7", "gain", "lay")
	require.ErrorContains(t, err, `nn: freeze: no parameters at "layers.7", "lay" (have: extra.0, extra.2,`)
	require.ErrorContains(t, err, "and 2 more)")

	require.NoError(t, m.Freeze())
	loss, grads := m.ValueAndGrad(func([]*mlx.Array) *mlx.Array { return mlx.Scalar(mlx.On(mlx.CPU), float32(0)) })()
	require.ErrorContains(t, loss.Err(), "nothing to train")
	require.Empty(t, grads)
}

func TestAModelComesBackAsItWasSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.safetensors")
	a, b := newNetwork(), newNetwork()
	ma, mb := nn.NewModel(a), nn.NewModel(b)
	setDrawn(t, ma, "a")
	require.NoError(t, ma.Save(file))
	require.NoError(t, mb.Load(file))
	for path, p := range ma.Parameters() {
		require.Equal(t, values(t, p), values(t, mb.Parameters()[path]), path)
	}
	b.Layers = b.Layers[:1]
	b.Gates["new"] = mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 1)
	b.Gain = mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 3)
	before := b.Embed.Weight
	err := mb.Load(file)
	require.ErrorIs(t, err, nn.ErrParams)
	require.ErrorContains(t, err, "missing: gates.new; unknown: layers.1.mlp.up.weight, layers.1.self_attn.k_proj.weight, "+
		"layers.1.self_attn.q_proj.weight; misshapen: gain is [2], want [3]")
	require.Same(t, before, b.Embed.Weight, "nothing has changed")
	_, err = mb.LoadKnown(file)
	require.ErrorContains(t, err, "misshapen: gain is [2], want [3]")
	b.Gain = a.Gain
	others, err := mb.LoadKnown(file)
	require.NoError(t, err)
	require.Equal(t, []string{"gates.new", "layers.1.mlp.up.weight", "layers.1.self_attn.k_proj.weight", "layers.1.self_attn.q_proj.weight"}, others)
	require.NotSame(t, before, b.Embed.Weight)
	require.Error(t, mb.Load(file+".not"))
}

// python.safetensors is mlx.nn.TransformerEncoder(1, 4, 2, 6).save_weights of tools/golden/nn.py,
// from seed 5.
func TestAFileOfPythonIsRead(t *testing.T) {
	e := nn.NewTransformerEncoder(nn.NewKeys(mlx.On(mlx.CPU), 5), 1, nn.TransformerOptions{Dims: 4, Heads: 2, MLPDims: 6})
	m := nn.NewModel(e)
	before := map[string][]float32{}
	for path, a := range m.Parameters() {
		before[path] = values(t, a)
	}
	require.NoError(t, m.Map(func(_ string, a *mlx.Array) *mlx.Array { return mlx.ZerosLike(a) }))
	require.NoError(t, m.Load("testdata/python.safetensors"))
	for path, a := range m.Parameters() {
		require.Equal(t, before[path], values(t, a), path)
	}
}

func TestUpdateTakesSomeOfTheParameters(t *testing.T) {
	n := newNetwork()
	m := nn.NewModel(n)
	s := mlx.NewScope(mlx.CPU)
	require.NoError(t, m.Update(nn.Params{"gain": mlx.Full(s, 3, mlx.Float32, 2), "gates.z": mlx.Full(s, 4, mlx.Float32, 2)}))
	s.Close()
	require.Equal(t, []float32{3, 3}, values(t, n.Gain), "it outlives its scope")
	require.Equal(t, []float32{4, 4}, values(t, n.Gates["z"]))
	err := m.Update(nn.Params{"gain": mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 5), "gates": n.Gain, "stats": mlx.Add(n.Gain, mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 3))})
	require.ErrorContains(t, err, "update: unknown: gates; misshapen: gain is [5], want [2]; failed: stats: mlx: add")
	require.Equal(t, []float32{3, 3}, values(t, n.Gain))

	require.NoError(t, m.SetDtype(mlx.BFloat16, nil))
	require.Equal(t, mlx.BFloat16, n.Embed.Weight.Dtype())
	require.NoError(t, m.SetDtype(mlx.Int32, func(d mlx.Dtype) bool { return d == mlx.Float16 }))
	require.Equal(t, mlx.BFloat16, n.Embed.Weight.Dtype())
	require.NoError(t, m.Eval())
}

func TestAssignTakesAllOfTheParameters(t *testing.T) {
	s := mlx.On(mlx.CPU)
	l := nn.NewLinear(nn.NewKeys(s, 1), 2, 2, true)
	m := nn.NewModel(l)
	w, b := mlx.Ones(s, mlx.Float32, 2, 2), mlx.Ones(s, mlx.Float32, 2)
	require.ErrorContains(t, m.Assign(nn.Params{"weight": w}), "nn: arrays do not fit the module: assign: missing: bias")
	require.ErrorContains(t, m.Assign(nn.Params{"weight": w, "bias": b, "bias2": b}), "unknown: bias2")
	require.ErrorContains(t, m.Assign(nn.Params{"weight": w, "bias": w}), "misshapen: bias is [2 2], want [2]")
	require.ErrorContains(t, m.Assign(nn.Params{"weight": w, "bias": nil}), "failed: bias: mlx: an operand is nil")
	others, err := m.AssignKnown(nn.Params{"weight": w, "weihgt": b})
	require.NoError(t, err)
	require.Equal(t, []string{"bias", "weihgt"}, others)
	require.Equal(t, []float32{1, 1, 1, 1}, values(t, l.Weight))
	require.NoError(t, m.Assign(nn.Params{"weight": w, "bias": b}))
	require.Equal(t, []float32{1, 1}, values(t, l.Bias))
}

func TestTreesFlattenAndUnflatten(t *testing.T) {
	a := mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 1)
	p := nn.Params{"layers.0.w": a, "layers.1.w": a, "odd.1": a, "b": a}
	tree, err := p.Unflatten()
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"layers": []any{map[string]any{"w": a}, map[string]any{"w": a}}, "odd": map[string]any{"1": a}, "b": a,
	}, tree)
	back, err := nn.Flatten(tree)
	require.NoError(t, err)
	require.Equal(t, p, back)
	_, err = nn.Params{"a": a, "a.b": a}.Unflatten()
	require.ErrorContains(t, err, `"a.b" goes on behind the array "a"`)
	_, err = nn.Flatten(map[string]any{"x": 3})
	require.ErrorContains(t, err, `nn: flatten: int at "x"`)
}

func TestQuantizeNamesLayersThatItCannotPack(t *testing.T) {
	k := nn.NewKeys(mlx.On(mlx.CPU), 1)
	net := nn.NewSequential(nn.NewLinear(k, 64, 32, true), nn.NewLinear(k, 32, 8, true))
	m := nn.NewModel(net)
	q := mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}
	require.ErrorContains(t, nn.Quantize(m, q), `nn: quantize: "layers.1": `)
	require.Equal(t, []string{"layers.0.bias", "layers.0.weight", "layers.1.bias", "layers.1.weight"}, m.Parameters().Paths())
	require.NoError(t, nn.Quantize(m, q, func(path string, _ any) bool { return path == "layers.0" }))
	require.Equal(t, []string{"layers.0.bias", "layers.0.biases", "layers.0.scales", "layers.0.weight", "layers.1.bias", "layers.1.weight"}, m.Parameters().Paths())
	require.Equal(t, []string{"layers.0.bias", "layers.1.bias", "layers.1.weight"}, m.Trainable().Paths())
	require.NoError(t, nn.Quantize(m, q, func(path string, _ any) bool { return path != "layers.1" }), "what is packed stays so")
}

func TestQQLinearPacksItsWeightForInference(t *testing.T) {
	l := nn.NewQQLinear(nn.NewKeys(mlx.On(mlx.CPU), 1), 64, 4, mlx.Quantization{GroupSize: 32, Bits: 8, Mode: "mxfp8"})
	m := nn.NewModel(&struct{ Layer *nn.QQLinear }{l})
	dense := values(t, l.Weight)
	require.Equal(t, []string{"layer.weight"}, m.Trainable().Paths())
	require.NoError(t, m.Train(false))
	require.Equal(t, []string{"layer.scales", "layer.weight"}, m.Parameters().Paths())
	require.Empty(t, m.Trainable())
	require.NoError(t, m.Train(true))
	require.InDeltaSlice(t, dense, values(t, l.Weight), 0.125/16, "±1/8 with 3 bits behind the point")
	require.Equal(t, []string{"layer.weight"}, m.Trainable().Paths())
}

func TestOneProcessHasTheMeanGradients(t *testing.T) {
	group, err := mlx.InitDistributed(t.Context(), "any", false)
	require.NoError(t, err)
	grads := drawnParams("g", mlx.Float32)
	require.Equal(t, grads, nn.AverageGradients(grads, group))
}
