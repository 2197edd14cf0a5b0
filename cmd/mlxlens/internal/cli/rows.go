package cli

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// rowOptions are the flags that say what a lens reads of a prompt.
type rowOptions struct {
	layers    string
	positions string
	embed     bool
	mid       bool
	attn      bool
	mlp       bool
	targets   []string
	versus    []string
	track     int
	edits     []string
	lens      lensFile
	maxMemory string
	last      bool
	compare   bool // --check
}

func (o *rowOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns, likewise (default all)")
	f.BoolVar(&o.last, "last", false, "the last position only, each layer's candidates side by side")
	f.BoolVar(&o.embed, "embed", false, "a row for the token embedding")
	f.BoolVar(&o.mid, "mid", false, "a row after each layer's attention")
	f.BoolVar(&o.attn, "attn", false, "a row for what each layer's attention adds, read alone")
	f.BoolVar(&o.mlp, "mlp", false, "a row for what each layer's MLP adds, read alone")
	f.StringArrayVar(&o.targets, "target", nil, "a token whose score and rank to show, such as \" Paris\" (repeatable)")
	f.StringArrayVar(&o.versus, "vs", nil, "a token to compare the target with: the difference of their logits (one, or one for each target)")
	f.IntVar(&o.track, "track", 0, "follow so many tokens through all rows: those nearest to the top in any row")
	f.StringArrayVar(&o.edits, "edit", nil, "change what flows through a site: SITE[@POSITIONS][#HEADS]=OP[:ARG] (repeatable; `mlxlens help edits`)")
	o.lens.flags(cmd)
	f.StringVar(&o.maxMemory, "max-memory", "", "work in smaller parts to stay within so much, such as 2GiB")
	f.BoolVar(&o.compare, "check", false, "compare the last row with the model's own logits; fail if they differ")
}

// checkFlags finds what is wrong before the model is opened.
func (o *rowOptions) checkFlags() error {
	if o.last && o.positions != "" {
		return usagef("--last and --positions exclude each other")
	}
	if n := len(o.versus); n > 1 && n != len(o.targets) || n > 0 && len(o.targets) == 0 {
		return usagef("--vs was given %s, and --target %d: want one --vs, or one for each --target", english.Plural(n, "time", ""), len(o.targets))
	}
	if o.track < 0 {
		return usagef("--track %d: want 0 or more", o.track)
	}
	_, err := o.memory()
	return err
}

// memory returns --max-memory in bytes, 0 when it is not given.
func (o *rowOptions) memory() (int64, error) {
	if o.maxMemory == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(o.maxMemory)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, usagef("--max-memory %q: want a size such as 2GiB or 1500MB", o.maxMemory)
	}
	return int64(n), nil
}

// lensFile are the flags that name a tuned lens.
type lensFile struct {
	path string
	any  bool
}

func (o *lensFile) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.path, "lens", "", "a tuned lens to read the rows by: mlxterp's files, tuned-lens' folder, or a .safetensors")
	f.BoolVar(&o.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
}

// open puts the lens on a model, nil without one. The caller closes what it returns.
func (o *lensFile) open(opened *auto.Opened) (*tuned.Decoder, error) {
	if o.path == "" {
		if o.any {
			return nil, usagef("--any-unembedding needs --lens")
		}
		return nil, nil
	}
	l, err := tuned.Open(o.path)
	if err != nil {
		return nil, err
	}
	return l.On(opened.Model, tuned.Options{AnyUnembedding: o.any})
}

// options returns what does not depend on the prompt; top is the number of candidates.
func (o *rowOptions) options(s *streams, opened *auto.Opened, top int, quiet bool) (lens.Options, error) {
	shape := opened.Model.Shape()
	lo := lens.Options{
		Top: min(top, shape.DVocab), Embed: o.embed, Mid: o.mid, Attn: o.attn, MLP: o.mlp,
		Track: o.track, Check: o.compare, Label: labels(opened.Tokenizer),
	}
	var err error
	if lo.Layers, err = selection(o.layers, shape.Layers, "layer"); err != nil {
		return lo, err
	}
	if lo.Targets, lo.Contrasts, err = o.scored(s, opened.Tokenizer, quiet); err != nil {
		return lo, err
	}
	lo.MaxMemory, err = o.bound()
	return lo, err
}

