package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A File is a file of a model on the hub.
type File struct {
	Name string
	Size int64
	ETag string // SHA-256 in 64 hexadecimal digits, or git's SHA-1 in 40
}

// A Plan is what fetching a model takes.
type Plan struct {
	Ref     Ref
	Commit  string
	Files   []File // all that the model needs
	Missing []File // those whose content the cache has not; files of one content once
	Bytes   int64  // of Missing, less what earlier downloads left

	damaged map[string]bool // by etag: what the cache has of them is to be removed
	part    bool            // it is of some files, which need not make a model
}

// The most that a model can be: files that it needs, and their bytes. The largest of 2026 have
// some 200 files and 2 TB.
const (
	maxFiles = 1000
	maxBytes = 1 << 50
)

// needed picks, from the files of a repository, those that a model needs: weights,
// configuration, tokenizer and chat template. What lies in a folder (original, onnx)
// and what repeats the weights in another form (consolidated) it leaves.
func needed(names []string) []string {
	var top, chosen []string
	for _, name := range names {
		if !strings.Contains(name, "/") && !strings.HasPrefix(name, "consolidated") {
			top = append(top, name)
		}
	}
	for _, name := range top {
		switch ext := path.Ext(name); {
		case ext == ".json", ext == ".jinja", strings.HasPrefix(name, "tokenizer.") && ext != ".model":
			chosen = append(chosen, name)
		}
	}
	chosen = append(chosen, weights(top)...)
	slices.Sort(chosen)
	return chosen
}

// weights picks the files of weights that a model is opened from: model*.safetensors,
// or others where an index can name them.
func weights(names []string) []string {
	var model, other []string
	for _, name := range names {
		switch {
		case path.Ext(name) != ".safetensors":
		case strings.HasPrefix(name, "model"):
			model = append(model, name)
		default:
			other = append(other, name)
		}
	}
	if len(model) > 0 || index(names) == "" {
		return model
	}
	return other
}

// index is the index of safetensors that checkpoint would read: the one of the usual
// name, or the only one.
func index(names []string) string {
	const usual = "model.safetensors.index.json"
	var found []string
	for _, name := range names {
		if strings.HasSuffix(name, ".safetensors.index.json") && !strings.HasPrefix(name, "consolidated") {
			found = append(found, name)
		}
	}
	switch {
	case slices.Contains(found, usual):
		return usual
	case len(found) == 1:
		return found[0]
	}
	return ""
}

// Plan asks the hub what a model consists of and the cache what is there already. It
// writes nothing.
func (c *Client) Plan(ctx context.Context, ref Ref, o PullOptions) (Plan, error) {
	return c.plan(ctx, ref, o.Verify, newTally(o.Progress), c.modelFiles)
}

// modelFiles are those that make a model.
func (c *Client) modelFiles(ref Ref, names []string) ([]string, error) {
	chosen := needed(names)
	if len(weights(chosen)) == 0 || !slices.Contains(chosen, "config.json") {
		return nil, c.unfit(ref, names)
	}
	return chosen, nil
}

// forbidden is the error of what is not in the cache, and may not be fetched.
func (c *Client) forbidden(missing string) error {
	return &failure{text: fmt.Sprintf("%s, and %s forbids to fetch it: unset it, or give a path", missing, c.offline), kinds: []error{ErrOffline}}
}

// plan is Plan for the files that choose picks from those of the repository.
func (c *Client) plan(ctx context.Context, ref Ref, verify bool, t *tally, choose func(Ref, []string) ([]string, error)) (Plan, error) {
	notify := func(err error, wait time.Duration) { t.retrying(File{}, err, wait) }
	if c.Offline() {
		return Plan{}, c.forbidden(fmt.Sprintf("hub: %s is not in the cache %s", ref, c.cache))
	}
	listing, err := c.listing(ctx, ref, notify)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Ref: ref, Commit: listing.Commit}
	names := make([]string, 0, len(listing.Files))
	byName := map[string]sibling{}
	for _, f := range listing.Files {
		if !safeName(f.Name) {
			return Plan{}, nonsense(ref, "lists a file %q, which is no path inside a folder", f.Name)
		}
		names = append(names, f.Name)
		byName[f.Name] = f
	}
	chosen, err := choose(ref, names)
	if err != nil {
		return Plan{}, err
	}
	if len(chosen) > maxFiles {
		return Plan{}, nonsense(ref, "lists %d files that the model would need, and %d are the most that one has", len(chosen), maxFiles)
	}
	var total int64
	for _, name := range chosen {
		f, err := c.describe(ctx, ref, p.Commit, byName[name], notify)
		if err != nil {
			return Plan{}, err
		}
		if total += f.Size; total > maxBytes { // each is within it, so that the sum does not overflow
			return Plan{}, nonsense(ref, "gives the model's files more than %d bytes together", int64(maxBytes))
		}
		p.Files = append(p.Files, f)
	}
	if p.damaged, err = c.doubtful(ctx, &p, p.Files, verify, t); err != nil {
		return Plan{}, err
	}
	c.lacks(&p)
	return p, nil
}

