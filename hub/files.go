package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Files name some files of a repository, or folders with the files that lie in them, such as those of
// a lens.
type Files struct {
	Ref   Ref
	Names []string // inside the repository, with slashes
}

// ParseFiles reads owner/name/path or owner/name/path@revision; before a repository that is no model stands
// what it is: spaces/owner/name/path, datasets/owner/name/path.
func ParseFiles(s string) (Files, error) {
	text, revision, at := s, "", false
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		text, revision, at = s[:i], s[i+1:], true
	}
	bad := func(why string) (Files, error) {
		return Files{}, &failure{text: fmt.Sprintf("hub: %q is not owner/name/path or owner/name/path@revision: %s", s, why), kinds: []error{ErrRef}}
	}
	kind := OfModel
	for _, k := range []Kind{OfSpace, OfDataset} {
		if rest, ok := strings.CutPrefix(text, k.prefix()); ok {
			kind, text = k, rest
		}
	}
	parts := strings.SplitN(strings.TrimSuffix(text, "/"), "/", 3)
	if len(parts) < 3 {
		return bad("it names no file or folder in the repository")
	}
	repo := parts[0] + "/" + parts[1]
	if at {
		repo += "@" + revision
	}
	ref, err := ParseRef(repo)
	switch {
	case err != nil:
		return Files{}, err
	case !safeName(parts[2]):
		return bad(fmt.Sprintf("%q is no path inside a repository", parts[2]))
	}
	ref.Kind = kind
	return Files{Ref: ref, Names: parts[2:]}, nil
}

// String is what ParseFiles reads of the first.
func (f Files) String() string {
	text := f.Ref.Repo() + "/" + f.Names[0]
	if f.Ref.Revision != "" {
		text += "@" + f.Ref.Revision
	}
	return text
}

// FindFiles looks files up in the cache, and only there. Of a folder it takes what is there: whether that is all
// only the hub knows, and PlanFiles asks it. Path of what it returns is the snapshot that the names are in.
func (c *Client) FindFiles(f Files) (Snapshot, error) {
	repo := filepath.Join(c.cache, f.Ref.folder())
	commit := c.commit(repo, f.Ref.revision())
	s := Snapshot{Ref: f.Ref, Commit: commit, Path: filepath.Join(repo, "snapshots", commit)}
	if missing := c.missing(f, s); missing != "" {
		return Snapshot{}, &failure{text: missing, kinds: []error{ErrNotCached}}
	}
	if err := c.settle(s); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// missing says which of the files a snapshot of the cache has not, and what it has instead; "" where it has all.
func (c *Client) missing(f Files, s Snapshot) string {
	for _, name := range f.Names {
		if s.Commit != "" && present(filepath.Join(s.Path, filepath.FromSlash(name))) {
			continue
		}
		text := fmt.Sprintf("hub: %s is not in the cache %s", Files{f.Ref, []string{name}}, c.cache)
		if near := nearest(name, below(s.Path)); s.Commit != "" && near != "" {
			text += fmt.Sprintf(", which of %s at %s has %s", f.Ref.Repo(), s.Commit, near)
		}
		return text
	}
	return ""
}

// below lists the files in a folder and its folders, with slashes. What cannot be read has none.
func below(dir string) (names []string) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// present reports whether a file is there, or a folder with files.
func present(path string) bool {
	info, err := os.Stat(path) // of what a link leads to
	return err == nil && (info.Mode().IsRegular() || info.IsDir() && len(filesOf(path)) > 0)
}

// PlanFiles asks the hub for files, and the cache what is there of them already. It writes nothing. Fetch
// carries it out.
func (c *Client) PlanFiles(ctx context.Context, f Files, o PullOptions) (Plan, error) {
	return c.planFiles(ctx, f, o.Verify, newTally(o.Progress))
}

func (c *Client) planFiles(ctx context.Context, f Files, verify bool, t *tally) (Plan, error) {
	if len(f.Names) == 0 {
		return Plan{}, errors.New("hub: no file was named")
	}
	if c.Offline() {
		if _, err := c.FindFiles(f); errors.Is(err, ErrNotCached) {
			return Plan{}, c.forbidden(err.Error())
		}
	}
	p, err := c.plan(ctx, f.Ref, verify, t, func(ref Ref, names []string) ([]string, error) { return c.chosen(f, names) })
	p.part = true
	return p, err
}

// PullFiles fetches what the cache lacks of files, as Pull does of a model; Path of what it returns is
// the snapshot that the names are in.
func (c *Client) PullFiles(ctx context.Context, f Files, o PullOptions) (Snapshot, error) {
	if c.Offline() {
		if s, err := c.FindFiles(f); err == nil {
			return s, err
		}
	}
	t := newTally(o.Progress)
	p, err := c.planFiles(ctx, f, o.Verify, t)
	if err != nil {
		return Snapshot{}, err
	}
	return c.fetch(ctx, p, t)
}

// chosen are the files that names mean, of those that a repository lists.
func (c *Client) chosen(f Files, listed []string) ([]string, error) {
	var all []string
	for _, name := range f.Names {
		of := []string{name}
		if !slices.Contains(listed, name) {
			of = slices.DeleteFunc(slices.Clone(listed), func(file string) bool { return path.Dir(file) != name })
		}
		if len(of) == 0 {
			return nil, c.nowhere(f.Ref, name, listed)
		}
		all = append(all, of...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// nowhere says what a repository has instead of a file.
func (c *Client) nowhere(ref Ref, name string, listed []string) error {
	text := fmt.Sprintf("hub: %s at %s has no file %s, and no folder with files", ref, c.endpoint, name)
	if near := nearest(name, listed); near != "" {
		text += " (it has " + near + ")"
	}
	return &failure{text: text, kinds: []error{ErrNotFound}}
}

// nearest names what is in the deepest folder of a path that is there, of all files of a repository.
func nearest(name string, listed []string) string {
	for dir := name; ; dir = path.Dir(dir) {
		within := dir + "/"
		if dir == "." {
			within = ""
		}
		var have []string
		for _, file := range listed {
			if rest, ok := strings.CutPrefix(file, within); ok {
				first, _, _ := strings.Cut(rest, "/")
				have = append(have, within+first)
			}
		}
		if len(have) > 0 || dir == "." {
			slices.Sort(have)
			return enumerate(slices.Compact(have))
		}
	}
}
