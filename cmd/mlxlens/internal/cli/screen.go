package cli

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens/render"
)

// screenFlags say how text is shown: the same for every command that draws.
type screenFlags struct {
	when    string // --color
	noColor bool
	width   int
}

// whens are the values of --color.
var whens = []string{"auto", "always", "never"}

func (o *screenFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.when, "color", "auto", "when to use colour: auto (on a terminal), always or never; see mlxlens help environment")
	f.BoolVar(&o.noColor, "no-color", false, "no colour, as --color never")
	f.IntVar(&o.width, "width", 0, "columns of text (default the terminal's, or 100)")
	complete(cmd, "color", whens...)
}

func (o *screenFlags) check() error {
	switch {
	case !slices.Contains(whens, o.when):
		return usagef("--color %q: want auto, always or never%s", o.when, spelling.DidYouMean(o.when, whens))
	case o.noColor && o.when == "always":
		return usagef("--no-color and --color always exclude each other")
	case o.width < 0:
		return usagef("--width %d: want a number of columns, or 0 for the terminal's", o.width)
	}
	return nil
}

// options are those of a text that is drawn; rest says how what does not fit a terminal is seen.
func (o *screenFlags) options(s *streams, rest string) render.TerminalOptions {
	t := render.TerminalOptions{Width: o.columns(s), Color: o.color(s)}
	if terminal(s.out) > 0 {
		t.Rest = rest
	} else {
		t.OneLine = o.width == 0 // for programs
	}
	return t
}

// columns returns how many columns of text to use.
func (o *screenFlags) columns(s *streams) int {
	if o.width != 0 {
		return o.width
	}
	if width := terminal(s.out); width != 0 {
		return width
	}
	return 100
}

// color returns what colours to use: those that the flags ask for, else what the environment does,
// else what stdout can show.
func (o *screenFlags) color(s *streams) render.Color {
	if !o.coloured(terminal(s.out) > 0) {
		return render.NoColor
	}
	switch os.Getenv("COLORTERM") {
	case "truecolor", "24bit":
		return render.TrueColor
	}
	return render.Color256
}

// coloured follows no-color.org and bixense.com/clicolors.
func (o *screenFlags) coloured(onTerminal bool) bool {
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case o.when == "always":
		return true
	case o.when == "never", o.noColor, os.Getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return onTerminal && os.Getenv("TERM") != "dumb" && os.Getenv("CLICOLOR") != "0"
}

// left is how positions that a flag did not ask for are seen, where a terminal has no room for them.
func (o *rowFlags) left() string {
	if o.positions != "" || len(o.spans) > 0 {
		return ""
	}
	return "--positions 0: shows all"
}
