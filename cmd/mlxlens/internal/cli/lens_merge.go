package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/lens/render"
)

func newLensMergeCmd(s *streams) *cobra.Command {
	var to string
	var wide, quiet bool
	cmd := &cobra.Command{
		Use:   "merge A B … -o OUT",
		Short: "Join Jacobian lenses that were fitted to parts of a corpus",
		Long: `Merge writes the mean of Jacobian lenses, each weighted by the number of its sequences: fitted to
parts of a corpus (lens fit --skip and --prompts), perhaps on several machines, they give
the lens of the whole. Lenses of other models, layers or ways of fitting are refused, and so
is a part that is there twice, by itself or in a merged lens, and so are parts that share a
sequence (lenses of other programs do not say which theirs are). What float16 has rounded stays
so: fit parts with --f32.

Checkpoints of fits (OUT.fit.pt, but of --rows, and those of other programs) are lenses too.`,
		Example: `  mlxlens lens merge part1.pt part2.pt -o lens.pt`,
		Args:    wantArgs(cobra.MinimumNArgs(2)),
		RunE:    func(_ *cobra.Command, args []string) error { return runLensMerge(s, args, to, wide, quiet) },
	}
	f := cmd.Flags()
	f.StringVarP(&to, "output", "o", "", "the file to write: "+extensions(jacobianFormats))
	f.BoolVar(&wide, "f32", false, "write float32 (default float16)")
	f.BoolVarP(&quiet, "quiet", "q", false, "print errors only")
	return cmd
}

func runLensMerge(s *streams, from []string, to string, wide, quiet bool) error {
	out, err := createJacobian(s, to, quiet)
	if err != nil {
		return err
	}
	defer out.drop()
	var lenses []*jacobian.Lens
	defer func() {
		for _, l := range lenses {
			_ = l.Close() // it was only read
		}
	}()
	for _, name := range from {
		path, _, err := s.local(name, alone)
		if err != nil {
			return err
		}
		if err := readsLens(s, path); err != nil {
			return err
		}
		l, err := jacobian.Open(path)
		if err != nil {
			return err
		}
		lenses = append(lenses, l)
	}
	l, err := jacobian.Merge(lenses...)
	if err != nil {
		return err
	}
	if errors := l.Errors(); errors != nil && !quiet {
		sayErrors(s, l.Prompts, errors, l.Layers)
	}
	return writeJacobian(out, l, wide)
}

// convertJacobian writes a lens in another form.
func convertJacobian(s *streams, l *jacobian.Lens, to string, wide, quiet bool) error {
	out, err := createJacobian(s, to, quiet)
	if err != nil {
		return err
	}
	defer out.drop()
	if err := readsLens(s, l.Path); err != nil {
		return err
	}
	return writeJacobian(out, l, wide)
}

// jacobianInfo is what a file of a Jacobian lens says.
type jacobianInfo struct {
	Kind     string            `json:"kind"` // jacobian
	Path     string            `json:"path"`
	Model    string            `json:"model,omitempty"`
	Layers   []int             `json:"source_layers"`
	Target   *int              `json:"target_layer,omitempty"`
	DModel   int               `json:"d_model"`
	Prompts  int               `json:"n_prompts"`
	Corpus   string            `json:"corpus,omitempty"`
	Metadata jacobian.Metadata `json:"metadata"`
}

func describeJacobian(l *jacobian.Lens) jacobianInfo {
	i := jacobianInfo{Kind: "jacobian", Path: l.Path, Model: l.Model(), Layers: l.Layers, DModel: l.DModel, Prompts: l.Prompts, Corpus: l.Corpus(), Metadata: l.Metadata}
	if l.Target != jacobian.Unknown {
		i.Target = &l.Target
	}
	return i
}

// print writes it as a table, or as JSON.
func (i jacobianInfo) print(s *streams, asJSON bool) error {
	if asJSON {
		return render.WriteJSON(s.out, i)
	}
	const silent = "the file does not say"
	target, prompts := silent, silent
	if i.Target != nil {
		target = strconv.Itoa(*i.Target)
	}
	if i.Prompts > 0 {
		prompts = strconv.Itoa(i.Prompts)
	}
	rows := [][2]string{
		{"lens", i.Kind}, {"model", cmp.Or(i.Model, silent)}, {"layers", fmt.Sprintf("%d, %d to %d", len(i.Layers), i.Layers[0], i.Layers[len(i.Layers)-1])},
		{"maps to layer", target}, {"d_model", strconv.Itoa(i.DModel)}, {"sequences", prompts}, {"corpus", cmp.Or(i.Corpus, silent)},
	}
	for _, key := range slices.Sorted(maps.Keys(i.Metadata)) {
		if key == "model_name" || key == "corpus" || key == "n_prompts" || key == "target_layer" {
			continue
		}
		text, err := json.Marshal(i.Metadata[key])
		if err != nil {
			return err
		}
		if list, ok := i.Metadata[key].([]any); ok && key == jacobian.Digests {
			text = []byte(english.Plural(len(list), "digest", "") + " (--json shows them)")
		}
		rows = append(rows, [2]string{key, string(text)})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\n", row[0], visible(row[1]))
	}
	return w.Flush()
}
