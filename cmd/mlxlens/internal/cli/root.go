// Package cli is the command line of mlxlens. A command is an options struct, a
// newXCmd that only parses, and a runX that only works.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// streams are where a command reads and writes, and until when.
type streams struct {
	ctx      context.Context
	args     []string
	in       io.Reader
	out, err io.Writer
	asks     bool          // someone at a terminal can answer a question
	answer   *output.Place // where the answer goes: stdout, or where --output leads
	pager    *pager

	digests map[*auto.Opened]string // of models that are open
	files   map[string]string       // of conversations and edits, by the arguments that name them: digests, "" until a result asks
	served  *served                 // what a server has open; nil: the command opens what it needs
	naming  naming                  // of flags, by whoever asked
	watch   watch                   // who follows the work beside stderr

	ranks *model.Ranks // that share the model; nil: this process has it
	rank  int          // of them

	canAgree, yes, quiet bool                 // to downloads, of a command that has the flags of a model
	located              map[string][2]string // of the hub: where it is, and its name with the commit
}

// say tells the user something on a line of stderr. Errors and all else that is told there
// comes by here, so that no text of a file or a server reaches a terminal as it is.
func (s *streams) say(format string, args ...any) {
	if s.watch.note != nil {
		s.watch.note(visible(strings.TrimSpace(s.naming.write(format, args...))))
		return
	}
	fmt.Fprintf(s.err, "mlxlens: %s\n", visible(strings.TrimSpace(s.naming.write(format, args...))))
}

// visible is a text in a sentence that is printed.
func visible(text string) string { return render.Message(text) }

// reads returns an error when a file that the command reads is its output.
func (s *streams) reads(path, what string) error {
	if s.served != nil {
		return s.served.reads(path, what)
	}
	return s.answer.Refuse(path, what)
}

// readsPath is reads for a file, or for a folder with all that is in it.
func (s *streams) readsPath(path, what string) error {
	if s.served != nil {
		return s.served.reads(path, what)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return s.answer.RefuseFolder(path, what)
	}
	return s.reads(path, what)
}

// readsStdin returns an error when stdin is the output's file.
func (s *streams) readsStdin() error {
	f, ok := s.in.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil // whoever reads it says so
	}
	return s.answer.RefuseInfo(info, "stdin")
}

// terminal returns the width of w's terminal, 0 when it is none.
func terminal(w io.Writer) int {
	if c, ok := w.(*checkedWriter); ok {
		w = c.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// isTerminal reports whether what r reads is typed.
func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Exit codes. The help topic exit-codes prints this table.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoLibrary   = 3
	exitInterrupted = 130 // 128 and the number of the signal, as a shell has it
	exitTerminated  = 143
)

// An ExitCode is one that the program ends with.
type ExitCode struct {
	Code  int
	Means string
}

var exitCodes = []ExitCode{
	{exitDone, "done"},
	{exitFailed, "failed; the reason is on stderr"},
	{exitUsage, "wrong usage: a command, flag or value that does not exist, or that means nothing with the model and the prompt"},
	{exitNoLibrary, "no usable MLX library; `mlxlens doctor` says why"},
	{exitInterrupted, "interrupted by Ctrl-C"},
	{exitTerminated, "ended by SIGTERM"},
}

func exitCode(err error) int {
	var usage usageError
	var wrongEdit *edit.Error
	var refused *experiment.Refused
	var damaged *states.FileError
	var rank *rankError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &rank):
		return rank.code()
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, mlx.ErrLibrary):
		return exitNoLibrary
	case errors.As(err, &damaged) && !errors.As(damaged.Err, &usage):
		return exitFailed
	case errors.As(err, &usage), errors.As(err, &wrongEdit), errors.As(err, &refused), errors.Is(err, auto.ErrNoTokenizer), errors.Is(err, tokenizer.ErrNoTemplate), errors.Is(err, render.ErrNarrow), strings.HasPrefix(err.Error(), "unknown command "): // cobra's own has no type
		return exitUsage
	}
	return exitFailed
}

