package cli

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// allFlags are the flags of all commands by their names, and the names of the commands.
func allFlags(t *testing.T) (flags map[string][]*pflag.Flag, commands []string) {
	t.Helper()
	flags = map[string][]*pflag.Flag{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		commands = append(commands, cmd.Name())
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				flags[f.Name] = append(flags[f.Name], f)
			}
		})
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(newRootCmd(&streams{ctx: context.Background(), in: strings.NewReader(""), out: io.Discard, err: io.Discard}))
	return flags, commands
}

func TestEveryFlagThatTakesAValueSaysWhichInItsHelp(t *testing.T) {
	flags, _ := allFlags(t)
	for name, of := range flags {
		for _, f := range of {
			require.Equal(t, f.Value.Type() != "bool", ValueName(f) != "", "--%s", name)
			stolen, _ := pflag.UnquoteUsage(f) // what stands in backquotes is taken for the value's name
			require.True(t, !strings.Contains(f.Usage, "`") || stolen == ValueName(f), "--%s: `%s`", name, stolen)
		}
	}
}

func TestTablesOfTheHelpNameWhatThereIs(t *testing.T) {
	flags, commands := allFlags(t)
	for flag := range valueNames {
		require.Contains(t, flags, flag)
	}
	seen := map[string]bool{}
	for _, g := range flagGroups {
		for flag := range strings.FieldsSeq(g.flags) {
			require.Contains(t, flags, flag)
			require.False(t, seen[flag], "--%s is in two groups", flag)
			seen[flag] = true
		}
	}
	var grouped []string
	for _, g := range commandGroups {
		grouped = append(grouped, strings.Fields(g.commands)...)
	}
	for _, cmd := range newRootCmd(&streams{}).Commands() {
		if cmd.Runnable() {
			require.Contains(t, grouped, cmd.Name())
		}
	}
	require.Subset(t, append(commands, "completion", "help"), grouped)
}

func TestCompletersAreOfFlagsThatThereAre(t *testing.T) {
	flags, commands := allFlags(t)
	for name := range completers() {
		if of, flag, one := strings.Cut(name, " "); one {
			require.Contains(t, commands, of)
			name = flag
		}
		require.Contains(t, flags, name)
	}
}

// A flag whose usage lists its values completes to them.
func TestEveryFlagWithAChoiceIsCompleted(t *testing.T) {
	var walk func(cmd *cobra.Command)
	missing := map[string]bool{}
	walk = func(cmd *cobra.Command) {
		for _, name := range []string{"color", "view", "style", "format", "picture", "device", "weights", "metric", "kinds", "by", "recipe", "optimizer", "model", "edit", "keep", "site", "sites", "align", "lens", "knockout"} {
			f := cmd.Flags().Lookup(name)
			if f == nil || f.Value.Type() == "bool" {
				continue
			}
			if _, ok := cmd.GetFlagCompletionFunc(name); !ok {
				missing[cmd.Name()+" --"+name] = true
			}
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(newRootCmd(&streams{}))
	require.Empty(t, slices.Sorted(maps.Keys(missing)))
}

func TestHelpIsBrokenToTheTerminal(t *testing.T) {
	root := newRootCmd(&streams{})
	for _, cmd := range append(root.Commands(), root) {
		for line := range strings.Lines(usage(cmd, 80)) {
			if strings.HasPrefix(line, "  mlxlens ") { // an example is one line
				continue
			}
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, line)
		}
	}
	require.Equal(t, "aaaaaaaaa bbbbbbbbb\nccc ddd\n\n  as it is, whatever its length", reflow("aaaaaaaaa\nbbbbbbbbb ccc\nddd\n\n  as it is, whatever its length", 20))
}
