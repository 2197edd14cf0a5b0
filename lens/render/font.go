package render

import (
	"fmt"
	"image"
	imagedraw "image/draw"
	"math"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"github.com/hajimehoshi/bitmapfont/v3"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/lens/render/internal/pdf"
)

// typeface is a font that can say which characters it has, and draw them.
type typeface interface {
	// advance is how far r moves the pen, in ems; ok tells whether the font has it.
	advance(r rune) (ems float64, ok bool)
	// mask is r at a size in pixels an em, its pen at (shift, 0) on the baseline.
	mask(r rune, size, shift float64) *image.Alpha
	// shape is r as it is drawn in a PDF that does not embed the font's own outlines.
	shape(r rune) *pdf.Shape
}

// outlines is a font of curves.
type outlines struct {
	font  *sfnt.Font
	buf   sfnt.Buffer
	sizes map[float64]font.Face
	file  []byte // of a font of TrueType outlines that PDFs embed, nil for another
}

func newOutlines(f *sfnt.Font, file []byte) *outlines {
	return &outlines{font: f, sizes: map[float64]font.Face{}, file: file}
}

func (o *outlines) advance(r rune) (float64, bool) {
	i, err := o.font.GlyphIndex(&o.buf, r)
	if err != nil || i == 0 { // 0 is .notdef
		return 0, false
	}
	const ppem = 1024
	a, err := o.font.GlyphAdvance(&o.buf, i, fixed.I(ppem), font.HintingNone)
	if err != nil {
		return 0, false
	}
	return float64(a) / 64 / ppem, true
}

func (o *outlines) mask(r rune, size, shift float64) *image.Alpha {
	f := o.sizes[size]
	if f == nil {
		var err error
		f, err = opentype.NewFace(o.font, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
		if err != nil { // only a size that is not positive
			return image.NewAlpha(image.Rectangle{})
		}
		o.sizes[size] = f
	}
	where, glyph, from, _, ok := f.Glyph(fixed.Point26_6{X: fixed.Int26_6(shift * 64)}, r)
	if !ok {
		return image.NewAlpha(image.Rectangle{})
	}
	out := image.NewAlpha(where)
	imagedraw.Draw(out, where, glyph, from, imagedraw.Src)
	return out
}

// pixels is the font for what no outline has: Chinese, Japanese and Korean, 12 dots
// an em, the baseline 12 dots below the top of 16.
type pixels struct{ font.Face }

const (
	dotsPerEm    = 12
	dotsAscent   = 12
	dotsPerGlyph = 16 // from top to bottom
)

func (p pixels) advance(r rune) (float64, bool) {
	where, glyph, from, a, ok := p.Glyph(fixed.Point26_6{}, r)
	if !ok || blank(glyph, image.Rectangle{from, from.Add(where.Size())}) {
		return 0, false
	}
	return float64(a) / 64 / dotsPerEm, true
}

func blank(m image.Image, r image.Rectangle) bool {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if _, _, _, a := m.At(x, y).RGBA(); a != 0 {
				return false
			}
		}
	}
	return true
}

func (p pixels) mask(r rune, size, shift float64) *image.Alpha {
	where, glyph, from, _, ok := p.Glyph(fixed.Point26_6{}, r)
	if !ok {
		return image.NewAlpha(image.Rectangle{})
	}
	dots := image.NewAlpha(image.Rect(0, 0, where.Dx()+2, dotsPerGlyph+2)) // a dot's room around it, for the curve to fall off
	imagedraw.Draw(dots, dots.Bounds().Inset(1), glyph, from, imagedraw.Src)

	scale := size / dotsPerEm
	to := image.Rect(0, 0, int(math.Ceil(float64(dots.Rect.Dx())*scale)), int(math.Ceil(float64(dots.Rect.Dy())*scale)))
	out := image.NewAlpha(to)
	xdraw.CatmullRom.Scale(out, to, dots, dots.Bounds(), xdraw.Src, nil)
	for i, a := range out.Pix { // harden the edges that the interpolation has softened
		out.Pix[i] = uint8(255 * smooth((float64(a)/255-0.32)/0.46))
	}
	out.Rect = out.Rect.Add(image.Pt(int(math.Round(shift-scale)), -int(math.Round((dotsAscent+1)*scale))))
	return out
}

// smooth is 0 below 0, 1 above 1 and without corners between.
func smooth(x float64) float64 {
	x = min(max(x, 0), 1)
	return x * x * (3 - 2*x)
}

// typefaces are the fonts of a picture, in the order in which they are asked for a
// character: Liberation Sans (Latin, Greek, Cyrillic, Hebrew), DejaVu Sans (Arabic
// and symbols), the caller's, and the pixels.
func typefaces(files []string) ([]typeface, error) {
	var out []typeface
	for _, ttf := range [][]byte{liberationsansregular.TTF, dejavusans.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			return nil, fmt.Errorf("render: picture: an embedded font: %w", err)
		}
		out = append(out, newOutlines(f, ttf))
	}
	for _, path := range files {
		f, err := fontFile(path)
		if err != nil {
			return nil, err
		}
		out = append(out, newOutlines(f, nil))
	}
	return append(out, pixels{bitmapfont.FaceSC}), nil
}

// maxFont bounds a font; those of all CJK characters have 20 MB, collections of them 120.
const maxFont = 512 << 20

// fontFile reads a font, or the first one of a collection.
func fontFile(path string) (*sfnt.Font, error) {
	data, err := regular.Read(path, maxFont)
	if err != nil {
		return nil, fmt.Errorf("render: picture: font: open %s: %w", path, err)
	}
	c, err := opentype.ParseCollection(data) // a single font is a collection of one
	if err != nil {
		return nil, fmt.Errorf("render: picture: font %q is not one that can be read (TrueType or OpenType, not variable): %w", path, err)
	}
	return c.Font(0)
}

// systemFonts are fonts with Chinese, Japanese and Korean that macOS and Linux
// distributions install.
var systemFonts = []string{
	"/System/Library/Fonts/ヒラギノ角ゴシック W3.ttc",
	"/System/Library/Fonts/Hiragino Sans GB.ttc",
	"/System/Library/Fonts/AppleSDGothicNeo.ttc",
	"/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
	"/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
	"/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
	"/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
	"/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
	"/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
}

// SystemFonts returns those of the usual fonts with Chinese, Japanese and Korean that
// this machine has and that can be read, for PictureOptions.Fonts. With them a PNG
// differs from one machine to the next.
func SystemFonts() []string {
	var out []string
	for _, path := range systemFonts {
		if _, err := fontFile(path); err == nil {
			out = append(out, path)
		}
	}
	return out
}
