package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

// foundLine is a line of the answer to a file of experiments: what was found, or what went wrong.
type foundLine struct {
	head
	Input  json.RawMessage `json:"input"`
	Result any             `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

func (l foundLine) wrong() bool { return l.Error != nil }

// patchBatch patches the pairs of a file, or traces its facts.
type patchBatch struct {
	*patchOptions
	align  lens.Alignment
	batch  *batch
	opened *auto.Opened
}

// runPatchFile answers each line of a file, in lines of JSON.
func runPatchFile(ctx context.Context, s *streams, o *patchOptions, align lens.Alignment) error {
	switch {
	case o.prompt != nil || o.ids != "" || o.messages != "" || o.secondFlags.given():
		return usagef("--file excludes prompts, --ids and --messages")
	case o.output != "" && o.format() != "jsonl":
		return usagef("--file writes a JSON object a line: give --output a name that ends in .jsonl, or --format jsonl")
	}
	var place *output.Place
	var err error
	if o.output != "" {
		if place, err = o.find(s); err != nil {
			return err
		}
	}
	p := &patchBatch{patchOptions: o, align: align}
	command, parse := "patch --file", parsePair
	if o.rome {
		command, parse = "patch --rome --file", parseFact
	}
	p.batch = &batch{s: s, command: command, name: o.output, quiet: o.quiet, window: 1, open: p.openModel, ids: p.ids, answers: p.answers}
	if p.batch.tasks, err = readFile(s, o.file, o.quiet, parse); err != nil {
		return err
	}
	err = p.batch.runAll(ctx, place)
	if o.rome && place != nil && !place.Stdout() && (err == nil || p.batch.failed > 0) {
		return cmp.Or(p.average(), err)
	}
	return err
}

func (b *patchBatch) openModel(context.Context) (finish func(), err error) {
	if b.opened, err = b.open(b.batch.s, true); err != nil {
		return nil, err
	}
	if b.batch.from, err = b.origin(b.opened); err != nil {
		b.opened.Close()
	}
	return b.opened.Close, err
}

// origin describes what does not depend on the line: the model, and every flag that was given.
func (b *patchBatch) origin(opened *auto.Opened) (of origin, err error) {
	if of.Model, err = b.batch.s.digest(opened); err != nil {
		return of, err
	}
	of.Revision = hubCommit(opened.Info.Ref)
	of.Options = map[string]string{"--device": opened.Info.Device, "--weights": string(opened.Info.Weights)}
	beside := map[string]bool{"file": true, "output": true, "format": true, "quiet": true, "yes": true, "json": true, "no-color": true, "width": true, "model": true, "edit": true}
	b.visit(func(f *pflag.Flag) {
		if _, there := of.Options["--"+f.Name]; !there && !beside[f.Name] {
			of.Options["--"+f.Name] = f.Value.String()
		}
	})
	return of, originOfEdits(b.edits, of.Options)
}

// ids are those of all prompts of a line.
func (b *patchBatch) ids(t *task) ([]int, error) {
	var of map[string]json.RawMessage
	if err := json.Unmarshal(t.input, &of); err != nil {
		return nil, err
	}
	var ids []int
	for _, key := range []string{"prompt", "clean", "corrupted"} {
		var text string
		if of[key] == nil || json.Unmarshal(of[key], &text) != nil {
			continue
		}
		prompt := &promptOptions{noBOS: b.noBOS, chatFlags: b.chatFlags}
		e, err := prompt.encode(b.opened, &text, nil)
		if err != nil {
			return nil, err
		}
		ids = append(ids, e.ids...)
	}
	return ids, nil
}

func (b *patchBatch) answers(ctx context.Context, tasks []task) iter.Seq[answerLine] {
	return func(yield func(answerLine) bool) {
		for i := range tasks {
			t := &tasks[i]
			var result any
			err := t.err
			if err == nil {
				if b.rome {
					result, err = b.fact(ctx, t)
				} else {
					result, err = b.pair(ctx, t)
				}
			}
			var ids []int
			if t.err == nil {
				ids, _ = b.ids(t) // where they cannot be had the line has failed
			}
			line := foundLine{head: b.batch.head(t, ids), Input: t.input, Result: result}
			if err != nil {
				line.Result, line.Error = nil, &failure{Reason: err.Error()}
			}
			if !yield(line) {
				return
			}
		}
	}
}

// parseInput reads a line that is an object.
func parseInput(line int, text string) (task, []byte) {
	t := task{line: line}
	text = strings.ToValidUTF8(text, replaced)
	if t.input, t.err = asAnswered(json.RawMessage(text)); t.err != nil {
		t.input, _ = asAnswered(text) // a text can be written
		t.err = fmt.Errorf("it is no JSON object: %w", t.err)
		return t, nil
	}
	var object map[string]any
	if err := exactjson.Unmarshal(t.input, &object); err != nil {
		t.err = fmt.Errorf("it is no JSON object that can be read: %w", err)
	}
	if t.err == nil {
		t.err = exactjson.Repeated([]byte(text))
	}
	return t, t.input
}

// asAnswered is JSON as a line of the answer has it, so that the two can be compared.
func asAnswered(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok && !json.Valid(raw) {
		return nil, json.Unmarshal(raw, new(any)) // which says where
	}
	var b bytes.Buffer
	err := render.WriteJSON(&b, v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// pairOfPrompts is a line of a file of pairs.
type pairOfPrompts struct {
	Clean     *string `json:"clean"`
	Corrupted *string `json:"corrupted"`
	Target    string  `json:"target"`
	Versus    string  `json:"vs"`
}

// parsePair reads a line of a file of pairs.
func parsePair(line int, text string) task {
	t, raw := parseInput(line, text)
	if t.err != nil {
		return t
	}
	var p pairOfPrompts
	if t.err = exactjson.Unmarshal(raw, &p); t.err == nil && (p.Clean == nil || p.Corrupted == nil) {
		t.err = errors.New(`want {"clean": …, "corrupted": …}, and "target" and "vs" where they are not what the model answers`)
	}
	return t
}

// pair patches a line.
func (b *patchBatch) pair(ctx context.Context, t *task) (any, error) {
	var p pairOfPrompts
	if err := exactjson.Unmarshal(t.input, &p); err != nil {
		return nil, err
	}
	s, prompt := b.batch.s, &promptOptions{noBOS: b.noBOS, chatFlags: b.chatFlags}
	clean, err := b.run(ctx, s, b.opened, prompt, p.Clean, nil)
	if err != nil {
		return nil, err
	}
	corrupted, err := b.run(ctx, s, b.opened, prompt, p.Corrupted, nil)
	if err != nil {
		return nil, err
	}
	if na, nb := len(clean.ids), len(corrupted.ids); b.align == lens.AlignEqual && na != nb {
		return nil, fmt.Errorf("the prompts have %d and %d tokens: give --align start or end", na, nb)
	}
	each := *b.patchOptions
	each.quiet = true
	if p.Target != "" {
		each.target = p.Target
	}
	if p.Versus != "" {
		each.versus = p.Versus
	}
	if err := each.questionFlags.check(); err != nil {
		return nil, err
	}
	po, err := each.options(ctx, s, b.opened, clean, corrupted)
	if err != nil {
		return nil, err
	}
	po.Align = b.align
	r, err := experiment.Patch(ctx, b.opened.Model, clean.in, corrupted.in, po)
	if err != nil {
		return nil, err
	}
	describePair(&r.Between, b.opened, clean, corrupted)
	r.Timing = 0
	return r, nil
}
