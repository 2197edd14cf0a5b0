package load

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// ropeKinds are the types that Rotation knows.
const ropeKinds = "default, linear, dynamic, llama3, yarn, longrope, proportional"

// Rotation returns the rotation of heads of headDim dimensions. Frequencies are computed
// in float64; an array of the loader's holds them where they are not plain powers of
// the base. Numbers that a config leaves out are mlx-lm's.
func (c *RopeConfig) Rotation(l *Loader, headDim int) (*model.Rope, error) {
	dims := int(float64(headDim) * c.Partial)
	if c.Kind() == "proportional" {
		return c.proportional(l, headDim, dims)
	}
	if dims < 2 || dims%2 != 0 {
		return nil, fmt.Errorf("model: partial_rotary_factor %v of head_dim %d turns %d dimensions, want an even number", c.Partial, headDim, dims)
	}
	r := &model.Rope{Rotary: mlx.Rotary{Dims: dims, Traditional: c.Traditional, Base: c.Theta, Scale: 1}, Magnitude: 1}
	s := &c.scaling
	kind := c.Kind()
	if kind != "default" && kind != "longrope" && s.Factor <= 0 {
		if _, known := frequencies[kind]; known || kind == "linear" || kind == "dynamic" {
			return nil, fmt.Errorf("model: rope_scaling type %q has factor %v, want one above 0", kind, s.Factor)
		}
	}
	if err := s.check(kind); err != nil {
		return nil, err
	}
	if c.magnitude != 0 {
		defer func() { r.Magnitude = c.magnitude }()
	}
	switch kind {
	case "default":
		return r, nil
	case "linear":
		r.Scale = 1 / s.Factor // positions are divided (Chen et al. 2023, arXiv:2306.15595)
		return r, nil
	case "dynamic":
		if c.Context <= 0 || dims == 2 {
			return nil, fmt.Errorf("model: rope_scaling type %q needs max_position_embeddings above 0 and more than 2 dimensions that turn", kind)
		}
		r.Factor, r.Trained = s.Factor, c.Context
		l.Note(model.Note{Above: c.Context, Text: "dynamic rope: a prompt's positions turn by the length of the whole prompt, and each generated one by the length so far, as in transformers"})
		return r, nil
	}
	if kind == "longrope" {
		return r, c.longrope(r, l)
	}
	compute, ok := frequencies[kind]
	if !ok {
		return nil, fmt.Errorf("model: rope_scaling type %q is not implemented (have: %s)", kind, ropeKinds)
	}
	periods := plainPeriods(r)
	if err := compute(c, periods, r); err != nil {
		return nil, err
	}
	c.noteDifferences(kind, l)
	var err error
	if r.Freqs, err = l.periods(periods, 0); err != nil {
		return nil, err
	}
	return r, checkMagnitude(kind, r.Magnitude)
}

// check refuses keys that change a rotation in a way that is not implemented, or that no
// program reads for its kind.
func (s *ropeScaling) check(kind string) error {
	var wrong string
	switch {
	case s.ShortMScale != nil || s.LongMScale != nil:
		wrong = "short_mscale and long_mscale"
	case len(s.MRopeSections) > 0:
		wrong = "mrope_section"
	case s.Alpha != nil:
		wrong = "alpha"
	case kind != "yarn" && s.Truncate != nil && !*s.Truncate:
		wrong = "truncate"
	case kind != "yarn" && kind != "longrope" && orElse(s.Attention, 1) != 1:
		wrong = "attention_factor"
	default:
		return nil
	}
	return fmt.Errorf("model: rope_scaling type %q: %s not implemented", kind, wrong+map[bool]string{true: " are", false: " is"}[strings.Contains(wrong, " and ")])
}

