package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
)

// answered is what an output has already: the answers to the first tasks.
type answered struct {
	n      int
	whole  int64          // bytes of their lines
	failed []int          // tasks whose line is an error
	errors map[int][]byte // these lines
}

// read returns what an output has. Before the model is opened it sees only whose it is, and
// to which prompts.
func (b *batch) read(out *output.Journal) (have answered, err error) {
	if out == nil {
		return have, nil
	}
	in, err := out.Lines()
	if err != nil || in == nil {
		return have, err
	}
	if have, err = b.answered(in); err != nil {
		err = fmt.Errorf("output %q: %w: give another name, or remove it", b.name, err)
	}
	return have, err
}

// resume makes the output ready to go on: it cuts off a line that was not finished, tries
// those again that failed, and returns how many tasks have their answers. An output with
// anything in it that is not of these tasks, this model and these options stays as it is.
func (b *batch) resume(ctx context.Context, out *output.Journal) (int, error) {
	have, err := b.read(out)
	if out == nil || err != nil {
		return 0, err
	}
	if good := have.n - len(have.failed); have.n > 0 && !b.quiet {
		again := ""
		if n := len(have.failed); n > 0 {
			again = fmt.Sprintf(", and tries %s again that failed", english.Plural(n, "other", ""))
		}
		b.s.say("%s has %s already%s", b.name, english.Plural(good, "prompt", ""), again)
	}
	if err := out.Cut(have.whole); err != nil {
		return 0, err
	}
	if len(have.failed) == 0 {
		return have.n, nil
	}
	return b.again(ctx, out, have)
}

// lineHead is how every line of ours begins.
const lineHead = `{"line":`

// answered reads what an output has.
func (b *batch) answered(in io.Reader) (have answered, err error) {
	r := bufio.NewReaderSize(in, 1<<20)
	have.errors = map[int][]byte{}
	for {
		if start, _ := r.Peek(len(lineHead)); !bytes.HasPrefix([]byte(lineHead), start) {
			return have, fmt.Errorf("it is not what %s writes", b.command) // and may be one line without an end
		}
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return have, b.checkTail(line, have.n)
		}
		if err != nil {
			return have, err
		}
		failed, err := b.checkLine(line, have.n)
		if err != nil {
			return have, err
		}
		if failed {
			have.failed = append(have.failed, have.n)
			have.errors[have.n] = line
		}
		have.n++
		have.whole += int64(len(line))
	}
}

// done is what a line of ours says of itself.
type done struct {
	Line   int
	Digest string
	Origin *origin
	Shard  *mark
	Prompt *string
	Input  json.RawMessage
	Error  *failure
}

// readDone reads a line that a command has written, and returns an error when it is not as
// one of ours was written.
func readDone(line []byte, command string) (d done, err error) {
	if err := json.Unmarshal(line, &d); err != nil || d.Line < 1 {
		return d, fmt.Errorf("it is not what %s writes", command)
	}
	if d.Origin == nil || d.Origin.digest() != d.Digest || d.Origin.Command == "" {
		return d, fmt.Errorf("line %d does not say what it was made from: an older mlxlens wrote it, or it was changed", d.Line)
	}
	if !sealed(line) {
		return d, fmt.Errorf("line %d has been changed: its sum is not that of what stands there", d.Line)
	}
	return d, nil
}

// checkLine returns an error when a line is not the answer to the i-th task, and whether
// it says that the task failed.
func (b *batch) checkLine(line []byte, i int) (failed bool, err error) {
	done, err := readDone(line, b.command)
	if err != nil {
		return false, err
	}
	if wrote := done.Origin.Command; wrote != b.command {
		return false, fmt.Errorf("%s wrote it, and this is %s", wrote, b.command)
	}
	if done.Error != nil {
		done.Prompt = done.Error.Prompt
	}
	if len(b.tasks) > 0 {
		if err := done.Shard.differs(b.tasks[0].shard); err != nil {
			return false, err
		}
	}
	if i >= len(b.tasks) {
		return false, fmt.Errorf("it answers another file: it has an answer to line %d, and the prompts end at line %d: they have become fewer", done.Line, b.lastLine())
	}
	same := equal(b.tasks[i].prompt, done.Prompt)
	if b.tasks[i].input != nil {
		same = bytes.Equal(b.tasks[i].input, done.Input)
	}
	if b.tasks[i].line != done.Line || !same {
		return false, fmt.Errorf("it answers another file: line %d is another", done.Line)
	}
	if !b.opened {
		return done.Error != nil, nil
	}
	want := b.origins(i)
	if done.Error != nil { // it may have failed before it had ids, or after
		want = append(want, b.from.of(nil))
		if done.Origin.IDs != "" && done.Origin.of(nil).digest() == b.from.of(nil).digest() && (b.tasks[i].prompt != nil || b.tasks[i].input != nil) {
			return true, nil // of a text; the tokenizer may be in order now
		}
	}
	for _, w := range want {
		if w.digest() == done.Digest {
			return done.Error != nil, nil
		}
	}
	return false, fmt.Errorf("line %d: %s", done.Line, done.Origin.differs(want[0]))
}

