package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPNGHasTheSizeOfItsLayoutAnd192DotsAnInch(t *testing.T) {
	g := wideGrid(4, 6)
	data := picture(t, g, PictureOptions{})
	img, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	w, h := layout(t, g, Prob).size()
	require.Equal(t, image.Rect(0, 0, int(math.Round(w/pixel)), int(math.Round(h/pixel))), img.Bounds())
	at := bytes.Index(data, []byte("pHYs"))
	require.Equal(t, 8+25+4, at, "right behind IHDR")
	for _, from := range []int{at + 4, at + 8} {
		require.Equal(t, uint32(7559), binary.BigEndian.Uint32(data[from:]), "192 / 0.0254 pixels a metre")
	}
	require.Equal(t, byte(1), data[at+12])
}

func TestSameGridGivesTheSameBytes(t *testing.T) {
	for _, f := range []Format{PNG, SVG, PDF} {
		for _, k := range []Kind{Heatmap, Curves} {
			o := PictureOptions{Format: f, Kind: k}
			require.True(t, bytes.Equal(picture(t, grid(), o), picture(t, grid(), o)), "%+v", o)
		}
	}
}

func TestSmallAndEmptyGridsAreDrawn(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {3, 0}, {0, 3}, {1, 1}, {1, 5}, {5, 1}} {
		g := wideGrid(size[0], size[1])
		for _, f := range []Format{PNG, SVG, PDF} {
			for _, k := range []Kind{Heatmap, Curves} {
				for v := range views {
					data := picture(t, g, PictureOptions{Format: f, Kind: k, View: View(v)})
					require.NotEmpty(t, data)
					if f == SVG {
						svg(t, data)
					}
				}
			}
		}
	}
	h := layout(t, wideGrid(1, 2), Prob)
	_, height := h.size()
	require.LessOrEqual(t, h.barTop()+h.barLength()+margin, height, "the bar of a low grid is whole")
	texts, _, _ := svg(t, picture(t, wideGrid(0, 0), PictureOptions{Format: SVG}))
	require.Contains(t, texts[len(texts)-1].says, "nothing was read")
}

func TestPicturesAreBounded(t *testing.T) {
	h := layout(t, wideGrid(30, 3000), Prob)
	require.Zero(t, h.cell.text, "below the legible size text is left out")
	require.NoError(t, h.o.bounded(h.size()))
	require.Contains(t, h.foot(), "too many cells for their tokens")

	err := Picture(io.Discard, wideGrid(60, 8000), PictureOptions{})
	require.ErrorContains(t, err, "pixels; the most is 16384 a side")
	require.ErrorContains(t, err, "choose fewer positions or layers")
}

func TestUnknownChoicesOfAPictureFail(t *testing.T) {
	g := wideGrid(2, 3)
	for want, o := range map[string]PictureOptions{
		"kind 9 is unknown (have: Heatmap, Curves, Targets, Candidates)": {Kind: 9},
		"format 9 is unknown (have: PNG, SVG, PDF)":                      {Format: 9},
		"view 99 is unknown": {View: 99},
		"position 3 before the last is not in the grid: it has 3 (0–2)":       {Kind: Curves, Back: 3},
		"the grid has none: name some in lens.Options.Targets":                {Kind: Targets},
		"render: picture: font: open testdata/picture-none.ttf":               {Fonts: []string{"testdata/picture-none.ttf"}},
		`render: picture: font "picture_test.go" is not one that can be read`: {Fonts: []string{"picture_test.go"}},
	} {
		require.ErrorContains(t, Picture(io.Discard, g, o), want)
	}
}

// fullDisk takes so many bytes.
type fullDisk int

func (d *fullDisk) Write(p []byte) (int, error) {
	if *d -= fullDisk(len(p)); *d < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestPictureToAWriterThatFailsIsAnError(t *testing.T) {
	g := wideGrid(2, 2)
	whole := len(picture(t, g, PictureOptions{}))
	for _, room := range []int{0, 8, 20, 60, whole / 2, whole - 1} {
		d := fullDisk(room)
		require.ErrorContains(t, Picture(&d, g, PictureOptions{}), "render: picture: disk full", "after %d bytes of %d", room, whole)
	}
	require.ErrorContains(t, Picture(brokenWriter{}, g, PictureOptions{Format: SVG}), "disk full")
}

func BenchmarkPicture30x200(b *testing.B) {
	g := wideGrid(30, 200)
	for name, f := range map[string]Format{"png": PNG, "svg": SVG} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, Picture(io.Discard, g, PictureOptions{Format: f, View: Rank}))
			}
		})
	}
}
