package cli

import (
	"github.com/spf13/cobra"
)

// newLensCmd is the group of what is done with lenses themselves; trace, compare and evaluate
// read through one with --lens.
func newLensCmd(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lens",
		Short: "Fit lenses to a model, evaluate, describe and convert them",
		Long: `A logit lens reads the stream of a layer with the model's own final norm and unembedding.
Lenses that are fitted to a model first translate it into what the last layer has: a tuned
lens by an affine map for each layer that is trained (Belrose et al. 2023, arXiv:2303.08112),
a Jacobian lens by the mean effect that a change of the stream has on the last layer's
(Gurnee et al. 2026).

    mlxlens trace "The capital of France is" --lens FILE

reads through one.`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLensFitCmd(s), newLensEvaluateCmd(s), newLensMergeCmd(s), newLensInfoCmd(s), newLensConvertCmd(s))
	return cmd
}