// lastLine is the line of the last prompt, 0 without one.
func (b *batch) lastLine() int {
	if len(b.tasks) == 0 {
		return 0
	}
	return b.tasks[len(b.tasks)-1].line
}

// origins are those that the answer to a task may have: with its ids, or without where they
// cannot be had.
func (b *batch) origins(i int) []*origin {
	t := &b.tasks[i]
	if t.err == nil {
		if ids, err := b.ids(t); err == nil {
			return []*origin{b.from.of(ids)}
		}
	}
	return []*origin{b.from.of(nil)}
}

// checkTail returns an error when what follows the last whole line is not the beginning of
// the next task's answer, which a killed run left: what another wrote is not cut off.
func (b *batch) checkTail(tail []byte, i int) error {
	if len(tail) == 0 {
		return nil
	}
	if i < len(b.tasks) && !b.opened {
		head := fmt.Appendf(nil, `%s%d,"digest":"`, lineHead, b.tasks[i].line)
		// before the first whole line a few bytes such as { may be anybody's
		if n := min(len(head), len(tail)); bytes.Equal(tail[:n], head[:n]) && (i > 0 || n == len(head)) {
			return nil
		}
	} else if i < len(b.tasks) {
		for _, from := range append(b.origins(i), b.from.of(nil)) {
			head := fmt.Appendf(nil, `%s%d,"digest":"%s",`, lineHead, b.tasks[i].line, from.digest())
			if n := min(len(head), len(tail)); bytes.Equal(tail[:n], head[:n]) {
				return nil
			}
		}
	}
	return fmt.Errorf("its last line has no end, and is not the beginning of an answer that is missing (%q)", tail[:min(len(tail), 60)])
}

// again answers the tasks that failed once more, and puts what comes in the place of their
// lines. One that fails again costs no more than itself; for one that does not, its window
// is run, as it would have been without the failure.
func (b *batch) again(ctx context.Context, out *output.Journal, have answered) (int, error) {
	lines := map[int][]byte{}
	n := have.n
	for failed := range windows(have.failed, b.window) {
		start := failed[0] - failed[0]%b.window
		var tasks []task
		for _, i := range failed {
			tasks = append(tasks, b.tasks[i])
		}
		results, err := b.collect(ctx, tasks)
		if err != nil {
			return 0, err
		}
		wanted := failed
		if slices.ContainsFunc(results, func(r answerLine) bool { return !r.wrong() }) {
			if results, err = b.collect(ctx, b.windowOf(start)); err != nil {
				return 0, err
			}
			if wanted = nil; start+len(results) > have.n {
				n = start + len(results) // the tasks behind the last line have been answered with them
			}
			for i := range results {
				wanted = append(wanted, start+i)
			}
		}
		for i, at := range wanted {
			if at < have.n && !slices.Contains(failed, at) {
				continue
			}
			var line bytes.Buffer
			if err := writeSealed(&line, results[i]); err != nil {
				return 0, err
			}
			b.count(results[i])
			if !bytes.Equal(line.Bytes(), have.errors[at]) {
				lines[at] = line.Bytes()
			}
		}
	}
	if len(lines) == 0 {
		return n, nil // what failed fails as it did
	}
	return n, out.Replace(func(w io.Writer) error { return b.merge(w, out, have.n, n, lines) })
}

// windows yields the parts of ascending tasks that lie in one window.
func windows(tasks []int, size int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		for len(tasks) > 0 {
			n := 1
			for n < len(tasks) && tasks[n]/size == tasks[0]/size {
				n++
			}
			if !yield(tasks[:n]) {
				return
			}
			tasks = tasks[n:]
		}
	}
}

// collect answers some tasks together.
func (b *batch) collect(ctx context.Context, tasks []task) ([]answerLine, error) {
	results := slices.Collect(b.together(ctx, tasks))
	return results, b.ended(ctx)
}

// merge writes the first lines of an output, with some in place of its own, and those
// that follow.
func (b *batch) merge(w io.Writer, out *output.Journal, was, n int, lines map[int][]byte) error {
	in, err := out.Lines()
	if err != nil {
		return err
	}
	r := bufio.NewReader(in)
	for i := range n {
		var line []byte
		if i < was {
			if line, err = r.ReadBytes('\n'); err != nil {
				return err
			}
		}
		if other, ok := lines[i]; ok {
			line = other
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
