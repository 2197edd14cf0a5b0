package experiment

import (
	"math"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// Run is a run that an experiment is of.
type Run struct {
	Prompt   *string      `json:"prompt"` // nil when ids were given instead of text
	BOSAdded bool         `json:"bos_added"`
	Tokens   []lens.Token `json:"tokens"`
	Position int          `json:"position"` // that is read
	Edits    []string     `json:"edits"`
}

// Baseline is a metric of the two runs that are set against each other.
type Baseline struct {
	Clean     lens.Number `json:"clean"`
	Corrupted lens.Number `json:"corrupted"`
}

// recovery is 0 where a metric is that of the corrupted run, and 1 where it is that of the clean
// one; where the two agree it is 0 for the same number, and no number else.
func (b Baseline) recovery(x float64) lens.Number {
	if x == float64(b.Corrupted) {
		return 0
	}
	if b.Clean == b.Corrupted {
		return lens.Number(math.NaN())
	}
	return lens.Number(x-float64(b.Corrupted)) / (b.Clean - b.Corrupted)
}

// text is the prompt as it is shown.
func (r *Run) text() string {
	if r.Prompt != nil {
		return `"` + render.Visible(*r.Prompt) + `"`
	}
	return english.Plural(len(r.Tokens), "token id", "")
}

// describe says what a run is of.
func describe(in edit.Input, label func(id int) string) Run {
	r := Run{Position: in.Positions[0], Edits: []string{}}
	for _, id := range in.IDs {
		r.Tokens = append(r.Tokens, token(id, label))
	}
	for i := range in.Edits {
		r.Edits = append(r.Edits, in.Edits[i].String())
	}
	return r
}

func token(id int, label func(id int) string) lens.Token {
	t := lens.Token{ID: id}
	if label != nil {
		t.Bytes = label(id)
	}
	return t
}

func modelInfo(m model.Model) lens.ModelInfo {
	s := m.Shape()
	return lens.ModelInfo{Layers: s.Layers, DModel: s.DModel, DVocab: s.DVocab}
}
