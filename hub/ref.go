package hub

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultRevision is the branch that a reference without a revision means.
const defaultRevision = "main"

// A Ref names a model on the hub, or another repository, at a revision.
type Ref struct {
	Owner    string // "" for the few old names that have none, such as gpt2
	Name     string
	Revision string // a branch, a tag or a commit; "" is main
	Kind     Kind   // of the repository
}

// Kind is what a repository is: its address begins with it.
type Kind string

// The kinds of repositories.
const (
	OfModel   Kind = ""
	OfSpace   Kind = "spaces"
	OfDataset Kind = "datasets"
)

// prefix is what stands before a repository's name in addresses.
func (k Kind) prefix() string {
	if k == OfModel {
		return ""
	}
	return string(k) + "/"
}

// repoPart is what the hub allows in an owner or a name; "--" and ".." are forbidden
// beside that, for the cache joins the two with "--".
var repoPart = regexp.MustCompile(`^[A-Za-z0-9_]([\w.-]{0,94}[A-Za-z0-9_])?$`)

// partWords say what repoPart and validName want.
const partWords = "made of letters, digits, _, - and . (at most 96; no - or . at either end, no .. or --, no .git last)"

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ParseRef reads owner/name or owner/name@revision, or the address of a model's page on the
// hub. A few old models have a name without owner.
func ParseRef(s string) (Ref, error) {
	text, err := fromAddress(s)
	if err != nil {
		return Ref{}, err
	}
	repo, revision, at := strings.Cut(text, "@")
	owner, name, slash := strings.Cut(repo, "/")
	if !slash {
		owner, name = "", repo
	}
	bad := func(why string) (Ref, error) {
		return Ref{}, &failure{text: fmt.Sprintf("hub: %q is not owner/name or owner/name@revision: %s", s, why), kinds: []error{ErrRef}}
	}
	switch {
	case slash && !validName(owner):
		return bad(fmt.Sprintf("the owner %q is not %s", owner, partWords))
	case !validName(name) || strings.HasSuffix(name, ".git"):
		return bad(fmt.Sprintf("the name %q is not %s", name, partWords))
	case at && !validRevision(revision):
		return bad(fmt.Sprintf("the revision %q is not a branch, tag or commit", revision))
	}
	return Ref{Owner: owner, Name: name, Revision: revision}, nil
}

func validName(s string) bool {
	return repoPart.MatchString(s) && !strings.Contains(s, "--") && !strings.Contains(s, "..")
}

// hosts are the hub's own, beside that of HF_ENDPOINT.
var hosts = []string{"huggingface.co", "www.huggingface.co", "hf.co"}

// fromAddress returns what ParseRef reads of the address of a model,
// https://host/owner/name or https://host/owner/name/tree/revision, and anything else as it
// is.
func fromAddress(s string) (string, error) {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return s, nil
	}
	bad := func(why string) (string, error) {
		return "", &failure{text: fmt.Sprintf("hub: %q is not the address of a model: %s", redact(s), why), kinds: []error{ErrRef}}
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return bad("it is no address")
	}
	known := slices.Contains(hosts, strings.ToLower(u.Host))
	if endpoint, err := url.Parse(os.Getenv("HF_ENDPOINT")); err == nil {
		known = known || strings.EqualFold(endpoint.Host, u.Host)
	}
	if !known {
		return bad("its host is neither huggingface.co nor that of HF_ENDPOINT")
	}
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, part := range parts {
		if parts[i], err = url.PathUnescape(part); err != nil {
			return bad("it is no address")
		}
	}
	name := parts[:1]
	if len(parts) > 1 && parts[1] != "tree" {
		name = parts[:2]
	}
	switch rest := parts[len(name):]; {
	case slices.Contains([]string{"datasets", "spaces", "docs", "api", "collections"}, parts[0]):
		return bad("it leads to " + parts[0] + ", and not to a model")
	case len(rest) == 0:
		return strings.Join(name, "/"), nil
	case len(rest) == 2 && rest[0] == "tree":
		return strings.Join(name, "/") + "@" + rest[1], nil
	}
	return bad("want https://host/owner/name or https://host/owner/name/tree/revision")
}

// validRevision keeps out what git forbids in a name, and with it what could leave
// the refs folder.
func validRevision(s string) bool {
	if len(s) > 255 || strings.Contains(s, "..") || strings.ContainsAny(s, " ~^:?*[\\") || !printable(s) {
		return false
	}
	for _, part := range strings.Split(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return false
		}
	}
	return true
}

// printable reports whether s is text that shows as it is: no control character, nothing
// without a mark of its own, and nothing that changes the order of the others.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && r != '\u3000' }) < 0
}

// Repo is owner/name, or kind/owner/name where it is no model.
func (r Ref) Repo() string {
	if r.Owner == "" {
		return r.Kind.prefix() + r.Name
	}
	return r.Kind.prefix() + r.Owner + "/" + r.Name
}

// String is what ParseRef reads.
func (r Ref) String() string {
	if r.Revision == "" {
		return r.Repo()
	}
	return r.Repo() + "@" + r.Revision
}

func (r Ref) revision() string {
	if r.Revision == "" {
		return defaultRevision
	}
	return r.Revision
}

// folder is the repository's folder in the cache.
func (r Ref) folder() string {
	folder := strings.ReplaceAll(r.Repo(), "/", "--")
	if r.Kind == OfModel {
		return "models--" + folder
	}
	return folder
}

// api is the address of what the hub says of the repository, without the host.
func (r Ref) api() string {
	if r.Kind == OfModel {
		return "/api/models/" + r.Repo()
	}
	return "/api/" + r.Repo()
}
