package pdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// TrueType is a font of TrueType outlines. A file has those of the characters that were written.
type TrueType struct {
	name   string // in the page's resources
	face   string // the font's own
	glyph  func(rune) uint16
	text   func(rune) string
	tables map[string][]byte
	starts []uint32 // of each glyph in glyf, and the end
	chars
}

// NewTrueType reads a font. Face is its PostScript name, glyph the number of a character's glyph,
// text what the character is when it is copied.
func NewTrueType(name, face string, data []byte, glyph func(rune) uint16, text func(rune) string) (*TrueType, error) {
	f := &TrueType{name: name, face: face, glyph: glyph, text: text, tables: map[string][]byte{}}
	if len(data) < 12 {
		return nil, errors.New("pdf: a font is cut short")
	}
	for i := range int(binary.BigEndian.Uint16(data[4:])) {
		if len(data) < 28+16*i {
			return nil, errors.New("pdf: a font is cut short")
		}
		entry := data[12+16*i:]
		from, size := uint64(binary.BigEndian.Uint32(entry[8:])), uint64(binary.BigEndian.Uint32(entry[12:]))
		if from+size > uint64(len(data)) {
			return nil, fmt.Errorf("pdf: table %q of a font is cut short", entry[:4])
		}
		f.tables[string(entry[:4])] = data[from : from+size]
	}
	for _, table := range []struct {
		name string
		size int
	}{{"head", 54}, {"hhea", 36}, {"maxp", 6}, {"hmtx", 4}, {"loca", 0}, {"glyf", 0}} {
		if len(f.tables[table.name]) < table.size || f.tables[table.name] == nil {
			return nil, fmt.Errorf("pdf: font %s has no whole table %q: it is not one of TrueType outlines", face, table.name)
		}
	}
	loca := f.tables["loca"]
	if binary.BigEndian.Uint16(f.tables["head"][50:]) == 1 {
		for ; len(loca) >= 4; loca = loca[4:] {
			f.starts = append(f.starts, binary.BigEndian.Uint32(loca))
		}
	} else {
		for ; len(loca) >= 2; loca = loca[2:] {
			f.starts = append(f.starts, 2*uint32(binary.BigEndian.Uint16(loca)))
		}
	}
	return f, nil
}

// code is the number of the glyph in the font as it is embedded, behind .notdef.
func (f *TrueType) code(r rune) (name, hex string) {
	return f.name, fmt.Sprintf("%04X", 1+f.number(r))
}

// outline is the description of a glyph, nil for one without a shape.
func (f *TrueType) outline(g uint16) []byte {
	glyf := f.tables["glyf"]
	if int(g)+1 >= len(f.starts) || f.starts[g] > f.starts[g+1] || int(f.starts[g+1]) > len(glyf) {
		return nil
	}
	return glyf[f.starts[g]:f.starts[g+1]]
}

// metrics are the advance and the left side bearing of a glyph, in units of the font.
func (f *TrueType) metrics(g uint16) (advance, bearing uint16) {
	hmtx, long := f.tables["hmtx"], int(binary.BigEndian.Uint16(f.tables["hhea"][34:]))
	long = max(1, min(long, len(hmtx)/4))
	last := min(int(g), long-1)
	advance, bearing = binary.BigEndian.Uint16(hmtx[4*last:]), binary.BigEndian.Uint16(hmtx[4*last+2:])
	if at := 4*long + 2*(int(g)-long); int(g) >= long && at+2 <= len(hmtx) {
		bearing = binary.BigEndian.Uint16(hmtx[at:])
	}
	return advance, bearing
}

// Flags of a glyph that is composed of others (OpenType, table glyf).
const (
	wordArguments  = 0x0001
	oneScale       = 0x0008
	moreComponents = 0x0020
	twoScales      = 0x0040
	matrix         = 0x0080
)

// components are where in a glyph's description the numbers of its parts stand.
func components(outline []byte) []int {
	if len(outline) < 10 || int16(binary.BigEndian.Uint16(outline)) >= 0 {
		return nil
	}
	var at []int
	for i := 10; i+4 <= len(outline); {
		flags := binary.BigEndian.Uint16(outline[i:])
		at = append(at, i+2)
		i += 6
		for flag, size := range map[uint16]int{wordArguments: 2, oneScale: 2, twoScales: 4, matrix: 8} {
			if flags&flag != 0 {
				i += size
			}
		}
		if flags&moreComponents == 0 {
			break
		}
	}
	return at
}

