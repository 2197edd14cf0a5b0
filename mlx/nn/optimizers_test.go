package nn_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// optimizing is a case of the recorder's optimizers.
type optimizing struct {
	Name  string            `json:"name"`
	Dtype string            `json:"dtype"`
	Steps int               `json:"steps"`
	First map[string]tensor `json:"first"` // parameters after the first step
	Last  map[string]tensor `json:"last"`  // parameters after the last
	State map[string]tensor `json:"state"` // after the last
}

// with changes a rule's constants.
func with[R any](r R, change func(R)) R {
	change(r)
	return r
}

func single(rule nn.Rule, rate float64) func() *nn.Optimizer {
	return func() *nn.Optimizer { return nn.NewOptimizer(rule, nn.Constant(rate)) }
}

var optimizerMakers = map[string]func() *nn.Optimizer{
	"sgd":          single(&nn.SGD{}, 0.1),
	"sgd bfloat16": single(&nn.SGD{Momentum: 0.9, WeightDecay: 0.01}, 0.1),
	"sgd momentum": single(&nn.SGD{Momentum: 0.9, WeightDecay: 0.01, Dampening: 0.3}, 0.1),
	"sgd nesterov": func() *nn.Optimizer {
		return nn.NewOptimizer(&nn.SGD{Momentum: 0.9, Nesterov: true}, nn.CosineDecay(0.1, 5, 0.01))
	},
	"rmsprop":                       single(nn.NewRMSprop(), 0.01),
	"adagrad":                       single(nn.NewAdagrad(), 0.1),
	"adadelta":                      single(nn.NewAdaDelta(), 1),
	"adam":                          single(nn.NewAdam(), 0.01),
	"adam bias correction":          single(corrected(), 0.01),
	"adam bias correction bfloat16": single(corrected(), 0.01),
	"adamw":                         single(with(nn.NewAdamW(), func(r *nn.AdamW) { r.WeightDecay, r.BiasCorrection = 0.1, true }), 0.01),
	"adamw bfloat16":                single(nn.NewAdamW(), 0.01),
	"adamax":                        single(nn.NewAdamax(), 0.01),
	"lion":                          single(with(nn.NewLion(), func(r *nn.Lion) { r.WeightDecay = 0.1 }), 0.01),
	"adafactor":                     func() *nn.Optimizer { return nn.NewOptimizer(nn.NewAdafactor(), nil) },
	"adafactor beta": single(with(nn.NewAdafactor(), func(r *nn.Adafactor) {
		r.Beta1, r.WeightDecay, r.RelativeStep, r.ScaleParameter = 0.9, 0.1, false, false
	}), 0.01),
	"adafactor warmup": func() *nn.Optimizer {
		return nn.NewOptimizer(with(nn.NewAdafactor(), func(r *nn.Adafactor) { r.WarmupInit = true }), nil)
	},
	"muon":       single(nn.NewMuon(), 0.02),
	"muon plain": single(with(nn.NewMuon(), func(r *nn.Muon) { r.Nesterov, r.WeightDecay, r.Steps = false, 0, 3 }), 0.02),
	"multi": func() *nn.Optimizer {
		matrices := func(_ string, p *mlx.Array) bool { return p.Ndim() == 2 }
		return nn.NewMultiOptimizer(
			nn.Group{Of: matrices, Rule: nn.NewAdam(), Rate: nn.Constant(0.01)},
			nn.Group{Rule: &nn.SGD{Momentum: 0.5}, Rate: nn.Constant(0.1)})
	},
}

func corrected() *nn.Adam { return with(nn.NewAdam(), func(r *nn.Adam) { r.BiasCorrection = true }) }

var optimizedShapes = map[string][]int{"layers.0.weight": {3, 4}, "layers.1.bias": {5}, "conv.weight": {2, 3, 2}}

// drawnParams draws arrays of the recorder's shapes.
func drawnParams(name string, d mlx.Dtype) nn.Params {
	out := nn.Params{}
	for path, shape := range optimizedShapes {
		out[path] = drawn(mlx.On(mlx.CPU), name+"/"+path, 0, 1, d, shape...)
	}
	return out
}

func agreeAll(t *testing.T, name string, want map[string]tensor, got nn.Params) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), got.Paths(), name)
	for path, w := range want {
		agree(t, name+": "+path, w, got[path])
	}
}

