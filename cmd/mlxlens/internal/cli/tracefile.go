package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// fileResult is a line of the answer: a grid, or what went wrong. It has no timing, so that
// a file that was continued is the same as one that was not.
type fileResult struct {
	Line   int     `json:"line"`
	Digest string  `json:"digest"` // of the origin
	Origin *origin `json:"origin"`
	*lens.Grid
	Timing *lens.Timing `json:"timing,omitempty"` // never: it hides the grid's
	Error  *failure     `json:"error,omitempty"`
}

type failure struct {
	Prompt *string `json:"prompt"`
	Reason string  `json:"reason"`
}

// batch is a run over the prompts of a file.
type batch struct {
	*traceOptions
	s      *streams
	opened *auto.Opened
	editor *editor
	lo     lens.Options
	tasks  []task
	from   origin
	step   func(done, total int)
	failed int
}

// checkFile refuses the flags that a file of prompts has no use for.
func (o *traceOptions) checkFile() error {
	if o.prompt != nil || o.ids != "" || o.messages != "" {
		return usagef("--file excludes a prompt, --ids and --messages")
	}
	for _, flag := range []string{"export", "view", "width"} {
		if o.given(flag) {
			return usagef("--file and --%s exclude each other: a file of prompts is answered in JSON, which has all numbers", flag)
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
	if o.output != "" {
		if place, err = o.find(s); err != nil {
			return err
		}
	}
	b := &batch{traceOptions: o, s: s, step: func(int, int) {}}
	if b.tasks, err = o.readFile(s); err != nil {
		return err
	}
	var out *output.Journal
	if place != nil {
		if out, err = place.Continue(); err != nil {
			return err
		}
		defer out.Close()
		if out.Unlocked() && !o.quiet {
			s.say("the disk of %s has no locks: see that no other process writes it", o.output)
		}
	}
	if _, err := b.read(out); err != nil || len(b.tasks) == 0 {
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	defer b.opened.Close()
	finish, err := b.prepareLens()
	if err != nil {
		return err
	}
	defer finish()
	return b.run(ctx, out)
}

// readFile reads the prompts.
func (o *traceOptions) readFile(s *streams) ([]task, error) {
	in, name := boundedPrompts(s.in), "stdin"
	if o.file == "-" {
		if err := s.readsStdin(); err != nil {
			return nil, err
		}
	} else {
		if err := s.reads(o.file, "the file of the prompts"); err != nil {
			return nil, err
		}
		f, err := openPrompts(o.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, name = f, o.file
	}
	p, err := readTasks(name, in)
	if err != nil {
		return nil, err
	}
	if !o.quiet {
		p.warn(s, name)
	}
	return p.tasks, nil
}

// open opens the model.
func (b *batch) open(ctx context.Context) (err error) {
	needTokenizer := len(b.targets) > 0
	for _, t := range b.tasks {
		needTokenizer = needTokenizer || t.prompt != nil
	}
	if b.opened, err = b.traceOptions.open(b.s, needTokenizer); err != nil {
		return err
	}
	b.editor = newEditor(ctx, b.s, b.opened, &b.promptOptions)
	return nil
}

// prepareLens reads what does not depend on the prompts.
func (b *batch) prepareLens() (finish func(), err error) {
	if b.lo, finish, err = b.lensOptions(b.s, b.opened); err != nil {
		return nil, err
	}
	if b.from, err = b.origin(b.opened, b.opened.Info.Ref); err != nil {
		finish()
		return nil, err
	}
	if !b.quiet && terminal(b.s.err) > 0 {
		b.step = progress(b.s.err, "prompts")
	}
	return finish, nil
}

// run answers the tasks in order, but for those that the output has the answers of. The
// prompts are cut into windows by their places in the file, wherever a run begins: which
// prompts go through the model together decides the last digits of the numbers.
func (b *batch) run(ctx context.Context, out *output.Journal) error {
	done, err := b.resume(ctx, out)
	if err != nil {
		return err
	}
	var w io.Writer = b.s.out
	if out != nil {
		w = out
	}
	for start := done - done%edit.Lookahead; start < len(b.tasks); start += edit.Lookahead {
		i := start
		for result := range b.answers(ctx, b.windowOf(start)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if i >= done {
				if err := writeSealed(w, result); err != nil {
					return err
				}
				b.count(result)
			}
			i++
			b.step(i, len(b.tasks))
		}
		if err := ctx.Err(); err != nil { // else the rest of the window would be left out
			return err
		}
		if out != nil {
			if err := out.Sync(); err != nil {
				return err
			}
		}
	}
	if b.failed > 0 {
		return fmt.Errorf("%d of %s failed: their lines of the output have an error, and are tried again when it is continued", b.failed, english.Plural(len(b.tasks), "prompt", ""))
	}
	return nil
}

func (b *batch) count(result fileResult) {
	if result.Error != nil {
		b.failed++
	}
}

// windowOf returns the tasks of the window that begins at start.
func (b *batch) windowOf(start int) []task {
	return b.tasks[start:min(start+edit.Lookahead, len(b.tasks))]
}

// answers yields the answers to some tasks in their order; the prompts go through the model
// together.
func (b *batch) answers(ctx context.Context, tasks []task) iter.Seq[fileResult] {
	return func(yield func(fileResult) bool) {
		all := make([]prepared, len(tasks))
		errs := make([]error, len(tasks))
		inputs := make([]edit.Input, len(tasks))
		for i := range tasks {
			all[i], errs[i] = b.prepareTask(ctx, &tasks[i])
			if errs[i] == nil {
				inputs[i] = all[i].in // else RunAll has an error of its own for the empty one
				b.note(b.s, b.opened, len(inputs[i].IDs))
			}
		}
		i := 0
		for g, err := range lens.RunAll(ctx, b.opened.Model, inputs, b.lo) {
			if !yield(b.result(&tasks[i], all[i], g, cmp.Or(errs[i], err))) {
				return
			}
			i++
		}
	}
}

func (b *batch) prepareTask(ctx context.Context, t *task) (prepared, error) {
	if t.err != nil {
		return prepared{}, t.err
	}
	return b.prepare(ctx, b.opened, b.editor, t.prompt, t.ids)
}

// result is the line of a task: its grid, or what is wrong.
func (b *batch) result(t *task, p prepared, g *lens.Grid, err error) fileResult {
	from := b.from.of(p.own())
	r := fileResult{Line: t.line, Digest: from.digest(), Origin: from}
	if err == nil {
		b.describe(g, b.opened, p)
		err = checkFailure(g)
	}
	if r.Grid = g; err != nil {
		r.Grid, r.Error = nil, &failure{t.prompt, err.Error()}
	}
	return r
}
