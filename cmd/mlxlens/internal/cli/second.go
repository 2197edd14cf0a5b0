package cli

import (
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
)

// secondFlags are those of a command that has two prompts.
type secondFlags struct {
	second    string
	hasSecond bool
	idsB      string
	messagesB string
}

func (o *secondFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.idsB, "ids-b", "", "token ids instead of a second prompt")
	f.StringVar(&o.messagesB, "messages-b", "", "a `FILE` of messages, or the JSON itself, instead of a second prompt")
}

// arg takes the second of two arguments, and returns the others.
func (o *secondFlags) arg(args []string) []string {
	if len(args) == 2 {
		o.second, o.hasSecond = args[1], true
		args = args[:1]
	}
	return args
}

// given reports whether there is a second prompt.
func (o *secondFlags) given() bool { return o.hasSecond || o.idsB != "" || o.messagesB != "" }

func (o *secondFlags) check(first *promptOptions) error {
	switch {
	case o.hasSecond && (o.idsB != "" || o.messagesB != "") || o.idsB != "" && o.messagesB != "":
		return usagef("a second prompt, --ids-b and --messages-b exclude each other")
	}
	return nil
}

// read returns the second side's prompt, the first's without one of its own.
func (o *secondFlags) read(s *streams, first *promptOptions, text *string, ids []int) (*promptOptions, *string, []int, error) {
	if !o.given() {
		return first, text, ids, nil
	}
	b := &promptOptions{quieted: first.quieted, ids: o.idsB, noBOS: first.noBOS && o.messagesB == "", chatFlags: chatFlags{messages: o.messagesB, second: "messages-b"}}
	if o.hasSecond {
		b.prompt, b.chat, b.system = &o.second, first.chat, first.system
	}
	if first.messages == "-" && o.messagesB == "-" {
		return nil, nil, nil, usagef("--messages and --messages-b cannot both be read from stdin")
	}
	text, ids, err := b.read(s)
	return b, text, ids, err
}

// alignment reads --align.
func alignment(text string) (lens.Alignment, error) {
	switch text {
	case "":
		return lens.AlignEqual, nil
	case "start":
		return lens.AlignStart, nil
	case "end":
		return lens.AlignEnd, nil
	}
	return 0, usagef("--align %q: want start or end", text)
}
