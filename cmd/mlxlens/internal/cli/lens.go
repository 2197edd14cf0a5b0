package cli

import (
	"github.com/spf13/cobra"
)

// newLensCmd is the group of what is done with lenses themselves; trace, compare and evaluate
// read through one with --lens.
func newLensCmd(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lens",
		Short: "Describe and convert lenses that are fitted to a model",
		Long: `A logit lens reads the stream of a layer with the model's own final norm and unembedding.
Lenses that are fitted to a model first translate it into what the last layer has: a tuned
lens by an affine map for each layer (Belrose et al. 2023, arXiv:2303.08112).

    mlxlens trace "The capital of France is" --lens FILE

reads through one.`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLensInfoCmd(s), newLensConvertCmd(s))
	return cmd
}