// lacks finds what is to be fetched.
func (c *Client) lacks(p *Plan) {
	repo := filepath.Join(c.cache, p.Ref.folder())
	seen := map[string]bool{}
	for _, f := range p.Files {
		if seen[f.ETag] || c.has(repo, p.Commit, f) && !p.damaged[f.ETag] {
			continue
		}
		seen[f.ETag] = true
		p.Missing = append(p.Missing, f)
		p.Bytes += f.Size
		if info, err := os.Lstat(blob(repo, f) + incomplete); err == nil && info.Mode().IsRegular() && info.Size() <= f.Size {
			p.Bytes -= info.Size()
		}
	}
}

// unfit says what a repository without safetensors holds instead.
func (c *Client) unfit(ref Ref, names []string) error {
	var other []string
	for _, name := range names {
		if slices.Contains([]string{".gguf", ".bin", ".safetensors", ".npz", ".onnx", ".pt", ".pth", ".h5"}, path.Ext(name)) {
			other = append(other, name)
		}
	}
	text := fmt.Sprintf("hub: %s at %s has no config.json with model*.safetensors beside it", ref, c.endpoint)
	if len(other) > 0 {
		text += fmt.Sprintf(" (it has %s)", enumerate(other))
	}
	if i := slices.IndexFunc(other, func(n string) bool { return path.Ext(n) == ".gguf" }); i >= 0 {
		text += fmt.Sprintf(": to use a GGUF file, fetch %s and give its path", c.resolve(ref, defaultRevision, other[i]))
	} else {
		text += ": choose a repository in safetensors, such as one of mlx-community"
	}
	return &failure{text: text, kinds: []error{ErrNoWeights}}
}

// has reports whether a file's content is in the cache.
func (c *Client) has(repo, commit string, f File) bool {
	for _, path := range []string{blob(repo, f), pointer(repo, commit, f)} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == f.Size {
			return true
		}
	}
	return false
}

const incomplete = ".incomplete"

func blob(repo string, f File) string { return filepath.Join(repo, "blobs", f.ETag) }

func pointer(repo, commit string, f File) string {
	return filepath.Join(repo, "snapshots", commit, filepath.FromSlash(f.Name))
}

