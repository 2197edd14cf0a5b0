package edit

import (
	"fmt"
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/model"
)

// Edit changes what passes a place: x becomes Op(x) at some positions and heads. What is
// read of that place, and of all after it, is read after the edit. Several edits of one
// place are made in their order.
type Edit struct {
	Place     model.Place
	Positions []int // negative ones count from the prompt's end; nil: the value's own, or else all
	Heads     []int // for sites with a head axis; nil: all
	Keys      []int // for attn_scores and pattern, where Positions are those of queries; nil: all that a query sees
	Op        Op
	Factor    float64 // of Scale, Steer, Swap and SwapClamped; of Noise the standard deviation
	Low, High float64 // of Clamp
	Seed      uint64  // of Noise
	Value     Value   // of Add, Set and Mean; of ProjectOut, Steer, Swap and SwapClamped directions

	Norm  float64 // of Steer: the median length of the states that it changes; 0 is not measured
	Clean Value   // of SwapClamped: what passes in the run without edits, [pos, d] with positions

	Text string // as the user wrote it, for results
}

// Op is what an edit does.
type Op string

// The operations.
const (
	Zero       Op = "zero"        // 0 (zero ablation)
	Mean       Op = "mean"        // Value, an average of what passes there (mean ablation)
	Scale      Op = "scale"       // Factor·x
	Add        Op = "add"         // x + Value (steering)
	Set        Op = "set"         // Value (patching)
	Clamp      Op = "clamp"       // min(max(x, Low), High)
	Noise      Op = "noise"       // x + Factor·ε, ε ~ N(0, 1), the same for a seed, place and position in any batch
	ProjectOut Op = "project-out" // x less its part in the span of Value's rows

	Steer       Op = "steer"        // h + Factor·Norm·v/|v|, v being Value [d]
	Swap        Op = "swap"         // the coordinates of two directions, Value [2, d], exchanged
	SwapClamped Op = "swap-clamped" // the same, to what they are in the run without edits

	// Mask, of attn_scores, hides Keys from the queries: their scores are the most negative number
	// of their type, and softmax gives what they had to the other keys and to the sink. A query that
	// is left without a key attends to nothing (attention knock-out: Geva et al. 2023, arXiv:2304.14767).
	Mask Op = "mask"
)

// Ops are the operations.
func Ops() []Op {
	return []Op{Zero, Mean, Scale, Add, Set, Clamp, Noise, ProjectOut, Steer, Swap, SwapClamped, Mask}
}

func opNames() string {
	var names []string
	for _, op := range Ops() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

// hasValue reports whether an operation, as it is made, puts numbers of its Value at positions.
func (op Op) hasValue() bool { return op == Add || op == Set || op == Mean || op == SwapClamped }

// hasFactor reports whether a factor may stand behind what an operation is given.
func (op Op) hasFactor() bool { return op == Add || op == Steer || op == Swap || op == SwapClamped }

// String returns the edit as it was written, or in brief.
func (e *Edit) String() string {
	if e.Text != "" || e.Place.Site == "" {
		return e.Text
	}
	return fmt.Sprintf("%s=%s", e.Place, e.Op)
}

// Check returns an error unless the model has the place, and the operation what it needs.
func (e *Edit) Check(m model.Model) error {
	if err := m.Check(e.Place); err != nil {
		return e.wrong("%w", err)
	}
	if e.Place.Site == model.ExpertIDs {
		return e.wrong("experts holds the numbers of experts, which no arithmetic fits: edit router_logits or expert_weights")
	}
	shape := m.Shape().In(e.Place.Layer)
	if e.Heads != nil && headAxis(e.Place.Site) < 0 {
		return e.wrong("%s has no heads", e.Place.Site)
	}
	if e.Heads != nil {
		if _, err := once(e.Heads, headsOf(e.Place.Site, shape), "head"); err != nil {
			return e.wrong("%w", err)
		}
	}
	if e.Keys != nil && !hasKeys(e.Place.Site) {
		return e.wrong("%s has no keys: %s and %s have", e.Place.Site, model.AttnScores, model.Pattern)
	}
	switch e.Op {
	case Zero:
	case Mask:
		return e.checkMask()
	case Scale, Noise:
		if !(math.Abs(e.Factor) <= math.MaxFloat32) || e.Op == Noise && e.Factor < 0 {
			return e.wrong("%s by %v: want a number that float32 holds, of noise 0 or more", e.Op, e.Factor)
		}
	case Clamp:
		if !(e.Low <= e.High) || e.Low > math.MaxFloat32 || e.High < -math.MaxFloat32 {
			return e.wrong("clamp from %v to %v: want the lower bound first, and numbers that float32 holds between them", e.Low, e.High)
		}
	case Add, Set, Mean:
		return e.checkValue(shape)
	case ProjectOut:
		return e.checkDirections(shape)
	case Steer:
		return e.checkDirection(shape)
	case Swap, SwapClamped:
		return e.checkPair(shape)
	default:
		return e.wrong("operation %q is unknown%s (have: %s)", e.Op, spelling.DidYouMean(string(e.Op), Ops()), opNames())
	}
	return nil
}

func (e *Edit) checkMask() error {
	switch {
	case e.Place.Site != model.AttnScores:
		return e.wrong("mask is of %s, before softmax shares the weight: zero takes what is there at other places", model.AttnScores)
	case len(e.Keys) == 0:
		return e.wrong("mask wants keys: layers.N.%s@QUERIES/KEYS=mask", model.AttnScores)
	}
	return nil
}

// Error says what is wrong with an edit.
type Error struct {
	Edit string // as it was written
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("edit %q: %v", e.Edit, e.Err) }

// Unwrap gives errors.Is what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// wrong is an error about the edit.
func (e *Edit) wrong(format string, args ...any) error {
	return &Error{Brief(e.String()), fmt.Errorf(format, args...)}
}

// Brief is the text of an edit in a sentence: of numbers that are written in it the first are enough.
func Brief(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func headAxis(s model.Site) int { return s.Axis(model.Head, model.KVHead) }

// headsOf returns how many heads a site has, 0 for one without.
func headsOf(s model.Site, shape model.Shape) int {
	at := headAxis(s)
	if at < 0 {
		return 0
	}
	return shape.Size(s.Axes()[at])
}

// hasKeys reports whether a site is [batch, head, pos, key].
func hasKeys(s model.Site) bool { return s.Axis(model.Key) >= 0 }

// tail returns the sizes behind the position's axis: [d] or [head, d]; of a site with keys
// [head, keys].
func tail(s model.Site, shape model.Shape, keys int) []int {
	if hasKeys(s) {
		return []int{shape.Heads, keys}
	}
	return shape.Sizes(s)
}
