package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// task is a line of a prompts file.
type task struct {
	line   int // from 1
	prompt *string
	ids    []int
	err    error // the line cannot be read
}

// readTasks reads the prompts of a file: a line each, or in a .jsonl file a JSON string or
// {"prompt": …} or {"ids": […]} each. Empty lines are none.
func readTasks(name string, in io.Reader) ([]task, error) {
	isJSON := strings.EqualFold(filepath.Ext(name), ".jsonl")
	var tasks []task
	r := bufio.NewReader(in)
	for n := 1; ; n++ {
		text, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		switch {
		case strings.TrimSpace(text) == "":
		case isJSON:
			tasks = append(tasks, parseTask(n, text))
		default:
			tasks = append(tasks, task{line: n, prompt: &text})
		}
		if err != nil {
			return tasks, nil
		}
	}
}

func parseTask(line int, text string) task {
	t := task{line: line}
	if err := json.Unmarshal([]byte(text), &t.prompt); err == nil && t.prompt != nil {
		return t
	}
	var object struct {
		Prompt *string `json:"prompt"`
		IDs    []int   `json:"ids"`
	}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.err = fmt.Errorf("not a JSON string or object: %w", err)
		return t
	}
	if t.prompt, t.ids = object.Prompt, object.IDs; (t.prompt == nil) == (t.ids == nil) {
		t.err = errors.New(`want either "prompt" or "ids"`)
	}
	return t
}

// fileResult is a line of the answer: a grid, or what went wrong.
type fileResult struct {
	Line int `json:"line"`
	*lens.Grid
	Error *failure `json:"error,omitempty"`
}

type failure struct {
	Prompt *string `json:"prompt"`
	Reason string  `json:"reason"`
}

// runTraceFile traces the prompts of a file, and writes a JSON object a line. What goes
// wrong with one stops no other.
func runTraceFile(ctx context.Context, s *streams, o *traceOptions) error {
	if o.prompt != nil || o.ids != "" {
		return usagef("--file excludes a prompt and --ids")
	}
	if o.export != "" {
		return usagef("--file and --export exclude each other")
	}
	if err := o.checkChat(); err != nil {
		return err
	}
	if o.output != "" && !strings.EqualFold(filepath.Ext(o.output), ".jsonl") {
		return usagef("--file writes a JSON object a line: give --output a name that ends in .jsonl")
	}
	in := s.in
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	tasks, err := readTasks(o.file, in)
	if err != nil {
		return err
	}
	out := s.out
	if o.output != "" {
		f, rest, err := resume(o.output, tasks)
		if err != nil {
			return err
		}
		defer f.Close()
		if n := len(tasks) - len(rest); n > 0 && !o.quiet {
			fmt.Fprintf(s.err, "mlxlens: %s has %s already\n", o.output, english.Plural(n, "prompt", ""))
		}
		out, tasks = f, rest
	}
	if len(tasks) == 0 {
		return nil
	}
	needTokenizer := len(o.targets) > 0
	for _, t := range tasks {
		needTokenizer = needTokenizer || t.prompt != nil
	}
	opened, err := o.open(s, needTokenizer)
	if err != nil {
		return err
	}
	defer opened.Close()
	return o.traceAll(ctx, s, opened, tasks, out)
}

// traceAll answers the tasks in order.
func (o *traceOptions) traceAll(ctx context.Context, s *streams, opened *auto.Opened, tasks []task, out io.Writer) error {
	lo, finish, err := o.lensOptions(s, opened)
	if err != nil {
		return err
	}
	defer finish()
	step := func(int, int) {}
	if !o.quiet && terminal(s.err) > 0 {
		step = progress(s.err, "prompts")
	}
	done, failed := 0, 0
	editor := newEditor(ctx, opened, &o.promptOptions)
	for window := range slices.Chunk(tasks, edit.Lookahead) {
		for result := range o.answer(ctx, opened, editor, lo, window) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if result.Error != nil {
				failed++
			}
			if err := writeLine(out, result); err != nil {
				return err
			}
			done++
			step(done, len(tasks))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed: their lines of the output have an error", failed, english.Plural(len(tasks), "prompt", ""))
	}
	return nil
}

func writeLine(out io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	if _, err := out.Write(b.Bytes()); err != nil { // one write, so that a line is whole or the last
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

// answer yields the answers to some tasks in their order; the prompts go through the model
// together.
func (o *traceOptions) answer(ctx context.Context, opened *auto.Opened, e *editor, lo lens.Options, tasks []task) iter.Seq[fileResult] {
	return func(yield func(fileResult) bool) {
		all := make([]prepared, len(tasks))
		inputs := make([]edit.Input, len(tasks))
		for i := range tasks {
			t := &tasks[i]
			if t.err == nil {
				all[i], t.err = o.prepare(ctx, opened, e, t.prompt, t.ids)
			}
			if t.err == nil {
				inputs[i] = all[i].in // else RunAll has an error of its own for the empty one
			}
		}
		i := 0
		for g, err := range lens.RunAll(ctx, opened.Model, inputs, lo) {
			t := tasks[i]
			result := fileResult{Line: t.line}
			if err = cmp.Or(t.err, err); err == nil {
				o.describe(g, opened, all[i])
				err = checkFailure(g)
			}
			if result.Grid = g; err != nil {
				result.Grid, result.Error = nil, &failure{t.prompt, err.Error()}
			}
			if !yield(result) {
				return
			}
			i++
		}
	}
}

// resume opens an output that may have the answers to the first tasks already, cuts off a
// line that was not finished, and returns the tasks that are left.
func resume(path string, tasks []task) (*os.File, []task, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("output %q cannot be written: %w", path, err)
	}
	rest, whole, err := answered(f, tasks)
	if err == nil {
		if err = f.Truncate(whole); err == nil {
			_, err = f.Seek(whole, io.SeekStart)
		}
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("output %q: %w: give another name, or remove it", path, err)
	}
	return f, rest, nil
}

// answered returns the tasks that the lines of an output do not answer, and the length of
// its whole lines.
func answered(in io.Reader, tasks []task) (rest []task, whole int64, err error) {
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return tasks, whole, nil // what follows the last newline was not finished
		}
		if err != nil {
			return nil, 0, err
		}
		var done struct {
			Line   int     `json:"line"`
			Prompt *string `json:"prompt"`
			Error  *failure
		}
		if err := json.Unmarshal(line, &done); err != nil || done.Line == 0 {
			return nil, 0, errors.New("it is not what trace --file writes")
		}
		if done.Error != nil {
			done.Prompt = done.Error.Prompt
		}
		if len(tasks) == 0 || tasks[0].line != done.Line || !equal(tasks[0].prompt, done.Prompt) {
			return nil, 0, fmt.Errorf("it answers another file: line %d has another prompt", done.Line)
		}
		tasks = tasks[1:]
		whole += int64(len(line))
	}
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
