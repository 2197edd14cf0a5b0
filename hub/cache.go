package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// A Snapshot is one commit of a model in the cache: a folder that a program can open.
type Snapshot struct {
	Ref    Ref
	Commit string
	Path   string
	Note   string // what is odd about it, though it can be opened
}

// Find looks a model up in the cache, and only there. A model that is there in part is
// ErrNotCached too; the error then says what is missing.
func (c *Client) Find(ref Ref) (Snapshot, error) {
	repo := filepath.Join(c.cache, ref.folder())
	commit := c.commit(repo, ref.revision())
	if commit == "" {
		return Snapshot{}, &failure{text: fmt.Sprintf("hub: %s is not in the cache %s", ref, c.cache), kinds: []error{ErrNotCached}}
	}
	s := Snapshot{Ref: ref, Commit: commit, Path: filepath.Join(repo, "snapshots", commit), Note: odd(repo, commit)}
	if missing := absent(repo, commit); len(missing) > 0 {
		return Snapshot{}, &failure{text: fmt.Sprintf("hub: %s is not complete in the cache: %s has no %s", ref, s.Path, enumerate(missing)), kinds: []error{ErrNotCached, ErrIncomplete}}
	}
	if err := c.settle(s); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// commit is what a revision stands for in the cache, "" when it is not there.
func (c *Client) commit(repo, revision string) string {
	if commitHash.MatchString(revision) {
		if isDir(filepath.Join(repo, "snapshots", revision)) {
			return revision
		}
		return ""
	}
	text, err := regular.Read(filepath.Join(repo, "refs", filepath.FromSlash(revision)), maxSmall)
	if commit := strings.TrimSpace(string(text)); err == nil && commitHash.MatchString(commit) {
		return commit
	}
	return ""
}

// filesOf lists the files of a snapshot, without those in folders.
func filesOf(dir string) (names []string) {
	entries, _ := os.ReadDir(dir) // a folder that cannot be read has no files
	for _, e := range entries {
		// Stat follows the link: one to a blob that is gone is no file
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.Mode().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names
}

// stale reports whether an index is of another build than the weights beside it: it
// promises files that are not there, and model*.safetensors are whole without it.
func stale(names, promised []string) bool {
	have := set(names)
	lacks := func(name string) bool { return !have[name] }
	own := weights(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "model") }))
	return slices.ContainsFunc(promised, lacks) && len(own) > 0 && !slices.ContainsFunc(siblingShards(own), lacks)
}

