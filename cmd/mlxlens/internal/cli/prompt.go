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
	chat   bool
	system string
}

func (o *promptOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.ids, "ids", "", "token ids instead of a prompt: 504,3575,282")
	f.BoolVar(&o.noBOS, "no-bos", false, "do not add the tokenizer's special tokens")
	f.BoolVar(&o.chat, "chat", false, "put the prompt into the model's chat template, as a user's message")
	f.StringVar(&o.system, "system", "", "a system message before the prompt, with --chat")
}

// arg takes the command's argument.
func (o *promptOptions) arg(args []string) {
	if len(args) == 1 {
		o.prompt = &args[0]
	}
}

// checkChat finds flags that exclude each other, whatever the prompt.
func (o *promptOptions) checkChat() error {
	switch {
	case o.chat && o.noBOS:
		return usagef("--chat and --no-bos exclude each other: the template writes the special tokens")
	case o.system != "" && !o.chat:
		return usagef("--system needs --chat")
	}
	return nil
}

// read returns the prompt's text, or its ids.
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
	if err := o.checkChat(); err != nil {
		return nil, nil, err
	}
	stdin := o.prompt != nil && *o.prompt == "-"
	switch {
	case o.ids != "":
		for part := range strings.SplitSeq(o.ids, ",") {
			id, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return nil, nil, usagef("--ids: %q is no token id", part)
			}
			ids = append(ids, id)
		}
		return nil, ids, nil
	case o.prompt == nil:
		return nil, nil, usagef("there is no prompt: give one as an argument, - for stdin, or --ids")
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
	return o.prompt, nil, nil
}

// encode returns the ids of a text, or checks those that were given, and reports
// whether the tokenizer added BOS.
func (o *promptOptions) encode(opened *auto.Opened, text *string, ids []int) ([]int, bool, error) {
	vocab := opened.Model.Shape().DVocab
	if text != nil && opened.Tokenizer == nil {
		return nil, false, fmt.Errorf("%w: give the prompt as numbers with --ids", opened.TokenizerErr)
	}
	if text == nil {
		for _, id := range ids {
			if id < 0 || id >= vocab {
				return nil, false, usagef("token id %d is outside the vocabulary: ids go from 0 to %d", id, vocab-1)
			}
		}
		return ids, false, nil
	}
	special := !o.noBOS
	prompt := *text
	if o.chat {
		messages := []tokenizer.Message{{Role: "user", Content: prompt}}
		if o.system != "" {
			messages = append([]tokenizer.Message{{Role: "system", Content: o.system}}, messages...)
		}
		var err error
		if prompt, err = opened.Tokenizer.ApplyChat(messages, true); err != nil {
			return nil, false, err
		}
		special = false // the template has written them
	}
	if err := fitsContext(prompt, opened); err != nil {
		return nil, false, err
	}
	ids, err := opened.Tokenizer.Encode(prompt, special)
	if err != nil {
		return nil, false, err
	}
	for _, id := range ids {
		if id >= vocab {
			return nil, false, fmt.Errorf("the tokenizer gives id %d, and the model's vocabulary ends at %d: they do not belong together", id, vocab-1)
		}
	}
	return ids, special && opened.Tokenizer.AddsBOS(), nil
}
