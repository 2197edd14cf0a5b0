package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

// foundLine is a line of the answer to a file of experiments: what was found, or what went wrong.
type foundLine struct {
	head
	Version string          `json:"version"` // of the program
	Input   json.RawMessage `json:"input"`
	Result  any             `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

func (l foundLine) wrong() bool { return l.Error != nil }

// fileBatch answers the lines of a file of experiments.
type fileBatch struct {
	*patchOptions // what the experiments have in common with patches
	batch         *batch
	place         *output.Place // of the answers; nil: stdout
	opened        *auto.Opened
	answer        func(ctx context.Context, t *task) (any, error)
}

// newFileBatch reads the lines of the file that --file names; answer is still to be set.
func newFileBatch(s *streams, o *patchOptions, command string, parse func(line int, text string) task) (*fileBatch, error) {
	switch {
	case o.prompt != nil || o.ids != "" || o.messages != "" || o.secondFlags.given():
		return nil, usagef("--file excludes prompts, --ids and --messages")
	case o.output != "" && o.format() != "jsonl":
		return nil, usagef("--file writes a JSON object a line: give --output a name that ends in .jsonl, or --format jsonl")
	}
	f := &fileBatch{patchOptions: o}
	f.batch = &batch{s: s, command: command, name: o.output, quiet: o.quiet, window: 1, open: f.openModel, ids: f.ids, files: o.originOfFiles, answers: f.answers}
	var err error
	if o.output != "" && s.rank == 0 { // the first rank writes
		if f.place, err = o.find(s); err != nil {
			return nil, err
		}
	}
	return f, f.batch.take(o.file, stdinLines, &o.shard, parse)
}

// runPatchFile answers each line of a file, in lines of JSON.
func runPatchFile(ctx context.Context, s *streams, o *patchOptions, align lens.Alignment) error {
	command, parse := "patch --file", parsePair
	if o.rome {
		command, parse = romeFile, parseFact
	}
	f, err := newFileBatch(s, o, command, parse)
	if err != nil {
		return err
	}
	if f.answer = f.fact; !o.rome {
		f.answer = func(ctx context.Context, t *task) (any, error) { return f.pair(ctx, t, align) }
	}
	err = f.batch.runAll(ctx, f.place)
	if o.rome && o.shard.n > 0 && !o.quiet {
		s.say("the average over all facts comes with mlxlens merge")
	}
	if o.rome && o.shard.n == 0 && f.place != nil && !f.place.Stdout() && (err == nil || f.batch.failed > 0) {
		return cmp.Or(f.showAverage(s, f.output), err)
	}
	return err
}

func (b *fileBatch) openModel(context.Context) (finish func(), err error) {
	if b.opened, err = b.open(b.batch.s, needsTokenizer(b.batch.tasks, lineKeys...)); err != nil {
		return nil, err
	}
	if err = b.batch.s.fetchEdits(b.edits); err == nil {
		b.batch.from, err = b.origin(b.opened)
	}
	if err != nil {
		b.opened.Close()
	}
	return b.opened.Close, err
}

// origin describes what does not depend on the line: the model, and every flag that was given.
func (b *fileBatch) origin(opened *auto.Opened) (of origin, err error) {
	if of.Model, err = b.batch.s.digest(opened); err != nil {
		return of, err
	}
	of.Revision = hubCommit(opened.Info.Ref)
	of.Options = map[string]string{"--device": opened.Info.Device, "--weights": string(opened.Info.Weights)}
	beside := map[string]bool{"file": true, "output": true, "format": true, "quiet": true, "yes": true, "json": true, "no-color": true, "width": true, "model": true, "edit": true, "shard": true}
	b.visit(func(f *pflag.Flag) {
		if _, there := of.Options["--"+f.Name]; !there && !beside[f.Name] {
			of.Options["--"+f.Name] = f.Value.String()
		}
	})
	return of, originOfEdits(b.edits, of.Options)
}

// lineKeys are those of a line's prompts.
var lineKeys = []string{"prompt", "clean", "corrupted"}

// ids are those of all prompts of a line.
func (b *fileBatch) ids(t *task) ([]int, error) {
	var of map[string]json.RawMessage
	if err := json.Unmarshal(t.input, &of); err != nil {
		return nil, err
	}
	var ids []int
	for _, key := range lineKeys {
		if of[key] == nil {
			continue
		}
		prompt, text, given, err := b.inLine(of[key])
		if err != nil {
			continue // the line says so
		}
		e, err := prompt.encode(b.opened, text, given)
		if err != nil {
			return nil, err
		}
		ids = append(ids, e.ids...)
	}
	return ids, nil
}

func (b *fileBatch) answers(ctx context.Context, tasks []task) iter.Seq[answerLine] {
	return func(yield func(answerLine) bool) {
		for i := range tasks {
			t := &tasks[i]
			var result any
			err := t.err
			if err == nil {
				result, err = b.answer(ctx, t)
			}
			var ids []int
			if t.err == nil {
				ids, _ = b.ids(t) // where they cannot be had the line has failed
			}
			line := foundLine{head: b.batch.head(t, ids), Version: programVersion(), Input: t.input, Result: result}
			if err != nil {
				line.Result, line.Error = nil, &failure{Reason: rooms.Text(err)}
			}
			if !yield(line) {
				return
			}
		}
	}
}

// parseInput reads a line that is an object. Where its keys are told, one that may be a slip of another, or that is
// an option, is refused; what else a file has beside them is left alone.
func parseInput(line int, text string, keys ...string) (task, []byte) {
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
		t.err = cmp.Or(exactjson.Repeated([]byte(text)), stray(slices.Sorted(maps.Keys(object)), keys))
	}
	return t, t.input
}

// ofAllLines are options that a line might be thought to have.
var ofAllLines = []string{"metric", "target", "vs", "layers", "positions", "sites", "heads", "window", "edit", "samples", "noise", "seed"}

// stray refuses the first of some keys that would be read over to the user's harm.
func stray(found, keys []string) error {
	for _, key := range found {
		switch {
		case len(keys) == 0 || slices.Contains(keys, key):
		case slices.Contains(ofAllLines, key):
			return fmt.Errorf("it has %q, which is no key of a line here (have: %s): %v is given for all lines", key, strings.Join(keys, ", "), theFlag(key))
		case len(spelling.Near(key, keys)) > 0:
			return fmt.Errorf("it has %q, which is no key%s", key, spelling.DidYouMean(key, keys))
		}
	}
	return nil
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

// pairOfPrompts is a line of a file of pairs: texts, token ids or conversations.
type pairOfPrompts struct {
	Clean     json.RawMessage `json:"clean"`
	Corrupted json.RawMessage `json:"corrupted"`
	asked
}

// check finds what is wrong with the prompts.
func (p *pairOfPrompts) check() error {
	return cmp.Or(checkPrompt("clean", p.Clean), checkPrompt("corrupted", p.Corrupted))
}

// asked is what a line asks about; where it is empty, what the flags name, or the model answers.
type asked struct {
	Target string `json:"target"`
	Versus string `json:"vs"`
}

// parsePair reads a line of a file of pairs.
func parsePair(line int, text string) task {
	t, raw := parseInput(line, text, "clean", "corrupted", "target", "vs")
	if t.err != nil {
		return t
	}
	var p pairOfPrompts
	if t.err = exactjson.Unmarshal(raw, &p); t.err == nil && (p.Clean == nil || p.Corrupted == nil) {
		t.err = errors.New(`want {"clean": …, "corrupted": …}, and "target" and "vs" where they are not what the model answers`)
	}
	if t.err == nil {
		t.err = p.check()
	}
	return t
}

// pair patches a line.
func (b *fileBatch) pair(ctx context.Context, t *task, align lens.Alignment) (any, error) {
	var p pairOfPrompts
	if err := exactjson.Unmarshal(t.input, &p); err != nil {
		return nil, err
	}
	clean, corrupted, err := b.both(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := sameLength(alignAdvice, b.opened, clean, corrupted, align); err != nil {
		return nil, err
	}
	each := b.each(p.asked)
	if err := each.questionFlags.check(); err != nil {
		return nil, err
	}
	po, err := each.options(b.batch.s, b.opened, clean, corrupted)
	if err != nil {
		return nil, err
	}
	if err := each.asking(ctx, b.batch.s, b.opened, clean, corrupted, &po); err != nil {
		return nil, err
	}
	po.Align = align
	r, err := experiment.Patch(ctx, b.opened.Model, clean.in, corrupted.in, po)
	if err != nil {
		return nil, err
	}
	describePair(&r.Between, b.opened, clean, corrupted)
	r.Timing = 0
	return r, nil
}

// both encodes the two prompts of a line.
func (b *fileBatch) both(ctx context.Context, p pairOfPrompts) (clean, corrupted patchRun, err error) {
	if clean, err = b.one(ctx, p.Clean); err == nil {
		corrupted, err = b.one(ctx, p.Corrupted)
	}
	return clean, corrupted, err
}

// one encodes a prompt of a line.
func (b *fileBatch) one(ctx context.Context, raw json.RawMessage) (patchRun, error) {
	prompt, text, ids, err := b.inLine(raw)
	if err != nil {
		return patchRun{}, err
	}
	return b.run(ctx, b.batch.s, b.opened, prompt, text, ids)
}

// each are the options of a line: the line is the answer, and nothing is said beside it.
func (b *fileBatch) each(a asked) patchOptions {
	each := *b.patchOptions
	each.quiet, each.foundFlags = true, foundFlags{}
	each.target, each.versus = cmp.Or(a.Target, each.target), cmp.Or(a.Versus, each.versus)
	return each
}
