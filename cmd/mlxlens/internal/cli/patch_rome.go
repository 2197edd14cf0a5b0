package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/auto"
)

// maxSamples bounds what is averaged: the mean's error falls with the root of it, and a run costs a pass each.
const maxSamples = 1000

// romeFile is the command of a file of facts.
const romeFile = "patch --rome --file"

// romeFlags say how a subject is corrupted.
type romeFlags struct {
	rome    bool
	subject string
	noise   float64
	samples int
	seed    uint64
}

func (o *romeFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.rome, "rome", false, "corrupt a subject's embeddings with noise instead of taking a second prompt, and restore clean states (ROME's causal tracing)")
	f.StringVar(&o.subject, "subject", "", "the words of the prompt that --rome corrupts; of a model without a tokenizer positions such as 2,3")
	f.Float64Var(&o.noise, "noise", 3, "the noise's deviation, in standard deviations of the embedding")
	f.IntVar(&o.samples, "samples", 10, "samples of noise that are averaged")
	f.Uint64Var(&o.seed, "seed", 0, "the seed of the noise")
}

// checkRome refuses what does not go with --rome, or without it.
func (o *patchOptions) checkRome() error {
	for _, flag := range []string{"subject", "noise", "samples", "seed"} {
		if o.given(flag) && !o.rome {
			return usagef("%v needs --rome", theFlag(flag))
		}
	}
	if !o.rome {
		return nil
	}
	for _, flag := range []string{"heads", "noising", "align", "vs", "ids-b", "messages-b", "to"} {
		if o.given(flag) {
			return usagef("--rome and %v exclude each other", theFlag(flag))
		}
	}
	switch {
	case o.hasSecond:
		return usagef("--rome takes one prompt, whose subject is corrupted: leave the second out")
	case o.subject == "" && o.file == "":
		return usagef("--rome needs --subject: the words of the prompt that are corrupted")
	case o.subject != "" && o.file != "":
		return usagef("--subject and --file exclude each other: each line of the file has its subject")
	case !(o.noise > 0) || math.IsInf(o.noise, 1):
		return usagef("--noise %g: want a number above 0", o.noise)
	case o.samples < 2 || o.samples > maxSamples:
		return usagef("--samples %d: want 2 to %d", o.samples, maxSamples)
	case o.positions == "all":
		return usagef("--rome restores one position at a time: --positions all is not for it")
	}
	return nil
}

// runRome traces one prompt.
func runRome(ctx context.Context, s *streams, o *patchOptions) error {
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	opened, clean, _, err := o.prompts(ctx, s)
	if err != nil {
		return err
	}
	defer opened.Close()
	if err := s.sameInput(o.originOfFiles, clean.ids); err != nil {
		return err
	}
	to, err := o.tracing(ctx, s, opened, clean, o.subject, o.target)
	if err != nil {
		return err
	}
	to.Progress, to.Stop = s.progressOf("tracing", o.quiet), s.untilAsked(ctx)
	t, err := experiment.CausalTrace(ctx, opened.Model, clean.in, to)
	if err != nil {
		return err
	}
	describeRun(&t.Run, clean.encoded)
	describeModel(&t.Model, opened)
	if t.Made, err = o.made(s, opened); err != nil {
		return err
	}
	o.edited, o.interrupted = o.edits, t.Interrupted
	return orStopped(o.show(s, file, t), o.interrupted)
}

// tracing resolves what depends on the model and a prompt.
func (o *patchOptions) tracing(ctx context.Context, s *streams, opened *auto.Opened, clean patchRun, subject, target string) (experiment.TracingOptions, error) {
	to := experiment.TracingOptions{Noise: o.noise, Samples: o.samples, Seed: o.seed, Window: o.window, Label: labels(opened.Tokenizer)}
	var err error
	if to.Subject, err = subjectPositions(s, opened, clean.ids, subject, o.quiet); err != nil {
		return to, err
	}
	if to.Sites, err = sites(opened.Model, "sites", o.sites); err != nil {
		return to, err
	}
	if to.Layers, err = selection(o.layers, opened.Model.Shape().Layers, "layer"); err != nil {
		return to, err
	}
	if to.Positions, err = clean.turns.at(o.or(o.positions), len(clean.ids)); err != nil {
		return to, err
	}
	if to.MaxMemory, err = o.bound(s); err != nil {
		return to, err
	}
	o.within = to.MaxMemory
	to.Metric = experiment.Metric(o.metric)
	switch {
	case to.Metric.Distance():
		return to, nil
	case to.Metric == experiment.LogitDiff:
		return to, usagef("--rome has no second answer for logit_diff: take logit, prob, logprob, rank or a distance")
	}
	to.Target, err = o.token(ctx, s, opened, "target", target, clean.in, o.quiet)
	return to, err
}

