package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/hub"
	provenance "github.com/mlxlens/mlxlens/internal/origin" // origin is what an answer is of
	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// envModel names the model when -m does not.
const envModel = "MLXLENS_MODEL"

// defaultHubModel is what mlxlens opens when the Hugging Face cache has it.
const defaultHubModel = "mlx-community/Llama-3.2-1B-Instruct-4bit"

// modelOptions are the flags of every command that opens a model.
type modelOptions struct {
	ref     string
	device  string
	weights string
	float32 bool
	context int
	quiet   bool
	yes     bool
	shared  rankFlags
	most    int64 // bytes of the process, with what is opened; 0: no bound

	said map[string]bool // of the notes on models
}

func (o *modelOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.refFlags(cmd)
	f.StringVar(&o.device, "device", "auto", "where to compute: auto, cpu or gpu")
	f.StringVar(&o.weights, "weights", "auto", "how quantized weights are held: auto, packed or dense")
	f.BoolVar(&o.float32, "float32", false, "compute in float32 on a GPU too, as on a CPU, where 16-bit weights otherwise stay as they are")
	f.IntVar(&o.context, "context", 0, "allow so many positions, also more than the model was made for, with a warning (0: as many as that)")
}

// refFlags are those that find the model and do not open it.
func (o *modelOptions) refFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.ref, "model", "m", "", "a directory, a .gguf file, or owner/name[@revision] on the hub (default $"+envModel+", or one that was fetched)")
	f.BoolVarP(&o.yes, "yes", "y", false, "download a model or a lens without asking when it is not in the Hugging Face cache")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
}

// resolved is auto's options for the flags.
func (o *modelOptions) resolved() (auto.Options, error) {
	opts := auto.Options{MaxMemory: o.most, Float32: o.float32}
	switch o.device {
	case "auto":
	case "cpu":
		d := mlx.CPU
		opts.Device = &d
	case "gpu":
		d := mlx.GPU
		opts.Device = &d
	default:
		return opts, usagef("--device %q: want auto, cpu or gpu", o.device)
	}
	switch opts.Weights = load.Form(o.weights); opts.Weights {
	case load.Auto, load.Packed, load.Dense:
	default:
		return opts, usagef("--weights %q: want auto, packed or dense", o.weights)
	}
	if opts.Context = o.context; o.context < 0 {
		return opts, usagef("--context %d: want a number of positions, or 0 for as many as the model was made for", o.context)
	}
	var err error
	opts.PerRank, err = o.shared.dealt()
	return opts, err
}

// asGiven are the flags that say how a model is computed with, where they are not the usual ones.
func (o *modelOptions) asGiven() []string {
	var given []string
	if o.device != "auto" {
		given = append(given, "--device="+o.device)
	}
	if o.weights != "auto" {
		given = append(given, "--weights="+o.weights)
	}
	if o.float32 {
		given = append(given, "--float32")
	}
	if o.context != 0 {
		given = append(given, "--context="+strconv.Itoa(o.context))
	}
	return given
}

// locate turns what the user named into a path, and says on stderr which model it
// is when the user named none.
func (o *modelOptions) locate(s *streams) (string, error) {
	ref, from, _ := o.choose()
	if ref == "" {
		return "", usagef("no model was named, and none is there: %s, or name one with -m (a directory, a .gguf file, or owner/name)", fetchModel())
	}
	if from != "" && !o.quiet {
		s.say("model %s (from %s)", ref, from)
	}
	return o.expand(s, ref)
}

// choose returns the model to open, what named it when -m did not, and every place that was
// looked at, with why it was taken or not.
func (o *modelOptions) choose() (ref, from string, looked []string) {
	if o.ref != "" {
		return o.ref, "", nil
	}
	for _, place := range []struct {
		name string
		look func() (ref, why string)
	}{
		{"$" + envModel, func() (string, string) { return os.Getenv(envModel), "it is not set" }},
		{"the Hugging Face cache", defaultFromCache},
		{"`make model`", fetchedModel},
	} {
		if ref != "" {
			looked = append(looked, place.name+": not looked at: one before it was taken")
			continue
		}
		found, why := place.look()
		if found != "" {
			ref, from, why = found, place.name, found+": taken"
		}
		looked = append(looked, place.name+": "+why)
	}
	return ref, from, looked
}

// expand turns owner/name into its snapshot in the Hugging Face cache; a path stays as
// it is.
func (o *modelOptions) expand(s *streams, ref string) (string, error) {
	_, missing := os.Stat(ref)
	if missing == nil {
		return ref, nil
	}
	if strings.HasSuffix(ref, ".gguf") {
		return ref, noSuchPath(ref)
	}
	onHub, err := hub.ParseRef(ref)
	if err != nil && strings.Contains(ref, "://") {
		return "", usageError{err}
	}
	if err != nil {
		return ref, noSuchPath(ref)
	}
	return o.fromHub(s, onHub)
}

// noSuchPath is what is wrong with a path that is not there, where it may be a slip of one that is.
// Else whoever opens it says that it is not there.
func noSuchPath(path string) error {
	if like := pathLike(path); like != "" {
		return fmt.Errorf("model %q: there is no such file or folder%s", path, like)
	}
	return nil
}