// Main runs the command line of the process and returns its exit code. Ctrl-C and SIGTERM
// end it at once, whatever MLX is doing, and leave no half-written file; a server finishes what it is
// doing first, and a grid the rows under way, unless they are told twice.
func Main() int {
	stopping := &stopping{asked: make(chan struct{})}
	ctx, stop := context.WithCancel(context.WithValue(context.Background(), stoppingKey{}, stopping))
	defer stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan int, 1)
	p, terminated := &pager{}, false
	go func() { done <- run(ctx, p, os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }()
	for {
		select {
		case code := <-done:
			if terminated && code == exitInterrupted {
				return exitTerminated
			}
			return code
		case got := <-signals:
			if stopping.take() {
				terminated = got == syscall.SIGTERM
				continue
			}
			if p.takes(got) {
				continue
			}
			output.RemoveUnfinished()
			if got == syscall.SIGTERM {
				fmt.Fprintln(os.Stderr, "mlxlens: terminated")
				return exitTerminated
			}
			fmt.Fprintln(os.Stderr, "mlxlens: interrupted")
			return exitInterrupted
		}
	}
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, p *pager, args []string, in io.Reader, stdout, errs io.Writer) int {
	out := &checkedWriter{Writer: stdout}
	s := &streams{ctx: ctx, args: args, in: in, out: out, err: errs, asks: terminal(errs) > 0 && isTerminal(in), answer: output.Stdout(out), pager: p}
	s.hush()
	root := newRootCmd(s)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(s.out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if failed := out.failed(); failed != nil && (err == nil || errors.Is(err, out.err)) {
		err = failed
	}
	if err == nil {
		s.leave()
		return exitDone
	}
	code := exitCode(err)
	if rank := (*rankError)(nil); errors.As(err, &rank) && rank.spoke() {
		return code
	}
	said := s.naming.of(err)
	s.fail(said + suggestions(root, err, args))
	if code == exitUsage {
		fmt.Fprintf(errs, "Run `%s --help` for usage.\n", cmd.CommandPath())
		if asked, _ := cmd.Flags().GetBool("json"); asked {
			_ = render.WriteJSON(s.out, map[string]string{"error": said}) // the exit code says it too
		}
	}
	return code
}

// ExitCodes are all that the program ends with, for the pages of its commands.
func ExitCodes() []ExitCode { return slices.Clone(exitCodes) }

// Root is the command line as it is described, for those pages; it is not to be run.
func Root() *cobra.Command {
	root := newRootCmd(&streams{ctx: context.Background(), in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	root.InitDefaultCompletionCmd()
	return root
}

func newRootCmd(s *streams) *cobra.Command {
	if s.pager == nil { // of a command line that is described, or that a server runs
		s.pager = &pager{}
	}
	root := &cobra.Command{
		Use:   "mlxlens",
		Short: "Show what a language model thinks layer by layer",
		Long: `mlxlens is a logit lens (nostalgebraist 2020) for language models on Apple's MLX: it
puts the residual stream after each layer through the model's own final norm and
unembedding, and shows what the model would say if it had to answer there.`,
		Example:           `  mlxlens trace "The capital of France is"`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},

		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := emptyFlag(cmd.Flags()); err != nil || s.served != nil {
				return err
			}
			return runsOnRanks(cmd)
		},
		DisableSuggestions: true, // run makes them
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(newTraceCmd(s), newCaptureCmd(s), newCompareCmd(s), newMergeCmd(s), newAuditCmd(s), newPatchCmd(s), newAttnCmd(s), newAttributeCmd(s), newSteerCmd(s), newProbeCmd(s), newPatchscopeCmd(s), newFeaturesCmd(s), newDecomposeCmd(s), newLensCmd(s), newGenerateCmd(s), newLaunchCmd(s), newServeCmd(s), newMCPCmd(s), newInfoCmd(s), newDoctorCmd(s), newTokenizeCmd(s), newPullCmd(s), newModelsCmd(s),
		newLicensesCmd(s), newVersionCmd(s))
	root.AddCommand(helpTopics()...)
	root.SetHelpCommand(helpCommand(root))
	addVersionFlag(root)
	root.PersistentFlags().BoolVar(&s.pager.off, "no-pager", false, "print text of more lines than the terminal has as it is, not in a pager")
	describe(root, s)
	offer(root)
	if len(s.args) == 0 || !strings.HasPrefix(s.args[0], cobra.ShellCompRequestCmd) { // which parses a line several times
		takeOnce(root)
	}
	return root
}

// wrongFlag is what is wrong with a flag, with the one that may be meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) {
		if twice := (*givenTwice)(nil); errors.As(err, &twice) {
			return usagef("%v %w", theFlag(invalid.GetFlag().Name), twice)
		}
		return wrongValue(invalid.GetFlag(), invalid.GetValue(), err)
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && cmd.Name() == "launch" {
		return usagef("%w: flags of the command that is launched stand behind its name, as in mlxlens launch -n 2 trace -q \"…\"", err)
	}
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return usageError{err}
	}
	if unknown.GetSpecifiedName() == "shard" && cmd.Flags().Lookup("file") != nil {
		return noShard(cmd)
	}
	var known []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, "--"+f.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return usagef("%w%s", err, spelling.DidYouMean("--"+unknown.GetSpecifiedName(), known))
}

