package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model/auto"
)

// lensFlags name a lens that is fitted to a model.
type lensFlags struct {
	path string
	any  bool
	flag theFlag // that names it; "": --lens
	rows bool    // those of dictionaries may stand beside it
}

func (o *lensFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.path, "lens", "", "what reads the rows: "+lensForms)
	f.BoolVar(&o.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
}

// lensApart refuses a lens that stands apart from a --lens whose value may be left out.
func lensApart(cmd *cobra.Command, args []string) error {
	return standsApart(cmd, "lens", args, func(word string) bool {
		one, more := lensFlags{path: word}, len(args) > 1 // one word alone may be a prompt
		isFile := slices.Contains([]string{".pt", ".safetensors", ".npz"}, filepath.Ext(word)) && !strings.Contains(word, " ")
		return one.named() && more || strings.HasPrefix(word, "hub:") || isFile && (more || exists(word))
	})
}

func (o *lensFlags) check() error {
	if o.any && o.path == "" {
		return usagef("--any-unembedding needs --lens")
	}
	return o.checkNamed()
}

// lensForms are what --lens takes.
const lensForms = "logit, embed (the input embedding: which tokens a state resembles), negated (which it speaks against), a tuned lens (mlxterp's files, tuned-lens' folder, .safetensors) or a Jacobian one (.pt, .safetensors), or hub:owner/name/path of one"

// lensesFlags name the lenses that read the rows of a trace.
type lensesFlags struct {
	paths []string
	any   bool
}

func (o *lensesFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.paths, "lens", nil, "what reads the rows: "+lensForms+"; repeat it for several beside each other, among them a sparse autoencoder (DIR, or DIR#FEATURE)")
	f.BoolVar(&o.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
}

func (o *lensesFlags) check() error {
	fitted := map[string]bool{}
	for _, path := range o.paths {
		if fitted[path] {
			return usagef("--lens %s is given twice", path)
		}
		fitted[path] = true
		if one := o.one(path); len(o.paths) > 1 && one.named() && path != logitLens {
			return usagef("--lens %s stands alone: its last row is not what the model says, as the others' is", path)
		}
	}
	delete(fitted, logitLens)
	switch {
	case len(o.paths) == 1:
		return o.one(o.paths[0]).check()
	case o.any && len(fitted) == 0:
		return usagef("--any-unembedding needs --lens")
	}
	return nil
}

// one is one of the lenses.
func (o *lensesFlags) one(path string) *lensFlags {
	return &lensFlags{path: path, any: o.any, rows: true}
}

// ownLast returns an error where the last row is not what the model itself says.
func (o *lensesFlags) ownLast() error {
	for _, path := range o.paths {
		if err := o.one(path).ownLast(); err != nil {
			return err
		}
	}
	return nil
}

// open puts the lenses on a model: the first, nil without one, and those beside it. The caller calls what it returns at the end.
func (o *lensesFlags) open(s *streams, opened *auto.Opened) (first lens.Translator, beside []lens.Translator, done func(), err error) {
	var all []lens.Translator
	var ends []func()
	done = func() {
		for _, end := range ends {
			end()
		}
	}
	for _, path := range o.paths {
		t, end, err := o.reader(s, opened, path)
		if err != nil {
			done()
			return nil, nil, nil, err
		}
		ends, all = append(ends, end), append(all, t)
	}
	if len(all) == 0 {
		return nil, nil, done, nil
	}
	return all[0], all[1:], done, nil
}

// withLayers says how a layer is chosen, where rows were asked for that a lens has not.
func withLayers(err error) error {
	if layer := (*lens.LayerError)(nil); errors.As(err, &layer) {
		return usagef("%w with --layers", err)
	}
	return err
}