// pathLike goes on with a sentence on a path that is not there with what lies beside it.
func pathLike(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	like := spelling.Near(filepath.Base(path), names)
	for i := range like {
		like[i] = filepath.Join(filepath.Dir(path), like[i])
	}
	return spelling.Meant(like)
}

// defaultFromCache is the snapshot of defaultHubModel, or why there is none.
func defaultFromCache() (path, why string) {
	ref, err := hub.ParseRef(defaultHubModel)
	if err != nil {
		return "", rooms.Text(err)
	}
	c, err := hub.New(hub.Options{})
	if err != nil {
		return "", rooms.Text(err)
	}
	snapshot, err := c.Find(ref)
	if err != nil {
		return "", rooms.Text(err)
	}
	return snapshot.Path, ""
}

// fetchModel says how to get a model. Who has mlxlens as a Python package has no checkout.
func fetchModel() string {
	do := "fetch one with `mlxlens pull " + defaultHubModel + "`"
	if provenance.Packages() == "" {
		do += ", or in a checkout with `make model`"
	}
	return do
}

// fetchedModel finds the model of `make model`, in the checkout that the program belongs to, or
// says why there is none.
func fetchedModel() (path, why string) {
	root := provenance.Checkout()
	if root == "" {
		return "", "the program stands in no checkout of mlxlens, and the working directory is no place to look"
	}
	folder := filepath.Join(root, "models", "smollm2")
	found, err := filepath.Glob(filepath.Join(folder, "*.gguf"))
	if err != nil || len(found) == 0 {
		return "", folder + " has no .gguf file"
	}
	if why := provenance.Refusal(found[0]); why != "" {
		return "", found[0] + ": " + why + "; name it with -m if you trust it"
	}
	return found[0], ""
}

// agree says what the user agrees to, of downloads too that are not the model.
func (o *modelOptions) agree(s *streams) { s.canAgree, s.yes, s.quiet = true, o.yes, o.quiet }

// open opens the model that the flags name.
func (o *modelOptions) open(s *streams, needTokenizer bool) (*auto.Opened, error) {
	return o.openFor(s, func(opened *auto.Opened) error { return usable(opened, needTokenizer) })
}

// openFor opens the model that the flags name, where it is usable for what comes.
func (o *modelOptions) openFor(s *streams, usable func(*auto.Opened) error) (*auto.Opened, error) {
	if s.served != nil {
		opened, err := s.served.model(o.ref)
		if err != nil {
			return nil, err
		}
		return opened, usable(opened)
	}
	o.agree(s)
	opts, err := o.resolved()
	if err != nil {
		return nil, err
	}
	if opts.Ranks, err = s.join(o.shared.rankWait); err != nil {
		return nil, err
	}
	if opts.Ranks == nil && opts.PerRank != nil {
		return nil, usagef("--layers-per-rank is of ranks, and this process is alone: mlxlens launch starts several")
	}
	path, err := o.locate(s)
	if err == nil {
		err = s.readsPath(path, "the model")
	}
	opened, err := s.openTogether(path, opts, err)
	if err != nil {
		return nil, err
	}
	o.noteAll(s, opened.Info.Notes)
	for _, file := range opened.Info.Files { // of a GGUF model in parts
		if err := s.reads(file, "a file of the model"); err != nil {
			opened.Close()
			return nil, err
		}
	}
	if err := usable(opened); err != nil {
		opened.Close()
		return nil, err
	}
	if err := unreadable(opened); err != nil {
		o.noteAll(s, []string{rooms.Text(err) + ": tokens are shown as numbers, as of a model that has no tokenizer"})
	}
	return opened, nil
}

// usable returns an error where a tokenizer is needed, and there is none that can be read.
func usable(opened *auto.Opened, needTokenizer bool) error {
	err := opened.TokenizerErr
	switch {
	case !needTokenizer:
		return nil
	case errors.Is(err, auto.ErrNoTokenizer):
		return failf("%w: give the prompt as numbers with --ids", err)
	}
	return err
}

// unreadable is why a tokenizer that is there cannot be read, nil where it can be or there is none.
func unreadable(opened *auto.Opened) error {
	if err := opened.TokenizerErr; !errors.Is(err, auto.ErrNoTokenizer) {
		return err
	}
	return nil
}

// note says on stderr what a run of some tokens should be told of.
func (o *modelOptions) note(s *streams, opened *auto.Opened, ids []int) {
	o.noteAll(s, opened.Model.Notes(len(ids)))
	t := opened.Tokenizer
	if t == nil {
		return
	}
	o.noteAll(s, t.Notes())
	for _, id := range ids {
		if _, ok := t.Piece(id); !ok {
			o.noteAll(s, []string{fmt.Sprintf("token id %d has no text in the tokenizer, whose ids end at %d: it is a row of the model's matrices that no prompt leads to, and is shown as <%d>",
				id, t.VocabSize()-1, id)})
			return // one says it
		}
	}
}

// noteAll says things on stderr, each once.
func (o *modelOptions) noteAll(s *streams, notes []string) {
	for _, text := range notes {
		if o.quiet || o.said[text] {
			continue
		}
		if o.said == nil {
			o.said = map[string]bool{}
		}
		o.said[text] = true
		s.say("%s", text)
	}
}
