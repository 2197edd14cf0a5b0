package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
)

// batch is a run over the lines of a file, whose answers are lines of another.
type batch struct {
	s       *streams
	command string // that writes the answers: trace --file
	name    string // of the output
	quiet   bool
	tasks   []task
	window  int // tasks that are answered together, wherever a run begins

	open func(ctx context.Context) (finish func(), err error) // the model, before anything is answered
	ids  func(t *task) ([]int, error)                         // of a task, for its origin
	// files notes the files that options name, with their digests.
	files func(options map[string]string) error
	// answers yields the answers to some tasks in their order.
	answers func(ctx context.Context, tasks []task) iter.Seq[answerLine]

	from   origin
	file   string // digest of the file that the tasks are of
	midway bool   // on ranks, in answers that the others compute too
	opened bool
	step   func(done, total int)
	failed int
}

// answerLine is an answer to a task: it is written as JSON that begins with line, digest and origin.
type answerLine interface{ wrong() bool }

// head is how every answer begins.
type head struct {
	Line   int     `json:"line"`
	Digest string  `json:"digest"` // of the origin
	Origin *origin `json:"origin"`
	Shard  *mark   `json:"shard,omitempty"` // of a part of a file
}

// head returns the beginning of a task's answer.
func (b *batch) head(t *task, ids []int) head {
	from := b.from.of(ids)
	return head{t.line, from.digest(), from, t.shard}
}

type failure struct {
	Prompt *string `json:"prompt"`
	Reason string  `json:"reason"`
}

// runAll answers all tasks, in the output where there is one.
func (b *batch) runAll(ctx context.Context, place *output.Place) error {
	if b.s.rank > 0 {
		return b.follow(ctx)
	}
	var out *output.Journal
	var err error
	if place != nil {
		if out, err = place.Continue(); err != nil {
			return err
		}
		defer out.Close()
		if out.Unlocked() && !b.quiet {
			b.s.say("the disk of %s has no locks: see that no other process writes it", b.name)
		}
	}
	if _, err := b.read(out); err != nil || len(b.tasks) == 0 {
		return err
	}
	finish, err := b.ready(ctx)
	if err != nil {
		return err
	}
	defer finish()
	if step := b.s.progress("prompts", b.quiet); step != nil {
		b.step = step
	}
	err = b.run(ctx, out)
	if b.s.ranks != nil && !b.midway {
		err = cmp.Or(err, b.lead(nil))
	}
	return err
}

// ready opens the model.
func (b *batch) ready(ctx context.Context) (finish func(), err error) {
	if finish, err = b.open(ctx); err != nil {
		return nil, err
	}
	if err := b.sameFile(); err != nil {
		finish()
		return nil, err
	}
	b.from.Command = b.command
	b.opened, b.step = true, func(int, int) {}
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
	for start := done - done%b.window; start < len(b.tasks); start += b.window {
		i := start
		for result := range b.together(ctx, b.windowOf(start)) {
			if err := b.ended(ctx); err != nil {
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
		if err := b.ended(ctx); err != nil { // else the rest of the window would be left out
			return err
		}
		if out != nil {
			if err := out.Sync(); err != nil {
				return err
			}
		}
	}
	if n := len(b.tasks) - done; out != nil && out.IsFile() && n > 0 && !b.quiet {
		b.s.say("wrote %s to %s", english.Plural(n, "line", ""), b.name)
	}
	if b.failed > 0 {
		return fmt.Errorf("%d of %s failed: their lines of the output have an error, and are tried again when it is continued", b.failed, english.Plural(len(b.tasks), "prompt", ""))
	}
	return nil
}

func (b *batch) count(result answerLine) {
	if result.wrong() {
		b.failed++
	}
}

// windowOf returns the tasks of the window that begins at start.
func (b *batch) windowOf(start int) []task {
	return b.tasks[start:min(start+b.window, len(b.tasks))]
}

// What stdin is called where it is read as a file: as a file's name, it says what is in it.
const (
	stdinTexts = "stdin"
	stdinLines = "stdin.jsonl"
)

// readFile reads the tasks of a file that a flag names, - for stdin, which is one of the two above.
func readFile(s *streams, file, stdin string, quiet bool, parse func(line int, text string) task) ([]task, error) {
	p, err := readPrompts(s, file, stdin, quiet, parse)
	return p.tasks, err
}

// readPrompts is readFile with the digest of the file.
func readPrompts(s *streams, file, stdin string, quiet bool, parse func(line int, text string) task) (prompts, error) {
	in, name := boundedPrompts(s.in), stdin
	if file == "-" {
		if err := s.readsStdin(); err != nil {
			return prompts{}, err
		}
	} else {
		if err := s.reads(file, "the file of the prompts"); err != nil {
			return prompts{}, err
		}
		f, err := openPrompts(file)
		if err != nil {
			return prompts{}, err
		}
		defer f.Close()
		in, name = f, file
	}
	sum := sha256.New()
	p, err := readTasks(name, io.TeeReader(in, sum), parse)
	if err != nil {
		return prompts{}, err
	}
	if len(p.tasks) == 0 {
		return prompts{}, fmt.Errorf("%s has no line", name)
	}
	if !quiet {
		p.warn(s, name)
	}
	p.digest = shorter([sha256.Size]byte(sum.Sum(nil)))
	return *p, nil
}
