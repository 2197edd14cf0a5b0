package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/regular"
)

type mergeOptions struct {
	foundFlags     // of the average that some commands show at their end
	partial, quiet bool
}

func newMergeCmd(s *streams) *cobra.Command {
	o := &mergeOptions{}
	cmd := &cobra.Command{
		Use:   "merge PART … -o OUT",
		Short: "Join the answers of --shard to those of the whole file",
		Long: `Merge puts the answers to parts of a file of prompts, which runs with --file and --shard
have written, into the order of the file. What it writes is, byte for byte, what one run
without --shard writes, and such a run takes it as its own output. Of patch --rome the average
over all facts is shown, too.

Each line's digests are checked, and that all parts are of the same command, model, options and
file. A prompt that has no answer, or two, is named by its line, and nothing is written; with
--partial what is missing is named, and the answers that are there are written. They keep their
mark of a part (the key shard): merge takes such a file with the parts that were missing, and no
run takes it for a whole one.`,
		Example: `  mlxlens merge part1.jsonl part2.jsonl part3.jsonl -o lens.jsonl
  mlxlens merge parts/*.jsonl --partial -o so-far.jsonl`,
		Args:              wantArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions([]string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt),
		RunE:              func(_ *cobra.Command, args []string) error { return runMerge(s, o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.partial, "partial", false, "write what is there, though prompts have no answer yet")
	f.BoolVar(&o.json, "json", false, "show an average as JSON (schema "+experiment.AverageSchema+")")
	o.screenFlags.flags(cmd)
	o.outputFlags.flags(cmd, "write to a file instead: .jsonl", "jsonl")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print errors only")
	return cmd
}

// runMerge reads all parts before it writes anything.
func runMerge(s *streams, o *mergeOptions, names []string) error {
	if err := cmp.Or(o.screenFlags.check(), o.outputFlags.check("jsonl")); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	p := &parts{s: s, names: names, lines: map[int]partLine{}}
	defer p.close()
	if err := p.read(); err != nil {
		return err
	}
	lacking := p.lacking()
	switch {
	case lacking != "" && !o.partial:
		return failf("%s: run them to their end, or merge what is there with --partial", lacking)
	case lacking != "":
		s.say("not the whole: %s", lacking)
	}
	write := func(w io.Writer) error { return p.write(w, lacking == "") }
	if file != nil {
		err = file.write(write)
	} else {
		err = write(s.out)
	}
	if err == nil && p.first.Origin.Command == romeFile && lacking == "" && file != nil && file.IsFile() {
		err = o.showAverage(s, o.output)
	}
	if err == nil && p.failed > 0 {
		err = fmt.Errorf("%d of %s failed: their lines have an error, and are tried again when the command is run with this output", p.failed, english.Plural(len(p.lines), "prompt", ""))
	}
	return err
}

// parts are files of answers to parts of a file of prompts.
type parts struct {
	s       *streams
	names   []string
	files   []*os.File
	first   *done  // all others are compared with it
	firstIn string // which file
	lines   map[int]partLine
	twice   []string // lines that have two answers
	cut     []string // files whose last line has no end
	failed  int
}

// partLine is where the answer to a prompt stands.
type partLine struct {
	file     int
	at, size int64
	line     int // of the file of prompts
	mark     mark
}

func (p *parts) close() {
	for _, f := range p.files {
		_ = f.Close() // it was only read
	}
}

// read finds the answers of all files, and returns an error when they do not go together.
func (p *parts) read() error {
	for i, name := range p.names {
		if err := p.s.reads(name, "a part"); err != nil {
			return err
		}
		f, _, err := regular.Open(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.files = append(p.files, f)
		if err := p.readFile(i, f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if p.first == nil {
		return fmt.Errorf("%s no answer: there is nothing to merge", english.Plural(len(p.names), "part has", "parts have"))
	}
	if len(p.twice) > 0 {
		return fmt.Errorf("%s: give each part once", english.OxfordWordSeries(firstOf(p.twice), "and"))
	}
	return nil
}

const partWriter = "a command with --file and --shard"

func (p *parts) readFile(i int, in io.Reader) error {
	r := bufio.NewReaderSize(in, 1<<20)
	var at int64
	for {
		if start, _ := r.Peek(len(lineHead)); !bytes.HasPrefix([]byte(lineHead), start) {
			return fmt.Errorf("it is not what %s writes", partWriter) // and may be one line without an end
		}
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				p.cut = append(p.cut, p.names[i])
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.add(i, at, line); err != nil {
			return err
		}
		at += int64(len(line))
	}
}

// add takes an answer.
func (p *parts) add(file int, at int64, line []byte) error {
	d, err := readDone(line, partWriter)
	switch {
	case err != nil:
		return err
	case d.Shard == nil:
		return failf("line %d is of a run of the whole file (no --shard): there is nothing to merge it with", d.Line)
	}
	if err := d.Shard.check(d.Line); err != nil {
		return err
	}
	if p.first == nil {
		p.first, p.firstIn = &d, p.names[file]
	}
	if err := p.goesWith(&d); err != nil {
		return fmt.Errorf("line %d does not go with line %d of %s: %w", d.Line, p.first.Line, p.firstIn, err)
	}
	if other, ok := p.lines[d.Shard.Prompt]; ok {
		p.twice = append(p.twice, fmt.Sprintf("line %d stands twice (in %s and %s)", d.Line, p.names[other.file], p.names[file]))
		return nil
	}
	if d.Error != nil {
		p.failed++
	}
	p.lines[d.Shard.Prompt] = partLine{file, at, int64(len(line)), d.Line, *d.Shard}
	return nil
}

// goesWith returns an error where an answer is of another run than the first.
func (p *parts) goesWith(d *done) error {
	from, first := d.Origin.of(nil), p.first.Origin.of(nil)
	switch {
	case from.Command != first.Command:
		return fmt.Errorf("%s wrote it, and %s the other", from.Command, first.Command)
	case from.digest() != first.digest():
		return errors.New(from.differs(first))
	case !d.Shard.sameFile(p.first.Shard) || d.Shard.Window != p.first.Shard.Window:
		return fmt.Errorf("it is of %s, and the other of %s: the prompts are others, or were changed between the runs", d.Shard.of(), p.first.Shard.of())
	}
	return nil
}
