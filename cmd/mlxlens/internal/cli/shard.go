package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
)

// shardFlag says which part of a file's prompts a run answers.
type shardFlag struct {
	text string
	k, n int // from 1; 0 without the flag
}

// flags adds it, with that of the file.
func (o *shardFlag) flags(cmd *cobra.Command, file *string, usage string) {
	cmd.Flags().StringVar(file, "file", "", usage)
	cmd.Flags().StringVar(&o.text, "shard", "", "answer part K of N of the prompts of --file, counted from 1, such as 2/8 ($SLURM_ARRAY_TASK_ID/8 with --array=1-8; {#}/8 in GNU parallel); mlxlens merge joins the parts")
}

// check reads the flag, which needs a file.
func (o *shardFlag) check(file string) error {
	if o.text == "" {
		return nil
	}
	k, n, err := parsePart(o.text)
	switch {
	case file == "":
		return usagef("--shard needs --file, whose prompts it parts")
	case err == nil && k == 0:
		return usagef("--shard %q: parts are counted from 1, so that the last is %d/%d (a Slurm array: --array=1-%d)", o.text, n, n, n)
	case err == nil && k > n:
		return usagef("--shard %q: the last part is %d/%d", o.text, n, n)
	case err != nil:
		return usagef("--shard %q: want K/N, part K of N, such as 2/8: parts are counted from 1", o.text)
	}
	o.k, o.n = k, n
	return nil
}

// parsePart reads K/N, N above 0.
func parsePart(text string) (k, n int, err error) {
	before, after, _ := strings.Cut(text, "/")
	of, err := strconv.ParseUint(before, 10, 31)
	if err != nil {
		return 0, 0, err
	}
	parts, err := strconv.ParseUint(after, 10, 31)
	if err == nil && parts == 0 {
		err = strconv.ErrRange
	}
	return int(of), int(parts), err
}

// mark says in an answer which part of which file it is of, so that parts can be merged. Without
// it, and with the sum that it has then, the line is that of a run of the whole file.
type mark struct {
	Part    string `json:"part"`      // 2/8
	Prompt  int    `json:"prompt"`    // which of the file's, from 1; empty lines are none
	Prompts int    `json:"prompts"`   // of the whole file
	Last    int    `json:"last_line"` // of the last prompt
	Window  int    `json:"window"`    // prompts that go through the model together, and are of one part
	File    string `json:"file"`      // digest of its bytes
}

// owner is the part of n that has a prompt. Windows are dealt like cards, the first to part 1.
func owner(prompt, window, n int) int { return (prompt-1)/window%n + 1 }

// check returns an error for what no run writes.
func (m *mark) check(line int) error {
	k, n, err := parsePart(m.Part)
	if err != nil || m.Prompt < 1 || m.Prompts < m.Prompt || m.Prompts == math.MaxInt || line < m.Prompt || m.Last < line || m.Last-line < m.Prompts-m.Prompt || m.Window < 1 || owner(m.Prompt, m.Window, n) != k {
		return fmt.Errorf("line %d does not say rightly which part of its file it is of (%q): it was changed", line, m.Part)
	}
	return nil
}

// of is a mark in words.
func (m *mark) of() string {
	if m == nil {
		return "the whole file (no --shard)"
	}
	return fmt.Sprintf("--shard %s of a file of %s (digest %.8s)", m.Part, english.Plural(m.Prompts, "prompt", ""), m.File)
}

// sameFile reports whether two marks are of one file.
func (m *mark) sameFile(as *mark) bool {
	return m.File == as.File && m.Prompts == as.Prompts && m.Last == as.Last
}

// differs says that an answer is of another part, or of another file.
func (m *mark) differs(from *mark) error {
	if m == nil && from == nil || m != nil && from != nil && m.Part == from.Part && m.sameFile(from) {
		return nil
	}
	return fmt.Errorf("it is of %s, and this is %s", m.of(), from.of())
}

// take reads the tasks of a file: all, or those of a part.
func (b *batch) take(file, stdin string, part *shardFlag, parse func(line int, text string) task) error {
	p, err := readPrompts(b.s, file, stdin, b.quiet, parse)
	b.file = p.digest
	if err != nil || part.n == 0 {
		b.tasks = p.tasks
		return err
	}
	total := len(p.tasks)
	all := mark{Part: fmt.Sprintf("%d/%d", part.k, part.n), Prompts: total, Last: p.tasks[total-1].line, Window: b.window, File: p.digest}
	for i, t := range p.tasks {
		if owner(i+1, b.window, part.n) == part.k {
			t.shard = new(mark)
			*t.shard = all
			t.shard.Prompt = i + 1
			b.tasks = append(b.tasks, t)
		}
	}
	if !b.quiet {
		b.sayEmpty(total, part.n)
	}
	return nil
}

// sayEmpty says which of n parts have no prompt.
func (b *batch) sayEmpty(total, n int) {
	windows := (total-1)/b.window + 1
	if windows >= n {
		return
	}
	none := fmt.Sprintf("part %d has none", n)
	if windows+1 < n {
		none = fmt.Sprintf("parts %d to %d have none", windows+1, n)
	}
	if b.window == 1 {
		b.s.say("%s for %d parts: %s", english.Plural(total, "prompt", ""), n, none)
		return
	}
	hint := ""
	if total >= n {
		hint = fmt.Sprintf("; --together %d gives each some", total/n)
	}
	b.s.say("the file's %s are %s of %d, and a part has whole windows: %s%s", english.Plural(total, "prompt", ""), english.Plural(windows, "window", ""), b.window, none, hint)
}

// noShard says why a command with --file has no --shard.
func noShard(cmd *cobra.Command) error {
	switch cmd.Name() {
	case "fit":
		return usagef("lens fit has no --shard, for it makes one lens of all texts: --jacobian takes parts of a corpus by --skip and --prompts, and mlxlens lens merge joins what they give")
	case "tokenize":
		return usagef("tokenize has no --shard: it answers a file in a moment, in lines that do not say what they were made from; trace, patch and attribute have it")
	}
	return usagef("%s has no --shard, for its answer is one of all lines of its file, and parts of it could not be put together: trace, patch and attribute answer each line by itself, and have it", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
}
