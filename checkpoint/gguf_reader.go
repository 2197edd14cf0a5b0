package checkpoint

import (
	"encoding/binary"
	"fmt"
)

// ggufReader walks a header. Its first error sticks; after it every read returns
// zero and the position stays.
type ggufReader struct {
	file []byte
	at   int
	err  error
}

func (r *ggufReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *ggufReader) left() int { return len(r.file) - r.at }

// take returns the next n bytes of the file, or nil after an error.
func (r *ggufReader) take(n int, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.left() {
		r.fail("is truncated: the file has %d bytes and ends within its header, in %s; download it again", len(r.file), what)
		return nil
	}
	b := r.file[r.at : r.at+n]
	r.at += n
	return b
}

func (r *ggufReader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *ggufReader) uint64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads a uint64 that counts things of at least size bytes each, all of which
// must still fit in the file.
func (r *ggufReader) count(what string, size int) int {
	n := r.uint64(what)
	if r.err == nil && n > uint64(r.left()/size) {
		r.fail("%s, %d, is more than the %d bytes left in the file have room for: it is truncated or damaged; download it again", what, n, r.left())
		return 0
	}
	return int(n)
}

func (r *ggufReader) string(what string) string {
	return string(r.take(r.count("the length of "+what, 1), what))
}
