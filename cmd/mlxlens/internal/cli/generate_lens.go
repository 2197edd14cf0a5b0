package cli

import (
	"context"
	"io"
	"strings"

	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

type tokenLens struct {
	Lens     string      `json:"lens,omitempty"` // that reads the rows, as trace names it; "": logit
	Position int         `json:"position"`       // of the pass that chose the token, as trace counts
	Rows     []string    `json:"rows"`
	Cells    []lens.Cell `json:"cells"`
}

// readBy makes the reader of --lens, of the passes that choose a token.
func (g *generation) readBy(s *streams, options *generate.Options) error {
	shape := g.opened.Model.Shape()
	lo := lens.Options{Top: min(g.o.top, shape.DVocab), Experts: g.o.view == "expert", Label: g.label}
	var err error
	if lo.Layers, err = selection(g.o.layers, shape.Layers, "layer"); err != nil {
		return err
	}
	if lo.Translator, g.done, err = g.o.lens.reader(s, g.opened); err != nil {
		return err
	}
	if g.reader, err = lens.NewReader(g.opened.Model, lo); err != nil {
		g.done()
		return withLayers(err)
	}
	options.Tap = func(p generate.Pass) *model.Tap {
		if !p.Chooses {
			return nil
		}
		return g.reader.Tap()
	}
	return nil
}

// column reads the lens of the pass that chose the last token, adds it to the grid, and returns it for JSON; nil without
// --lens.
func (g *generation) column(ctx context.Context, first bool) (*tokenLens, error) {
	if g.reader == nil {
		return nil, nil
	}
	ids := g.gen.IDs()
	at := len(ids) - 2 // the last id was chosen by the one before
	column, err := g.reader.Read(ctx, ids[at:at+1])
	if err != nil {
		return nil, err
	}
	out := &tokenLens{Position: at, Rows: column.Rows}
	if g.o.lens.path != logitLens {
		out.Lens = column.Lens
	}
	for _, row := range column.Cells {
		out.Cells = append(out.Cells, row[0])
	}
	g.tell(column, ids, at)
	if !first {
		return out, g.grid.Append(column)
	}
	// The prompt's other tokens have no column, but they count.
	g.grid, column.Positions, column.Tokens = column, []int{at}, g.tokens(ids[:at+1])
	return out, nil
}

// tell passes a column on, as one of the grid of all tokens so far.
func (g *generation) tell(column *lens.Grid, ids []int, at int) {
	if g.s.watch.part == nil {
		return
	}
	of := *column
	of.Positions, of.Tokens = []int{at}, g.tokens(ids)
	g.prompt.describe(&of, g.opened.Info)
	of.Continued, of.Final.Position = len(ids)-len(g.prompt.ids), -2 // its token is the last
	for i := range g.edits {
		of.Edits = append(of.Edits, g.edits[i].String())
	}
	g.s.watch.part(&of)
}

// inWords tells who follows an answer in JSON the text, why it ended, and the lens of its tokens.
func (g *generation) inWords(by string) error {
	of := []string{"generated: " + render.Visible(g.text.words.String()), g.s.naming.write("ended by: %v", g.words(by))}
	if len(g.o.edits) > 0 {
		of = append(of, "edited: "+render.Visible(strings.Join(g.o.edits, ", ")))
	}
	return g.s.inWords(of, func(w io.Writer, t render.TerminalOptions) error {
		if g.grid == nil {
			return nil
		}
		return render.Terminal(w, g.grid, t)
	})
}

func (g *generation) tokens(ids []int) []lens.Token {
	tokens := make([]lens.Token, len(ids))
	for i, id := range ids {
		tokens[i] = lens.Token{ID: id, Bytes: g.label(id)}
	}
	return tokens
}

// endGrid adds the last token, which has no column of its own.
func (g *generation) endGrid() {
	if g.grid == nil {
		return
	}
	ids := g.gen.IDs()
	last := ids[len(ids)-1]
	g.grid.Tokens = append(g.grid.Tokens, lens.Token{ID: last, Bytes: g.label(last)})
	g.grid.Final.Position = -2
}