// subjectPositions finds the tokens that a subject's first appearance in a prompt touches. Where there is no
// tokenizer there are no words, and the subject names the positions themselves.
func subjectPositions(s *streams, opened *auto.Opened, ids []int, subject string, quiet bool) ([]int, error) {
	if opened.Tokenizer == nil {
		positions, err := selection(subject, len(ids), "position")
		if err != nil {
			return nil, usagef("the model has no tokenizer to find the subject's words by, and --subject is positions such as 0,2:4: %w", err)
		}
		return positions, nil
	}
	var text strings.Builder
	ends := make([]int, len(ids)) // of each token, in bytes
	for i, id := range ids {
		piece, _ := opened.Tokenizer.Piece(id)
		text.WriteString(piece)
		ends[i] = text.Len()
	}
	subject = strings.TrimSpace(subject)
	from := strings.Index(text.String(), subject)
	if subject == "" || from < 0 {
		return nil, usagef("the subject %q is not in the prompt (%s)", subject, pieces(opened.Tokenizer, ids))
	}
	var positions []int
	begin := 0
	for i, end := range ends {
		if begin < from+len(subject) && end > from {
			positions = append(positions, i)
		}
		begin = end
	}
	if n := strings.Count(text.String(), subject); n > 1 && !quiet {
		s.say("the subject %q is %d times in the prompt: the first is corrupted, at position %d", subject, n, positions[0])
	}
	return positions, nil
}

// fact is a line of a file for --rome. ROME's own files have these keys, and others.
type fact struct {
	Prompt    json.RawMessage `json:"prompt"`
	Subject   *string         `json:"subject"`
	Target    string          `json:"target"`
	Attribute string          `json:"attribute"` // ROME's word for the target
}

// parseFact reads a line of a file of facts.
func parseFact(line int, text string) task {
	t, raw := parseInput(line, text, "prompt", "subject", "target", "attribute")
	if t.err != nil {
		return t
	}
	var f fact
	if t.err = exactjson.Unmarshal(raw, &f); t.err == nil && (f.Prompt == nil || f.Subject == nil) {
		t.err = fmt.Errorf(`want {"prompt": …, "subject": …}, and a "target" where it is not what the model answers`)
	}
	if t.err == nil {
		t.err = checkPrompt("prompt", f.Prompt)
	}
	return t
}

// fact runs a line.
func (b *fileBatch) fact(ctx context.Context, t *task) (any, error) {
	var f fact
	if err := exactjson.Unmarshal(t.input, &f); err != nil {
		return nil, err
	}
	clean, err := b.one(ctx, f.Prompt)
	if err != nil {
		return nil, err
	}
	target := cmp.Or(f.Target, f.Attribute)
	_, byNumber := numbered(target)
	switch {
	case target == "":
		target = b.target // what --target says is of the lines that say nothing
	case byNumber:
	case target == strings.TrimSpace(target): // in the middle of a text
		target = firstToken(b.opened, " "+target)
	default:
		target = firstToken(b.opened, target)
	}
	to, err := b.tracing(ctx, b.batch.s, b.opened, clean, *f.Subject, target)
	if err != nil {
		return nil, err
	}
	r, err := experiment.CausalTrace(ctx, b.opened.Model, clean.in, to)
	if err != nil {
		return nil, err
	}
	describeRun(&r.Run, clean.encoded)
	describeModel(&r.Model, b.opened)
	r.Timing = 0
	return r, nil
}

// firstToken is the first of the tokens of a text that goes on with another, by which a longer answer is known:
// the token of the whole text where there is one. A tokenizer that begins every text with a space of its own
// makes that a token by itself before a space.
func firstToken(opened *auto.Opened, text string) string {
	t := opened.Tokenizer
	if _, ok := t.ID(text); ok {
		return text
	}
	for _, of := range []string{text, strings.TrimPrefix(text, " ")} {
		ids, err := t.Encode(of, false)
		if err != nil || len(ids) == 0 {
			break
		}
		if piece, _ := t.Piece(ids[0]); strings.TrimSpace(piece) != "" {
			return piece
		}
	}
	return text
}

// showAverage shows the mean over the facts of an output.
func (o *foundFlags) showAverage(s *streams, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var sum experiment.Averaging
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the batch has just written it, to its end
		}
		var answer struct {
			Result *experiment.Tracing `json:"result"`
		}
		if err := json.Unmarshal(line, &answer); err != nil {
			return err
		}
		if answer.Result == nil {
			continue // it failed
		}
		if err := sum.Add(answer.Result); err != nil {
			return err
		}
	}
	mean := sum.Average()
	if mean == nil {
		return nil
	}
	shown := *o
	shown.output = ""
	return shown.show(s, nil, mean)
}
