package render

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// pngText writes a PNG with a text of its own behind its header: a chunk iTXt, whose text is UTF-8.
type pngText struct {
	w         io.Writer
	key, text string

	header []byte // what has come of the signature and the chunk IHDR
	done   bool
}

// pngHeader is the length of a PNG's signature and its chunk IHDR, with length, name and sum.
const pngHeader = 8 + 4 + 4 + 13 + 4

func (p *pngText) Write(b []byte) (int, error) {
	if p.done {
		return p.w.Write(b)
	}
	n := min(len(b), pngHeader-len(p.header))
	if p.header = append(p.header, b[:n]...); len(p.header) < pngHeader {
		return n, nil
	}
	p.done = true
	if _, err := p.w.Write(append(p.header, p.chunk()...)); err != nil {
		return 0, err
	}
	rest, err := p.w.Write(b[n:])
	return n + rest, err
}

// chunk is the text as PNG has it: key, no compression, no language, text.
func (p *pngText) chunk() []byte {
	body := append([]byte("iTXt"+p.key), 0, 0, 0, 0, 0)
	body = append(body, p.text...)
	c := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	return binary.BigEndian.AppendUint32(append(c, body...), crc32.ChecksumIEEE(body))
}
