package edit

import (
	"math"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/model"
)

// Source answers what the text form of an edit names; whoever parses one knows files and
// tokenizers.
type Source interface {
	// Value returns the numbers of add and set, or directions, for a place.
	Value(arg string, at model.Place) (Value, error)

	// Mean returns the average of what passes a place, over what arg names: "" the prompt,
	// "@POSITIONS" some of its positions, else a file of prompts.
	Mean(arg string, at model.Place) (Value, error)
}

// Parse reads SITE[@POSITIONS][/KEYS][#HEADS]=OP[:ARG], such as layers.5.mlp_out@3:6=scale:0.5,
// layers.8.z#3=zero, layers.9.resid_post@-1=add:vector.npz*1.5 or layers.4.attn_scores@-1/0:3=mask,
// for a prompt of so many tokens. What add adds, and the directions of steer and swaps, may have a factor behind them
// ([CutFactor]); steer and swap-clamped are measured later (states.Measure). A site is written in any dialect that the model's Paths know.
func Parse(text string, m model.Model, tokens int, from Source) (Edit, error) {
	e := Edit{Text: text}
	where, what, ok := strings.Cut(text, "=")
	if !ok {
		return Edit{}, e.wrong("want SITE[@POSITIONS][/KEYS][#HEADS]=OP[:ARG]")
	}
	var err error
	site, headText, hasHeads := strings.Cut(where, "#")
	site, keys, hasKeys := strings.Cut(site, "/")
	site, at, hasPositions := strings.Cut(site, "@")
	if e.Place, err = m.Paths().Place(site); err != nil {
		return Edit{}, e.wrong("%w", err)
	}
	if hasHeads {
		heads := headsOf(e.Place.Site, m.Shape())
		if heads == 0 {
			return Edit{}, e.wrong("%s has no heads", e.Place.Site)
		}
		if e.Heads, err = model.ParseInOrder(headText, heads, "head"); err != nil {
			return Edit{}, e.wrong("%w", err)
		}
	}
	if hasPositions {
		if e.Positions, err = model.ParseInOrder(at, tokens, "position"); err != nil {
			return Edit{}, e.wrong("%w", err)
		}
	}
	if hasKeys {
		if e.Keys, err = model.ParseIndices(keys, tokens, "key"); err != nil {
			return Edit{}, e.wrong("%w", err)
		}
	}
	op, arg, _ := strings.Cut(what, ":")
	e.Op = Op(op)
	if err := e.parseArg(arg, strings.Contains(what, ":"), from); err != nil {
		return Edit{}, err
	}
	return e, e.Check(m)
}

// parseArg reads what stands behind the operation.
func (e *Edit) parseArg(arg string, given bool, from Source) (err error) {
	numbers := strings.Split(arg, ":")
	number := func(i int) float64 {
		x, bad := strconv.ParseFloat(numbers[i], 64)
		if bad != nil && err == nil {
			err = e.wrong("%s wants a number, not %q", e.Op, numbers[i])
		}
		return x
	}
	switch e.Op {
	case Zero, Mask:
		if given {
			return e.wrong("%s takes no argument", e.Op)
		}
	case Scale:
		if len(numbers) != 1 || arg == "" {
			return e.wrong("scale wants a number, such as scale:0.5, not %q", arg)
		}
		e.Factor = number(0)
	case Clamp:
		if len(numbers) != 2 {
			return e.wrong("clamp wants two numbers, such as clamp:-1:1, not %q", arg)
		}
		e.Low, e.High = number(0), number(1)
	case Noise:
		if len(numbers) > 2 || arg == "" {
			return e.wrong("noise wants a standard deviation and may have a seed, such as noise:0.5:7, not %q", arg)
		}
		if e.Factor = number(0); len(numbers) == 2 {
			var bad error
			if e.Seed, bad = strconv.ParseUint(numbers[1], 10, 64); bad != nil {
				return e.wrong("noise wants a seed that is a whole number, not %q", numbers[1])
			}
		}
	case Add, Set, ProjectOut, Steer, Swap, SwapClamped:
		if arg == "" {
			return e.wrong("%s wants a file with numbers, or directions of tokens", e.Op)
		}
		return e.parseValue(arg, from)
	case Mean:
		if e.Value, err = from.Mean(arg, e.Place); err != nil {
			return e.wrong("%w", err)
		}
	default:
		return e.wrong("operation %q is unknown%s (have: %s)", e.Op, spelling.DidYouMean(string(e.Op), Ops()), opNames())
	}
	return err
}

// parseValue reads the numbers of an operation, and the factor of those that have one.
func (e *Edit) parseValue(arg string, from Source) error {
	source, factor, given := CutFactor(arg)
	switch {
	case !e.Op.hasFactor():
		source = arg
	case e.Op != Add:
		e.Factor = factor
	}
	var err error
	if e.Value, err = from.Value(source, e.Place); err != nil {
		return e.wrong("%w", err)
	}
	if !given || source == arg {
		return nil
	}
	if _, err := from.Value(arg, e.Place); err == nil { // an array is called so
		return e.wrong("%q names numbers with and without its %q: give the array another name", arg, arg[len(source):])
	}
	if !(math.Abs(factor) <= math.MaxFloat32) {
		return e.wrong("%s by %v: want a number that float32 holds", e.Op, factor)
	}
	if e.Op == Add {
		e.Value = e.Value.Times(factor)
	}
	return nil
}

// CutFactor cuts what has a factor, FILE*FACTOR, into both; without a number behind the last * there
// is no factor, and it is 1.
func CutFactor(arg string) (value string, factor float64, given bool) {
	if at := strings.LastIndexByte(arg, '*'); at >= 0 {
		if x, err := strconv.ParseFloat(arg[at+1:], 64); err == nil {
			return arg[:at], x, true
		}
	}
	return arg, 1, false
}
