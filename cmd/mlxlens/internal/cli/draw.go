package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// drawFlags are the flags of every command that draws a grid.
type drawFlags struct {
	top  int
	view string
	screenFlags
}

// flags adds them; views are what the colour may show, usual the one without a flag.
func (o *drawFlags) flags(cmd *cobra.Command, usual string, views ...string) {
	f := cmd.Flags()
	f.IntVarP(&o.top, "top", "k", 5, "candidates in each cell")
	f.StringVar(&o.view, "view", usual, "what the colour shows: "+strings.Join(views, ", "))
	complete(cmd, "view", views...)
	o.screenFlags.flags(cmd)
}

func (o *drawFlags) check() error {
	if o.top < 1 {
		return usagef("--top %d: want 1 or more", o.top)
	}
	return o.screenFlags.check()
}

// draw draws the grid on stdout.
func (o *drawFlags) draw(s *streams, g *lens.Grid, t render.TerminalOptions) error {
	return s.paged(func(w io.Writer) error { return render.Terminal(w, g, t) })
}
