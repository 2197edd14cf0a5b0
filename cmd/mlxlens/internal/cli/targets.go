package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// targetFlags are the flags that ask about tokens.
type targetFlags struct {
	targets []string
	versus  []string
}

func (o *targetFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.targets, "target", nil, "a token whose score and rank to show, such as \" Paris\" (repeatable)")
	f.StringArrayVar(&o.versus, "vs", nil, "a token to compare the target with: the difference of their logits (one, or one for each target)")
}

func (o *targetFlags) check() error {
	if n := len(o.versus); n > 1 && n != len(o.targets) || n > 0 && len(o.targets) == 0 {
		return usagef("--vs was given %s, and --target %d: want one --vs, or one for each --target", english.Plural(n, "time", ""), len(o.targets))
	}
	return nil
}

// scored returns the ids of the targets, and the pairs that --vs makes of them.
func (o *targetFlags) scored(s *streams, opened *auto.Opened, quiet bool) (targets []int, contrasts [][2]int, err error) {
	for i, text := range o.targets {
		id, err := target(s, opened, "target", text, quiet)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, id)
		if len(o.versus) == 0 {
			continue
		}
		other := o.versus[min(i, len(o.versus)-1)]
		versus, err := target(s, opened, "vs", other, quiet)
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

// target returns the id of a target: the token whose text it is, or the one token that the tokenizer makes of it. A token
// without a text is known by its number in angle brackets, as it is shown.
func target(s *streams, opened *auto.Opened, flag theFlag, text string, quiet bool) (int, error) {
	t := opened.Tokenizer
	if id, ok := numbered(text); ok && labels(t)(id) == text {
		if vocab := opened.Model.Shape().DVocab; id >= vocab {
			return 0, usagef("%v %s is outside the vocabulary: ids go from 0 to %d", flag, text, vocab-1)
		}
		return id, nil
	}
	if t == nil {
		return 0, usagef("%v %q: %w: name the token by its number, such as %v \"<61>\"", flag, text, opened.TokenizerErr, flag)
	}
	id, ok := t.ID(text)
	if !ok {
		ids, err := t.Encode(text, false)
		switch {
		case err != nil:
			return 0, err
		case len(ids) == 0:
			return 0, usagef("%v %q is no token", flag, text)
		case len(ids) > 1:
			first, _ := t.Piece(ids[0])
			return 0, usagef("%v %q is %d tokens (%s): give one of them, such as %v %q", flag, text, len(ids), pieces(t, ids), flag, first)
		}
		id = ids[0]
	}
	if quiet {
		return id, nil
	}
	if piece, _ := t.Piece(id); piece != text {
		s.say("%v %q: no token has this text: %q is used", flag, text, piece)
	} else if likely := likelier(t, text); likely != "" {
		s.say("%v %q: in the middle of a text %q is likelier", flag, text, likely)
	}
	return id, nil
}

// numbered reads a token that is written as its number, <61>.
func numbered(text string) (id int, ok bool) {
	digits, begins := strings.CutPrefix(text, "<")
	digits, ends := strings.CutSuffix(digits, ">")
	id, err := strconv.Atoi(digits)
	return id, begins && ends && err == nil && id >= 0
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
	if _, ok := t.ID(" " + word); !ok {
		return ""
	}
	return " " + word
}
