package cli

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

type auditOptions struct {
	modelOptions
	corpusFlags
	memoryFlags
	foundFlags
	against        string
	weightsAgainst string
	layers         string
	from           string
	threshold      float64
	blame          int
	by             string
	direction      string
}

func newAuditCmd(s *streams) *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use:   "audit --against MODEL --file CORPUS",
		Short: "Say how far a model is from its original, and which modules are to blame",
		Long: `Audit holds a model, the candidate, against another of the same shape, the reference: a
quantization against its original or another one, a model against what it was fine-tuned
from. Over a corpus it sums, for the logit lens of each layer, KL(reference ‖ candidate),
how often the best tokens are the same, both perplexities, and the relative error of the
stream; and says from which layer on the two have parted.

The numbers of the end are those of llama-perplexity --kl-divergence, by its definitions:
with --join the corpus is one text cut into sequences of --length tokens, and the first
half of each is not scored, so that what is scored has a context. --from 0 scores all.

Modules are ranked by experiment, over --blame sequences: with --direction alone the
reference gets one module of the candidate's, and its KL from the reference is what that
module does by itself; with restored the candidate gets one module back, and what its KL
loses is what that gains. Modules go one by one (--by tensor), or all of a kind or of a
layer together. That takes a run for each: --blame 0 leaves it out. Two halves of the
sequences are ranked apart too, and their rank correlation says whether the ranking stands.

With --output the sums are kept in FILE.state from sequence to sequence: the same command
goes on where it stopped, and ends with the same bytes. Both models are in memory.`,
		Example: `  mlxlens audit -m Qwen3-4B-4bit --against Qwen/Qwen3-4B --file corpus.txt --join
  mlxlens audit -m model-4bit --against model-8bit --file corpus.txt --join --blame 8 --by kind,layer -o audit.html
  mlxlens audit -m tuned --against base --file texts.jsonl --from 0 --blame 0 --json`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd.Context(), s, o) },
	}
	o.modelOptions.flags(cmd)
	o.corpusFlags.flags(cmd, 512)
	o.memoryFlags.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.against, "against", "", "the reference: a `MODEL`, named as with -m")
	f.StringVar(&o.weightsAgainst, "weights-against", "", "how the reference's quantized weights are held: auto, packed or dense (default as --weights)")
	f.StringVar(&o.layers, "layers", "", "whose lens is read: 0,4,8:12,-1 (default all; the last always is)")
	f.StringVar(&o.from, "from", "half", "the first position of a sequence that is scored, or half of the sequence")
	f.Float64Var(&o.threshold, "threshold", 0.01, "the mean KL, in nats, from which on the lenses have parted")
	f.IntVar(&o.blame, "blame", 2, "rank modules by so many sequences (0: rank none)")
	f.StringVar(&o.by, "by", "tensor", "how modules are put together: tensor, kind, layer, or several with commas")
	f.StringVar(&o.direction, "direction", "alone", "what is replaced: alone, restored, or both with a comma")
	o.foundFlags.flags(cmd, audit.Schema)
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *auditOptions) checkFlags() (audit.Options, error) {
	ao := audit.Options{Threshold: o.threshold, Blame: audit.Blame{Sequences: o.blame}}
	switch {
	case o.against == "":
		return ao, usagef("there is nothing to hold the model against: name the reference with --against")
	case o.against == o.ref && o.weightsAgainst == "":
		return ao, usagef("--against is the model itself: name another, or hold its weights otherwise with --weights-against")
	case !(o.threshold > 0) || math.IsInf(o.threshold, 0):
		return ao, usagef("--threshold %g: want a number above 0", o.threshold)
	case o.blame < 0:
		return ao, usagef("--blame %d: want 0 sequences or more", o.blame)
	}
	if o.from != "half" {
		n, err := strconv.Atoi(o.from)
		if err != nil || n < 0 {
			return ao, usagef("--from %q: want a position from 0 on, or half", o.from)
		}
		ao.Skip = &n
	}
	var err error
	if ao.Blame.By, err = chosenWords("by", o.by, audit.Groupings()); err != nil {
		return ao, err
	}
	if ao.Blame.Directions, err = chosenWords("direction", o.direction, audit.Directions()); err != nil {
		return ao, err
	}
	return ao, cmp.Or(o.corpusFlags.check(), o.foundFlags.check(foundFormats...), o.limit(&o.modelOptions))
}

// chosenWords reads a flag that lists some of a few words, each once.
func chosenWords[T ~string](flag theFlag, text string, have []T) ([]T, error) {
	var out []T
	for word := range strings.SplitSeq(text, ",") {
		w := T(strings.TrimSpace(word))
		if !slices.Contains(have, w) || slices.Contains(out, w) {
			return nil, usagef("%v %q: want %s, each once", flag, text, english.OxfordWordSeries(words(have), "or"))
		}
		out = append(out, w)
	}
	return out, nil
}

func words[T ~string](of []T) []string {
	out := make([]string, len(of))
	for i, w := range of {
		out[i] = string(w)
	}
	return out
}

