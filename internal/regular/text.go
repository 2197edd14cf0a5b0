package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"
)

// OpenText opens a text that a user may also give by a pipe: `--file <(command)`. What comes
// from it is bounded by [Lines].
func OpenText(path string, line, all int64) (io.ReadCloser, error) {
	if info, err := os.Stat(path); err == nil { // else opening says what is wrong
		if info.Mode()&fs.ModeNamedPipe == 0 {
			if err := check(info); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		if info.Mode().IsRegular() && info.Size() > all {
			return nil, fmt.Errorf("%s: %w", path, TooLarge(info.Size(), all))
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{Lines(f, line, all), f}, nil
}

// Lines returns a reader of r that fails when a line has more than line bytes, or all more
// than all: before whoever gathers them has taken the memory.
func Lines(r io.Reader, line, all int64) io.Reader {
	return &bounded{in: r, most: line, left: all, all: all}
}

type bounded struct {
	in    io.Reader
	most  int64 // of a line
	left  int64 // of all
	all   int64
	line  int64 // bytes of this line so far
	count int   // lines so far
	err   error
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.err = fmt.Errorf("has more than %d bytes: give it in parts", b.all)
		return 0, b.err
	}
	for _, c := range p[:n] {
		if c == '\n' {
			b.line = 0
			b.count++
			continue
		}
		if b.line++; b.line > b.most {
			b.err = fmt.Errorf("line %d has more than %d bytes, which is longer than any prompt", b.count+1, b.most)
			return 0, b.err
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// CheckUTF8 refuses a JSON file that is other text than UTF-8, or begins with a byte order mark: no
// reader of such files in other languages takes one (RFC 8259, section 8.1).
func CheckUTF8(text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return errors.New("it begins with a byte order mark (BOM): save it as UTF-8 without one")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")),
		len(text) > 1 && (text[0] == 0) != (text[1] == 0): // of the first character, which is ASCII
		return errors.New("it is UTF-16 or UTF-32 text: save it as UTF-8")
	case !utf8.Valid(text):
		return errors.New("it is not UTF-8 text: save it as UTF-8, or download it again")
	}
	return nil
}
