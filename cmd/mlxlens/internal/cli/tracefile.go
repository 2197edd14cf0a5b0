package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize/english"

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
	lo, err := o.lensOptions(s, opened)
	if err != nil {
		return err
	}
	step := func(int, int) {}
	if !o.quiet && terminal(s.err) > 0 {
		step = progress(s.err, "prompts")
	}
	failed := 0
	for i, t := range tasks {
		result := fileResult{Line: t.line}
		err := t.err
		if err == nil {
			result.Grid, err = o.trace(ctx, opened, lo, t.prompt, t.ids)
		}
		if err == nil {
			err = checkFailure(result.Grid)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed++
			result.Grid, result.Error = nil, &failure{t.prompt, err.Error()}
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(result); err != nil {
			return err
		}
		if _, err := out.Write(b.Bytes()); err != nil {
			return fmt.Errorf("output: %w", err)
		}
		step(i+1, len(tasks))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed: their lines of the output have an error", failed, english.Plural(len(tasks), "prompt", ""))
	}
	return nil
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
