package render

import (
	"fmt"
	"math"
)

// Color is what a terminal can show.
type Color uint8

// The colour depths. With NoColor the numbers are printed instead.
const (
	NoColor   Color = iota
	Color256        // the 6×6×6 cube and the greys of xterm
	TrueColor       // 24 bits
)

// rgb is a colour in sRGB, each part in 0..255.
type rgb struct{ r, g, b uint8 }

// oklab is a colour by lightness (0..1) and two opponent axes: equal distances look
// equal (Ottosson 2020, https://bottosson.github.io/posts/oklab).
type oklab struct{ l, a, b float64 }

func (c oklab) rgb() (out rgb, inside bool) {
	l := cube(c.l + 0.3963377774*c.a + 0.2158037573*c.b)
	m := cube(c.l - 0.1055613458*c.a - 0.0638541728*c.b)
	s := cube(c.l - 0.0894841775*c.a - 1.2914855480*c.b)
	inside = true
	part := func(v float64) uint8 {
		if v < 0 || v > 1 {
			inside = false
		}
		v = min(max(v, 0), 1)
		if v <= 0.0031308 { // the sRGB curve, IEC 61966-2-1
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		return uint8(math.Round(v * 255))
	}
	out = rgb{
		part(4.0767416621*l - 3.3077115913*m + 0.2309699292*s),
		part(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s),
		part(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s),
	}
	return out, inside
}

func cube(x float64) float64 { return x * x * x }

func (c rgb) oklab() oklab {
	r, g, b := linear(c.r), linear(c.g), linear(c.b)
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return oklab{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

func linear(v uint8) float64 {
	x := float64(v) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

// luminance is relative luminance, and contrast the ratio of two, as WCAG 2.1
// defines them.
func (c rgb) luminance() float64 {
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// lch is OKLab by lightness, chroma and hue (degrees), the chroma lowered until
// sRGB has the colour.
func lch(l, chroma, hue float64) rgb {
	sin, cos := math.Sincos(hue * math.Pi / 180)
	for {
		if c, ok := (oklab{l, chroma * cos, chroma * sin}).rgb(); ok || chroma <= 0 {
			return c
		}
		chroma -= 0.002
	}
}

// ramp is the colour of x in 0..1: dark violet over teal to light yellow.
// Lightness rises evenly, so the order survives greyscale and colour blindness.
func ramp(x float64) rgb {
	return lch(0.30+0.62*x, 0.13, 300-195*x)
}

var (
	black = rgb{0, 0, 0}
	white = rgb{255, 255, 255}
)

// ink is the text colour that reads better on a background: one of the two has a
// contrast of 4.58 or more on every colour.
func ink(background rgb) rgb {
	if contrast(white, background) >= contrast(black, background) {
		return white
	}
	return black
}

// levels of a channel in xterm's cube.
var levels = [6]uint8{0, 95, 135, 175, 215, 255}

// xterm is colour 16..255 of the 256: the cube, then 24 greys.
func xterm(i int) rgb {
	if i >= 232 {
		v := uint8(8 + 10*(i-232))
		return rgb{v, v, v}
	}
	i -= 16
	return rgb{levels[i/36], levels[i/6%6], levels[i%6]}
}

// nearest returns the number of the xterm colour that looks most like c.
func nearest(c rgb) int {
	want, best, at := c.oklab(), math.Inf(1), 0
	for i := 16; i < 256; i++ {
		have := xterm(i).oklab()
		d := (have.l-want.l)*(have.l-want.l) + (have.a-want.a)*(have.a-want.a) + (have.b-want.b)*(have.b-want.b)
		if d < best {
			best, at = d, i
		}
	}
	return at
}

// reset ends what paint began.
const reset = "\x1b[0m"

// paint is the escape sequence for text on a background, strong for the cells that
// stand out; "" without colour.
func (c Color) paint(background rgb, strong bool) string {
	bold := ""
	if strong {
		bold = "1;4;"
	}
	switch c {
	case Color256:
		i := nearest(background)
		text := 231 // white
		if ink(xterm(i)) == black {
			text = 16
		}
		return fmt.Sprintf("\x1b[%s38;5;%d;48;5;%dm", bold, text, i)
	case TrueColor:
		t := ink(background)
		return fmt.Sprintf("\x1b[%s38;2;%d;%d;%d;48;2;%d;%d;%dm", bold, t.r, t.g, t.b, background.r, background.g, background.b)
	}
	return ""
}

// faint marks what frames the grid.
func (c Color) faint(s string) string {
	if c == NoColor {
		return s
	}
	return "\x1b[2m" + s + reset
}
