package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/model/auto"
)

// goOnFlags let the model continue a prompt before it is read.
type goOnFlags struct {
	continued int
}

func (o *goOnFlags) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.continued, "continue", 0, "first let the model continue for so many tokens, each the likeliest, and read these too")
}

func (o *goOnFlags) check() error {
	if o.continued < 0 {
		return usagef("--continue %d: want 0 or more", o.continued)
	}
	return nil
}

// goOn returns the ids with those that the model continues them with, without edits, and
// how many these are: fewer than asked for where its text or its positions end.
func (o *goOnFlags) goOn(ctx context.Context, opened *auto.Opened, ids []int) ([]int, int, error) {
	if o.continued == 0 {
		return ids, 0, nil
	}
	gen, err := generate.New(opened.Model, generate.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer gen.Close()
	if err := gen.Prompt(ctx, edit.Input{IDs: ids}); err != nil {
		return nil, 0, err
	}
	var eos []int
	if opened.Tokenizer != nil {
		eos = opened.Tokenizer.EOS()
	}
	n := 0
	for n < o.continued && len(gen.IDs()) < opened.Model.Shape().Context {
		token, err := gen.Next(ctx)
		if err != nil {
			return nil, 0, err
		}
		if slices.Contains(eos, token.ID) {
			break
		}
		n++
	}
	return gen.IDs()[:len(ids)+n], n, nil
}
