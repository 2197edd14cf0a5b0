package cli

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
)

// On ranks the first one reads and writes the output, and decides what is to be answered; the others are told, and
// compute it with it.

// sameFile makes sure that the ranks have the same file of prompts, and the same in those that options name.
func (b *batch) sameFile() error {
	return b.s.sameInput(func(options map[string]string) error {
		options["--file"] = b.file
		return b.files(options)
	})
}

// ended is why no more is answered: what ended the run, or the ranks that it runs on.
func (b *batch) ended(ctx context.Context) error { return cmp.Or(ctx.Err(), b.s.ranks.Err()) }

// together is answers, which the other ranks compute too.
func (b *batch) together(ctx context.Context, tasks []task) iter.Seq[answerLine] {
	if b.s.ranks == nil {
		return b.answers(ctx, tasks)
	}
	return func(yield func(answerLine) bool) {
		b.midway = true
		if b.lead(tasks) != nil {
			return // which ended says
		}
		for a := range b.answers(ctx, tasks) {
			if !yield(a) {
				return
			}
		}
		b.midway = false
	}
}

// lead tells the other ranks which tasks come, by their lines; none: it was all.
func (b *batch) lead(tasks []task) error {
	lines := make([]int, len(tasks))
	for i, t := range tasks {
		lines[i] = t.line
	}
	_, err := told(b.s.ranks, lines, nil)
	return err
}

// follow answers what the first rank says, and writes nothing.
func (b *batch) follow(ctx context.Context) error {
	if len(b.tasks) == 0 {
		return nil
	}
	finish, err := b.ready(ctx)
	if err != nil {
		return err
	}
	defer finish()
	for {
		all, err := told(b.s.ranks, []int(nil), nil)
		if err != nil {
			return err
		}
		if len(all[0]) == 0 {
			return nil
		}
		var tasks []task
		for _, line := range all[0] {
			at := slices.IndexFunc(b.tasks, func(t task) bool { return t.line == line })
			if at < 0 {
				return fmt.Errorf("rank 0 answers line %d, which the file has not here", line)
			}
			tasks = append(tasks, b.tasks[at])
		}
		for range b.answers(ctx, tasks) {
			if err := b.ended(ctx); err != nil {
				return err
			}
		}
	}
}
