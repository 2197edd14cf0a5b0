package cli

import "github.com/mlxlens/mlxlens/lens/render"

// checkView refuses a view where no grid is drawn that it could colour. A server's page sends the view of the grid
// that it shows with each picture: there it is told.
func (o *traceOptions) checkView(s *streams) error {
	drawn := o.drawn()
	switch {
	case drawn == nil, o.view == "prob", o.view == "expert" && !o.pictured(): // whose experts stand below the candidates
		return nil
	case s.served != nil:
		s.say("--view %s colours a grid, and %w: it is not in the picture", o.view, drawn)
		return nil
	}
	return usagef("--view %s colours a grid, and %w: leave one of them out", o.view, drawn)
}

// drawn says what is drawn instead of a grid, nil where a grid is, or nothing.
func (o *traceOptions) drawn() error {
	const candidates = " has candidates on the colour of their own probability"
	switch {
	case o.pictured() && o.kind() == render.Candidates && o.picture == "candidates":
		return failf("--picture candidates" + candidates)
	case o.pictured() && o.kind() == render.Candidates:
		return failf("a picture of --last" + candidates)
	case o.pictured() && o.kind() != render.Heatmap:
		return failf("--picture %s has lines of their own colours", o.picture)
	case o.last && o.output == "" && !o.json && o.export == "":
		return failf("--last" + candidates)
	}
	return nil
}
