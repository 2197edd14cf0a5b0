package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// chunk is how much is read, hashed and written at a time.
const chunk = 256 << 10

// download fetches a file into its blob. The lock is held.
func (c *Client) download(ctx context.Context, p Plan, f File, t *tally) error {
	final := blob(filepath.Join(c.cache, p.Ref.folder()), f)
	// once more from the start when the content is wrong: what an earlier download left
	// may have been damaged
	for again := true; ; again = false {
		err := c.transfer(ctx, p, f, final, t)
		if err == nil || !errors.Is(err, ErrChecksum) || !again {
			return err
		}
		t.retrying(f, err, 0)
	}
}

// what is a file of the plan, in messages.
func (p *Plan) what(f File) string { return p.Ref.String() + ": " + f.Name }

// transfer fetches a file once, over as many connections as it takes, from where
// <etag>.incomplete ends.
func (c *Client) transfer(ctx context.Context, p Plan, f File, final string, t *tally) error {
	file, err := openIncomplete(final + incomplete)
	if err != nil {
		return fmt.Errorf("hub: %s: %w", p.Ref, err)
	}
	defer file.Close()
	w := &writer{file: file, want: f, changed: func(n int64) { t.set(f, n) }}
	if err := w.adopt(ctx); err != nil {
		return fmt.Errorf("hub: %s: %w", p.Ref, err)
	}
	what := p.what(f)
	err = c.retry(ctx, what, func(err error, wait time.Duration) { t.retrying(f, err, wait) }, func() (bool, error) {
		best := w.best
		err := c.stream(ctx, p, f, w)
		return w.best-best >= leastProgress, err
	})
	if errors.Is(err, ErrChecksum) || err == nil && w.sum() != f.ETag {
		if err == nil {
			err = &failure{
				text: fmt.Sprintf("hub: %s: what came has the hash %s, not %s: the server or a proxy changes the file; try again later or from another network",
					what, short(w.sum()), short(f.ETag)),
				kinds: []error{ErrChecksum},
			}
		}
		_ = file.Close()           // Windows removes and renames no file that is open
		_ = os.Remove(file.Name()) // nothing of it can be kept
		t.set(f, 0)
		return err
	}
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("hub: %s: %w", what, err)
	}
	if err := os.Rename(file.Name(), final); err != nil {
		return fmt.Errorf("hub: %s: %w", what, err)
	}
	syncDir(filepath.Dir(final))
	return nil
}

// leastProgress is how many new bytes make an attempt count as progress: one that brings a
// byte a time would go on for ever.
const leastProgress = 64 << 10

// openIncomplete opens what an earlier download left, or begins it. A link is not followed:
// what it leads to is no part of the cache. It goes, and so does what has another name too.
func openIncomplete(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil {
		if !info.Mode().IsRegular() || otherNames(path, info) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	return openOwn(path, os.O_RDWR)
}

// stream adds to w what one connection brings.
func (c *Client) stream(ctx context.Context, p Plan, f File, w *writer) error {
	if w.n == f.Size {
		return nil
	}
	header := http.Header{}
	if w.n > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", w.n))
	}
	r, err := c.do(ctx, http.MethodGet, c.resolve(p.Ref, p.Commit, f.Name), header)
	if err != nil {
		return cut(p.what(f), err)
	}
	defer r.close()
	if err := c.checkAnswer(r, p, f, w); err != nil {
		return err
	}
	buffer := make([]byte, chunk)
	for {
		n, err := r.Read(buffer)
		if w.n+int64(n) > f.Size {
			return wrongContent(p, f, "the server sends more than the %d bytes that the hub lists", f.Size)
		}
		if _, failed := w.Write(buffer[:n]); failed != nil {
			return fmt.Errorf("hub: %s: %w", p.what(f), failed)
		}
		switch {
		case err == io.EOF && w.n == f.Size:
			return nil
		case err == io.EOF:
			return &retryable{fmt.Errorf("the connection ended after %d of %d bytes", w.n, f.Size), 0, false}
		case err != nil:
			return cut(p.what(f), err)
		}
	}
}

// checkAnswer refuses an answer that does not go on where w stands, and makes w start again
// where the server does.
func (c *Client) checkAnswer(r *response, p Plan, f File, w *writer) error {
	if r.StatusCode/100 == 2 {
		if err := encoded(r.Header, p.Ref, f.Name); err != nil {
			return err
		}
	}
	switch {
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && w.n > 0 && w.refused:
		return nonsense(p.Ref, "refuses again and again to send the rest of %s (416)", f.Name)
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && w.n > 0:
		w.refused = true
		if err := w.restart(); err != nil {
			return fmt.Errorf("hub: %s: %w", p.what(f), err)
		}
		return &retryable{errors.New("the server refuses to go on where the last download stopped"), 0, false}
	case r.StatusCode == http.StatusPartialContent:
		from, total, ok := contentRange(r.Header.Get("Content-Range"))
		switch {
		case !ok || from != w.n:
			return nonsense(p.Ref, "was asked for %s from byte %d and answers with Content-Range %q", f.Name, w.n, r.Header.Get("Content-Range"))
		case total >= 0 && total != f.Size:
			return wrongContent(p, f, "the server has %d bytes of it and the hub lists %d", total, f.Size)
		}
		return nil
	case r.StatusCode == http.StatusOK:
		if r.ContentLength >= 0 && r.ContentLength != f.Size {
			return wrongContent(p, f, "the server has %d bytes of it and the hub lists %d", r.ContentLength, f.Size)
		}
		if w.n > 0 { // the Range was ignored: this is the file from its start
			if err := w.restart(); err != nil {
				return fmt.Errorf("hub: %s: %w", p.what(f), err)
			}
		}
		return nil
	}
	return c.refusal(r.Response, p.Ref, f.Name)
}

func wrongContent(p Plan, f File, format string, args ...any) error {
	return &failure{text: "hub: " + p.what(f) + ": " + fmt.Sprintf(format, args...), kinds: []error{ErrChecksum}}
}

// contentRange reads "bytes 5-9/10"; total is -1 when the server does not know it.
func contentRange(s string) (from, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, slash := strings.Cut(s, "/")
	start, _, dash := strings.Cut(span, "-")
	from, err := strconv.ParseInt(start, 10, 64)
	total = -1
	if size != "*" {
		var bad error
		if total, bad = strconv.ParseInt(size, 10, 64); bad != nil {
			err = bad
		}
	}
	return from, total, ok && slash && dash && err == nil
}
