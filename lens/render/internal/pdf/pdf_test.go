package pdf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"testing"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// dejavu is a font with composed glyphs (é) and characters beyond the first plane.
func dejavu(t *testing.T) (*TrueType, *sfnt.Font) {
	t.Helper()
	parsed, err := sfnt.Parse(dejavusans.TTF)
	require.NoError(t, err)
	var buf sfnt.Buffer
	f, err := NewTrueType("F", "DejaVuSans", dejavusans.TTF, func(r rune) uint16 {
		g, err := parsed.GlyphIndex(&buf, r)
		require.NoError(t, err)
		return uint16(g)
	}, func(r rune) string { return string(r) })
	require.NoError(t, err)
	return f, parsed
}

func TestSubsetHasTheOutlinesAndAdvancesOfTheWholeFont(t *testing.T) {
	f, whole := dejavu(t)
	runes := []rune("aéȰΏ∀ 😀ﺔé")
	for _, r := range runes {
		f.code(r)
	}
	require.Len(t, f.runes, len(runes)-1, "a character that came twice is there once")
	tables := map[string][]byte{}
	part := f.subset()
	for i := range int(binary.BigEndian.Uint16(part[4:])) {
		entry := part[12+16*i:]
		from, size := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		tables[string(entry[:4])] = part[from : from+size]
		if string(entry[:4]) != "head" {
			require.Equal(t, binary.BigEndian.Uint32(entry[4:]), checksum(part[from:from+size]), "checksum of %s", entry[:4])
		}
	}
	require.Equal(t, uint32(0xb1b0afba), checksum(part), "of the whole file")
	for _, name := range []string{"name", "post", "OS/2"} { // a PDF does not need them, and the reader here does
		tables[name] = f.tables[name]
	}
	tables["cmap"] = []byte{0, 0, 0, 1, 0, 3, 0, 10, 0, 0, 0, 12, 0, 12, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0} // of no character
	got, err := sfnt.Parse(sfntFile(tables))
	require.NoError(t, err)
	var buf, bufWhole sfnt.Buffer
	for i, r := range f.runes {
		want, err := whole.LoadGlyph(&bufWhole, sfnt.GlyphIndex(f.glyph(r)), fixed.I(2048), nil)
		require.NoError(t, err)
		have, err := got.LoadGlyph(&buf, sfnt.GlyphIndex(i+1), fixed.I(2048), nil)
		require.NoError(t, err)
		require.Equal(t, want, have, "%q", r)
		wide, err := whole.GlyphAdvance(&bufWhole, sfnt.GlyphIndex(f.glyph(r)), fixed.I(2048), 0)
		require.NoError(t, err)
		narrow, err := got.GlyphAdvance(&buf, sfnt.GlyphIndex(i+1), fixed.I(2048), 0)
		require.NoError(t, err)
		require.Equal(t, wide, narrow, "%q", r)
	}
	require.Less(t, len(part), len(dejavusans.TTF)/20)
}

func TestFontsThatAreNotWholeAreRefused(t *testing.T) {
	for n := range []int{0, 11, 12, 40, 300, 5000} {
		_, err := NewTrueType("F", "x", dejavusans.TTF[:n], nil, nil)
		require.ErrorContains(t, err, "cut short", n)
	}
	otto := []byte("OTTO\x00\x00\x00\x00\x00\x00\x00\x00")
	_, err := NewTrueType("F", "Cff", otto, nil, nil)
	require.ErrorContains(t, err, "not one of TrueType outlines")
}

// page has both kinds of font, a line and a box.
func page(t *testing.T) []byte {
	f, _ := dejavu(t)
	p := NewPage(200, 100)
	p.Fill(1, 2, 30, 40, Color{255, 0, 0})
	p.Stroke([]Point{{0, 0}, {10, 10}}, Color{0, 0, 255}, 2, []float64{6, 3})
	p.Write(Text{Font: f, Runes: []rune("Ab😀"), At: Point{10, 20}, Size: 8})
	dots := NewDrawn("D", func(rune) *Shape {
		s := &Shape{Advance: 1}
		s.Box(0, 0, 0.5, 0.5)
		return s
	}, func(r rune) string { return string(r) })
	var many []rune
	for i := range rune(300) {
		many = append(many, 0x4e00+i)
	}
	p.Write(Text{Font: dots, Runes: many, At: Point{10, 40}, Size: 8, Upwards: true})
	var b bytes.Buffer
	require.NoError(t, p.Encode(&b, About{Title: "a < b 東", Subject: "s", Keywords: "k", Creator: "c 1.0"}))
	return b.Bytes()
}

func TestObjectsStandWhereTheTableSays(t *testing.T) {
	data := page(t)
	start := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(data)
	require.NotNil(t, start)
	at, err := strconv.Atoi(string(start[1]))
	require.NoError(t, err)
	entries := regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllSubmatch(data[at:], -1)
	require.NotEmpty(t, entries)
	for i, e := range entries {
		from, err := strconv.Atoi(string(e[1]))
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(data[from:], fmt.Appendf(nil, "%d 0 obj\n", i+1)), "object %d", i+1)
	}
	for _, ref := range regexp.MustCompile(`(\d+) 0 R`).FindAllSubmatch(data, -1) {
		n, err := strconv.Atoi(string(ref[1]))
		require.NoError(t, err)
		require.LessOrEqual(t, n, len(entries))
	}
}

// streams are those that are compressed, as they are read.
func streams(t *testing.T, data []byte) (out []string) {
	for _, m := range regexp.MustCompile(`(?s)/FlateDecode /Length (\d+) >>\nstream\n`).FindAllSubmatchIndex(data, -1) {
		n, err := strconv.Atoi(string(data[m[2]:m[3]]))
		require.NoError(t, err)
		require.Equal(t, "\nendstream", string(data[m[1]+n:m[1]+n+10]))
		z, err := zlib.NewReader(bytes.NewReader(data[m[1] : m[1]+n]))
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		out = append(out, string(text))
	}
	return out
}

func TestCharactersCanBeCopied(t *testing.T) {
	data := page(t)
	all := fmt.Sprint(streams(t, data))
	require.Contains(t, all, "<0003> <D83DDE00>", "beyond the first plane, as two halves")
	require.Contains(t, all, "<FF> <4EFF>", "the last that has a place in the first font of drawings")
	require.Contains(t, all, "<2B> <4F2B>", "the last in the second")
	require.Contains(t, all, "/D_1 8 Tf")
	require.Contains(t, string(data), "/D_0 ")
	require.Contains(t, string(data), "<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">a &lt; b 東</rdf:li></rdf:Alt></dc:title>")
	require.Contains(t, string(data), "/Title <FEFF0061")
}

func TestSamePageGivesTheSameBytesAndNoTime(t *testing.T) {
	data := page(t)
	require.True(t, bytes.Equal(data, page(t)))
	require.NotContains(t, string(data), "Date")
	require.Contains(t, string(data), "/MediaBox [0 0 200 100]")
}