// noteDifferences says what mlx-lm computes otherwise.
func (c *RopeConfig) noteDifferences(kind string, l *Loader) {
	say := func(text string) { l.Note(model.Note{Text: kind + " rope: " + text}) }
	s := &c.scaling
	if c.Original == 0 {
		say("original_max_position_embeddings is missing, and max_position_embeddings takes its place, as in transformers; mlx-lm has a number of its own")
	}
	if theirs := yarnMagnitude(s.Factor, cmp.Or(s.MScale, 1)) / yarnMagnitude(s.Factor, s.MScaleAllDim); kind == "yarn" && math.Abs(orElse(s.Attention, theirs)-theirs) > 1e-6 {
		say("what turns is multiplied by attention_factor, as in transformers; mlx-lm does not read it")
	}
	if kind == "yarn" && s.Attention == nil && s.MScaleAllDim == 0 && s.MScale != 0 && s.MScale != 1 {
		say("mscale without mscale_all_dim is not read, as in transformers; mlx-lm reads it")
	}
	if kind == "yarn" && s.Attention == nil && s.MScaleAllDim != 0 && s.MScale == 0 {
		say("mscale_all_dim without mscale does not change what turns, as in transformers; mlx-lm reads it")
	}
}

// NotePlain remarks on a rotation of which mlx-lm reads rope_theta and partial_rotary_factor alone,
// outside rope_parameters, for the model_type, where it then turns otherwise; theta and partial are
// what it takes where they are missing there.
func (c *RopeConfig) NotePlain(l *Loader, theta, partial float64) {
	theta, partial = orElse(c.outer.theta, theta), orElse(c.outer.partial, partial)
	if c.Kind() == "default" && theta == c.Theta && partial == c.Partial {
		return
	}
	l.Note(model.Note{Text: fmt.Sprintf("queries and keys turn by base %v, %v of each head, rope type %q, as in transformers; mlx-lm takes base %v and %v of each head, without scaling",
		c.Theta, c.Partial, c.Kind(), theta, partial)})
}

// NoteNewer remarks on a rotation that rope_parameters say, of which mlx-lm reads nothing for the
// model_type; theta is what it takes where rope_theta is missing outside.
func (c *RopeConfig) NoteNewer(l *Loader, theta float64) {
	theta = orElse(c.outer.theta, theta)
	if scaled := c.newer && c.Kind() != "default"; scaled || theta != c.Theta {
		l.Note(model.Note{Text: fmt.Sprintf("heads turn by base %v, rope type %q, as in transformers; mlx-lm, which does not read rope_parameters, takes base %v%s",
			c.Theta, c.Kind(), theta, map[bool]string{true: ", without scaling"}[scaled])})
	}
}

// PlainTheta returns the base that stands outside rope_parameters, missing where none does.
func (c *RopeConfig) PlainTheta(missing float64) float64 { return orElse(c.outer.theta, missing) }

// plainPeriods returns 1/frequency of each pair of dimensions: powers of the base.
func plainPeriods(r *model.Rope) []float64 {
	periods := make([]float64, r.Dims/2)
	for i := range periods {
		periods[i] = math.Pow(r.Base, 2*float64(i)/float64(r.Dims))
	}
	return periods
}

// checkMagnitude refuses what float32 does not hold.
func checkMagnitude(kind string, m float64) error {
	if n := float32(m); !(n > 0) || math.IsInf(float64(n), 0) {
		return fmt.Errorf("model: rope_scaling type %q scales what turns by %v, want a number above 0", kind, m)
	}
	return nil
}

// periods makes an array of the loader's of them, which float32 must hold, and of so many pairs of
// dimensions that stand still.
func (l *Loader) periods(periods []float64, still int) (*mlx.Array, error) {
	narrow := make([]float32, len(periods), len(periods)+still)
	for i, p := range periods {
		if narrow[i] = float32(p); !(narrow[i] > 0) || math.IsInf(float64(narrow[i]), 0) {
			return nil, fmt.Errorf("model: rope: dimension %d turns once in %v·2π positions, want a number above 0 that float32 holds", i, p)
		}
	}
	for range still {
		narrow = append(narrow, float32(math.Inf(1)))
	}
	a := l.Hold(mlx.FromSlice(mlx.On(l.device), narrow))
	return a, a.Err()
}

