package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

func newLensInfoCmd(s *streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Describe a lens: its kind, sizes, and what it was fitted to",
		Long: `Info prints what the file of a lens says: its kind, which states it reads and in which form,
for which model it was fitted, and the hash of that model's unembedding, with which it is
compared when it is used. Files of other programs say less.`,
		Example: `  mlxlens lens info lens.safetensors
  mlxlens lens info lens.safetensors --json`,
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return runLensInfo(s, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// lensInfo is what a file of a lens says.
type lensInfo struct {
	Kind        string `json:"kind"` // tuned
	Path        string `json:"path"`
	Layers      int    `json:"layers"`
	DModel      int    `json:"d_model"`
	Site        string `json:"site"`
	Form        string `json:"form"`
	Rank        *int   `json:"rank,omitempty"` // that the weights are limited to
	Model       string `json:"model,omitempty"`
	Unembedding string `json:"unembedding_sha256,omitempty"`

	Fitted tuned.Fitted `json:"fitted,omitzero"`
}

func runLensInfo(s *streams, path string, asJSON bool) error {
	l, err := openLens(s, path)
	if err != nil {
		return err
	}
	if l.jacobian != nil {
		defer l.jacobian.Close()
		return describeJacobian(l.jacobian).print(s, asJSON)
	}
	return describeTuned(l.tuned).print(s, asJSON)
}

func describeTuned(l *tuned.Lens) lensInfo {
	i := lensInfo{
		Kind: "tuned", Path: l.Path, Layers: l.Layers(), DModel: l.DModel, Site: string(l.Site), Form: l.Form(),
		Model: l.Model, Unembedding: l.Unembedding, Fitted: l.Fitted,
	}
	if rank := l.Rank(); rank < l.DModel {
		i.Rank = &rank
	}
	return i
}

// rank is what limits the weights, in words.
func (i lensInfo) rank() string {
	switch {
	case i.Rank == nil:
		return "not limited"
	case *i.Rank == 0:
		return "0: b alone"
	}
	return strconv.Itoa(*i.Rank)
}

// trained is how, in words.
func (i lensInfo) trained() string {
	f := i.Fitted
	if f.Steps == 0 {
		return "the file does not say"
	}
	return fmt.Sprintf("%s of %s, on %s, %s, digest %s", english.Plural(f.Steps, "step", ""), f.Recipe,
		english.Plural(f.Sequences, "sequence", ""), english.Plural(f.Tokens, "token", ""), cmp.Or(f.Corpus, "none"))
}

// print writes it as a table, or as JSON.
func (i lensInfo) print(s *streams, asJSON bool) error {
	if asJSON {
		return render.WriteJSON(s.out, i)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"lens", i.Kind}, {"model", cmp.Or(i.Model, "the file does not say")}, {"layers", strconv.Itoa(i.Layers)}, {"d_model", strconv.Itoa(i.DModel)},
		{"reads", i.Site}, {"form", i.Form}, {"rank", i.rank()}, {"trained", i.trained()}, {"unembedding", cmp.Or(i.Unembedding, "the file does not say")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], visible(row[1]))
	}
	return w.Flush()
}