// wrongValue is what is wrong with the value of a flag.
func wrongValue(f *pflag.Flag, value string, err error) error {
	wants, known := map[string]string{"int": "a whole number", "uint64": "a whole number from 0 on", "float64": "a number", "bool": "true or false", "duration": "a time, such as 90s or 10m"}[f.Value.Type()]
	if !known {
		return usageError{err}
	}
	return usagef("%v %q: want %s", theFlag(f.Name), value, wants)
}

// emptyFlag refuses a flag that was given nothing, such as a variable of a script that is not set:
// it would be taken as if it had been left out. A system message may be empty.
func emptyFlag(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && f.Name != "system" {
			err = cmp.Or(err, usagef("%v is empty: give it a value, or leave it out", theFlag(f.Name)))
		}
	})
	return err
}

// wantArgs turns what cobra says of the arguments into a usage error.
func wantArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err != nil && cmd.HasSubCommands() && len(args) > 0 {
			return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), spelling.DidYouMean(args[0], commandNames(cmd)))
		}
		if err != nil && cmd.HasParent() && strings.HasPrefix(err.Error(), "unknown command ") {
			return usagef("%s takes no arguments, and was given %q: it is used as %q", cmd.CommandPath(), args[0], cmd.UseLine())
		}
		if err != nil {
			return usageError{err}
		}
		return nil
	}
}

// suggestions names the commands that a user may have meant; cobra's own text has several
// lines.
func suggestions(root *cobra.Command, err error, args []string) string {
	if !strings.HasPrefix(err.Error(), "unknown command ") || len(args) == 0 {
		return ""
	}
	return spelling.DidYouMean(args[0], commandNames(root))
}

// commandNames are those of the commands and topics below one.
func commandNames(of *cobra.Command) []string {
	var names []string
	for _, c := range of.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// helpCommand is cobra's, which prints the help of something else where a topic is unknown.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command or topic]",
		Short: "Help on a command or a topic",
		Long:  "Help prints what a command does and which flags it has, or a topic such as sites or edits.",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, _, err := root.Find(args)
			if err != nil {
				of = root
			}
			return commandNames(of), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				word := args[len(args)-max(1, len(rest))]
				return usagef("unknown help topic %q%s", word, spelling.DidYouMean(word, commandNames(of)))
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
