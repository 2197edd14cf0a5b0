package render

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/mlxlens/mlxlens/lens/render/internal/pdf"
)

// pdfSurface draws on a page of a PDF, text in the fonts in which a PNG is drawn.
type pdfSurface struct {
	*typesetter
	page  *pdf.Page
	fonts map[int]pdf.Font // by the number of the typeface, or missing
	about caption
	err   error // of a font
}

func newPDFSurface(t *typesetter, width, height float64, about caption) *pdfSurface {
	return &pdfSurface{typesetter: t, page: pdf.NewPage(width, height), fonts: map[int]pdf.Font{}, about: about}
}

func (c rgb) pdf() pdf.Color { return pdf.Color{R: c.r, G: c.g, B: c.b} }

// overlap is how far a box goes beyond its edges at the right and below, in points. Programs that
// show a PDF smooth edges, and where two boxes only touch, the paper would shine through; those
// at the right and below are drawn later and cover it.
const (
	overlap       = 0.1
	leastToExtend = 2
)

func (s *pdfSurface) fill(b box, c rgb) {
	if b.w > leastToExtend && b.h > leastToExtend {
		b.w, b.h = b.w+overlap, b.h+overlap
	}
	s.page.Fill(b.x, b.y, b.w, b.h, c.pdf())
}

func (s *pdfSurface) stroke(ps []point, k stroke) {
	var path []pdf.Point
	for _, p := range ps {
		path = append(path, pdf.Point{X: p.x, Y: p.y})
	}
	s.page.Stroke(path, k.color.pdf(), k.width, k.dashes)
}

// text writes the runs of characters that are in one font.
func (s *pdfSurface) text(w words) {
	for from := 0; from < len(w.glyphs); {
		first := w.glyphs[from]
		t := pdf.Text{Font: s.font(first.face), At: pdf.Point{X: w.at.x, Y: w.at.y}, Size: w.size, Color: w.ink.pdf(), Upwards: w.upwards}
		to := from
		for ; to < len(w.glyphs) && w.glyphs[to].face == first.face; to++ {
			t.Runes = append(t.Runes, w.glyphs[to].r)
		}
		along := w.start() + first.x*w.size
		if w.upwards {
			t.At.Y -= along
		} else {
			t.At.X += along
		}
		if t.Font != nil {
			s.page.Write(t)
		}
		from = to
	}
}

// font returns the font of a typeface in the file.
func (s *pdfSurface) font(face int) pdf.Font {
	if f := s.fonts[face]; f != nil {
		return f
	}
	var f pdf.Font
	if face == missing {
		f = pdf.NewDrawn("boxes", s.boxShape, copied)
	} else if o, ok := s.faces[face].(*outlines); ok && o.file != nil {
		embedded, err := pdf.NewTrueType(fmt.Sprintf("F%d", face), o.name(), o.file, o.glyph, copied)
		if err != nil {
			s.err = err
			return nil
		}
		f = embedded
	} else {
		f = pdf.NewDrawn(fmt.Sprintf("F%d", face), s.faces[face].shape, copied)
	}
	s.fonts[face] = f
	return f
}

// copied is a character as it is copied: a joined form of an Arabic letter is the letter.
func copied(r rune) string {
	if r >= 0xfb50 && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff {
		return norm.NFKC.String(string(r))
	}
	return string(r)
}

func (s *pdfSurface) finish(w io.Writer) error {
	err := s.err
	if err == nil {
		var keywords []string
		for _, f := range s.about.fields() {
			if f[0] != "Title" && f[0] != "Description" {
				keywords = append(keywords, f[0]+": "+f[1])
			}
		}
		err = s.page.Encode(w, pdf.About{Title: s.about.title, Subject: s.about.describes, Keywords: strings.Join(keywords, "\n"), Creator: s.about.program()})
	}
	if err != nil {
		return fmt.Errorf("render: picture: %w", err)
	}
	return nil
}
