package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prose is a megabyte of ordinary text and code.
func prose(t testing.TB) string {
	var b strings.Builder
	for _, g := range readLines[golden](t, "testdata", "gpt2", "golden.jsonl.gz") {
		if g.Category == "prose" || g.Category == "code" {
			b.WriteString(g.Text)
			b.WriteString("\n\n")
		}
	}
	return strings.Repeat(b.String(), 1<<20/b.Len()+1)
}

// A word is merged by a queue, whose work grows with the word; a loop that looked at every pair for each merge would
// take a minute for this one (the queue: 100 ms, BenchmarkEncodeOneWordOf30kB).
func TestAWordOf30kBIsNotQuadratic(t *testing.T) {
	t.Parallel()
	for _, d := range goldenDirs()[:2] {
		tok := d.open(t)
		work := func(repeats int) int {
			w := &mergeWork{}
			tok.model.symbols(w, strings.Repeat("abcdefghij", repeats))
			tok.model.merge(w)
			return w.taken
		}
		require.Positive(t, work(3000))
		assert.LessOrEqual(t, work(3000), 2*work(1500)+100)
		_, err := tok.Encode(strings.Repeat("abcdefghij", 3000), true)
		require.NoError(t, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	text := prose(b)
	for _, d := range goldenDirs() {
		if d.shared && d.model != "qwen3" && d.model != "llama3_1" {
			continue // the same tokenizer as in testdata
		}
		b.Run(d.name, func(b *testing.B) {
			if d.shared {
				needShared(b, "tokenizers")
			}
			tok := d.open(b)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := tok.Encode(text, true)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkEncodeOneWordOf30kB(b *testing.B) {
	word := strings.Repeat("abcdefghij", 3000)
	for _, d := range goldenDirs() {
		if d.shared && d.model != "qwen3" && d.model != "llama3_1" {
			continue // the same tokenizer as in testdata
		}
		b.Run(d.name, func(b *testing.B) {
			if d.shared {
				needShared(b, "tokenizers")
			}
			tok := d.open(b)
			for b.Loop() {
				_, err := tok.Encode(word, true)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkLoadLlama3(b *testing.B) {
	data := read(b, llama3Path(b))
	b.ReportAllocs()
	for b.Loop() {
		_, err := FromJSON(data, nil)
		require.NoError(b, err)
	}
}