// runAudit checks what can be checked before a model is opened, measures, and prints.
func runAudit(ctx context.Context, s *streams, o *auditOptions) error {
	ao, err := o.checkFlags()
	if err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	from, err := o.corpusFlags.read(s, o.quiet)
	if err != nil {
		return err
	}
	reference, candidate, err := o.openBoth(s, from)
	if err != nil {
		return err
	}
	defer reference.Close()
	defer candidate.Close()
	encoder := candidate
	if encoder.Tokenizer == nil {
		encoder = reference
	}
	for _, opened := range []*auto.Opened{candidate, reference} {
		if err := o.fitsContext(opened.Model.Shape()); err != nil {
			return err
		}
	}
	c, err := o.encode(encoder, from)
	if err != nil {
		return err
	}
	if c.cut > 0 && !o.quiet {
		s.say("%s cut at --length %d", english.Plural(c.cut, "text was", "texts were"), o.length)
	}
	if ao.Layers, err = selection(o.layers, candidate.Model.Shape().Layers, "layer"); err != nil {
		return err
	}
	if ao.MaxMemory, err = o.bound(s); err != nil {
		return err
	}
	kept, err := o.state(s, reference, candidate, c)
	if err != nil {
		return err
	}
	defer kept.close()
	r, err := o.measure(ctx, s, kept, [2]*auto.Opened{reference, candidate}, c, ao)
	if err == nil {
		err = o.describe(s, r, reference, candidate)
	}
	if err == nil {
		err = o.show(s, file, r)
	}
	if err != nil {
		return err
	}
	return kept.finish()
}

// openBoth opens the reference and the candidate, on one device, for a corpus.
func (o *auditOptions) openBoth(s *streams, from texts) (reference, candidate *auto.Opened, err error) {
	if candidate, err = o.openFor(s, from.readable); err != nil {
		return nil, nil, err
	}
	mo := o.modelOptions
	mo.ref, mo.weights = o.against, cmp.Or(o.weightsAgainst, o.weights)
	if reference, err = mo.openFor(s, from.readable); err != nil {
		candidate.Close()
		return nil, nil, err
	}
	a, b := &side{opened: reference, Side: lens.Side{Model: reference.Model}}, &side{opened: candidate, Side: lens.Side{Model: candidate.Model}}
	if reference.Model.Shape().DVocab == candidate.Model.Shape().DVocab && !o.quiet {
		if warning := differentTokens(a, b); warning != "" {
			s.say("%s", warning)
		}
	}
	return reference, candidate, nil
}

// measure goes through the corpus, from where an earlier run stopped.
func (o *auditOptions) measure(ctx context.Context, s *streams, kept *auditState, models [2]*auto.Opened, c *corpus, ao audit.Options) (*audit.Result, error) {
	done, total := 0.0, 0.0
	progress := s.progressOf("auditing", o.quiet)
	ao.Progress = func(work float64) {
		if done += work; progress != nil {
			progress(min(1, done/total))
		}
	}
	a, err := audit.New(models[0].Model, models[1].Model, ao)
	if err != nil {
		return nil, err
	}
	if err := kept.restore(a); err != nil {
		return nil, err
	}
	rest := c.sequences[min(a.Done, len(c.sequences)):]
	total = a.Work(rest)
	o.announce(s, a, len(rest))
	for _, ids := range rest {
		if err := cmp.Or(ctx.Err(), a.Add(ctx, ids)); err != nil {
			return nil, err
		}
		if err := kept.save(a); err != nil {
			return nil, err
		}
	}
	r := a.Result()
	if r.Corpus.Tokens == 0 {
		return nil, failf("no sequence of %s has a position that is scored: give longer texts, or --from 0", c.name)
	}
	if r.Corpus.Skipped > 0 && !o.quiet {
		s.say("%s no position that is scored", english.Plural(r.Corpus.Skipped, "sequence has", "sequences have"))
	}
	r.Corpus.Name, r.Corpus.Digest = c.name, c.digest
	return r, nil
}

// announce says how much there is to do.
func (o *auditOptions) announce(s *streams, a *audit.Audit, sequences int) {
	if runs := a.Runs(); runs > 0 && !o.quiet {
		s.say("%s, and for each of %d to rank modules %s: fewer with --blame, --by kind or --by layer",
			english.Plural(sequences, "sequence", ""), o.blame, english.Plural(runs, "run", ""))
	}
}

// describe says which models the result is of, and where it is kept, how it was made.
func (o *auditOptions) describe(s *streams, r *audit.Result, reference, candidate *auto.Opened) error {
	for _, of := range []struct {
		to     *audit.Side
		opened *auto.Opened
	}{{&r.Reference, reference}, {&r.Candidate, candidate}} {
		describeModel(&of.to.ModelInfo, of.opened)
		of.to.Weights = string(of.opened.Info.Weights)
		if o.output == "" && !o.json {
			continue
		}
		digest, err := s.digest(of.opened)
		if err != nil {
			return err
		}
		of.to.Digest, of.to.Revision = digest, hubCommit(of.opened.Info.Ref)
		r.Made = &audit.Made{Version: programVersion(), Command: s.args}
	}
	return nil
}