// The state is saved after three steps and read by another optimizer, so that a state that
// lacks anything shows.
func TestOptimizersStepAsMLXRecorded(t *testing.T) {
	var cases []optimizing
	load(t, "optimizers", &cases)
	require.Len(t, cases, len(optimizerMakers))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			o, d := optimizerMakers[c.Name](), dtypes[c.Dtype]
			params := drawnParams(c.Name, d)
			var err error
			for step := range c.Steps {
				if step == 3 {
					file := filepath.Join(t.TempDir(), "state.safetensors")
					require.NoError(t, o.Save(file))
					o = optimizerMakers[c.Name]()
					require.NoError(t, o.Load(file, mlx.CPU))
				}
				params, err = o.Apply(params, drawnParams(fmt.Sprintf("%s/%d", c.Name, step), d))
				require.NoError(t, err)
				if step == 0 {
					agreeAll(t, c.Name+" after a step", c.First, params)
				}
			}
			agreeAll(t, c.Name, c.Last, params)
			if c.Name == "sgd" { // mlx.optimizers keeps zeros where there is no momentum
				maps.DeleteFunc(c.State, func(path string, _ tensor) bool { return strings.HasSuffix(path, ".v") })
			}
			agreeAll(t, c.Name+": state", c.State, o.State(scope(t)))
			require.Equal(t, c.Steps, o.Steps())
		})
	}
	told(t)
}

func TestWrongConstantsAreErrors(t *testing.T) {
	p := func() nn.Params { return nn.Params{"w": mlx.Ones(mlx.On(mlx.CPU), mlx.Float32, 2)} }
	for text, rule := range map[string]nn.Rule{
		"nn: SGD: Nesterov with momentum 0 and dampening 0":    &nn.SGD{Nesterov: true},
		"nn: Adam: Beta2 is 1 (have: 0 up to, and without, 1)": &nn.Adam{Beta2: 1},
		"nn: AdamW: Eps is -1":                                 &nn.AdamW{Adam: nn.Adam{Eps: -1}},
		"nn: RMSprop: Eps is 0 (have: more than 0)":            &nn.RMSprop{},
		"nn: Adagrad: Eps is 0":                                &nn.Adagrad{},
		"nn: AdaDelta: Rho is -1":                              &nn.AdaDelta{Rho: -1, Eps: 1},
		"nn: Lion: Beta1 is 2":                                 &nn.Lion{Beta1: 2},
		"nn: Adamax: Beta1 is -1":                              &nn.Adamax{Beta1: -1},
		"nn: Adafactor: ClipThreshold is 0":                    &nn.Adafactor{},
		"nn: Muon: Steps is -1":                                &nn.Muon{Steps: -1},
	} {
		_, err := nn.NewOptimizer(rule, nn.Constant(1)).Apply(p(), p())
		require.ErrorContains(t, err, text)
	}
	_, err := nn.NewOptimizer(nil, nn.Constant(1)).Apply(p(), p())
	require.ErrorContains(t, err, "group 0 of the optimizer has no rule or no learning rate")
	_, err = nn.NewOptimizer(nn.NewAdam(), nil).Apply(p(), p())
	require.ErrorContains(t, err, "group 0 of the optimizer has no rule or no learning rate")
	never := nn.Group{Of: func(string, *mlx.Array) bool { return false }, Rule: &nn.SGD{}, Rate: nn.Constant(1)}
	_, err = nn.NewMultiOptimizer(never).Apply(p(), p())
	require.ErrorContains(t, err, `no group of the optimizer takes "w"`)
}

func TestGradientsThatDoNotFitAreErrors(t *testing.T) {
	s := mlx.On(mlx.CPU)
	o := nn.NewOptimizer(nn.NewAdam(), nn.Constant(0.1))
	params := nn.Params{"a": mlx.Ones(s, mlx.Float32, 2), "b": mlx.Ones(s, mlx.Float32, 3), "c": mlx.Ones(s, mlx.Float32, 1)}
	_, err := o.Apply(params, nn.Params{"a": mlx.Ones(s, mlx.Float32, 3), "d": mlx.Ones(s, mlx.Float32, 3), "c": mlx.Add(params["a"], params["b"])})
	require.ErrorIs(t, err, nn.ErrParams)
	require.ErrorContains(t, err, "missing: b; unknown: d; misshapen: a is [3], want [2]; failed: c: mlx: add")
	require.Zero(t, o.Steps())
}