// subset is the font with .notdef, the glyphs of its characters, and what these are composed of.
func (f *TrueType) subset() []byte {
	glyphs := []uint16{0}
	for _, r := range f.runes {
		glyphs = append(glyphs, f.glyph(r))
	}
	place := map[uint16]int{} // of parts, which follow behind
	var glyf, loca, hmtx []byte
	for i := 0; i < len(glyphs); i++ {
		outline := slices.Clone(f.outline(glyphs[i]))
		for _, at := range components(outline) {
			part := binary.BigEndian.Uint16(outline[at:])
			if place[part] == 0 {
				place[part] = len(glyphs)
				glyphs = append(glyphs, part)
			}
			binary.BigEndian.PutUint16(outline[at:], uint16(place[part]))
		}
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, outline...)
		glyf = append(glyf, make([]byte, -len(glyf)&3)...)
		advance, bearing := f.metrics(glyphs[i])
		hmtx = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(hmtx, advance), bearing)
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))

	head, hhea, maxp := slices.Clone(f.tables["head"]), slices.Clone(f.tables["hhea"]), slices.Clone(f.tables["maxp"])
	binary.BigEndian.PutUint32(head[8:], 0)  // the checksum's adjustment
	binary.BigEndian.PutUint16(head[50:], 1) // loca has whole offsets
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(glyphs)))
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(glyphs)))
	tables := map[string][]byte{"head": head, "hhea": hhea, "maxp": maxp, "hmtx": hmtx, "loca": loca, "glyf": glyf}
	for _, name := range []string{"cvt ", "fpgm", "prep"} {
		if f.tables[name] != nil {
			tables[name] = f.tables[name]
		}
	}
	return sfntFile(tables)
}

// sfntFile puts tables into a file.
func sfntFile(tables map[string][]byte) []byte {
	var names []string
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	n := len(names)
	power, log := 1, 0
	for power*2 <= n {
		power, log = power*2, log+1
	}
	out := binary.BigEndian.AppendUint32(nil, 0x00010000) // TrueType outlines
	for _, x := range []int{n, power * 16, log, (n - power) * 16} {
		out = binary.BigEndian.AppendUint16(out, uint16(x))
	}
	var body []byte
	head := 0
	for _, name := range names {
		at := 12 + 16*n + len(body)
		if name == "head" {
			head = at
		}
		out = append(out, name...)
		for _, x := range []uint32{checksum(tables[name]), uint32(at), uint32(len(tables[name]))} {
			out = binary.BigEndian.AppendUint32(out, x)
		}
		body = append(body, tables[name]...)
		body = append(body, make([]byte, -len(body)&3)...)
	}
	out = append(out, body...)
	binary.BigEndian.PutUint32(out[head+8:], 0xb1b0afba-checksum(out)) // OpenType, table head
	return out
}

// checksum is the sum of a table's words.
func checksum(data []byte) uint32 {
	sum := uint32(0)
	for i := 0; i < len(data); i += 4 {
		var word [4]byte
		copy(word[:], data[i:])
		sum += binary.BigEndian.Uint32(word[:])
	}
	return sum
}

// embed adds the font as a CID font, whose codes are the numbers of its glyphs.
func (f *TrueType) embed(d *document) string {
	units := float64(binary.BigEndian.Uint16(f.tables["head"][18:]))
	milli := func(table string, at int) int {
		return int(float64(int16(binary.BigEndian.Uint16(f.tables[table][at:]))) * 1000 / units)
	}
	var widths strings.Builder
	for _, r := range f.runes {
		advance, _ := f.metrics(f.glyph(r))
		widths.WriteString(" " + number(float64(advance)*1000/units))
	}
	data := f.subset()
	file := d.stream(fmt.Sprintf("/Length1 %d", len(data)), data)
	face := subsetTag(f.runes) + "+" + f.face
	descriptor := d.add(fmt.Sprintf("<< /Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [%d %d %d %d] /ItalicAngle 0 /Ascent %d /Descent %d /CapHeight %d /StemV 80 /FontFile2 %d 0 R >>",
		face, milli("head", 36), milli("head", 38), milli("head", 40), milli("head", 42), milli("hhea", 4), milli("hhea", 6), milli("hhea", 4), file))
	cid := d.add(fmt.Sprintf("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /DW 0 /W [1 [%s ]] /CIDToGIDMap /Identity >>",
		face, descriptor, widths.String()))
	font := d.add(fmt.Sprintf("<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>",
		face, cid, toUnicode(d, 4, 1, f.runes, f.text)))
	return fmt.Sprintf("/%s %d 0 R ", f.name, font)
}
