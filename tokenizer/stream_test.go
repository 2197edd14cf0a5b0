package tokenizer

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stream decodes ids one at a time, and checks that each part is whole characters.
func stream(t *testing.T, d *Decoder, ids []int) string {
	t.Helper()
	var b strings.Builder
	for _, id := range ids {
		text, err := d.Add(id)
		require.NoError(t, err)
		require.True(t, utf8.ValidString(text), "%q", text)
		b.WriteString(text)
	}
	b.WriteString(d.Flush())
	return b.String()
}

func TestStreamedTextIsTheDecodedText(t *testing.T) {
	t.Parallel()
	forGoldens(t, func(t *testing.T, d goldenDir, tok *Tokenizer) {
		shown, hidden := tok.NewDecoder(), tok.NewDecoder()
		shown.KeepSpecial = true
		for _, g := range readLines[golden](t, d.dir, "golden.jsonl.gz") {
			require.Equal(t, g.DecKeep, stream(t, shown, g.IDs))
			require.Equal(t, g.DecSkip, stream(t, hidden, g.IDs))
		}
		type random struct {
			IDs        []int
			Skip, Keep string
		}
		for _, r := range readLines[random](t, d.dir, "random-decode.jsonl.gz") {
			require.Equal(t, r.Keep, stream(t, shown, r.IDs))
			require.Equal(t, r.Skip, stream(t, hidden, r.IDs))
		}
	})
}

func TestStreamHoldsACharacterUntilItIsWhole(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(smolLM2Metadata(t))
	require.NoError(t, err)
	ids, err := tok.Encode("🚀", false)
	require.NoError(t, err)
	require.Equal(t, []int{10813, 244, 218}, ids) // F0 9F, 9A, 80
	d := tok.NewDecoder()
	var parts []string
	for _, id := range ids {
		text, err := d.Add(id)
		require.NoError(t, err)
		parts = append(parts, text)
	}
	assert.Equal(t, []string{"", "", "🚀", ""}, append(parts, d.Flush()))

	_, err = d.Add(ids[0])
	require.NoError(t, err)
	assert.Equal(t, "\uFFFD", d.Flush())
	assert.Equal(t, "", d.Flush())

	_, err = d.Add(49152)
	assert.EqualError(t, err, "tokenizer: decode: id 49152 has no token: ids run from 0 to 49151")
}

func TestConcurrentEncodingGivesTheSameIDs(t *testing.T) {
	t.Parallel()
	dir := goldenDirs()[0]
	tok := dir.open(t)
	goldens := readLines[golden](t, dir.dir, "golden.jsonl.gz")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d := tok.NewDecoder()
			for _, g := range goldens[:200] {
				ids, err := tok.Encode(g.Text, true)
				assert.NoError(t, err)
				assert.Equal(t, g.IDs, ids)
				text, err := tok.Decode(ids, false)
				assert.NoError(t, err)
				assert.Equal(t, g.DecKeep, text)
				for _, id := range ids {
					_, err = d.Add(id)
					assert.NoError(t, err)
				}
			}
		})
	}
	wg.Wait()
}
