package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// once is the value of a flag that takes one. A second is no correction of the first: some flags are taken several
// times by other commands, and what a script adds to a command line must not take the place of what stands there.
type once struct {
	pflag.Value
	first string
	given bool
}

// Set takes a value, and no second one; a flag without a value may say the same again.
func (o *once) Set(text string) error {
	if o.given && !(o.Type() == "bool" && text == o.first) {
		return &givenTwice{o.first, text}
	}
	if err := o.Value.Set(text); err != nil {
		return err
	}
	o.first, o.given = text, true
	return nil
}

// givenTwice is the error of a flag that has two values.
type givenTwice struct{ first, second string }

func (g *givenTwice) Error() string {
	return fmt.Sprintf("is given twice, %q and %q, and takes one value", g.first, g.second)
}

// takeOnce lets the flags of a command and of those below it that take one value be given once.
func takeOnce(cmd *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if _, several := f.Value.(pflag.SliceValue); !several {
				f.Value = &once{Value: f.Value}
			}
		})
	}
	for _, below := range cmd.Commands() {
		takeOnce(below)
	}
}
