package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/auto"
)

type probeOptions struct {
	modelOptions
	promptOptions
	exampleFlags
	memoryFlags
	foundFlags
	l2 float64
}

func newProbeCmd(s *streams) *cobra.Command {
	o := &probeOptions{}
	cmd := &cobra.Command{
		Use:   "probe --file LABELLED",
		Short: "Fit linear probes to what a model computes of labelled prompts",
		Long: `Probe reads labelled prompts, a JSON object a line,

    {"prompt": "The film was a joy", "label": "good"}

of two or more labels, and fits a linear classifier to what the model has of them at a site
of each layer, at the last token or at --positions (linear probes: Alain and Bengio 2016,
arXiv:1610.01644): logistic regression of standardised states with the penalty --l2/2·|w|².
A prompt is a text, token ids, or a conversation: a list of messages.

The table says for each layer which part of the held-out prompts is told right, and beside
it the part that are of the commonest label. That a probe tells classes apart shows that the
state has them, not that the model makes use of it.

--output FILE.safetensors or .npz keeps the directions. Of two labels there is one, from the
first to the second in alphabetical order, as long as their means differ along it; an edit
adds it or projects it out:

    mlxlens trace … --edit layers.12.resid_post=project-out:FILE.safetensors

Of more labels each has its own array, PLACE/LABEL, and all/PLACE has all of them.`,
		Example: `  mlxlens probe --file labelled.jsonl
  mlxlens probe --file labelled.jsonl --layers 10:20 --l2 10 -o probe.safetensors
  mlxlens probe --file labelled.jsonl --held-out others.jsonl --json`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runProbe(cmd.Context(), s, o) },
	}
	o.modelOptions.flags(cmd)
	o.memoryFlags.flags(cmd)
	o.shared.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.noBOS, "no-bos", false, "do not add the tokenizer's special tokens")
	f.BoolVar(&o.chat, "chat", false, "put each prompt into the model's chat template, as a user's message")
	f.StringVar(&o.system, "system", "", "a system message before the prompt, with --chat")
	o.exampleFlags.flags(cmd, "the prompts: a .jsonl `FILE` of {\"prompt\": …, \"label\": …} (- for stdin)")
	f.Float64Var(&o.l2, "l2", 1, "the penalty's factor, 1/C of scikit-learn's LogisticRegression")
	o.foundFlags.flags(cmd, experiment.ProbeSchema, "safetensors")
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *probeOptions) checkFlags() error {
	if !(o.l2 > 0) {
		return usagef("--l2 %g: want more than 0, without which separable classes have no best probe", o.l2)
	}
	return cmp.Or(o.promptOptions.check(o.noBOS), o.exampleFlags.check(), o.foundFlags.check(append(slices.Clone(foundFormats), vectorFormats[0])...), o.limit(&o.modelOptions))
}

// runProbe checks what can be checked before a model is opened, fits the probes, and prints.
func runProbe(ctx context.Context, s *streams, o *probeOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	train, heldOut, split, err := o.exampleFlags.read(s, o.quiet, parseLabelled, func(t task) string { return t.label })
	if err != nil {
		return err
	}
	opened, err := o.open(s, needsTokenizer(slices.Concat(train, heldOut), "prompt"))
	if err != nil {
		return err
	}
	defer opened.Close()
	po := experiment.ProbeOptions{L2: o.l2, Progress: s.progressOf("probing", o.quiet)}
	if po.Site, po.Layers, err = o.place(opened.Model); err != nil {
		return err
	}
	if po.MaxMemory, err = o.bound(s); err != nil {
		return err
	}
	prompts, err := o.labelled(opened, listed(o.file), train)
	if err != nil {
		return err
	}
	held, err := o.labelled(opened, o.heldOutFile(), heldOut)
	if err != nil {
		return err
	}
	if err := s.sameInput(o.originOfFiles); err != nil {
		return err
	}
	r, err := experiment.Probe(ctx, opened.Model, prompts, held, po)
	if err != nil {
		return err
	}
	r.Split, r.Read = split, o.or(o.positions)
	describeModel(&r.Model, opened)
	if r.Made, err = o.made(s, opened); err != nil {
		return err
	}
	return o.showVectors(s, file, r)
}

// labelledLine is a line of a file of labelled prompts.
type labelledLine struct {
	Prompt json.RawMessage `json:"prompt"`
	Label  any             `json:"label"`
}

// parseLabelled reads a line of a file of labelled prompts. A label is a text, a number or a truth value.
func parseLabelled(line int, text string) task {
	t, raw := parseInput(line, text)
	if t.err != nil {
		return t
	}
	var l labelledLine
	if t.err = exactjson.Unmarshal(raw, &l); t.err != nil {
		return t
	}
	if l.Prompt == nil || l.Label == nil {
		t.err = errors.New(`want {"prompt": …, "label": …}, the prompt a text, token ids, or messages`)
		return t
	}
	switch label := l.Label.(type) {
	case string:
		t.label = label
	case bool, float64, json.Number:
		t.label = fmt.Sprint(label)
	default:
		t.err = errors.New("the label is a list or an object: want a text, a number, true or false")
		return t
	}
	t.err = checkPrompt("prompt", l.Prompt)
	return t
}

// labelled encodes the prompts of a file.
func (o *probeOptions) labelled(opened *auto.Opened, file string, tasks []task) ([]experiment.Labelled, error) {
	prompts := make([]experiment.Labelled, len(tasks))
	for i, t := range tasks {
		var l labelledLine
		err := exactjson.Unmarshal(t.input, &l)
		if err == nil {
			prompts[i].Label = t.label
			prompts[i].Input, err = o.input(opened, &o.promptOptions, l.Prompt)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, t.line, err)
		}
	}
	return prompts, nil
}
