package render

import "strings"

// pen writes on a surface.
type pen struct {
	*typesetter
	surface
}

// capital is the height of a capital letter in ems, by which text is centred.
const capital = 0.72

// write draws text with its baseline at y.
func (p *pen) write(text string, x, y, size float64, ink rgb, a anchor) {
	p.text(words{line: p.set(text), at: point{x, y}, size: size, ink: ink, anchor: a})
}

// centred draws text centred on y.
func (p *pen) centred(text string, x, y, size float64, ink rgb, a anchor) {
	p.write(text, x, y+capital/2*size, size, ink, a)
}

// wide is how wide text is.
func (p *pen) wide(text string, size float64) float64 { return p.set(text).width * size }

// short draws glyphs as text that is no wider than room, cut with … where it would be,
// in the middle of a glyph if not even one fits.
func (p *pen) short(gs []glyph, size, room float64) string {
	text := draw(gs)
	if p.wide(text, size) <= room {
		return text
	}
	if len(gs) > 64 { // a prompt: measure no more of it than could fit
		gs = gs[:min(len(gs), int(room/size*8)+1)]
	}
	for n := len(gs) - 1; n > 0; n-- {
		if text := draw(append(gs[:n:n], ellipsis)); p.wide(text, size) <= room {
			return text
		}
	}
	for rs := []rune(gs[0].text); len(rs) > 1; {
		rs = rs[:len(rs)-1]
		if text := string(rs) + ellipsis.text; p.wide(text, size) <= room {
			return text
		}
	}
	return ellipsis.text
}

// broken are lines that are no longer than room, cut between words.
func (p *pen) broken(lines []string, room float64) []string {
	var out []string
	for _, l := range lines {
		line := ""
		for word := range strings.SplitSeq(l, " ") {
			if line != "" && p.wide(line+" "+word, textSize) > room {
				out, line = append(out, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		out = append(out, p.short(glyphs(line), textSize, room))
	}
	return out
}

var ellipsis = glyph{text: "…", width: 1}
