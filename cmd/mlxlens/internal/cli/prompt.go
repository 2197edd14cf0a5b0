package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// promptOptions are the flags of every command that reads a prompt.
type promptOptions struct {
	prompt *string
	ids    string
	noBOS  bool
	chatFlags
	quieted func() bool // by --quiet
}

func (o *promptOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.ids, "ids", "", "token ids instead of a prompt: 504,3575,282")
	f.BoolVar(&o.noBOS, "no-bos", false, "do not add the tokenizer's special tokens")
	o.chatFlags.flags(cmd)
	o.quieted = func() bool {
		quiet, _ := cmd.Flags().GetBool("quiet") // every command with a prompt has it
		return quiet
	}
}

// arg takes the command's argument.
func (o *promptOptions) arg(s *streams, args []string) { o.prompt = onePrompt(s, args, o.quieted()) }

// onePrompt is the prompt of a command that takes one. Several words are one without quotes, which is
// told: blanks between them, and characters that the shell takes for itself, are lost.
func onePrompt(s *streams, args []string, quiet bool) *string {
	if len(args) == 0 {
		return nil
	}
	prompt := strings.Join(args, " ")
	if len(args) > 1 && !quiet {
		s.say("the prompt came in %d parts, and is read as %q: put it in quotes", len(args), prompt)
	}
	return &prompt
}

// twoPrompts takes up to two prompts, which no blanks tell apart.
func twoPrompts(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return usagef("%s takes two prompts, and was given %d: put each into quotes", cmd.CommandPath(), len(args))
	}
	return nil
}

// remarkSpace says that a prompt ends with a space, which is seldom meant.
func (o *promptOptions) remarkSpace(s *streams) {
	if strings.HasSuffix(*o.prompt, " ") && !o.chat && o.quieted != nil && !o.quieted() {
		s.say("the prompt ends with a space, which most models read as a token of its own, before a word that brings its own space: leave it out if it is not meant")
	}
}

// read returns the prompt's text, or its ids. The text of --messages is empty until a template writes it.
func (o *promptOptions) read(s *streams) (text *string, ids []int, err error) {
	if o.prompt != nil && o.ids != "" {
		return nil, nil, usagef("a prompt and --ids exclude each other")
	}
	if o.chat && o.ids != "" {
		return nil, nil, usagef("--chat and --ids exclude each other")
	}
	if o.noBOS && o.ids != "" {
		return nil, nil, usagef("--no-bos does nothing with --ids, to which nothing is added: leave it out")
	}
	if o.messages != "" && (o.prompt != nil || o.ids != "") {
		return nil, nil, usagef("--messages excludes a prompt and --ids")
	}
	if err := o.check(o.noBOS); err != nil {
		return nil, nil, err
	}
	stdin := o.prompt != nil && *o.prompt == "-" && s.served == nil // a server has none, and a text is what it says
	switch {
	case o.messages != "":
		return new(string), nil, o.load(s)
	case o.ids != "":
		ids, err := parseIDs(o.ids)
		return nil, ids, err
	case o.prompt == nil:
		if s.served != nil { // which knows it by a name
			return nil, nil, usagef("there is no prompt: give --prompt, --ids or --messages")
		}
		return nil, nil, usagef("there is no prompt: give one as an argument, - for stdin, --ids or --messages")
	case stdin:
		if err := s.readsStdin(); err != nil {
			return nil, nil, err
		}
		data, err := readPrompt(s.in)
		if err != nil {
			return nil, nil, err
		}
		// the newline that ends the last line of a file or an echo is not meant
		prompt := strings.TrimSuffix(strings.TrimSuffix(data, "\n"), "\r")
		o.prompt = &prompt
	}
	what := "the prompt"
	if stdin {
		what = "stdin"
	}
	*o.prompt = validText(s, what, *o.prompt)
	if *o.prompt == "" {
		return nil, nil, usagef("the prompt is empty")
	}
	o.remarkSpace(s)
	return o.prompt, nil, nil
}

// parseIDs reads --ids: numbers with commas.
func parseIDs(text string) (ids []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		id, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, usagef("--ids: %q is no token id", part)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// encode returns the ids of a text, or checks those that were given.
func (o *promptOptions) encode(opened *auto.Opened, text *string, ids []int) (encoded, error) {
	e := encoded{ids: ids, text: text}
	vocab := opened.Model.Shape().DVocab
	if text != nil && opened.Tokenizer == nil {
		return e, failf("%w: give the prompt as numbers with --ids", opened.TokenizerErr)
	}
	if text == nil {
		for _, id := range ids {
			if id < 0 || id >= vocab {
				return e, usagef("token id %d is outside the vocabulary: ids go from 0 to %d", id, vocab-1)
			}
		}
		return e, tooLong(opened.Model.Shape(), len(e.ids))
	}
	given := *text
	var err error
	if o.long {
		if given, err = opened.Tokenizer.ApplyChat(o.conversation, false); err != nil {
			return e, err
		}
	}
	if err := fitsContext(given, opened); err != nil {
		return e, err
	}
	if o.chat || o.conversation != nil {
		e, _, err = o.chatFlags.encode(opened.Tokenizer, text)
	} else {
		e.ids, err = opened.Tokenizer.Encode(*text, !o.noBOS)
		e.bos = !o.noBOS && opened.Tokenizer.AddsBOS()
	}
	if err != nil {
		return e, err
	}
	for _, id := range e.ids {
		if id >= vocab {
			return e, fmt.Errorf("the tokenizer gives id %d, and the model's vocabulary ends at %d: they do not belong together", id, vocab-1)
		}
	}
	return e, tooLong(opened.Model.Shape(), len(e.ids))
}

// labels returns the bytes of each id, or its number in angle brackets where there
// is no tokenizer or it does not know the id.
func labels(t *tokenizer.Tokenizer) func(int) string {
	return func(id int) string {
		if t != nil {
			if piece, ok := t.Piece(id); ok {
				return piece
			}
		}
		return "<" + strconv.Itoa(id) + ">"
	}
}