// safeName reports whether a path from the server stays inside a folder and can be
// shown.
func safeName(name string) bool {
	return name != "" && len(name) < 1024 && printable(name) && !strings.Contains(name, `\`) && !strings.Contains(name, ":") &&
		filepath.IsLocal(name) && path.Clean(name) == name && name != "."
}

// sibling is a file in the hub's description of a model.
type sibling struct {
	Name   string `json:"rfilename"`
	Size   *int64 `json:"size"`
	BlobID string `json:"blobId"`
	LFS    *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

// description is the hub's description of a model at a revision.
type description struct {
	Commit string    `json:"sha"`
	Files  []sibling `json:"siblings"`
}

// listing asks for the files of a model, with their hashes (blobs=true).
func (c *Client) listing(ctx context.Context, ref Ref, notify func(error, time.Duration)) (description, error) {
	var d description
	address := c.endpoint.String() + ref.api() + "/revision/" + url.PathEscape(ref.revision()) + "?blobs=true"
	err := c.retry(ctx, ref.String(), notify, func() (bool, error) {
		r, err := c.do(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false, cut(ref.String(), err)
		}
		defer r.close()
		if r.StatusCode != http.StatusOK {
			return false, c.refusal(r.Response, ref, "")
		}
		if err := encoded(r.Header, ref, "the description of the model"); err != nil {
			return false, err
		}
		text, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
		if err != nil {
			return false, cut(ref.String(), err)
		}
		if len(text) > maxAnswer {
			return false, nonsense(ref, "describes the model in more than %d bytes", maxAnswer)
		}
		d = description{}
		var wrong *json.UnmarshalTypeError
		err = json.Unmarshal(text, &d)
		switch {
		case errors.As(err, &wrong):
			return false, nonsense(ref, "describes the model with %.60s as %s, where the hub has another kind of value: check HF_ENDPOINT (%s) and the proxy",
				wrong.Value, wrong.Field, c.endpoint)
		case err != nil:
			return false, nonsense(ref, "describes the model in what is not the hub's JSON (%v): check HF_ENDPOINT (%s) and the proxy", err, c.endpoint)
		}
		if !commitHash.MatchString(d.Commit) {
			return false, nonsense(ref, "gives the commit %q, which is not 40 hexadecimal digits", d.Commit)
		}
		return false, nil
	})
	return d, err
}

func nonsense(ref Ref, format string, args ...any) error {
	return &failure{text: fmt.Sprintf("hub: %s: the server ", ref) + fmt.Sprintf(format, args...), kinds: []error{ErrProtocol}}
}

// resolve is a file's address.
func (c *Client) resolve(ref Ref, revision, name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return c.endpoint.String() + "/" + ref.Repo() + "/resolve/" + url.PathEscape(revision) + "/" + strings.Join(parts, "/")
}

var contentHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// describe completes what the listing says of a file. Where it leaves out the hash, as
// some mirrors do, the file's own headers have it.
func (c *Client) describe(ctx context.Context, ref Ref, commit string, s sibling, notify func(error, time.Duration)) (File, error) {
	f := File{Name: s.Name, Size: -1, ETag: s.BlobID}
	switch {
	case s.LFS != nil:
		f.Size, f.ETag = s.LFS.Size, s.LFS.SHA256
	case s.Size != nil:
		f.Size = *s.Size
	}
	if f.ETag == "" || f.Size < 0 && s.LFS == nil {
		var err error
		if f, err = c.head(ctx, ref, commit, s.Name, notify); err != nil {
			return f, err
		}
	}
	switch {
	case !contentHash.MatchString(f.ETag):
		return f, nonsense(ref, "gives %s the etag %q, which is neither a SHA-256 nor a SHA-1", f.Name, f.ETag)
	case f.Size < 0 || f.Size > maxBytes:
		return f, nonsense(ref, "gives %s the size %d", f.Name, f.Size)
	}
	return f, nil
}

// head asks for a file's headers. A large file is redirected to where its content
// is: the redirect itself carries X-Linked-Etag and X-Linked-Size, and what it leads to
// need not.
func (c *Client) head(ctx context.Context, ref Ref, commit, name string, notify func(error, time.Duration)) (File, error) {
	f := File{Name: name, Size: -1}
	what := ref.String() + ": " + name
	err := c.retry(ctx, what, notify, func() (bool, error) {
		address := c.resolve(ref, commit, name)
		for range maxRedirects {
			r, err := c.doOnce(ctx, http.MethodHead, address)
			if err != nil {
				return false, cut(what, err)
			}
			r.close()
			at := r.Header.Get("Location")
			switch linked := r.Header.Get("X-Linked-Etag"); {
			case linked != "":
				size := r.Header.Get("X-Linked-Size")
				if f.ETag, f.Size = bare(linked), number(size); f.Size < 0 {
					return false, nonsense(ref, "gives %s the size %.60q (X-Linked-Size)", name, size)
				}
				return false, nil
			case r.StatusCode/100 == 3 && at != "":
				next, err := r.Request.URL.Parse(at)
				if err != nil {
					return false, nonsense(ref, "redirects %s to %q", name, redact(at))
				}
				if err := downgrade(r.Request.URL, next); err != nil {
					return false, cut(what, err)
				}
				address = next.String()
			case r.StatusCode != http.StatusOK:
				return false, c.refusal(r.Response, ref, name)
			default:
				f.ETag, f.Size = bare(r.Header.Get("ETag")), r.ContentLength
				return false, nil
			}
		}
		return false, nonsense(ref, "redirects %s more than %d times", name, maxRedirects)
	})
	return f, err
}

// bare is an etag without its quotes and the mark of a weak one.
func bare(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
