package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// jacobianFlags say how a Jacobian lens is fitted.
type jacobianFlags struct {
	memoryFlags
	layers string
	skip   int
	rows   int
	batch  int
	wide   bool
}

func (o *jacobianFlags) flags(cmd *cobra.Command) {
	o.memoryFlags.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.layers, "layers", "", "of --jacobian: the layers that get a matrix, such as 0,4,8:12 (default all but the last)")
	f.IntVar(&o.skip, "skip-first", jacobian.DefaultSkip, "of --jacobian: positions at the beginning of each sequence that are left out")
	f.IntVar(&o.rows, "rows", 0, "of --jacobian: compute so many random rows of each matrix from each sequence (default all)")
	f.IntVar(&o.batch, "dim-batch", 0, "of --jacobian: rows that go back through the model together (default as many as memory has room for)")
	f.BoolVar(&o.wide, "f32", false, "of --jacobian: write float32 (default float16)")
}

// options are those of a fit.
func (o *jacobianFlags) options(s *streams, shape model.Shape, length int, seed uint64) (jacobian.FitOptions, error) {
	to := jacobian.FitOptions{Skip: o.skip, Length: length, Rows: o.rows, Batch: o.batch, Seed: seed}
	var err error
	if to.Layers, err = selection(o.layers, shape.Layers, "layer"); err != nil {
		return to, err
	}
	flags := map[string]theFlag{"Layers": "layers", "Skip": "skip-first", "Length": "length", "Rows": "rows", "Seed": "seed", "Batch": "dim-batch"}
	if err := ofOption(to.Check(shape), flags); err != nil {
		return to, err
	}
	to.MaxMemory, err = o.bound(s)
	return to, err
}

// jacobianFormats are the extensions of the forms that are written.
var jacobianFormats = []string{"pt", "safetensors"}

// createJacobian makes the file of a lens.
func createJacobian(s *streams, to string, quiet bool) (*answer, error) {
	o := outputFlags{output: to}
	if to == "" || !slices.Contains(jacobianFormats, o.format()) {
		return nil, usagef("output %q: the extension names the form of a Jacobian lens (have: %s)", to, extensions(jacobianFormats))
	}
	if err := hidden(to); err != nil {
		return nil, err
	}
	if config := filepath.Join(filepath.Dir(to), "config.json"); filepath.Base(to) == "params.pt" && exists(config) {
		return nil, usagef("output %q: %s beside it is of a tuned lens, whose folder has both: name another file or folder", to, config)
	}
	return o.create(s, quiet)
}

// writeJacobian writes a lens in the form that the file's name has.
func writeJacobian(to *answer, l *jacobian.Lens, wide bool) error {
	typ := checkpoint.F16
	if wide {
		typ = checkpoint.F32
	}
	return to.write(func(w io.Writer) error {
		if strings.EqualFold(filepath.Ext(to.name), ".pt") {
			return l.WritePT(w, typ)
		}
		return l.WriteSafetensors(w, typ)
	})
}

// fitting adds the sequences of a corpus to a fit, and keeps what is done.
type fitting struct {
	keeping
	f     *jacobian.Fit
	about jacobian.Metadata // what lenses of it say whichever prompts are done
	c     *corpus
}