func TestAStateOfAnotherOptimizerIsAnError(t *testing.T) {
	s := scope(t)
	o := nn.NewOptimizer(nn.NewAdam(), nn.Constant(0.1))
	require.ErrorContains(t, o.SetState(nn.Params{}), `lacks "step"`)
	step := mlx.Scalar(s, uint64(1))
	require.ErrorContains(t, o.SetState(nn.Params{"step": step, "m": step}), `"m", which belongs to no parameter`)
	require.Error(t, o.SetState(nn.Params{"step": mlx.Scalar(s, float32(1))}))
	params := nn.Params{"w": mlx.Ones(s, mlx.Float32, 2)}
	require.NoError(t, o.SetState(nn.Params{"step": step, "w.m": mlx.Ones(s, mlx.Float32, 1), "w.x": params["w"]}))
	_, err := o.Apply(params, params)
	require.ErrorIs(t, err, nn.ErrParams)
	require.ErrorContains(t, err, "the optimizer's state of w: missing: v; misshapen: m is [1], want [2]")
	multi := nn.NewMultiOptimizer(nn.Group{Rule: &nn.SGD{}, Rate: nn.Constant(1)})
	require.ErrorContains(t, multi.SetState(nn.Params{"states.0.step": step, "states.1.step": step}), "of other groups than its 1")
}

func TestSchedulesClippingAndInitializersAreMLXs(t *testing.T) {
	var c struct {
		Steps     []int                `json:"steps"`
		Schedules map[string][]float64 `json:"schedules"`
		Clip      []struct {
			Most  float64           `json:"most"`
			Norm  float64           `json:"norm"`
			Grads map[string]tensor `json:"grads"`
		} `json:"clip"`
		Init map[string]tensor `json:"init"`
	}
	load(t, "constants", &c)
	schedules := map[string]nn.Schedule{
		"exponential": nn.ExponentialDecay(0.1, 0.9), "step": nn.StepDecay(0.1, 0.5, 10), "cosine": nn.CosineDecay(0.1, 50, 0.01),
		"linear": nn.LinearSchedule(0, 0.1, 50),
		"join": nn.JoinSchedules(nn.ExponentialDecay(0.01, 0.9), nn.Until{Schedule: nn.LinearSchedule(0, 0.1, 10), Step: 10},
			nn.Until{Schedule: nn.CosineDecay(0.1, 40, 0), Step: 50}),
	}
	require.Len(t, c.Schedules, len(schedules))
	for name, want := range c.Schedules {
		for i, step := range c.Steps {
			require.InDelta(t, want[i], schedules[name](step), 1e-8, "%s at %d: mlx's are float32, of 0.1 at most", name, step)
		}
	}
	for _, clip := range c.Clip {
		clipped, norm := nn.ClipGradNorm(drawnParams("clip", mlx.Float32), clip.Most)
		require.InDelta(t, clip.Norm, values(t, norm)[0], 1e-6)
		agreeAll(t, fmt.Sprint("clipped to ", clip.Most), clip.Grads, clipped)
	}
	inits := map[string]nn.Initializer{
		"constant": nn.InitConstant(0.5, mlx.Float32), "normal": nn.InitNormal(1, 2, mlx.Float32), "uniform": nn.InitUniform(-1, 3, mlx.Float32),
		"identity": nn.InitIdentity(mlx.Float32), "glorot_normal": nn.InitGlorotNormal(1, mlx.Float32), "glorot_uniform": nn.InitGlorotUniform(1, mlx.Float32),
		"he_normal": nn.InitHeNormal(nn.FanIn, 1, mlx.Float32), "he_uniform": nn.InitHeUniform(nn.FanIn, 1, mlx.Float32), "sparse": nn.InitSparse(0.4, 0, 2, mlx.Float32),
		"orthogonal": nn.InitOrthogonal(2, mlx.Float32), "glorot_normal gain": nn.InitGlorotNormal(2, mlx.Float32),
		"he_normal out": nn.InitHeNormal(nn.FanOut, 2, mlx.Float32), "he_uniform out": nn.InitHeUniform(nn.FanOut, 2, mlx.Float32),
		"normal bfloat16": nn.InitNormal(0, 1, mlx.BFloat16),
	}
	require.Len(t, c.Init, len(inits))
	for name, want := range c.Init {
		agree(t, name, want, inits[name](nn.NewKeys(mlx.On(mlx.CPU), 17), want.Shape...))
	}
}
