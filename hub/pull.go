package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// PullOptions are the settings of one Pull.
type PullOptions struct {
	// Progress is told how the Pull gets on, by one goroutine at a time.
	Progress func(Event)
	// Verify reads all that the cache has of the model and fetches again what is damaged.
	// Without it that is done only for what a Pull wrote that crashed.
	Verify bool
}

// Pull fetches what the cache lacks of a model and returns the snapshot. It always asks
// the hub which commit the revision stands for now; offline it takes what the cache has.
// When ctx ends it ends at once, and another Pull goes on where it stopped.
func (c *Client) Pull(ctx context.Context, ref Ref, o PullOptions) (Snapshot, error) {
	if c.Offline() {
		if s, err := c.Find(ref); err == nil {
			if o.Verify {
				err = c.sound(ctx, s, time.Time{})
			}
			return s, err
		}
	}
	t := newTally(o.Progress)
	p, err := c.plan(ctx, ref, o.Verify, t, c.modelFiles)
	if err != nil {
		return Snapshot{}, err
	}
	return c.fetch(ctx, p, t)
}

// Fetch carries out a plan.
func (c *Client) Fetch(ctx context.Context, p Plan, o PullOptions) (Snapshot, error) {
	return c.fetch(ctx, p, newTally(o.Progress))
}

func (c *Client) fetch(ctx context.Context, p Plan, t *tally) (Snapshot, error) {
	repo := filepath.Join(c.cache, p.Ref.folder())
	s := Snapshot{Ref: p.Ref, Commit: p.Commit, Path: filepath.Join(repo, "snapshots", p.Commit)}
	if err := c.room(p); err != nil {
		return Snapshot{}, err
	}
	for _, dir := range []string{filepath.Join(repo, "blobs"), filepath.Dir(s.Path), filepath.Join(c.cache, ".locks", p.Ref.folder())} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return Snapshot{}, fmt.Errorf("hub: cache %s cannot be written: %w: set HF_HOME or HF_HUB_CACHE to a folder that can", c.cache, err)
		}
	}
	c.tag()
	done, err := c.begin(p)
	if err != nil {
		return Snapshot{}, err
	}
	defer done()
	t.start(p)

	group, within := errgroup.WithContext(ctx)
	group.SetLimit(c.parallel)
	for _, f := range p.Missing {
		group.Go(func() error {
			if err := c.ensure(within, p, f, t); err != nil {
				return err
			}
			t.finish(f)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Snapshot{}, err
	}
	if err := c.name(ctx, repo, p, t); err != nil {
		return Snapshot{}, err
	}
	if p.part {
		return s, nil
	}
	if missing := absent(repo, p.Commit); len(missing) > 0 {
		return Snapshot{}, nonsense(p.Ref, "does not list %s, which the model promises", enumerate(missing))
	}
	s.Note = odd(repo, p.Commit)
	return s, nil
}

// begin sets the marker of a fetch that writes something, and returns what takes it away:
// a Pull that returns, with an error or without, has written nothing that is not whole.
func (c *Client) begin(p Plan) (done func(), err error) {
	if len(p.Missing) == 0 {
		return func() { _ = os.Remove(c.marker(p.Ref, p.Commit)) }, nil // what was in doubt has been checked
	}
	path := c.marker(p.Ref, p.Commit)
	f, err := openOwn(path, os.O_WRONLY|os.O_TRUNC)
	if err == nil {
		now := time.Now()
		err = os.Chtimes(path, now, now)
		_ = f.Sync()
		_ = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("hub: cache %s cannot be written: %w", c.cache, err)
	}
	syncDir(filepath.Dir(path))
	return func() { _ = os.Remove(path) }, nil
}

// name makes the snapshot's names and that of the revision. One process at a time does it,
// and removes what one that was killed at it left.
func (c *Client) name(ctx context.Context, repo string, p Plan, t *tally) error {
	unlock, err := c.lock(ctx, p.Ref, File{ETag: p.Commit}, t)
	if err != nil {
		return err
	}
	defer unlock()
	for _, dir := range []string{filepath.Join(repo, "snapshots", p.Commit), filepath.Join(repo, "refs")} {
		sweep(dir)
	}
	if err := c.link(ctx, repo, p); err != nil {
		return err
	}
	return c.setRef(repo, p.Ref.revision(), p.Commit)
}

// aside matches the names of files that are renamed once they are whole.
var aside = regexp.MustCompile(`\.[0-9a-f]{1,16}\.tmp$`)

// sweep removes what was to be renamed and never was.
func sweep(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && aside.MatchString(path) {
			_ = os.Remove(path) // another user's stays
		}
		return nil
	})
}

// room fails when the disk cannot hold what is missing.
func (c *Client) room(p Plan) error {
	free, err := c.free(c.cache)
	if err != nil || uint64(p.Bytes) <= free { // a disk that does not tell may have room
		return nil
	}
	return &failure{
		text: fmt.Sprintf("hub: %s needs %s more, and %s has %s free: make room, or set HF_HOME to a folder on another disk",
			p.Ref, humanize.Bytes(uint64(p.Bytes)), c.cache, humanize.Bytes(free)),
		kinds: []error{ErrNoSpace},
	}
}

