package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
)

// A writer fills a file from its start and hashes what it has. Every byte is
// written to its own place: on a disk without locks, two processes that fetch the same
// file do each other no harm.
type writer struct {
	file    *os.File
	want    File
	n       int64
	hash    hash.Hash
	changed func(n int64)
}

// adopt goes on from what is in the file.
func (w *writer) adopt(ctx context.Context) error {
	w.reset()
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > w.want.Size {
		return w.restart()
	}
	buffer := make([]byte, chunk)
	for w.n < info.Size() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := w.file.ReadAt(buffer[:min(chunk, info.Size()-w.n)], w.n)
		w.hash.Write(buffer[:n])
		w.n += int64(n)
		if err != nil && err != io.EOF || n == 0 {
			return w.restart()
		}
	}
	if w.n > 0 {
		w.changed(w.n)
	}
	return nil
}

// reset starts the hash: of the content, or as git does, of a header and the content.
func (w *writer) reset() {
	w.n = 0
	if len(w.want.ETag) == sha256.Size*2 {
		w.hash = sha256.New()
		return
	}
	w.hash = sha1.New()
	fmt.Fprintf(w.hash, "blob %d\x00", w.want.Size)
}

func (w *writer) restart() error {
	w.reset()
	w.changed(0)
	return w.file.Truncate(0)
}

func (w *writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := w.file.WriteAt(p, w.n)
	w.hash.Write(p[:n])
	w.n += int64(n)
	w.changed(w.n)
	return n, err
}

func (w *writer) sum() string { return hex.EncodeToString(w.hash.Sum(nil)) }
