package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

func newLensConvertCmd(s *streams) *cobra.Command {
	var to string
	var wide, quiet bool
	cmd := &cobra.Command{
		Use:   "convert FILE -o OUT",
		Short: "Write a lens in another program's form",
		Long: `Convert reads a lens in any form that --lens reads, and writes it in the form that OUT names:

    NAME.safetensors   mlxlens' own, which keeps all that is known of the lens
    NAME.npz           mlxterp's, with NAME.json beside it
    DIR/params.pt      AlignmentResearch's tuned-lens', with DIR/config.json
    NAME.pt            TransformerLens', of a Jacobian lens

The other forms of a tuned lens have a whole W, also where the lens is limited in rank, and say
less of the model that it is for; tuned-lens' has a translator of the embedding in place of the
last layer's.`,
		Example: `  mlxlens lens convert lens.safetensors -o lens.npz`,
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return runLensConvert(s, args[0], to, wide, quiet) },
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "the file to write: NAME.safetensors, NAME.npz or DIR/params.pt, or of a Jacobian lens NAME.pt")
	cmd.Flags().BoolVar(&wide, "f32", false, "write a Jacobian lens in float32 (default float16)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print errors only")
	return cmd
}

func runLensConvert(s *streams, from, to string, wide, quiet bool) error {
	from, called, err := s.local(from, besideLens)
	if err != nil {
		return err
	}
	l, err := openLensFile(from, called)
	if err != nil {
		return err
	}
	if l.jacobian != nil {
		defer l.jacobian.Close()
		return convertJacobian(s, l.jacobian, to, wide, quiet)
	}
	if wide {
		return usagef("--f32 is an option of a Jacobian lens")
	}
	out, err := createLens(s, to, quiet)
	if err != nil {
		return err
	}
	defer out.drop()
	if err := readsLens(s, from); err != nil {
		return err
	}
	return out.writeTuned(l.tuned)
}

// lensOutput are the files that a lens is written to.
type lensOutput struct {
	files  []*answer // two of mlxterp's form: the arrays, and the config
	format string
	folder string // that was made for them
}

// lensFormats are the extensions of the forms that are written.
var lensFormats = []string{"safetensors", "npz", "pt"}

// createLens makes the files of a lens, so that one that cannot be written is known before the work.
func createLens(s *streams, to string, quiet bool) (*lensOutput, error) {
	if err := hidden(to); err != nil {
		return nil, err
	}
	ext := strings.ToLower(filepath.Ext(to))
	out := &lensOutput{format: strings.TrimPrefix(ext, ".")}
	var names []string
	switch out.format {
	case "safetensors":
		names = []string{to}
	case "npz":
		names = []string{to, strings.TrimSuffix(to, filepath.Ext(to)) + ".json"}
	case "pt":
		if filepath.Base(to) != "params.pt" {
			return nil, usagef("output %q: tuned-lens reads a folder with params.pt and config.json: name DIR/params.pt", to)
		}
		if dir := filepath.Dir(to); !exists(dir) { // the form is a folder
			if err := os.Mkdir(dir, 0o777); err != nil {
				return nil, fmt.Errorf("output %q cannot be written: %w", to, err)
			}
			out.folder = dir
		}
		names = []string{to, filepath.Join(filepath.Dir(to), "config.json")}
	default:
		if to == "" {
			return nil, usagef("there is no --output: name the file of the lens (%s)", extensions(lensFormats))
		}
		return nil, usagef("output %q: the extension names the form of the lens (have: %s)", to, extensions(lensFormats))
	}
	for _, name := range names {
		place, err := output.Find(name, s.out)
		if err != nil {
			out.drop()
			return nil, err
		}
		if s.answer.Stdout() { // what is read is compared with the first; the other lies beside it
			s.answer = place
		}
		file, err := place.Create()
		if err != nil {
			out.drop()
			return nil, err
		}
		out.files = append(out.files, &answer{file, s, name, quiet})
	}
	return out, nil
}

// hidden refuses a name that is an extension alone.
func hidden(to string) error {
	if ext := filepath.Ext(to); ext != "" && ext == filepath.Base(to) {
		return usagef("output %q: there is no name before the extension, and folders do not show such a file: give it one, as lens%s has", to, ext)
	}
	return nil
}

// drop removes what a failed command leaves.
func (o *lensOutput) drop() {
	for _, f := range o.files {
		f.drop()
	}
	if o.folder != "" {
		_ = os.Remove(o.folder) // one that is not empty stays
	}
}

// writeTuned writes a tuned lens.
func (o *lensOutput) writeTuned(l *tuned.Lens) error {
	if o.format == "safetensors" {
		return o.files[0].write(l.WriteSafetensors)
	}
	both := l.WriteMLXterp
	if o.format == "pt" {
		both = l.WriteAlignment
	}
	// the arrays last: without them there is no lens
	if err := o.files[1].write(func(w io.Writer) error { return both(w, io.Discard) }); err != nil {
		return err
	}
	return o.files[0].write(func(w io.Writer) error { return both(io.Discard, w) })
}

// readsLens returns an error when a file of a lens is the output.
func readsLens(s *streams, path string) error {
	for _, file := range lensFiles(path) {
		if err := s.readsPath(file, "the lens"); err != nil {
			return err
		}
	}
	return nil
}
