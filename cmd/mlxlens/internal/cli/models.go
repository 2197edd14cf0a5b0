package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

func newModelsCmd(s *streams) *cobra.Command {
	var asJSON, supported bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List what -m takes: the models that are here",
		Long: `Models lists what -m takes as it stands in the first column: the models in the Hugging Face
cache, with the branches and tags that were fetched of each, the one that $MLXLENS_MODEL names,
and the one of ` + "`make model`" + `; with their sizes on disk, when the newest file came, and whether all
is there; of a repository of lenses it has single files. A folder with a config.json, a .gguf file and any model of the hub (which is
fetched first) are taken too. It also says which one is taken without -m. ` + "`mlxlens pull`" + ` completes
a model that is not complete; ` + "`mlxlens info -m`" + ` tells whether mlxlens can run one. --supported lists the architectures that it can run instead, with
the model_type of config.json and the general.architecture of GGUF files that each has.`,
		Example: `  mlxlens models
  mlxlens models --supported
  mlxlens models --json`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if supported {
				return runSupported(s, asJSON)
			}
			return runModels(s, asJSON)
		},
	}
	cmd.Flags().BoolVar(&supported, "supported", false, "list the architectures that mlxlens can run instead")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// runSupported lists the architectures.
func runSupported(s *streams, asJSON bool) error {
	if asJSON {
		return render.WriteJSON(s.out, auto.Supported())
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "architecture\tmodel_type\tGGUF\twith")
	for _, f := range auto.Supported() {
		gguf := strings.Join(f.GGUF, ", ")
		if gguf == "" {
			gguf = "–"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, strings.Join(f.Types, ", "), gguf, strings.ReplaceAll(f.With, "`", ""))
	}
	for _, f := range auto.LeftOut() {
		fmt.Fprintf(w, "%s\t%s\t–\tleft out: %s\n", f.Name, strings.Join(f.Types, ", "), strings.ReplaceAll(f.With, "`", ""))
	}
	return w.Flush()
}

// modelsResult is what `models --json` prints.
type modelsResult struct {
	Cache   string        `json:"cache"`
	Models  []cachedModel `json:"models"`
	Local   []localModel  `json:"local"`
	Default string        `json:"default,omitempty"` // what is opened without -m
}

// localModel is one beside the cache.
type localModel struct {
	Model    string     `json:"model"` // as -m takes it
	From     string     `json:"from"`
	Bytes    int64      `json:"bytes"`
	Modified *time.Time `json:"modified"`
	ref      string
}

type cachedModel struct {
	Repo      string           `json:"repo"`
	Path      string           `json:"path"`
	Bytes     int64            `json:"bytes"` // on disk, unfinished downloads included
	Modified  *time.Time       `json:"modified"`
	Revisions []cachedRevision `json:"revisions"`
}

type cachedRevision struct {
	Commit   string     `json:"commit"`
	Refs     []string   `json:"refs"`
	Path     string     `json:"path"`
	Files    int        `json:"files"`
	Bytes    int64      `json:"bytes"`
	Modified *time.Time `json:"modified"`
	Complete bool       `json:"complete"`
	Missing  []string   `json:"missing"`
	Parts    bool       `json:"parts,omitempty"` // single files, such as a lens: no model
}

// newCache is the Hugging Face cache.
func newCache() (*hub.Client, error) { return hub.New(hub.Options{}) }

// localModels are the models that are found without the cache: the one of the environment, and the
// one of `make model`. What is not there is left out.
func localModels() []localModel {
	var out []localModel
	fetched, _ := fetchedModel()
	for _, m := range []localModel{{ref: os.Getenv(envModel), From: "$" + envModel}, {ref: fetched, From: "make model"}} {
		info, err := os.Stat(m.ref)
		if err != nil || len(out) > 0 && out[0].ref == m.ref {
			continue // a name on the hub stands in the cache's list
		}
		m.Model, m.Bytes, m.Modified = m.ref, info.Size(), when(info.ModTime())
		if info.IsDir() {
			m.Bytes = folderSize(m.ref)
		}
		out = append(out, m)
	}
	return out
}

// folderSize is the size of a folder's own files.
func folderSize(folder string) (bytes int64) {
	entries, _ := os.ReadDir(folder) // one that cannot be read has a size that nobody knows
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(folder, e.Name())); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
	}
	return bytes
}

func runModels(s *streams, asJSON bool) error {
	c, err := newCache()
	if err != nil {
		return err
	}
	models, err := c.List()
	if err != nil {
		return err
	}
	result := modelsResult{Cache: c.Cache(), Models: []cachedModel{}, Local: append([]localModel{}, localModels()...)}
	result.Default, _, _ = (&modelOptions{}).choose()
	for _, m := range models {
		cached := cachedModel{m.Repo, m.Path, m.Bytes, when(m.Modified), []cachedRevision{}}
		for _, r := range m.Revisions {
			cached.Revisions = append(cached.Revisions, cachedRevision{
				r.Commit, orEmpty(r.Refs), r.Path, r.Files, r.Bytes, when(r.Modified), r.Complete(), orEmpty(r.Missing), r.Parts,
			})
		}
		result.Models = append(result.Models, cached)
	}
	if asJSON {
		return render.WriteJSON(s.out, result)
	}
	if len(models) == 0 {
		s.say("no model is in the Hugging Face cache %s; `mlxlens pull owner/name` fetches one", c.Cache())
	}
	if len(models)+len(result.Local) == 0 {
		return nil
	}
	return s.paged(result.print)
}

func (r *modelsResult) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "model\trevision\tcommit\tsize\tmodified\tstate")
	row := func(repo, revision, commit string, bytes int64, at *time.Time, state string) {
		day := "–"
		if at != nil {
			day = at.Local().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", render.Visible(repo), render.Visible(revision), render.Visible(commit),
			humanize.Bytes(uint64(bytes)), day, state)
	}
	for _, m := range r.Local {
		row(m.Model, "–", "–", m.Bytes, m.Modified, "from "+m.From)
	}
	for _, m := range r.Models {
		if len(m.Revisions) == 0 {
			row(m.Repo, "–", "–", m.Bytes, m.Modified, "not complete")
		}
		for _, v := range m.Revisions {
			row(v.ref(m.Repo), strings.Join(orDashes(v.Refs), ","), v.Commit[:min(7, len(v.Commit))], v.Bytes, v.Modified, v.state())
		}
	}
	if r.Default != "" {
		fmt.Fprintf(w, "\nwithout -m: %s\n", render.Visible(r.Default))
	}
	return w.Flush()
}

// ref is how -m takes a revision: by the repository's name alone where that means it.
func (v *cachedRevision) ref(repo string) string {
	switch {
	case slices.Contains(v.Refs, "main"):
		return repo
	case len(v.Refs) > 0:
		return repo + "@" + v.Refs[0]
	}
	return repo + "@" + v.Commit
}

// state says whether all is there.
func (v *cachedRevision) state() string {
	switch {
	case v.Parts:
		return "single files"
	case len(v.Missing) == 0:
		return "complete"
	case len(v.Missing) == 1:
		return "lacks " + render.Visible(v.Missing[0])
	}
	return fmt.Sprintf("lacks %s and %d more", render.Visible(v.Missing[0]), len(v.Missing)-1)
}

func orDashes(names []string) []string {
	if len(names) == 0 {
		return []string{"–"}
	}
	return names
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// orEmpty is a list that JSON shows as [] and not as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
