package render

import (
	"bufio"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
	"math"
	"strings"
)

// pngWriter writes opaque images as PNG. The encoder of image/png spends half of a large
// picture's time on the choice of a filter for each line, and cannot say how large a
// pixel is; here each line is stored as its difference from the one above, which in a
// grid of cells is mostly nothing.
type pngWriter struct {
	w     io.Writer
	dots  int // for each of the 192 an inch
	about caption
	err   error
}

func (e *pngWriter) write(m *image.RGBA) {
	size := m.Rect.Size()
	header := binary.BigEndian.AppendUint32(nil, uint32(size.X))
	header = binary.BigEndian.AppendUint32(header, uint32(size.Y))
	header = append(header, 8, 2, 0, 0, 0) // bits, RGB, deflate, adaptive filters, not interlaced

	perMetre := uint32(math.Round(float64(dpi*e.dots) / 0.0254))
	density := binary.BigEndian.AppendUint32(nil, perMetre)
	density = binary.BigEndian.AppendUint32(density, perMetre)
	density = append(density, 1) // the unit is the metre

	_, e.err = io.WriteString(e.w, "\x89PNG\r\n\x1a\n")
	e.chunk("IHDR", header)
	e.chunk("pHYs", density)
	for _, f := range e.about.fields() {
		e.chunk("iTXt", append([]byte(f[0]), "\x00\x00\x00\x00\x00"+strings.ToValidUTF8(strings.ReplaceAll(f[1], "\x00", "\ufffd"), "\ufffd")...)) // not compressed, of no language
	}
	e.lines(m)
	e.chunk("IEND", nil)
}

// chunk writes length, name, data and checksum.
func (e *pngWriter) chunk(name string, data []byte) {
	if e.err != nil {
		return
	}
	head := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), name...)
	sum := crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, data)
	for _, part := range [][]byte{head, data, binary.BigEndian.AppendUint32(nil, sum)} {
		if _, err := e.w.Write(part); err != nil {
			e.err = err
			return
		}
	}
}

// dataChunks is what is written to it as chunks of image data.
type dataChunks struct{ *pngWriter }

func (d dataChunks) Write(p []byte) (int, error) {
	d.chunk("IDAT", p)
	return len(p), d.err
}

func (e *pngWriter) lines(m *image.RGBA) {
	b := bufio.NewWriterSize(dataChunks{e}, 1<<16)
	z, _ := zlib.NewWriterLevel(b, zlib.BestSpeed) // the level is one that there is
	width := 3 * m.Rect.Dx()
	above, here, line := make([]byte, width), make([]byte, width), make([]byte, 1+width)
	line[0] = 2 // the filter "up"
	for y := range m.Rect.Dy() {
		pix := m.Pix[y*m.Stride:]
		for x := range m.Rect.Dx() {
			copy(here[3*x:3*x+3], pix[4*x:4*x+3])
		}
		for i, v := range here {
			line[1+i] = v - above[i]
		}
		if _, err := z.Write(line); err != nil {
			return // e.err has it
		}
		above, here = here, above
	}
	if z.Close() == nil {
		b.Flush()
	}
}