// stretched returns plain periods times factors, which key names in an error.
func stretched[T float32 | float64](r *model.Rope, factors []T, key string) ([]float64, error) {
	periods := plainPeriods(r)
	if len(factors) != len(periods) {
		return nil, fmt.Errorf("model: rope_scaling: %s has %d factors, want %d, one for each frequency", key, len(factors), len(periods))
	}
	for i, f := range factors {
		if !(f > 0) {
			return nil, fmt.Errorf("model: rope_scaling: %s %d is %v, want one above 0", key, i, f)
		}
		periods[i] *= float64(f)
	}
	return periods, nil
}

// Stretch multiplies each period of a rotation by a factor, as llama.cpp's files hold
// llama3's scaling.
func (l *Loader) Stretch(r *model.Rope, factors []float32) error {
	periods, err := stretched(r, factors, "rope_freqs")
	if err != nil {
		return err
	}
	r.Freqs, err = l.periods(periods, 0)
	return err
}

// LongRope makes the config one of longrope where the checkpoint has factors as llama.cpp's
// files hold them, the tensors rope_factors_short and rope_factors_long.
func (l *Loader) LongRope(c *RopeConfig, headDim int) error {
	n := int(float64(headDim)*c.Partial) / 2
	short, err := l.Floats("rope_factors_short.weight", n)
	if err != nil {
		return err
	}
	long, err := l.Floats("rope_factors_long.weight", n)
	if err != nil || short == nil && long == nil {
		return err
	}
	s := ropeScaling{Type: "longrope"}
	for _, f := range short {
		s.ShortFactor = append(s.ShortFactor, float64(f))
	}
	for _, f := range long {
		s.LongFactor = append(s.LongFactor, float64(f))
	}
	if c.magnitude != 1 {
		s.Attention = &c.magnitude
	}
	c.scaling, c.magnitude = s, 0
	return nil
}

// proportional turns dims dimensions of each head, at the first of them as if all of it turned: the
// pairs are half a head apart, and the last ones stand still (Gemma 4). The periods are multiplied by
// factor.
func (c *RopeConfig) proportional(l *Loader, headDim, dims int) (*model.Rope, error) {
	if dims < 2 || dims%2 != 0 || headDim%2 != 0 {
		return nil, fmt.Errorf("model: partial_rotary_factor %v of head_dim %d turns %d dimensions, want an even number", c.Partial, headDim, dims)
	}
	if c.scaling.Factor < 0 {
		return nil, fmt.Errorf("model: rope_scaling type \"proportional\" has factor %v, want one above 0", c.scaling.Factor)
	}
	if err := c.scaling.check("proportional"); err != nil {
		return nil, err
	}
	r := &model.Rope{Rotary: mlx.Rotary{Dims: headDim, Traditional: c.Traditional, Base: c.Theta, Scale: 1}, Magnitude: 1}
	periods := plainPeriods(r)[:dims/2]
	for i := range periods {
		periods[i] *= cmp.Or(c.scaling.Factor, 1)
	}
	var err error
	r.Freqs, err = l.periods(periods, (headDim-dims)/2)
	return r, err
}

// frequencies has the kinds that change each period in its own way.
var frequencies = map[string]func(c *RopeConfig, periods []float64, r *model.Rope) error{
	"llama3": llama3, "yarn": yarn,
}

// llama3: wavelengths longer than original/low are stretched by factor, those shorter
// than original/high stay, those between go over smoothly (Llama 3.1's reference code,
// apply_scaling).
func llama3(c *RopeConfig, periods []float64, _ *model.Rope) error {
	low, high, old := orElse(c.scaling.LowFreq, 1), orElse(c.scaling.HighFreq, 4), c.original()
	if low <= 0 || high < low || old <= 0 {
		return fmt.Errorf("model: rope_scaling type \"llama3\" needs 0 < low_freq_factor ≤ high_freq_factor and original_max_position_embeddings above 0; found %v, %v and %v", low, high, old)
	}
	factor := c.scaling.Factor
	for i, period := range periods {
		switch wavelength := 2 * math.Pi * period; {
		case wavelength > old/low:
			periods[i] = period * factor
		case wavelength > old/high:
			smooth := (old/wavelength - low) / (high - low)
			periods[i] = period / ((1-smooth)/factor + smooth)
		}
	}
	return nil
}

