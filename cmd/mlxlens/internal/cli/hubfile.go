package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/hub"
)

// hubScheme begins the name of a file or a folder on the hub, where a path may stand:
// hub:owner/name/path@revision.
const hubScheme = "hub:"

// local returns where a file or a folder is, and how it is named in answers: of one on the hub its place in the
// cache, where it is fetched to, and the commit; anything else as it is. beside says which other
// files of the repository go with one.
func (s *streams) local(name string, beside func(file string) []string) (at, called string, err error) {
	if s.served != nil { // before anything is looked up
		if err := s.served.reads(name, "a lens or a dictionary"); err != nil {
			return "", "", err
		}
	}
	text, onHub := strings.CutPrefix(name, hubScheme)
	if !onHub {
		return name, name, nil
	}
	if found, ok := s.located[name]; ok {
		return found[0], found[1], nil
	}
	f, err := hub.ParseFiles(text)
	if err != nil {
		return "", "", usageError{err}
	}
	file := f.Names[0]
	f.Names = beside(file)
	c, err := hub.New(hub.Options{Agent: agent()})
	if err != nil {
		return "", "", err
	}
	snapshot, err := s.found(c, f, name)
	if err != nil {
		return "", "", err
	}
	f.Ref.Revision, f.Names = snapshot.Commit, []string{file}
	at, called = filepath.Join(snapshot.Path, filepath.FromSlash(file)), hubScheme+f.String()
	if s.located == nil {
		s.located = map[string][2]string{}
	}
	s.located[name] = [2]string{at, called}
	return at, called, nil
}

// found finds files in the cache, and fetches them when the user agrees. Whether all of a folder is there only
// the hub knows: it is asked.
func (s *streams) found(c *hub.Client, f hub.Files, name string) (hub.Snapshot, error) {
	cached, missing := c.FindFiles(f)
	switch {
	case missing != nil && !errors.Is(missing, hub.ErrNotCached):
		return cached, missing
	case missing == nil && (c.Offline() || !slices.ContainsFunc(f.Names, func(n string) bool { return isFolder(filepath.Join(cached.Path, filepath.FromSlash(n))) })):
		return cached, nil
	}
	o := hub.PullOptions{Progress: showPull(s, s.quiet || missing == nil)}
	if missing != nil && !s.yes && !s.asks && !c.Offline() {
		return cached, failf("%s is not in the Hugging Face cache %s: run `mlxlens pull %s`%s", name, c.Cache(), name, map[bool]string{true: ", or pass --yes to download it"}[s.canAgree])
	}
	plan, err := c.PlanFiles(s.ctx, f, o)
	if errors.Is(err, hub.ErrUnavailable) && missing == nil {
		s.say("%v: what the cache has of %s is used", err, name)
		return cached, nil
	}
	if err != nil {
		return cached, err
	}
	if plan.Bytes > 0 && !s.yes {
		if !s.asks {
			return cached, fmt.Errorf("%s is not complete in the Hugging Face cache %s: run `mlxlens pull %s`", name, c.Cache(), name)
		}
		if !confirm(s.in, s.err, fmt.Sprintf("Download %s (%s)?", name, humanize.Bytes(uint64(plan.Bytes)))) {
			return cached, fmt.Errorf("%s was not downloaded", name)
		}
	}
	return c.Fetch(s.ctx, plan, o)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// besideLens are the files of a repository that go with one of a lens: tuned-lens' folder, mlxterp's
// two files.
func besideLens(file string) []string {
	switch ext := path.Ext(file); {
	case slices.Contains(sparseFiles, path.Base(file)):
		return besideSparse(file)
	case path.Base(file) == "params.pt" || path.Base(file) == "config.json":
		return []string{path.Dir(file)}
	case ext == ".npz" || ext == ".json":
		stem := strings.TrimSuffix(file, ext)
		return []string{stem + ".npz", stem + ".json"}
	}
	return []string{file}
}

// besideSparse are those that go with one of a sparse autoencoder.
func besideSparse(file string) []string {
	if slices.Contains([]string{"cfg.json", "sae_weights.safetensors", "config.json", "params.safetensors"}, path.Base(file)) {
		return []string{path.Dir(file)}
	}
	return []string{file}
}

// alone is for files that need no others.
func alone(file string) []string { return []string{file} }

// cachedFiles is where a lens of the hub is, as far as the cache has it; another path as it is.
func cachedFiles(name string) string {
	text, onHub := strings.CutPrefix(name, hubScheme)
	if !onHub {
		return name
	}
	f, err := hub.ParseFiles(text)
	if err != nil {
		return name
	}
	c, err := hub.New(hub.Options{Offline: true})
	if err != nil {
		return name
	}
	snapshot, err := c.FindFiles(f)
	if err != nil {
		return name
	}
	return filepath.Join(snapshot.Path, filepath.FromSlash(f.Names[0]))
}

// fetchEdits brings what edits name of the hub, before anything is made of it.
func (s *streams) fetchEdits(edits []string) error {
	for _, text := range edits {
		_, what, _ := strings.Cut(text, "=")
		_, given, _ := strings.Cut(what, ":")
		arg, _, _ := edit.CutFactor(given)
		if lens, _, ok := tokenDirections(arg); ok {
			if _, _, err := s.local(lens, besideLens); err != nil {
				return err
			}
		}
		if parts := featureArg.FindStringSubmatch(arg); parts != nil {
			if _, _, err := s.local(parts[1], besideSparse); err != nil {
				return err
			}
		}
	}
	return nil
}

// pullFiles is pull for files and folders of a repository.
func (o *pullOptions) pullFiles(s *streams, c *hub.Client, text string) error {
	f, err := hub.ParseFiles(text)
	if err != nil {
		return usageError{err}
	}
	result := pullResult{Repo: f.Ref.Repo(), Revision: cmp.Or(f.Ref.Revision, "main")}
	snapshot, err := c.PullFiles(s.ctx, f, hub.PullOptions{Verify: o.verify, Progress: o.progress(s, &result)})
	if err != nil {
		return err
	}
	result.Commit, result.Path = snapshot.Commit, filepath.Join(snapshot.Path, filepath.FromSlash(f.Names[0]))
	return o.print(s, &result)
}