// tag marks the cache for programs that make backups (bford.info/cachedir).
func (c *Client) tag() {
	path := filepath.Join(c.cache, "CACHEDIR.TAG")
	left, _ := filepath.Glob(filepath.Join(c.cache, "CACHEDIR.TAG.*.tmp"))
	for _, aside := range left {
		_ = os.Remove(aside) // of a pull that was killed; one that writes it now does without
	}
	if _, err := os.Stat(path); err == nil {
		return
	}
	_ = writeWhole(path, func(w io.Writer) error { // a cache without it is as good
		_, err := io.WriteString(w, "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache: it can be fetched again.\n")
		return err
	})
}

// ensure makes the blob of a file exist. Processes that want the same blob take
// turns by a lock on the file that huggingface_hub locks too.
func (c *Client) ensure(ctx context.Context, p Plan, f File, t *tally) error {
	repo := filepath.Join(c.cache, p.Ref.folder())
	unlock, err := c.lock(ctx, p.Ref, f, t)
	if err != nil {
		return err
	}
	defer unlock()
	if p.damaged[f.ETag] {
		if err := c.remove(ctx, repo, p.Commit, f); err != nil {
			return err
		}
	}
	if c.has(repo, p.Commit, f) {
		t.set(f, f.Size)
		return nil
	}
	return c.download(ctx, p, f, t)
}

// lockPoll is how often a lock that another process holds is tried.
const lockPoll = 50 * time.Millisecond

func (c *Client) lock(ctx context.Context, ref Ref, f File, t *tally) (unlock func(), err error) {
	path := filepath.Join(c.cache, ".locks", ref.folder(), f.ETag+".lock")
	l := flock.New(path, flock.SetPermissions(0o664)) // group-writable, for caches that users share
	got, err := l.TryLock()
	if err == nil && !got {
		t.waiting(f)
		_, err = l.TryLockContext(ctx, lockPoll)
	}
	switch {
	case err == nil:
		return func() { _ = l.Close() }, nil
	case ctx.Err() != nil:
		_ = l.Close()
		return nil, context.Cause(ctx)
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
		// Some network disks have no locks. Two processes then fetch the same file twice,
		// and write the same bytes to the same places.
		_ = l.Close()
		return func() {}, nil
	}
	_ = l.Close()
	return nil, fmt.Errorf("hub: lock %s: %w", path, err)
}

// link makes the snapshot's names. config.json comes last: without it a snapshot is no
// model.
func (c *Client) link(ctx context.Context, repo string, p Plan) error {
	files := slices.Clone(p.Files)
	slices.SortStableFunc(files, func(a, b File) int {
		switch {
		case a.Name == "config.json":
			return 1
		case b.Name == "config.json":
			return -1
		}
		return 0
	})
	for i, f := range files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		path := pointer(repo, p.Commit, f)
		if info, err := os.Stat(path); err == nil && info.Size() == f.Size {
			continue
		}
		// a blob is moved only by its last user, and only if this Pull brought it: another
		// commit's snapshot may need an older one
		same := func(g File) bool { return g.ETag == f.ETag }
		move := slices.ContainsFunc(p.Missing, same) && !slices.ContainsFunc(files[i+1:], same)
		if err := c.point(path, blob(repo, f), move); err != nil {
			return fmt.Errorf("hub: %s: %w", p.Ref, err)
		}
	}
	syncDir(filepath.Join(repo, "snapshots", p.Commit))
	return nil
}

// point makes path a relative link to a blob. Where no link can be made, path becomes
// the file itself: moved, or copied when others use the blob.
func (c *Client) point(path, blob string, move bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	to, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if !c.noSymlinks {
		// made aside and renamed, so that a broken link is replaced at once
		aside := fmt.Sprintf("%s.%x.tmp", path, rand.Uint64()) // another goroutine may be at it too
		if os.Symlink(to, aside) == nil {
			if err := os.Rename(aside, path); err != nil {
				_ = os.Remove(aside)
				return err
			}
			return nil
		}
	}
	if move {
		return os.Rename(blob, path)
	}
	return writeWhole(path, func(w io.Writer) error {
		in, _, err := regular.Open(blob)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, in)
		return err
	})
}

// setRef notes which commit a branch or tag stands for.
func (c *Client) setRef(repo, revision, commit string) error {
	if revision == commit {
		return nil
	}
	path := filepath.Join(repo, "refs", filepath.FromSlash(revision))
	if text, err := regular.Read(path, maxSmall); err == nil && string(text) == commit {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = writeWhole(path, func(w io.Writer) error { _, err := io.WriteString(w, commit); return err })
	}
	if err != nil {
		return fmt.Errorf("hub: the revision cannot be noted: %w", err)
	}
	return nil
}

// short is an etag for people.
func short(etag string) string { return strings.ToLower(etag[:min(12, len(etag))]) }
