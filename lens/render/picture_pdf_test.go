package render

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inflated is a PDF, and behind it its compressed streams as they are read.
func inflated(t *testing.T, data []byte) string {
	t.Helper()
	out := bytes.NewBuffer(bytes.Clone(data))
	for _, part := range regexp.MustCompile(`(?s)/FlateDecode /Length \d+ >>\nstream\n`).Split(string(data), -1) {
		z, err := zlib.NewReader(bytes.NewReader([]byte(part)))
		if err != nil { // what stands before the first
			continue
		}
		_, err = io.Copy(out, z)
		require.NoError(t, err)
	}
	return out.String()
}

func TestPDFHasItsFontsAndSaysWhatItsGlyphsAre(t *testing.T) {
	prompt := "aé 東 العربية 😀 𒀀"
	g := wideGrid(1, 1)
	g.Prompt = &prompt
	text := inflated(t, picture(t, g, PictureOptions{Format: PDF}))
	for _, want := range []string{"+LiberationSans ", "+DejaVuSans ", "/Subtype /Type3"} {
		require.True(t, strings.Contains(text, want), want)
	}
	for _, want := range []string{"<00E9>", "<6771>", "<0627>", "<D83DDE00>", "<D808DC00>"} {
		require.True(t, regexp.MustCompile(`<\w+> `+want+"\n").MatchString(text), want)
	}
	require.False(t, regexp.MustCompile(`<\w+> <FE..>`).MatchString(text), "a joined form is copied as the letter")
}

func TestPDFHasTheSizeOfThePNG(t *testing.T) {
	g := wideGrid(2, 3)
	w, h := layout(t, g, Prob).size()
	require.Contains(t, string(picture(t, g, PictureOptions{Format: PDF})), "/MediaBox [0 0 "+decimal(w)+" "+decimal(h)+"]")
}
