package hub

import (
	"context"
	"encoding/hex"
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
	best    int64 // the most that n was
	refused bool  // the server did not go on from n once
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
	w.best = w.n
	if w.n > 0 {
		w.changed(w.n)
	}
	return nil
}

func (w *writer) reset() { w.n, w.hash = 0, newHash(w.want) }

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
	w.best = max(w.best, w.n)
	w.changed(w.n)
	return n, err
}

func (w *writer) sum() string { return hex.EncodeToString(w.hash.Sum(nil)) }
