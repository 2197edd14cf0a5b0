package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// drawFlags are the flags of every command that draws a grid.
type drawFlags struct {
	top     int
	view    string
	noColor bool
	width   int
}

// flags adds them; views are what the colour may show, usual the one without a flag.
func (o *drawFlags) flags(cmd *cobra.Command, usual string, views ...string) {
	f := cmd.Flags()
	f.IntVarP(&o.top, "top", "k", 5, "candidates in each cell")
	f.StringVar(&o.view, "view", usual, "what the colour shows: "+strings.Join(views, ", "))
	f.BoolVar(&o.noColor, "no-color", false, "no colour, as with $NO_COLOR or a pipe")
	f.IntVar(&o.width, "width", 0, "columns of text (default the terminal's, or 100)")
}

func (o *drawFlags) check() error {
	if o.top < 1 {
		return usagef("--top %d: want 1 or more", o.top)
	}
	return nil
}

// draw draws the grid on stdout.
func (o *drawFlags) draw(s *streams, g *lens.Grid, view render.View, last bool) error {
	return render.Terminal(s.out, g, render.TerminalOptions{Width: o.textColumns(s), Color: o.color(s), View: view, Last: last})
}

// textColumns returns how many columns of text to use.
func (o *drawFlags) textColumns(s *streams) int {
	if o.width != 0 {
		return o.width
	}
	if width := terminal(s.out); width != 0 {
		return width
	}
	return 100
}

// color returns what stdout can show.
func (o *drawFlags) color(s *streams) render.Color {
	if o.noColor || os.Getenv("NO_COLOR") != "" || terminal(s.out) == 0 || os.Getenv("TERM") == "dumb" {
		return render.NoColor
	}
	switch os.Getenv("COLORTERM") {
	case "truecolor", "24bit":
		return render.TrueColor
	}
	return render.Color256
}