// odd says that a snapshot's index is not used.
func odd(repo, commit string) string {
	dir := filepath.Join(repo, "snapshots", commit)
	names := filesOf(dir)
	if index := index(names); index != "" && stale(names, promised(filepath.Join(dir, index))) {
		return index + " names files that are not there, and model*.safetensors are whole without it: it is ignored"
	}
	return ""
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// absent lists what a snapshot lacks to be a model: config.json, weights, and every
// shard that is promised. Where huggingface_hub has kept the list of the
// repository's files, its weights and tokenizer must be there.
func absent(repo, commit string) []string {
	dir := filepath.Join(repo, "snapshots", commit)
	names := filesOf(dir)
	have := set(names)
	var missing []string
	want := func(name string) {
		if !have[name] {
			have[name] = true // once
			missing = append(missing, name)
		}
	}
	want("config.json")
	all := tree(repo, commit)
	for _, name := range weights(all) {
		want(name)
	}
	if slices.Contains(all, "tokenizer.json") {
		want("tokenizer.json")
	}
	if index := index(names); index != "" {
		shards := promised(filepath.Join(dir, index))
		if stale(names, shards) {
			return missing
		}
		for _, name := range shards {
			want(name)
		}
		return missing
	}
	if len(weights(names)) == 0 && len(weights(all)) == 0 {
		want("model.safetensors")
	}
	for _, name := range siblingShards(weights(names)) {
		want(name)
	}
	return missing
}

// tree lists a commit's files, without those in folders, as huggingface_hub keeps them;
// nil when it has not.
func tree(repo, commit string) []string {
	text, err := regular.Read(filepath.Join(repo, "trees", commit+".json"), maxAnswer)
	if err != nil {
		return nil
	}
	var kept struct {
		Version int                        `json:"format_version"`
		Files   map[string]json.RawMessage `json:"files"`
	}
	if json.Unmarshal(text, &kept) != nil || kept.Version != 1 {
		return nil
	}
	var top []string
	for name := range kept.Files {
		if !strings.Contains(name, "/") && !strings.HasPrefix(name, "consolidated") {
			top = append(top, name)
		}
	}
	slices.Sort(top)
	return top
}

// promised lists the shards that an index names. One that cannot be read names none: who
// opens the model says what is wrong with it.
func promised(path string) []string {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	text, err := regular.Read(path, maxAnswer)
	if err != nil || json.Unmarshal(text, &index) != nil {
		return nil
	}
	return slices.Compact(slices.Sorted(maps.Values(index.WeightMap)))
}

// shardOf matches model-00001-of-00003.safetensors.
var shardOf = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.safetensors$`)

// siblingShards are all shards of which names has one: from 0 where one has that number, as
// package checkpoint reads them. A number above the count says nothing.
func siblingShards(names []string) []string {
	var all []string
	seen := map[string]bool{} // a thousand of 99999 are one set
	for _, name := range names {
		m := shardOf.FindStringSubmatch(name)
		if m == nil || m[2] > m[3] || seen[m[1]+"/"+m[3]] {
			continue
		}
		seen[m[1]+"/"+m[3]] = true
		part := func(i int) string { return fmt.Sprintf("%s-%05d-of-%s.safetensors", m[1], i, m[3]) }
		first := 1
		if slices.Contains(names, part(0)) {
			first = 0
		}
		n, _ := strconv.Atoi(m[3]) // five digits
		for i := range n {
			all = append(all, part(first+i))
		}
	}
	return all
}

// A Model is what the cache holds of one repository.
type Model struct {
	Repo      string // owner/name
	Path      string
	Bytes     int64     // on disk, unfinished downloads included
	Modified  time.Time // when the newest file came
	Revisions []Revision
}

// A Revision is one commit of a model in the cache.
type Revision struct {
	Commit   string
	Refs     []string // the branches and tags that stood for it
	Path     string
	Files    int
	Bytes    int64
	Modified time.Time
	Missing  []string // what it lacks to be a complete model
	Parts    bool     // it is files that were fetched one by one, of which none is a model's
}

// Complete reports whether Find would take the revision.
func (r Revision) Complete() bool { return len(r.Missing) == 0 }

// List returns the models in the cache by name. A cache that does not exist is empty.
func (c *Client) List() ([]Model, error) {
	entries, err := os.ReadDir(c.cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hub: cache: %w", err)
	}
	var models []Model
	for _, e := range entries {
		parts := strings.Split(e.Name(), "--")
		dir := filepath.Join(c.cache, e.Name())
		if parts[0] != "models" || len(parts) < 2 || len(parts) > 3 || !isDir(dir) {
			continue
		}
		m, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("hub: cache: %w", err)
		}
		m.Repo = strings.Join(parts[1:], "/")
		models = append(models, m)
	}
	slices.SortFunc(models, func(a, b Model) int { return strings.Compare(a.Repo, b.Repo) })
	return models, nil
}

// list describes the model in a folder of the cache.
func list(repo string) (Model, error) {
	m := Model{Path: repo}
	seen := func(info fs.FileInfo) {
		if info.ModTime().After(m.Modified) {
			m.Modified = info.ModTime()
		}
	}
	blobs, err := os.ReadDir(filepath.Join(repo, "blobs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	for _, b := range blobs {
		// a blob may itself be a link, to the store that huggingface_hub shares between models
		if info, err := os.Stat(filepath.Join(repo, "blobs", b.Name())); err == nil && info.Mode().IsRegular() {
			m.Bytes += info.Size()
			seen(info)
		}
	}
	refs, err := refsOf(repo)
	if err != nil {
		return m, err
	}
	commits, err := os.ReadDir(filepath.Join(repo, "snapshots"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	for _, e := range commits {
		r := Revision{Commit: e.Name(), Refs: refs[e.Name()], Path: filepath.Join(repo, "snapshots", e.Name())}
		err := filepath.WalkDir(r.Path, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() {
				return nil
			}
			r.Files++
			r.Bytes += info.Size()
			if info.ModTime().After(r.Modified) {
				r.Modified = info.ModTime()
			}
			if d.Type().IsRegular() { // no link: the cache is on a disk that has none
				m.Bytes += info.Size()
				seen(info)
			}
			return nil
		})
		if err != nil {
			return m, err
		}
		r.Missing = absent(repo, r.Commit)
		r.Parts = r.Files > 0 && len(needed(filesOf(r.Path))) == 0
		m.Revisions = append(m.Revisions, r)
	}
	return m, nil
}

// refsOf maps each commit to the names that stood for it.
func refsOf(repo string) (map[string][]string, error) {
	refs := map[string][]string{}
	root := filepath.Join(repo, "refs")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || d.IsDir():
			return err
		case strings.HasSuffix(path, ".tmp"): // being written
			return nil
		}
		text, err := regular.Read(path, maxSmall)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		commit := strings.TrimSpace(string(text))
		refs[commit] = append(refs[commit], filepath.ToSlash(name))
		return nil
	})
	return refs, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// enumerate names a few things of many.
func enumerate(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