// fitJacobian fits a lens to a corpus.
func fitJacobian(ctx context.Context, s *streams, o *lensFitOptions) error {
	if err := cmp.Or(o.corpusFlags.check(), o.jacobian.limit(&o.modelOptions)); err != nil {
		return err
	}
	out, err := createJacobian(s, o.output, o.quiet)
	if err != nil {
		return err
	}
	defer out.drop()
	o.counted = true
	opened, c, err := openWithCorpus(s, &o.modelOptions, &o.corpusFlags, o.quiet)
	if err != nil {
		return err
	}
	defer opened.Close()
	run := &fitting{keeping: keeping{s: s, path: o.output + ".fit.pt", quiet: o.quiet}, c: c}
	if run.of, err = o.jacobianOrigin(s, opened, c); err != nil {
		return err
	}
	fo, err := o.jacobian.options(s, opened.Model.Shape(), o.length, o.train.change.Seed)
	if err != nil {
		return err
	}
	if d, n := opened.Model.Shape().DModel, len(c.sequences); fo.Rows > 0 && fo.Rows*n < d {
		return usagef("--rows %d of %s, %s: the matrices have %d; give --rows %d or more%s", fo.Rows, english.Plural(n, "sequence", ""), english.Plural(fo.Rows*n, "row", ""), d, (d+n-1)/n, twice(n, d))
	}
	if run.about, err = o.about(opened, c); err != nil {
		return err
	}
	if err := run.begin(opened, fo); err != nil {
		return err
	}
	if err := run.run(ctx, c.sequences); err != nil {
		return err
	}
	l, err := run.f.Lens(run.metadata())
	if err != nil {
		return err
	}
	if err := writeJacobian(out, l, o.jacobian.wide); err != nil {
		return err
	}
	if err := os.Remove(run.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// twice says how many rows of so many sequences take each row of matrices of d_model d twice, which a standard error needs.
func twice(sequences, d int) string {
	if sequences < 2 {
		return "" // none has
	}
	return fmt.Sprintf(", and %d or more for a standard error", (2*d+sequences-1)/sequences)
}

// maxMemoryOption is kept of a fit where it decides on the sums' last bits.
const maxMemoryOption = "--max-memory"

// jacobianOrigin is what the fit is of: another is not gone on with.
func (o *lensFitOptions) jacobianOrigin(s *streams, opened *auto.Opened, c *corpus) (*origin, error) {
	digest, err := s.digest(opened)
	if err != nil {
		return nil, err
	}
	of := &origin{Model: digest, Revision: hubCommit(opened.Info.Ref), Options: map[string]string{
		"--device": opened.Info.Device, "--weights": string(opened.Info.Weights), "--file": c.digest, "--layers": o.jacobian.layers,
		"--skip-first": fmt.Sprint(o.jacobian.skip), "--length": fmt.Sprint(o.length), "--rows": fmt.Sprint(o.jacobian.rows), "--seed": fmt.Sprint(o.train.change.Seed),
	}}
	if o.jacobian.batch == 0 && o.jacobian.maxMemory != "" { // it decides how many rows go back together
		of.Options[maxMemoryOption] = o.jacobian.maxMemory
	}
	return of, nil
}

// about is what a lens of the fit says of itself, whichever prompts are done.
func (o *lensFitOptions) about(opened *auto.Opened, c *corpus) (jacobian.Metadata, error) {
	hash, err := tuned.Unembedding(opened.Model)
	if err != nil {
		return nil, err
	}
	m := jacobian.Metadata{
		"model_name": cmp.Or(o.train.name, modelName(opened)), "corpus": filepath.Base(c.name), jacobian.Digest: c.digest, "unembedding_sha256": hash, "fitted_by": "mlxlens",
	}
	if revision := hubCommit(opened.Info.Ref); revision != "" {
		m["model_revision"] = revision
	}
	return m, nil
}

// metadata are what a lens of the prompts that are done says of itself.
func (r *fitting) metadata() jacobian.Metadata {
	errors := []any{}
	for _, e := range r.f.Errors() {
		if math.IsNaN(e) {
			errors = append(errors, nil)
			continue
		}
		errors = append(errors, e)
	}
	prompts := []any{}
	for i, ids := range r.c.sequences[:min(r.f.Done()+r.f.Short(), len(r.c.sequences))] {
		if len(ids) >= r.f.Shortest() {
			prompts = append(prompts, r.c.names[i])
		}
	}
	m := maps.Clone(r.about)
	m[jacobian.Digests], m["n_prompts"], m[jacobian.Errors] = prompts, r.f.Done(), errors
	return m
}

// begin makes the fit, or goes on with what is kept of it.
func (r *fitting) begin(opened *auto.Opened, o jacobian.FitOptions) error {
	if _, err := os.Stat(r.path); errors.Is(err, fs.ErrNotExist) {
		r.f, err = jacobian.NewFit(opened.Model, o)
		return err
	}
	f, kept, err := jacobian.Restore(opened.Model, o, r.path)
	if err != nil {
		return failf("%w: remove it, or give another --output", err)
	}
	was, _ := kept[jacobian.Origin].(string)
	var before origin
	known := json.Unmarshal([]byte(was), &before) == nil
	if most, ok := before.Options[maxMemoryOption]; ok && r.of.Options[maxMemoryOption] == "" { // without it, or with the rows that it chose
		r.of.Options[maxMemoryOption] = most
	}
	of, err := json.Marshal(r.of)
	if err != nil {
		return err
	}
	if was != string(of) {
		why := "it does not say of which"
		if known {
			why = before.differs(r.of)
		}
		return failf("%s is of another fit: %s: remove it, or give another --output", r.path, why)
	}
	if r.f = f; !r.quiet {
		r.s.say("goes on behind %s, which %s has", english.Plural(f.Done()+f.Short(), "sequence", ""), r.path)
	}
	return nil
}

func (r *fitting) run(ctx context.Context, sequences [][]int) error {
	from := r.f.Done() + r.f.Short()
	tell := r.progress(len(sequences) - from)
	for i, ids := range sequences[min(from, len(sequences)):] {
		if err := r.f.Add(ctx, ids, func(part float64) { tell(float64(i) + part) }); err != nil {
			return err
		}
		if r.due() && from+i+1 < len(sequences) {
			if err := r.keep(r.save); err != nil {
				return err
			}
		}
	}
	if r.quiet {
		return nil
	}
	if n := r.f.Short(); n > 0 {
		is := english.PluralWord(n, "is", "are")
		r.s.say("%d of %s %s too short to have a position that counts, and %s left out", n, english.Plural(len(sequences), "sequence", ""), is, is)
	}
	if r.f.Done() > 0 { // else there is no lens, which is an error
		sayErrors(r.s, r.f.Done(), r.f.Errors(), r.f.Sources())
	}
	return nil
}

// sayErrors tells how sure the matrices of some layers are.
func sayErrors(s *streams, sequences int, errors []float64, layers []int) {
	worst, at := 0.0, 0
	for i, e := range errors {
		if !(e <= worst) {
			worst, at = e, i
		}
	}
	if math.IsNaN(worst) {
		s.say("%s; the standard error of the matrices needs two or more in each row", english.Plural(sequences, "sequence", ""))
		return
	}
	s.say("%s; the matrices' standard error is at most %.2g of their norm, in layer %d", english.Plural(sequences, "sequence", ""), worst, layers[at])
}

// progress tells of so many sequences.
func (r *fitting) progress(left int) func(done float64) {
	switch {
	case r.quiet:
		return func(float64) {}
	case terminal(r.s.err) > 0:
		tell := r.s.progressOf("fitting", false)
		return func(done float64) { tell(done / float64(left)) }
	}
	rhythm := newRhythm()
	return func(done float64) {
		if since, due := rhythm.due(); due && done < float64(left) {
			rest := time.Duration(float64(since) * (float64(left) - done) / done)
			r.s.say("fitting: %v of %s after %v, about %v left", math.Round(10*done)/10, english.Plural(left, "sequence", ""), since, rest.Round(time.Second))
		}
	}
}

// save writes what is done.
func (r *fitting) save(w io.Writer, of string) error {
	m := r.metadata()
	m[jacobian.Origin] = of
	return r.f.Save(w, m)
}
