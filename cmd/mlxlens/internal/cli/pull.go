package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/internal/rooms"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens/render"
)

type pullOptions struct {
	ref    string
	quiet  bool
	json   bool
	verify bool
}

func newPullCmd(s *streams) *cobra.Command {
	o := &pullOptions{}
	cmd := &cobra.Command{
		Use:   "pull owner/name[@revision]",
		Short: "Fetch a model, or a lens, from the Hugging Face hub",
		Long: `Pull fetches what the Hugging Face cache lacks of a model: weights in safetensors,
configuration, tokenizer and chat template. It prints the folder that -m would open.

The cache is the one of Python's huggingface_hub: what either fetched, the other
finds. Every file is checked against the hash that the hub gives. A download that
was stopped goes on where it ended when the command is run again. A revision is a
branch, a tag or a commit; without one it is main, as it is now. The address of the
model's page is understood too.

hub:owner/name/path[@revision] is a file of a repository, or a folder with the files that lie
in it, such as a lens or a sparse autoencoder, and prints where it is. The same name may stand for a path in --lens,
--sae and edits. Before a space or a data set stands what it is: hub:spaces/owner/name/path.

--verify reads all that the cache has of the model, checks it against the hashes, and
fetches again what is damaged. After a crash that is done for what was being written
then, by the next command that uses the model.

The help topic environment lists the variables that say where the cache and the hub
are, and with which token to ask.`,
		Example: `  mlxlens pull mlx-community/Llama-3.2-1B-Instruct-4bit
  mlxlens pull mlx-community/Qwen3-0.6B-4bit@main --json
  mlxlens pull hub:neuronpedia/jacobian-lens/gpt2-small/jlens/Salesforce-wikitext/gpt2_jacobian_lens.pt
  mlxlens pull hub:spaces/AlignmentResearch/tuned-lens/lens/gpt2
  mlxlens pull https://huggingface.co/mlx-community/Qwen3-0.6B-4bit --verify`,
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			o.ref = args[0]
			return runPull(s, o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.verify, "verify", false, "check all that the cache has of the model against its hashes, and fetch again what is damaged")
	return cmd
}

// pullResult is what `pull --json` prints.
type pullResult struct {
	Repo         string `json:"repo"`
	Revision     string `json:"revision"`
	Commit       string `json:"commit"`
	Path         string `json:"path"`
	FetchedFiles int    `json:"fetched_files"`
	FetchedBytes int64  `json:"fetched_bytes"` // of those files, with what was there from an earlier try

	VerifiedFiles int `json:"verified_files,omitempty"` // that the cache had, and that are what their hashes say
}

func runPull(s *streams, o *pullOptions) error {
	c, err := hub.New(hub.Options{Agent: agent()})
	if err != nil {
		return err
	}
	if files, ok := strings.CutPrefix(o.ref, hubScheme); ok {
		return o.pullFiles(s, c, files)
	}
	ref, err := hub.ParseRef(o.ref)
	if err != nil {
		return usageError{err}
	}
	result := pullResult{Repo: ref.Repo(), Revision: ref.Revision}
	if result.Revision == "" {
		result.Revision = "main"
	}
	snapshot, err := c.Pull(s.ctx, ref, hub.PullOptions{Verify: o.verify, Progress: o.progress(s, &result)})
	if err != nil {
		return err
	}
	if !o.quiet && snapshot.Note != "" {
		s.say("%s", snapshot.Note)
	}
	result.Commit, result.Path = snapshot.Commit, snapshot.Path
	return o.print(s, &result)
}

// progress counts what is fetched, and shows it.
func (o *pullOptions) progress(s *streams, result *pullResult) func(hub.Event) {
	show := showPull(s, o.quiet)
	return func(e hub.Event) {
		switch e.Kind {
		case hub.Started:
			result.FetchedFiles, result.FetchedBytes = e.Files, e.Total
		case hub.Verified:
			result.VerifiedFiles++
		}
		show(e)
	}
}

// print says what was checked, and where what was fetched is.
func (o *pullOptions) print(s *streams, r *pullResult) error {
	if !o.quiet && r.VerifiedFiles > 0 {
		s.say("%s of the cache %s what the hashes say", english.Plural(r.VerifiedFiles, "file", ""), english.PluralWord(r.VerifiedFiles, "is", "are"))
	}
	if o.json {
		return render.WriteJSON(s.out, r)
	}
	fmt.Fprintln(s.out, render.Safe(r.Path))
	return nil
}

// agent names this program to the hub.
func agent() string { return "mlxlens/" + strings.Trim(programVersion(), "()") }

// showPull tells on stderr how a download gets on: a bar on a terminal, a line a file
// elsewhere.
func showPull(s *streams, quiet bool) func(hub.Event) {
	if quiet {
		return func(hub.Event) {}
	}
	if terminal(s.err) > 0 {
		return showBar(s)
	}
	return func(e hub.Event) {
		switch e.Kind {
		case hub.Started:
			s.say("%s", started(e))
		case hub.Finished:
			s.say("%s, %s", e.File.Name, humanize.Bytes(uint64(e.File.Size)))
		case hub.Retrying, hub.Waiting, hub.Damaged:
			s.say("%s", hitch(e))
		}
	}
}

func showBar(s *streams) func(hub.Event) {
	var bar *progressbar.ProgressBar
	return func(e hub.Event) {
		switch e.Kind {
		case hub.Started:
			if e.Files == 0 {
				s.say("%s", started(e))
				return
			}
			bar = progressbar.NewOptions64(max(1, e.Total), progressbar.OptionSetWriter(s.err), progressbar.OptionSetDescription("fetching"),
				progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		case hub.Retrying, hub.Waiting, hub.Damaged:
			if bar != nil {
				_ = bar.Clear()
			}
			s.say("%s", hitch(e))
		}
		if bar != nil {
			_ = bar.Set64(e.Done) // a bar that cannot be drawn stops nothing
		}
	}
}

func started(e hub.Event) string {
	if e.Files == 0 {
		return "all files are in the cache"
	}
	return fmt.Sprintf("fetching %s, %s", english.Plural(e.Files, "file", ""), humanize.Bytes(uint64(e.Total)))
}

// hitch says why nothing comes for a while.
func hitch(e hub.Event) string {
	what := ""
	if e.File.Name != "" {
		what = e.File.Name + ": "
	}
	if e.Kind == hub.Damaged {
		return what + "its content in the cache is not what its hash says; it is fetched again"
	}
	if e.Kind == hub.Waiting {
		return what + "another process fetches it; waiting"
	}
	if e.Wait < time.Second {
		return fmt.Sprintf("%s%v; trying again", what, e.Err)
	}
	return fmt.Sprintf("%s%v; trying again in %v", what, e.Err, e.Wait.Round(time.Second))
}

// fromHub finds a model in the Hugging Face cache and fetches it when the user agrees:
// by --yes, or by an answer on the terminal.
func (o *modelOptions) fromHub(s *streams, ref hub.Ref) (string, error) {
	c, err := hub.New(hub.Options{Agent: agent()})
	if err != nil {
		return "", err
	}
	snapshot, err := c.Find(ref)
	progress := hub.PullOptions{Progress: showPull(s, o.quiet)}
	switch missing := err; {
	case !errors.Is(err, hub.ErrNotCached):
	case o.yes || c.Offline(): // offline Pull says why it cannot
		snapshot, err = c.Pull(s.ctx, ref, progress)
	case s.asks:
		var plan hub.Plan
		if plan, err = c.Plan(s.ctx, ref, progress); err != nil {
			break
		}
		if plan.Bytes > 0 && !confirm(s.in, s.err, fmt.Sprintf("Download %s (%s)?", ref, humanize.Bytes(uint64(plan.Bytes)))) {
			return "", fmt.Errorf("model %s was not downloaded", ref)
		}
		snapshot, err = c.Fetch(s.ctx, plan, progress)
	default:
		where, like := fmt.Sprintf("model %q is neither a path nor in the Hugging Face cache %s", ref, c.Cache()), cachedLike(c, ref.String())
		if errors.Is(missing, hub.ErrIncomplete) { // which is the one that is meant
			where, like = rooms.Text(missing), ""
		}
		switch {
		case ref.Owner == "" && !errors.Is(missing, hub.ErrIncomplete): // most likely a name that was shortened, and almost no model has it on the hub
			return "", failf("%s%s (a model of the hub has an owner before its name: owner/name)", where, like)
		case like != "":
			return "", failf("%s%s Else run `mlxlens pull %s`, or pass --yes to download it", where, like, ref)
		}
		return "", failf("%s: run `mlxlens pull %s`, or pass --yes to download it", where, ref)
	}
	return snapshot.Path, err
}

// cachedLike goes on with a sentence on a model that the cache lacks with those that may be meant,
// whose owner may have been left out.
func cachedLike(c *hub.Client, name string) string {
	models, err := c.List()
	if err != nil {
		return ""
	}
	var repos, alone []string
	for _, m := range models {
		repos = append(repos, m.Repo)
		if len(spelling.Near(path.Base(name), []string{path.Base(m.Repo)})) > 0 || path.Base(name) == path.Base(m.Repo) {
			alone = append(alone, m.Repo)
		}
	}
	for _, m := range localModels() {
		for _, of := range []string{path.Base(m.ref), path.Base(path.Dir(m.ref))} {
			bare, _, _ := strings.Cut(of, ".") // without what tells files of one model apart
			if len(spelling.Near(path.Base(name), []string{of, bare})) > 0 || path.Base(name) == bare {
				alone = append(alone, m.ref)
				break
			}
		}
	}
	if like := cmp.Or(spelling.DidYouMean(name, repos), pathLike(name)); like != "" {
		return like
	}
	return spelling.Meant(alone)
}

// confirm asks a question on w and reads the answer; no answer is no.
func confirm(in io.Reader, w io.Writer, question string) bool {
	fmt.Fprintf(w, "%s [y/N] ", question)
	answer, _ := bufio.NewReaderSize(oneByte{in}, 16).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// oneByte leaves what follows a line to the next reader: a prompt may come from stdin.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }
