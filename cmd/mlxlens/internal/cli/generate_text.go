package cli

import (
	"io"
	"strings"

	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// Why a text ended, as --json writes it.
const (
	endStop    = "stop"        // a stop string
	endOfText  = "end_of_text" // a token of the model's
	endCount   = "max_tokens"
	endContext = "context" // the model's positions
)

// endWords are the same for people.
var endWords = map[string]any{
	endStop: "a stop string", endOfText: "the end of the text", endCount: theFlag("max-tokens"), endContext: "the end of the model's positions",
}

// generatedText writes what is generated: the text as far as no stop string can begin in it, or a line of JSON for each
// token, as soon as it is known what of the token's text is shown.
type generatedText struct {
	out     io.Writer
	json    bool
	t       *tokenizer.Tokenizer // may be nil
	decoder *tokenizer.Decoder   // nil without t
	stops   *generate.Stops
	label   func(int) string
	seed    *uint64 // of the draws, if there are any

	words  strings.Builder // all that is shown
	length int             // of the decoded text so far, in bytes
	lines  []tokenLine     // that wait
}

// tokenLine is the JSON of a token.
type tokenLine struct {
	lens.TokenJSON
	Cut     string     `json:"cut,omitempty"` // what of the token's text is not shown, behind text
	LogProb float64    `json:"logprob"`
	Lens    *tokenLens `json:"lens,omitempty"`
	End     *textEnd   `json:"end,omitempty"`

	text  string // that the token added to the decoded text
	until int    // length of the decoded text with it
	hides bool   // it ends the text, and is not part of it
}

// textEnd says why the text ends with this token.
type textEnd struct {
	By   string  `json:"by"`
	Stop string  `json:"stop,omitempty"` // the stop string
	Seed *uint64 `json:"seed,omitempty"` // with which it can be drawn again
}

// add takes a token. Of one that ends the sequence nothing is shown.
func (g *generatedText) add(token generate.Token, column *tokenLens, ends bool) (stopped bool, err error) {
	var text, shown string
	special := g.t != nil && g.t.IsSpecial(token.ID) && !g.decoder.KeepSpecial
	switch {
	case ends:
	case g.decoder == nil:
		text = g.label(token.ID) + " "
		shown, stopped = g.stops.Add(text)
	case special && g.stops.Has(g.label(token.ID)):
		// The decoder leaves it out, but it was asked for.
		text = g.decoder.Flush()
		if shown, stopped = g.stops.Add(text); !stopped {
			shown, stopped = shown+g.stops.End(g.label(token.ID)), true
		}
	default:
		if text, err = g.decoder.Add(token.ID); err != nil {
			return false, err
		}
		shown, stopped = g.stops.Add(text)
	}
	g.length += len(text)
	g.words.WriteString(shown)
	if !g.json {
		_, err = io.WriteString(g.out, render.Safe(shown))
		return stopped, err
	}
	g.lines = append(g.lines, tokenLine{
		TokenJSON: lens.Token{ID: token.ID, Bytes: g.label(token.ID)}.JSON(), LogProb: token.LogProb, Lens: column, text: text, until: g.length, hides: ends,
	})
	return stopped, nil
}

// flush prints the lines of which it is known that they are shown whole.
func (g *generatedText) flush() error {
	for len(g.lines) > 0 {
		l := &g.lines[0]
		// A token without text of its own is part of a character that is still to come.
		if sent := g.stops.Sent(); g.stops.Any() && (l.until > sent || l.text == "" && l.until == sent) {
			return nil
		}
		if err := render.WriteJSON(g.out, l); err != nil {
			return err
		}
		g.lines = g.lines[1:]
	}
	return nil
}

// finish prints what was held back, and ends the text. It returns why the text ended: what was held back may have a
// stop string.
func (g *generatedText) finish(by string) (string, error) {
	rest := ""
	if g.decoder != nil {
		text := g.decoder.Flush()
		g.length += len(text)
		if shown, stopped := g.stops.Add(text); stopped {
			rest = shown
		} else {
			rest = shown + g.stops.Flush()
		}
	} else {
		rest = g.stops.Flush()
	}
	end := &textEnd{By: by, Stop: g.stops.Found(), Seed: g.seed}
	if end.Stop != "" {
		end.By = endStop
	}
	g.words.WriteString(rest)
	if !g.json {
		_, err := io.WriteString(g.out, render.Safe(rest+"\n"))
		return end.By, err
	}
	for i := range g.lines {
		l := &g.lines[i]
		g.cut(l)
		if i == len(g.lines)-1 {
			l.End = end
		}
		if err := render.WriteJSON(g.out, l); err != nil {
			return end.By, err
		}
	}
	return end.By, nil
}

// cut takes from a line what a stop string cuts off, and the text of a token that only ends the sequence.
func (g *generatedText) cut(l *tokenLine) {
	at := g.stops.Sent() // all of the text, where nothing stopped it
	from := l.until - len(l.text)
	switch {
	case l.hides || g.stops.Found() != "" && from >= at:
		l.Cut, l.TokenJSON = l.Text, lens.TokenJSON{ID: l.ID}
	case g.stops.Found() != "" && l.until > at:
		l.Cut, l.TokenJSON = l.text[at-from:], lens.TokenJSON{ID: l.ID, Text: l.text[:at-from]}
	}
}

// originOfFiles adds the options that name files, with the digests of these.
func (o *generateOptions) originOfFiles(options map[string]string) error {
	return originOfEdits(o.edits, options)
}
