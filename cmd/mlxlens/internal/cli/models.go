package cli

import (
	"fmt"
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
		Short: "List the models in the Hugging Face cache",
		Long: `Models lists what the Hugging Face cache holds: each model, the branches and tags that
were fetched of it, its size on disk, when its newest file came, and whether it is
complete; of a repository of lenses it has single files. ` + "`mlxlens pull`" + ` completes a model that is not; ` + "`mlxlens info -m`" + ` tells whether
mlxlens can run one. --supported lists the architectures that it can run instead, with
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
	Cache  string        `json:"cache"`
	Models []cachedModel `json:"models"`
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

func runModels(s *streams, asJSON bool) error {
	c, err := hub.New(hub.Options{})
	if err != nil {
		return err
	}
	models, err := c.List()
	if err != nil {
		return err
	}
	result := modelsResult{Cache: c.Cache(), Models: []cachedModel{}}
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
		return nil
	}
	return result.print(s)
}

func (r *modelsResult) print(s *streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "model\trevision\tcommit\tsize\tmodified\tstate")
	row := func(repo, revision, commit string, bytes int64, at *time.Time, state string) {
		day := "–"
		if at != nil {
			day = at.Local().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", render.Visible(repo), render.Visible(revision), render.Visible(commit),
			humanize.Bytes(uint64(bytes)), day, state)
	}
	for _, m := range r.Models {
		if len(m.Revisions) == 0 {
			row(m.Repo, "–", "–", m.Bytes, m.Modified, "not complete")
		}
		for _, v := range m.Revisions {
			refs, state := strings.Join(v.Refs, ","), "complete"
			if refs == "" {
				refs = "–"
			}
			switch {
			case v.Parts:
				state = "single files"
			case len(v.Missing) == 1:
				state = "lacks " + render.Visible(v.Missing[0])
			case len(v.Missing) > 1:
				state = fmt.Sprintf("lacks %s and %d more", render.Visible(v.Missing[0]), len(v.Missing)-1)
			}
			row(m.Repo, refs, v.Commit[:min(7, len(v.Commit))], v.Bytes, v.Modified, state)
		}
	}
	return w.Flush()
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
