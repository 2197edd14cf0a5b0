package render

import (
	"strings"

	"github.com/mlxlens/mlxlens/lens"
)

// Headline says of what a grid is, in the words of a picture's heading: the prompt, the model and the lens, and the
// edits where there are some, a line each.
func Headline(g *lens.Grid) []string {
	p := &painter{g: g, o: PictureOptions{Origin: Origin{Edits: g.Edits}}}
	return p.gridHeading().said()
}

// CompareHeadline is Headline of a comparison, whose sides have a line each.
func CompareHeadline(c *lens.Comparison) []string {
	p := &comparePainter{painter: painter{g: &lens.Grid{Rows: c.Rows}}, c: c}
	return p.compareHeading().said()
}

// said are the title and the lines below it, but for the last, which is of colours.
func (h heading) said() []string {
	title := draw(h.title)
	if h.quoted {
		title = `"` + title + `"`
	}
	return append([]string{title}, h.lines[:len(h.lines)-1]...)
}

// lensLines are the lens of a grid, or of several their names in short and a line for each with its file: a line for
// all has no room for them.
func lensLines(g *lens.Grid) (by string, files []string) {
	if len(g.Lenses) == 0 {
		return g.Lens, nil
	}
	var kinds []string
	for _, l := range g.Lenses {
		kinds = append(kinds, l.Kind)
		if _, file, is := strings.Cut(l.Name, ": "); is {
			files = append(files, l.Kind+": "+file)
		}
	}
	return strings.Join(kinds, ", "), files
}
