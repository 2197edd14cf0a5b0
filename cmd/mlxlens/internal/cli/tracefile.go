package cli

import (
	"cmp"
	"context"
	"iter"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// fileResult is a line of the answer: a grid, or what went wrong. It has no timing, so that
// a file that was continued is the same as one that was not.
type fileResult struct {
	head
	*lens.Grid
	Timing *lens.Timing `json:"timing,omitempty"` // never: it hides the grid's
	Error  *failure     `json:"error,omitempty"`
}

func (r fileResult) wrong() bool { return r.Error != nil }

// traceBatch traces the prompts of a file.
type traceBatch struct {
	*traceOptions
	batch  *batch
	opened *auto.Opened
	editor *editor
	lo     lens.Options
}

// checkFile refuses the flags that a file of prompts has no use for.
func (o *traceOptions) checkFile() error {
	if o.prompt != nil || o.ids != "" || o.messages != "" {
		return usagef("--file excludes a prompt, --ids and --messages")
	}
	for _, flag := range []string{"export", "view", "width"} {
		if o.given(flag) {
			return usagef("--file and %v exclude each other: a file of prompts is answered in JSON, which has all numbers", theFlag(flag))
		}
	}
	if o.output != "" && o.as == "" && o.format() != "jsonl" {
		return usagef("--file writes a JSON object a line: give --output a name that ends in .jsonl, or --format jsonl")
	}
	return cmp.Or(o.promptOptions.check(o.noBOS), o.outputFlags.check("jsonl"))
}

// runTraceFile traces the prompts of a file, and writes a JSON object a line. What goes
// wrong with one stops no other.
func runTraceFile(ctx context.Context, s *streams, o *traceOptions) error {
	if err := o.checkFile(); err != nil {
		return err
	}
	var place *output.Place
	var err error
	if o.output != "" && s.rank == 0 { // the first rank writes
		if place, err = o.find(s); err != nil {
			return err
		}
	}
	t := &traceBatch{traceOptions: o}
	t.batch = &batch{s: s, command: "trace --file", name: o.output, quiet: o.quiet, window: o.together, open: t.open, ids: t.ids, files: o.originOfFiles, answers: t.answers}
	if err = t.batch.take(o.file, stdinTexts, &o.shard, parseTask); err != nil {
		return err
	}
	return t.batch.runAll(ctx, place)
}

// open opens the model, and reads what does not depend on the prompts.
func (t *traceBatch) open(ctx context.Context) (finish func(), err error) {
	s, needTokenizer := t.batch.s, false
	for _, task := range t.batch.tasks {
		needTokenizer = needTokenizer || task.prompt != nil
	}
	if t.opened, err = t.traceOptions.open(s, needTokenizer); err != nil {
		return nil, err
	}
	if err := s.fetchEdits(t.edits); err != nil {
		t.opened.Close()
		return nil, err
	}
	t.editor = newEditor(ctx, s, t.opened, &t.promptOptions, &t.editFlags, t.quiet)
	lo, done, err := t.lensOptions(s, t.opened)
	if err != nil {
		t.opened.Close()
		return nil, err
	}
	t.lo, finish = lo, func() { done(); t.opened.Close() }
	if t.batch.from, err = t.origin(s, t.opened); err != nil {
		finish()
	}
	return finish, err
}

// ids are those of a task's prompt.
func (t *traceBatch) ids(of *task) ([]int, error) {
	e, err := t.encode(t.opened, of.prompt, of.ids)
	return e.ids, err
}

// answers yields the answers to some tasks in their order; the prompts go through the model
// together.
func (t *traceBatch) answers(ctx context.Context, tasks []task) iter.Seq[answerLine] {
	return func(yield func(answerLine) bool) {
		all := make([]prepared, len(tasks))
		errs := make([]error, len(tasks))
		inputs := make([]edit.Input, len(tasks))
		for i := range tasks {
			all[i], errs[i] = t.prepareTask(ctx, &tasks[i])
			if errs[i] == nil {
				inputs[i] = all[i].in // else RunAll has an error of its own for the empty one
				t.note(t.batch.s, t.opened, inputs[i].IDs)
			}
		}
		i := 0
		for g, err := range lens.RunAll(ctx, t.opened.Model, inputs, t.lo) {
			if !yield(t.result(&tasks[i], all[i], g, cmp.Or(errs[i], withLayers(err)))) {
				return
			}
			i++
		}
	}
}

func (t *traceBatch) prepareTask(ctx context.Context, of *task) (prepared, error) {
	if of.err != nil {
		return prepared{}, of.err
	}
	return t.prepare(ctx, t.opened, t.editor, of.prompt, of.ids)
}

// result is the line of a task: its grid, or what is wrong.
func (t *traceBatch) result(of *task, p prepared, g *lens.Grid, err error) fileResult {
	r := fileResult{head: t.batch.head(of, p.own())}
	if err == nil {
		t.describe(g, t.opened, p)
		err = checkFailure(g)
	}
	if r.Grid = g; err != nil {
		r.Grid, r.Error = nil, &failure{of.prompt, rooms.Text(err)}
	}
	return r
}
