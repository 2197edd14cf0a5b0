package pdf

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"unicode/utf16"
)

// document is the objects of a file; their numbers count from 1.
type document struct{ objects [][]byte }

// reserve returns the number of an object that is set later.
func (d *document) reserve() int {
	d.objects = append(d.objects, nil)
	return len(d.objects)
}

func (d *document) set(n int, body string) { d.objects[n-1] = []byte(body) }

func (d *document) add(body string) int {
	n := d.reserve()
	d.set(n, body)
	return n
}

// stream adds data under the keys of a dictionary, compressed.
func (d *document) stream(keys string, data []byte) int {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(data) // a Buffer never fails
	z.Close()
	return d.plainStream(keys+" /Filter /FlateDecode", b.Bytes())
}

// plainStream adds data as it is.
func (d *document) plainStream(keys string, data []byte) int {
	return d.add(fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", keys, len(data), data))
}

// write writes the objects, and where each begins. The file's two identifiers, which ISO 32000-1
// (14.4) wants to be of its content, are a digest of it.
func (d *document) write(w io.Writer, catalog, info int) error {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n") // bytes above 127 say that the file is not text
	starts := make([]int, len(d.objects))
	for i, o := range d.objects {
		starts[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	sum := sha256.Sum256(b.Bytes())
	id := fmt.Sprintf("<%x>", sum[:16])
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(starts)+1)
	for _, at := range starts {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R /ID [%s %s] >>\nstartxref\n%d\n%%%%EOF\n", len(starts)+1, catalog, info, id, id, table)
	_, err := w.Write(b.Bytes())
	return err
}

// text is a text string: UTF-16 behind its mark, in hexadecimal.
func text(s string) string { return "<FEFF" + utf16Hex([]rune(s)) + ">" }

func utf16Hex(rs []rune) string {
	out := ""
	for _, u := range utf16.Encode(rs) {
		out += fmt.Sprintf("%04X", u)
	}
	return out
}

// xmp is the same as the Info dictionary, in the form that programs for papers and pictures read
// (ISO 16684-1).
func (a About) xmp() []byte {
	esc := func(s string) string {
		var b bytes.Buffer
		xml.EscapeText(&b, []byte(s)) // a Buffer never fails
		return b.String()
	}
	return fmt.Appendf(nil, `<?xpacket begin="%s" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:description>
<pdf:Keywords>%s</pdf:Keywords>
<pdf:Producer>%s</pdf:Producer>
<xmp:CreatorTool>%s</xmp:CreatorTool>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`, "\ufeff", esc(a.Title), esc(a.Subject), esc(a.Keywords), esc(a.Creator), esc(a.Creator))
}
