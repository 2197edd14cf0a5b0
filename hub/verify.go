package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// newHash starts the hash of a file's content: SHA-256, or as git does, SHA-1 of a header
// and the content.
func newHash(f File) hash.Hash {
	if len(f.ETag) == sha256.Size*2 {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.Size)
	return h
}

// intact reports whether a file on disk has the content that its hash says.
func intact(ctx context.Context, path string, f File) (bool, error) {
	file, _, err := regular.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := newHash(f)
	buffer := make([]byte, chunk)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		n, err := file.Read(buffer)
		h.Write(buffer[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)) == f.ETag, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// marker is the file that stands while a commit is being fetched. One that stands without a
// process tells of a crash: what was written since may not be what it seems.
func (c *Client) marker(ref Ref, commit string) string {
	return filepath.Join(c.cache, ".locks", ref.folder(), commit+".pulling")
}

// clockStep is how far the times of two files may be apart that were written one after the
// other: FAT keeps 2 s.
const clockStep = 2 * time.Second

// crashed returns since when files are in doubt, and whether any are.
func (c *Client) crashed(ref Ref, commit string) (since time.Time, doubt bool) {
	info, err := os.Stat(c.marker(ref, commit))
	if err != nil {
		return since, false
	}
	return info.ModTime().Add(-clockStep), true
}

// checked is where the content of a file in the cache is, when it is to be checked.
func (c *Client) checked(repo, commit string, f File, since time.Time) string {
	for _, path := range []string{blob(repo, f), pointer(repo, commit, f)} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !info.ModTime().Before(since) {
			return path
		}
	}
	return ""
}

// spoilt lists the files of a snapshot whose content is not what the name of their blob
// says, of those that were written since. A file without a blob has no hash in the cache.
func spoilt(ctx context.Context, snapshot string, since time.Time) (names []string, err error) {
	err = filepath.WalkDir(snapshot, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil || info.ModTime().Before(since) {
			return nil // what is not there is missing, and told as that
		}
		target, err := os.Readlink(path)
		if err != nil {
			return nil
		}
		f := File{Size: info.Size(), ETag: filepath.Base(target)}
		if !contentHash.MatchString(f.ETag) {
			return nil
		}
		ok, err := intact(ctx, path, f)
		if err == nil && !ok {
			name, _ := filepath.Rel(snapshot, path)
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// settle checks what a crash may have spoilt of a snapshot that is used for the first time
// since.
func (c *Client) settle(s Snapshot) error {
	since, doubt := c.crashed(s.Ref, s.Commit)
	if !doubt {
		return nil
	}
	return c.sound(context.Background(), s, since)
}

// sound returns an error when a snapshot has damaged files, and else takes the marker away.
func (c *Client) sound(ctx context.Context, s Snapshot, since time.Time) error {
	names, err := spoilt(ctx, s.Path, since)
	if err != nil {
		return fmt.Errorf("hub: %s: %w", s.Ref, err)
	}
	if len(names) > 0 {
		return &failure{
			text:  fmt.Sprintf("hub: %s is damaged in the cache: the content of %s in %s is not what its hash says", s.Ref, enumerate(names), s.Path),
			kinds: []error{ErrNotCached, ErrIncomplete, ErrChecksum},
		}
	}
	_ = os.Remove(c.marker(s.Ref, s.Commit)) // a cache that cannot be written is checked each time
	return nil
}

// doubtful are the files that the cache has with the right size and not with the right
// content, where there is reason to look.
func (c *Client) doubtful(ctx context.Context, p *Plan, files []File, verify bool, t *tally) (map[string]bool, error) {
	since, doubt := c.crashed(p.Ref, p.Commit)
	if verify {
		since = time.Time{}
	}
	damaged := map[string]bool{}
	if !verify && !doubt {
		return damaged, nil
	}
	repo := filepath.Join(c.cache, p.Ref.folder())
	for _, f := range files {
		path := c.checked(repo, p.Commit, f, since)
		if path == "" || !c.has(repo, p.Commit, f) {
			continue
		}
		ok, err := intact(ctx, path, f)
		if err != nil {
			return nil, fmt.Errorf("hub: %s: %s: %w", p.Ref, f.Name, err)
		}
		if !ok {
			damaged[f.ETag] = true
		}
		t.verified(f, ok)
	}
	return damaged, nil
}

// remove takes a damaged file out of the cache. The lock is held.
func (c *Client) remove(ctx context.Context, repo, commit string, f File) error {
	for _, path := range []string{blob(repo, f), pointer(repo, commit, f)} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 && path != blob(repo, f) {
			continue // a link in a snapshot leads to the blob
		}
		if ok, err := intact(ctx, path, f); err != nil || ok { // another process has mended it
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("hub: the damaged file cannot be removed: %w", err)
		}
	}
	return nil
}
