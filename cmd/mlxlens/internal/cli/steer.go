package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/auto"
)

type steerOptions struct {
	modelOptions
	promptOptions
	exampleFlags
	memoryFlags
	foundFlags
	method    string
	strengths string
	target    string
	versus    string

	factors []float64 // of --strengths
}

func newSteerCmd(s *streams) *cobra.Command {
	o := &steerOptions{}
	cmd := &cobra.Command{
		Use:   "steer [prompt] --file PAIRS",
		Short: "Make a vector of pairs of prompts, and steer by it",
		Long: `Steer reads pairs of prompts that differ in one thing, a JSON object a line,

    {"positive": "I love this", "negative": "I hate this"}

and makes a vector of what the model has of both at a site of each layer, at the last
token or at --positions. A prompt is a text, token ids, or a conversation: a list of
messages. With --method mean the vector is the mean of the differences d, positive less
negative (contrastive activation addition: Rimsky et al. 2024, arXiv:2312.06681), with pca
their first principal component, the differences taken both ways round, as long as the root
mean square of d along it (representation reading: Zou et al. 2023, arXiv:2310.01405).

The table says for each layer how well held-out prompts are told apart along the vector:
accuracy by the middle between the means of both sides, and separation, the distance of the
means in standard deviations (Cohen's d). Length is that of the vector in that of a state.

--output FILE.safetensors or .npz keeps the vectors, with the model, the site and how they
were made. An edit adds them with a strength, in every command that takes edits:

    mlxlens generate … --edit layers.12.resid_post=add:FILE.safetensors*1.5

With --strengths a prompt is steered by each layer's vector in turn, at all positions, and
the table shows ln p(target) − ln p(vs) of what follows it.`,
		Example: `  mlxlens steer --file pairs.jsonl --layers 10:20 -o vector.safetensors
  mlxlens steer --file pairs.jsonl --method pca --held-out 0.5 --seed 1 --json
  mlxlens steer "I think this film is" --file pairs.jsonl --layers 10:20 --strengths -2,-1,1,2 --target " good" --vs " bad"`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			return runSteer(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.memoryFlags, &o.shared} {
		group.flags(cmd)
	}
	o.exampleFlags.flags(cmd, "the pairs: a .jsonl `FILE` of {\"positive\": …, \"negative\": …} (- for stdin)")
	f := cmd.Flags()
	f.StringVar(&o.method, "method", string(experiment.MeanDifference), "how the vector is made: mean or pca")
	f.StringVar(&o.strengths, "strengths", "", "steer the prompt with these factors of each vector, such as -2,-1,1,2")
	f.StringVar(&o.target, "target", "", "the answer that --strengths is to make likelier, such as \" good\"")
	f.StringVar(&o.versus, "vs", "", "the answer that it is set against, such as \" bad\"")
	o.foundFlags.flags(cmd, experiment.SteerSchema, "safetensors")
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *steerOptions) checkFlags() error {
	hasPrompt := o.prompt != nil || o.ids != "" || o.messages != ""
	switch {
	case !slices.Contains(experiment.SteeringMethods(), experiment.SteeringMethod(o.method)):
		return usagef("--method %q is unknown (have: mean, pca)", o.method)
	case o.strengths == "" && (o.target != "" || o.versus != ""):
		return usagef("--target and --vs are of --strengths")
	case o.strengths == "" && hasPrompt:
		return usagef("a prompt is steered with --strengths, such as --strengths -2,-1,1,2: give them, or leave it out")
	case o.strengths != "" && !hasPrompt:
		return usagef("--strengths needs a prompt that is steered")
	case o.strengths != "" && (o.target == "" || o.versus == ""):
		return usagef("--strengths needs --target and --vs, the two answers that are weighed")
	case o.file == "-" && (o.messages == "-" || o.prompt != nil && *o.prompt == "-"):
		return usagef("the pairs and the prompt cannot both be read from stdin")
	}
	for part := range strings.SplitSeq(o.strengths, ",") {
		if o.strengths == "" {
			break
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(math.Abs(x) <= math.MaxFloat32) {
			return usagef("--strengths: %q is no number that float32 holds", part)
		}
		o.factors = append(o.factors, x)
	}
	return cmp.Or(o.exampleFlags.check(), o.foundFlags.check(append(slices.Clone(foundFormats), vectorFormats[0])...), o.limit(&o.modelOptions))
}

// runSteer checks what can be checked before a model is opened, makes the vectors, and prints.
func runSteer(ctx context.Context, s *streams, o *steerOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	var text *string
	var ids []int
	if o.strengths != "" {
		if text, ids, err = o.promptOptions.read(s); err != nil {
			return err
		}
	} else if err := o.promptOptions.check(o.noBOS); err != nil {
		return err
	}
	train, heldOut, split, err := o.exampleFlags.read(s, o.quiet, parseContrast, func(task) string { return "" })
	if err != nil {
		return err
	}
	opened, err := o.open(s, text != nil || needsTokenizer(slices.Concat(train, heldOut), "positive", "negative"))
	if err != nil {
		return err
	}
	defer opened.Close()
	so, at, err := o.options(s, opened, text, ids)
	if err != nil {
		return err
	}
	pairs, err := o.contrasts(opened, listed(o.file), train)
	if err != nil {
		return err
	}
	held, err := o.contrasts(opened, o.heldOutFile(), heldOut)
	if err != nil {
		return err
	}
	if err := s.sameInput(o.originOfFiles, at.ids); err != nil {
		return err
	}
	if o.strengths != "" {
		so.Stop = s.untilAsked(ctx)
	}
	r, err := experiment.Steer(ctx, opened.Model, pairs, held, so)
	if err != nil {
		return err
	}
	r.Split, r.Read = split, o.or(o.positions)
	describeModel(&r.Model, opened)
	if r.Effect != nil {
		describeRun(&r.Effect.Prompts[0], at)
	}
	if r.Made, err = o.made(s, opened); err != nil {
		return err
	}
	o.interrupted = r.Interrupted
	return orStopped(o.showVectors(s, file, r), o.interrupted)
}

// options resolves what depends on the model and the prompt.
func (o *steerOptions) options(s *streams, opened *auto.Opened, text *string, ids []int) (so experiment.SteerOptions, at encoded, err error) {
	so = experiment.SteerOptions{Method: experiment.SteeringMethod(o.method), Strengths: o.factors, Label: labels(opened.Tokenizer), Progress: s.progressOf("steering", o.quiet)}
	if so.Site, so.Layers, err = o.place(opened.Model); err != nil {
		return so, at, err
	}
	if so.MaxMemory, err = o.bound(s); err != nil || o.strengths == "" {
		return so, at, err
	}
	if at, err = o.encode(opened, text, ids); err != nil {
		return so, at, err
	}
	so.Prompts = []edit.Input{{IDs: at.ids}}
	if so.Target, err = target(s, opened, "target", o.target, o.quiet); err != nil {
		return so, at, err
	}
	if so.Versus, err = target(s, opened, "vs", o.versus, o.quiet); err != nil {
		return so, at, err
	}
	if so.Target == so.Versus {
		return so, at, usagef("--target and --vs are both %q: their difference is always 0", labels(opened.Tokenizer)(so.Target))
	}
	return so, at, nil
}

// contrastLine is a line of a file of pairs.
type contrastLine struct {
	Positive json.RawMessage `json:"positive"`
	Negative json.RawMessage `json:"negative"`
}

// parseContrast reads a line of a file of pairs.
func parseContrast(line int, text string) task {
	t, raw := parseInput(line, text)
	if t.err != nil {
		return t
	}
	var c contrastLine
	if t.err = exactjson.Unmarshal(raw, &c); t.err == nil && (c.Positive == nil || c.Negative == nil) {
		t.err = errors.New(`want {"positive": …, "negative": …}, a text each, token ids, or messages`)
	}
	if t.err == nil {
		t.err = cmp.Or(checkPrompt("positive", c.Positive), checkPrompt("negative", c.Negative))
	}
	return t
}

// contrasts encodes the pairs of a file.
func (o *steerOptions) contrasts(opened *auto.Opened, file string, tasks []task) ([]experiment.Contrast, error) {
	pairs := make([]experiment.Contrast, len(tasks))
	for i, t := range tasks {
		var c contrastLine
		err := exactjson.Unmarshal(t.input, &c)
		if err == nil {
			pairs[i].Positive, err = o.input(opened, &o.promptOptions, c.Positive)
		}
		if err == nil {
			pairs[i].Negative, err = o.input(opened, &o.promptOptions, c.Negative)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, t.line, err)
		}
	}
	return pairs, nil
}
