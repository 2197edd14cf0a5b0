package hub

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// defaultRevision is the branch that a reference without a revision means.
const defaultRevision = "main"

// A Ref names a model on the hub at a revision.
type Ref struct {
	Owner, Name string
	Revision    string // a branch, a tag or a commit; "" is main
}

// repoPart is what the hub allows in an owner or a name; "--" and ".." are forbidden
// beside that, for the cache joins the two with "--".
var repoPart = regexp.MustCompile(`^[A-Za-z0-9_]([\w.-]{0,94}[A-Za-z0-9_])?$`)

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ParseRef reads owner/name or owner/name@revision.
func ParseRef(s string) (Ref, error) {
	repo, revision, at := strings.Cut(s, "@")
	owner, name, slash := strings.Cut(repo, "/")
	bad := func(why string) (Ref, error) {
		return Ref{}, &failure{text: fmt.Sprintf("hub: %q is not owner/name or owner/name@revision: %s", s, why), kinds: []error{ErrRef}}
	}
	switch {
	case !slash:
		return bad("there is no /")
	case !repoPart.MatchString(owner) || strings.Contains(owner, "--") || strings.Contains(owner, ".."):
		return bad(fmt.Sprintf("the owner %q is not made of letters, digits, _, - and .", owner))
	case !repoPart.MatchString(name) || strings.Contains(name, "--") || strings.Contains(name, "..") || strings.HasSuffix(name, ".git"):
		return bad(fmt.Sprintf("the name %q is not made of letters, digits, _, - and .", name))
	case at && !validRevision(revision):
		return bad(fmt.Sprintf("the revision %q is not a branch, tag or commit", revision))
	}
	return Ref{owner, name, revision}, nil
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

// printable reports whether s holds no control character.
func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError }) < 0
}

// Repo is owner/name.
func (r Ref) Repo() string { return r.Owner + "/" + r.Name }

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

// folder is the model's folder in the cache.
func (r Ref) folder() string { return "models--" + r.Owner + "--" + r.Name }
