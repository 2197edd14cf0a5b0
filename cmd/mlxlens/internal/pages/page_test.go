package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli"
)

func TestEveryCommandAndTopicHasAPageWithAllThatItsHelpSays(t *testing.T) {
	root := cli.Root()
	all := pagesOf(root)
	byName := map[string]page{}
	for _, p := range all {
		byName[p.file()] = p
	}
	commands := root.Commands()
	for i := 0; i < len(commands); i++ {
		c := commands[i]
		if c.Name() == "help" {
			continue
		}
		commands = append(commands, c.Commands()...)
		p, ok := byName[strings.ReplaceAll(c.CommandPath(), " ", "-")]
		require.True(t, ok, c.CommandPath())
		text := p.markdown()
		require.Contains(t, text, prose(c.Short))
		for line := range strings.Lines(c.Example) {
			require.Contains(t, text, strings.TrimSpace(line))
		}
		for _, f := range p.flags {
			require.Contains(t, text, "`"+f.name+"`")
		}
		if c.Runnable() {
			require.Contains(t, text, "| 3 | no usable MLX library")
		}
	}
	codes := byName["mlxlens-exit-codes"]
	require.Contains(t, codes.markdown(), "```text\n    0  done\n", "a topic that begins with a list")
	require.Equal(t, "mlxlens help sites", byName["mlxlens-sites"].name)
	group := byName["mlxlens-lens"]
	require.Contains(t, group.markdown(), "| [`mlxlens lens fit`](mlxlens-lens-fit.md) |")
	trace := byName["mlxlens-trace"]
	require.Contains(t, trace.markdown(), "| `--device DEVICE` | where to compute: auto, cpu or gpu (default auto) |")
}

func TestBlocksAreCutAtBlankLinesAndIndents(t *testing.T) {
	require.Equal(t, []block{
		{false, []string{"One", "two:"}}, {true, []string{"  a", "", "  b"}}, {false, []string{"three"}}, {false, []string{"four"}},
	}, blocks("One\ntwo:\n  a\n\n  b\n\nthree\n\nfour"))
	require.Equal(t, []block{{false, []string{"One"}}, {true, []string{"\ta"}}}, blocks("One\n\n\ta"), "cobra's own texts")
}

func TestNothingInATextIsMarkup(t *testing.T) {
	require.Equal(t, "layers.\\*.z \\[pos\\] `a*b` \\<x\\>", escaped("layers.*.z [pos] `a*b` <x>"))
	require.Equal(t, "\\&.npy files \\en \\-m\n\\&'x", roff(".npy files \\n -m\n'x"))
	p := pageOf(&cobra.Command{Use: "x [a|b]", Short: "Do", Run: func(*cobra.Command, []string) {}})
	require.Contains(t, p.man([]page{p}), ".SH SYNOPSIS\n.B x [a|b]\n")
}

func TestManPagesAreWrittenWithoutAWarning(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run([]string{"man", dir}))
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	require.NoError(t, err)
	require.Len(t, pages, len(pagesOf(cli.Root())))
	for _, name := range pages {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, ".") {
				require.Regexp(t, `^\.(\\"|TH|SH|PP|TP|B|BR|nf|fi)`, line, name)
			}
		}
	}
	if groff, err := exec.LookPath("groff"); err == nil { // what stands above holds without it
		out, err := exec.Command(groff, append([]string{"-man", "-ww", "-z", "-Kutf8", "-Tutf8"}, pages...)...).CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(out))
	}
}

func TestFlagsInProseAreCodeAndNamesOfPagesLinks(t *testing.T) {
	for text, want := range map[string]string{
		"With --ids-b, --lens=LENS (--top-k) or -m: ":    "With `--ids-b`, `--lens=LENS` (`--top-k`) or `-m`: ",
		"--attn\nand --l2/2, `lens fit --rank 8` --f32.": "`--attn`\nand `--l2`/2, `lens fit --rank 8` `--f32`.",
		"end-of-text, a_b -1 and -- -x-y":                `end-of-text, a\_b -1 and -- -x-y`,
		"(docs/lenses.md), `docs/mcp.md`, docs/schema":   "([docs/lenses.md](../lenses.md)), `docs/mcp.md`, docs/schema",
		"--layers 0,-1 with \"--vs\" and --sites [a]":    "`--layers` 0,-1 with \"`--vs`\" and `--sites` \\[a\\]",
	} {
		require.Equal(t, want, prose(text))
	}
}

func TestTheListOfCommandsHasTheFlagsOfThemAll(t *testing.T) {
	require.Contains(t, markdownList(pagesOf(cli.Root())), "## Flags of all commands\n\n| flag | |\n|---|---|\n| `--no-pager` | print text of more lines than the terminal has as it is, not in a pager |\n")
}

func TestAnotherFormIsRefused(t *testing.T) {
	require.EqualError(t, run([]string{"html", t.TempDir()}), `there is no form "html" (have: markdown, man)`)
	require.EqualError(t, run(nil), "want: pages markdown|man FOLDER")
}
