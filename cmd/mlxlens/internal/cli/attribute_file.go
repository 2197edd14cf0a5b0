package cli

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/lens"
)

// promptOrPair is a line of a file to attribute: one prompt, or two.
type promptOrPair struct {
	Prompt json.RawMessage `json:"prompt"`
	pairOfPrompts
}

// two reports whether the line has a corrupted prompt.
func (p *promptOrPair) two() bool { return p.Prompt == nil }

// checkFile refuses flags that no line of a file could go with.
func (o *attributeOptions) checkFile() error {
	one, two := o.checkOf(false), o.checkOf(true)
	if one != nil && two != nil {
		return one
	}
	return nil
}

// runAttributeFile answers each line of a file, in lines of JSON.
func runAttributeFile(ctx context.Context, s *streams, o *attributeOptions, align lens.Alignment) error {
	f, err := newFileBatch(s, &o.patchOptions, "attribute --file", o.parseLine)
	if err != nil {
		return err
	}
	f.answer = func(ctx context.Context, t *task) (any, error) { return o.line(ctx, f, t, align) }
	return f.batch.runAll(ctx, f.place)
}

// parseLine reads a line of a file of prompts or pairs.
func (o *attributeOptions) parseLine(line int, text string) task {
	t, raw := parseInput(line, text, "prompt", "clean", "corrupted", "target", "vs")
	if t.err != nil {
		return t
	}
	var p promptOrPair
	if t.err = exactjson.Unmarshal(raw, &p); t.err != nil {
		return t
	}
	if one, pair := p.Prompt != nil, p.Clean != nil && p.Corrupted != nil; one == pair || one && (p.Clean != nil || p.Corrupted != nil) {
		t.err = errors.New(`want {"prompt": …}, or {"clean": …, "corrupted": …}, and "target" and "vs" where they are not what the model answers`)
		return t
	}
	if t.err = o.checkOf(p.two()); t.err != nil {
		return t
	}
	if t.err = checkPrompt("prompt", p.Prompt); p.two() {
		t.err = p.check()
	}
	return t
}

// line attributes a line.
func (o *attributeOptions) line(ctx context.Context, f *fileBatch, t *task, align lens.Alignment) (any, error) {
	var p promptOrPair
	if err := exactjson.Unmarshal(t.input, &p); err != nil {
		return nil, err
	}
	each := *o
	each.patchOptions = f.each(p.asked)
	if err := each.questionFlags.check(); err != nil {
		return nil, err
	}
	var clean, corrupted patchRun
	var err error
	if p.two() {
		clean, corrupted, err = f.both(ctx, p.pairOfPrompts)
	} else {
		clean, err = f.one(ctx, p.Prompt)
	}
	if err != nil {
		return nil, err
	}
	result, err := each.attribute(ctx, f.batch.s, f.opened, clean, corrupted, p.two(), align)
	if err != nil {
		return nil, err
	}
	switch r := result.(type) { // the same lines whenever they are made
	case *experiment.Attribution:
		r.Timing = 0
	case *experiment.InputAttribution:
		r.Timing = 0
	case *experiment.Estimation:
		r.Timing = 0
	case *experiment.Edges:
		r.Timing = 0
	}
	return result, nil
}