// lensFiles are the files of a lens, which tuned.Open finds by one of them, by what their
// names begin with, or by their folder.
func lensFiles(path string) (files []string) {
	if parts := featureArg.FindStringSubmatch(path); parts != nil && !exists(path) {
		path = parts[1]
	}
	path = cachedFiles(path)
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	all := []string{path, path + ".npz", path + ".json", stem + ".npz", stem + ".json"}
	if filepath.Base(path) == "params.pt" {
		all = append(all, filepath.Join(filepath.Dir(path), "config.json"))
	}
	for _, file := range all {
		if _, err := os.Stat(file); err == nil && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// translator is a lens of a file, on a model.
type translator interface {
	lens.Translator
	Close()
}

// open puts the lens on a model, nil without one. The caller closes what it returns.
func (o *lensFlags) open(s *streams, opened *auto.Opened) (translator, error) {
	if o.path == "" {
		return nil, nil
	}
	file, err := openLens(s, o.path)
	if err != nil {
		return nil, err
	}
	file.tellModel(s, opened)
	if file.tuned != nil {
		t, err := file.tuned.On(opened.Model, tuned.Options{AnyUnembedding: o.any})
		if err != nil {
			return nil, err // no interface that holds nil
		}
		return t, nil
	}
	t, err := file.jacobian.On(opened.Model, jacobian.Options{AnyUnembedding: o.any})
	if err != nil {
		_ = file.jacobian.Close() // it was only read
		return nil, err
	}
	return t, nil
}

// lensFile is a lens of one of the kinds.
type lensFile struct {
	tuned    *tuned.Lens
	jacobian *jacobian.Lens // to be closed
}

// tellModel tells of a lens that names another model than the one it is put on, and has no hash that would say whether
// it is one by another name.
func (l lensFile) tellModel(s *streams, opened *auto.Opened) {
	var path, of, hash string
	if l.tuned != nil {
		path, of, hash = l.tuned.Path, l.tuned.Model, l.tuned.Unembedding
	} else {
		path, of, hash = l.jacobian.Path, l.jacobian.Model(), l.jacobian.Unembedding()
	}
	if hash == "" {
		s.tellModel(opened, path, of, "it has no hash of an unembedding that would tell whether they are the same")
	}
}

// tellModel tells of a file that names another model than the one it is put on.
func (s *streams) tellModel(opened *auto.Opened, path, of, why string) {
	base := func(name string) string { return strings.ToLower(name[strings.LastIndexAny(name, `/\`)+1:]) }
	was, is := base(of), base(modelName(opened))
	if s.quiet || was == "" || strings.HasPrefix(was, is) || strings.HasPrefix(is, was) {
		return
	}
	s.say("%s says that it is of %s, and this model is %s: %s", path, of, modelName(opened), why)
}

// openLens reads a lens of any kind, from a path or the hub. Its files are not the output's.
func openLens(s *streams, name string) (lensFile, error) {
	path, called, err := s.local(name, besideLens)
	if err != nil {
		return lensFile{}, err
	}
	if err := readsLens(s, path); err != nil {
		return lensFile{}, err
	}
	file, err := openLensFile(path, called)
	switch {
	case file.jacobian != nil:
		file.jacobian.Path = called
	case file.tuned != nil:
		file.tuned.Path = called
	}
	return file, err
}

// openLensFile reads a lens of any kind, which its content tells, and that answers call so. Those of more than one file
// are tuned ones, and are known by their names.
func openLensFile(path, called string) (lensFile, error) {
	if dir, ok := namesSparse(path); ok {
		return lensFile{}, usagef("%s is a dictionary, and no lens: trace has its rows beside those of a lens (trace --lens logit --lens %s), edits have its directions (OP:DIR#FEATURE), and features --sae %s shows its features", path, path, dir)
	}
	ext := strings.ToLower(filepath.Ext(path))
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() && ext != ".npz" && ext != ".json" && filepath.Base(path) != "params.pt" {
		j, err := jacobian.Open(path)
		if err == nil || !errors.Is(err, jacobian.ErrOther) {
			return lensFile{jacobian: j}, err
		}
		if ext != ".safetensors" {
			return lensFile{}, err
		}
	}
	if errors.Is(err, fs.ErrNotExist) && (ext == ".pt" || ext == ".safetensors") {
		return lensFile{}, fmt.Errorf("there is no lens %s", path)
	}
	if err == nil && info.IsDir() {
		if err := noJacobians(path, called); err != nil {
			return lensFile{}, err
		}
	}
	t, err := tuned.Open(path)
	if err != nil && len(lensFiles(path)) == 0 {
		return lensFile{}, fmt.Errorf("%w, or of a Jacobian lens NAME.pt or NAME.safetensors%s", err, spelling.DidYouMean(path, []string{logitLens, embeddingLens, negatedLens}))
	}
	return lensFile{tuned: t}, err
}
