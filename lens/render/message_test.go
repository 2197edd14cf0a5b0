package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// hostile is text that a terminal would act on, or that reads otherwise than it is.
const hostile = "a\x1b[31mb\x9bc\u009b2Jd\x07\x7f\u202ee\u2066f\r\nmlxlens: all is well\tg\x00"

func TestAMessageIsOneLineWithoutControls(t *testing.T) {
	t.Parallel()
	got := Message(hostile)
	require.Equal(t, `a\x1b[31mb<0x9B>c\u009b2Jd\x07\x7f\u202ee\u2066f␍␊mlxlens: all is well␉g\x00`, got)
	require.Less(t, strings.IndexFunc(got, func(r rune) bool { return controls(r) || r == '\n' }), 0)
	require.Equal(t, "Tried:\n  one\n  two", Message("Tried:\n  one\n  two"), "its own further lines stay")
	require.Equal(t, "é ü 東京 שלום", Message("é ü 東京 שלום"))
}

func TestALongMessageKeepsBothEnds(t *testing.T) {
	t.Parallel()
	got := Message("begin" + strings.Repeat("é", 1<<20) + "what to do")
	require.LessOrEqual(t, utf8.RuneCountInString(got), maxMessage+50)
	require.True(t, strings.HasPrefix(got, "begin"))
	require.True(t, strings.HasSuffix(got, "what to do"))
	require.Contains(t, got, "… (2,089,182 bytes left out) …")
	short := strings.Repeat("é", maxMessage)
	require.Equal(t, short, Message(short))
}

func TestSafeTextKeepsWhatIsWritten(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\\x1b[31mb<0x9B>c\\u009b2Jd\\x07\\x7f\\u202ee\\u2066f␍\nmlxlens: all is well\tg\\x00", Safe(hostile))
	require.Equal(t, `one\u2028two\u2029\u200f\u200e\u061c\u200b\u2060\ufeff\U000e0041`, Safe("one\u2028two\u2029\u200f\u200e\u061c\u200b\u2060\ufeff\U000e0041"),
		"what ends a line, turns the order or has no shape")
	for _, text := range []string{"", "\u0600 \u200c \u0645", "a\n\tb", "👩‍👩‍👧 é שלום العربية นี้", "\u200d"} {
		require.Equal(t, text, Safe(text))
	}
}

func TestJSONHasNoControlsAndTheSameStrings(t *testing.T) {
	t.Parallel()
	text := strings.ToValidUTF8(hostile, "\ufffd") + "é東<&>"
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, map[string]string{text: text}))
	require.Less(t, bytes.IndexFunc(bytes.TrimSuffix(b.Bytes(), []byte("\n")), func(r rune) bool { return controls(r) || r == '\n' }), 0)
	require.Contains(t, b.String(), `é東<&>`)
	var got map[string]string
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	require.Equal(t, map[string]string{text: text}, got)
}

func TestNoCellOfCSVIsAFormula(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"=1+1": "'=1+1", "+x": "'+x", "-2": "'-2", "@f": "'@f", " =x": "' =x", "＝x": "'＝x", "\t=x": "␉=x", "\r=x": "␍=x", "\n=x": "␊=x",
		"a=b": "a=b", " Paris": " Paris", "\x1b[2J": `\x1b[2J`, "": "", "\u202ex": `\u202ex`,
	} {
		require.Equal(t, want, csvText(lens.Token{Bytes: raw}), "%q", raw)
	}
	g := grid()
	g.Tokens[0].Bytes, g.Cells[0][0].Top[0].Bytes = "=HYPERLINK(1)", "-1\x1b"
	var b bytes.Buffer
	require.NoError(t, CSV(&b, g))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "'=HYPERLINK(1)", rows[1][3])
	require.Equal(t, `'-1\x1b`, rows[1][7])
}