// yarn stretches dimensions that turn less than beta_slow times within the original
// length, leaves those that turn more than beta_fast times, and ramps between; what
// turns is scaled by 0.1·ln(factor) + 1 (Peng et al. 2023, arXiv:2309.00071).
func yarn(c *RopeConfig, periods []float64, r *model.Rope) error {
	s, old := &c.scaling, c.original()
	fast, slow := cmp.Or(s.BetaFast, 32), cmp.Or(s.BetaSlow, 1)
	if old <= 0 || fast <= 0 || slow <= 0 {
		return fmt.Errorf("model: rope_scaling type \"yarn\" needs original_max_position_embeddings, beta_fast and beta_slow above 0; found %v, %v and %v", old, fast, slow)
	}
	dims := float64(r.Dims)
	turning := func(times float64) float64 { // the dimension that turns so often
		return dims * math.Log(old/(times*2*math.Pi)) / (2 * math.Log(c.Theta))
	}
	from, to := turning(fast), turning(slow)
	if s.Truncate == nil || *s.Truncate {
		from, to = math.Floor(from), math.Ceil(to)
	}
	from, to = max(from, 0), min(to, dims-1)
	if from == to {
		to += 0.001
	}
	for i, period := range periods {
		ramp := min(max((float64(i)-from)/(to-from), 0), 1)
		slowed := period * s.Factor
		periods[i] = slowed * period / (slowed*(1-ramp) + period*ramp)
	}
	magnitude := yarnMagnitude(s.Factor, 1)
	if s.MScale != 0 && s.MScaleAllDim != 0 { // one alone is not read
		magnitude = yarnMagnitude(s.Factor, s.MScale) / yarnMagnitude(s.Factor, s.MScaleAllDim)
	}
	r.Magnitude = orElse(s.Attention, magnitude)
	return nil
}

// yarnMagnitude returns 0.1·m·ln(factor) + 1.
func yarnMagnitude(factor, m float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*m*math.Log(factor) + 1
}

// ScoreMagnitude returns what DeepSeek's models multiply a head's queries and keys by, turned or not:
// 0.1·mscale_all_dim·ln(factor) + 1 where there is a scaling that has mscale_all_dim, else 1.
func (c *RopeConfig) ScoreMagnitude() float64 {
	if c.Kind() == "default" || c.scaling.MScaleAllDim == 0 {
		return 1
	}
	return yarnMagnitude(c.scaling.Factor, c.scaling.MScaleAllDim)
}

// original returns the length before the scaling, where a config leaves it out the context.
func (c *RopeConfig) original() float64 {
	if c.Original != 0 {
		return c.Original
	}
	return float64(c.Context)
}

// longrope multiplies each period by a factor of its own, found by search (Ding et al.
// 2024, arXiv:2402.13753): by the short ones in sequences that are no longer than the
// original length, by the long ones in longer ones.
func (c *RopeConfig) longrope(r *model.Rope, l *Loader) error {
	s, old := &c.scaling, c.original()
	short, err := stretched(r, s.ShortFactor, "short_factor")
	if err != nil {
		return err
	}
	long, err := stretched(r, s.LongFactor, "long_factor")
	if err != nil {
		return err
	}
	if old <= 1 || old != math.Trunc(old) || c.Context <= 0 {
		return fmt.Errorf("model: rope_scaling type \"longrope\" needs max_position_embeddings and original_max_position_embeddings; found %d and %v", c.Context, old)
	}
	if r.Freqs, err = l.periods(short, 0); err != nil {
		return err
	}
	if r.Long, err = l.periods(long, 0); err != nil {
		return err
	}
	r.Original = int(old)
	l.Note(model.Note{UpTo: r.Original, Text: fmt.Sprintf("longrope: sequences of up to %d tokens turn by the short factors, as in transformers; mlx-lm takes the long ones for all. What is generated goes by them up to there, and a trace of a longer text by the long ones from its first token on", r.Original)})
	magnitude := 1.0
	if stretch := cmp.Or(s.Factor, float64(c.Context)/old); stretch > 1 {
		magnitude = math.Sqrt(1 + math.Log(stretch)/math.Log(old))
	}
	r.Magnitude = orElse(s.Attention, magnitude)
	return checkMagnitude("longrope", r.Magnitude)
}