// bound returns what --max-memory leaves to MLX's arrays and the results, 0 without it.
func (o *rowOptions) bound() (int64, error) {
	most, err := o.memory()
	if err != nil || most == 0 {
		return 0, err
	}
	// what the process takes beside: the program, its libraries, the tokenizer
	mlx.ReturnFreedMemory()
	debug.SetGCPercent(20) // the collector's own room counts too
	debug.FreeOSMemory()
	beside := max(0, residentBytes()-int64(mlx.ActiveMemory()))
	return max(1, most-most/20-beside), nil // a twentieth for the collector, and for what malloc cannot give back
}

// of returns the options for a prompt of so many tokens.
func (o *rowOptions) of(lo lens.Options, opened *auto.Opened, tokens int) (lens.Options, error) {
	var err error
	if lo.Positions, err = o.chosen(tokens); err != nil {
		return lo, err
	}
	lo.Edits, err = parseEdits(o.edits, opened.Model, tokens)
	return lo, err
}

// parseEdits reads edits of a prompt of so many tokens.
func parseEdits(texts []string, m model.Model, tokens int) ([]lens.Edit, error) {
	var edits []lens.Edit
	for _, text := range texts {
		e, err := lens.ParseEdit(text, m, tokens, readVector)
		if err != nil {
			return nil, usageError{err}
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// chosen returns the positions of a prompt of so many tokens.
func (o *rowOptions) chosen(tokens int) ([]int, error) {
	if o.last {
		return []int{-1}, nil
	}
	return selection(o.positions, tokens, "position")
}

func selection(text string, n int, what string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	chosen, err := lens.ParseIndices(text, n, what)
	if err != nil {
		return nil, usageError{err}
	}
	return chosen, nil
}

// scored returns the ids of the targets, and the pairs that --vs makes of them.
func (o *rowOptions) scored(s *streams, t *tokenizer.Tokenizer, quiet bool) (targets []int, contrasts [][2]int, err error) {
	for i, text := range o.targets {
		id, err := target(s, t, "--target", text, quiet)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, id)
		if len(o.versus) == 0 {
			continue
		}
		other := o.versus[min(i, len(o.versus)-1)]
		versus, err := target(s, t, "--vs", other, quiet)
		if err != nil {
			return nil, nil, err
		}
		if versus == id {
			return nil, nil, usagef("--vs %q is the same token as --target %q", other, text)
		}
		contrasts = append(contrasts, [2]int{id, versus})
	}
	return targets, contrasts, nil
}

// target returns the id of a target; what is more than one token counts by its
// first, with a warning.
func target(s *streams, t *tokenizer.Tokenizer, flag, text string, quiet bool) (int, error) {
	ids, err := t.Encode(text, false)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, usagef("%s %q is no token", flag, text)
	}
	if quiet {
		return ids[0], nil
	}
	if len(ids) > 1 {
		fmt.Fprintf(s.err, "mlxlens: %s %q is %d tokens (%s): the first is used\n", flag, text, len(ids), pieces(t, ids))
	}
	if likely := likelier(t, text); likely != "" {
		fmt.Fprintf(s.err, "mlxlens: %s %q: in the middle of a text %q is likelier\n", flag, text, likely)
	}
	return ids[0], nil
}

func pieces(t *tokenizer.Tokenizer, ids []int) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		piece, _ := t.Piece(id)
		quoted[i] = fmt.Sprintf("%q", piece)
	}
	return strings.Join(quoted, " ")
}

// likelier returns what the user probably meant: the word with the space that stands
// before it in a text, or without what follows it, where that is one token and the text
// itself is not what a model says.
func likelier(t *tokenizer.Tokenizer, text string) string {
	word := strings.TrimSpace(text)
	if word == "" || text == " "+word {
		return ""
	}
	if ids, err := t.Encode(" "+word, false); err != nil || len(ids) != 1 {
		return ""
	}
	if own, err := t.Encode(text, false); err == nil && len(own) == 1 {
		if piece, ok := t.Piece(own[0]); ok && strings.HasPrefix(piece, " ") {
			return "" // the tokenizer put the space there itself
		}
	}
	return " " + word
}
