package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model/auto"
)

// knockoutFlags say what is hidden from which tokens, and what is asked then.
type knockoutFlags struct {
	knockout string
	window   int
	questionFlags
}

// knockoutColumns are what --knockout takes.
var knockoutColumns = map[string]experiment.Columns{"head": experiment.ByHead, "key": experiment.ByPosition, "all": experiment.Together}

func (o *knockoutFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.knockout, "knockout", "", "hide tokens from the last one and show what it does to the answer: a column for each head (the default), key, or one for all")
	f.Lookup("knockout").NoOptDefVal = "head"
	f.IntVar(&o.window, "window", 1, "layers in which --knockout hides at once, the row's in their middle")
	o.questionFlags.flags(cmd)
}

// checkKnockout refuses what does not go with --knockout, or without it.
func (o *attnOptions) checkKnockout() error {
	if o.knockout == "" {
		for _, flag := range []string{"window", "metric", "target", "vs"} {
			if o.scoreFlags.given(flag) {
				return usagef("%v needs --knockout", theFlag(flag))
			}
		}
		return nil
	}
	if knockoutColumns[o.knockout] == "" {
		return usagef("--knockout %s: want head, key or all", o.knockout)
	}
	for _, flag := range []string{"heads", "weighted", "scores", "kinds", "measure", "exclude-first", "exclude-current", "random"} {
		if o.scoreFlags.given(flag) {
			return usagef("--knockout and %v exclude each other", theFlag(flag))
		}
	}
	if o.window < 1 {
		return usagef("--window %d: want 1 or more", o.window)
	}
	return o.questionFlags.check()
}

// kindsApart refuses a kind that stands apart from its flag.
func kindsApart(cmd *cobra.Command, args []string) error {
	for name, kinds := range map[string][]string{"knockout": {"head", "key", "all"}, "weighted": {string(experiment.OutputNorm), string(experiment.ValueNorm)}} {
		if err := standsApart(cmd, name, args, func(word string) bool { return slices.Contains(kinds, word) }); err != nil {
			return err
		}
	}
	return nil
}

// standsApart refuses a value that stands apart from its flag: one whose value may be left out takes none from the
// next word, which would be a word of the prompt.
func standsApart(cmd *cobra.Command, name string, args []string, isValue func(word string) bool) error {
	f := cmd.Flags().Lookup(name)
	if !f.Changed || f.Value.String() != f.NoOptDefVal {
		return nil
	}
	if i := slices.IndexFunc(args, isValue); i >= 0 {
		return usagef("%q stands apart from %v, and would be a word of the prompt: write %[2]v=%[1]s (or %[2]v=%[3]s, and the prompt in quotes)", args[i], theFlag(name), f.NoOptDefVal)
	}
	return nil
}

// knock hides tokens of a prompt, layer by layer.
func (o *attnOptions) knock(ctx context.Context, s *streams, opened *auto.Opened, e encoded, in edit.Input) (*experiment.Knockouts, error) {
	ko := experiment.KnockoutOptions{Columns: knockoutColumns[o.knockout], Window: o.window, Label: labels(opened.Tokenizer)}
	var err error
	if ko.Layers, err = selection(o.layers, opened.Model.Shape().Layers, "layer"); err != nil {
		return nil, err
	}
	if ko.Queries, err = e.turns.at(o.or(o.positions), len(e.ids)); err != nil {
		return nil, err
	}
	if ko.Keys, err = e.turns.at(o.keys, len(e.ids)); err != nil {
		return nil, err
	}
	if ko.MaxMemory, err = o.bound(s); err != nil {
		return nil, err
	}
	o.within = ko.MaxMemory
	if ko.Question, err = o.ofOne(ctx, s, opened, in, experiment.Prob, o.quiet); err != nil {
		return nil, err
	}
	ko.Progress, ko.Stop = s.progressOf("hiding", o.quiet), s.untilAsked(ctx)
	k, err := experiment.Knockout(ctx, opened.Model, in, ko)
	if err != nil {
		return nil, err
	}
	describeRun(&k.Run, e)
	describeModel(&k.Model, opened)
	k.Made, err = o.made(s, opened)
	return k, err
}
