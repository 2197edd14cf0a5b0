package cli

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker in what `make build` builds, and empty in what `go build`
// and `go install` do.
var version string

// archived is what `git archive`, by which release and GitHub make source archives, writes of the commit (.gitattributes); in
// a checkout and in Go's module cache it is the form that git fills in.
//
//go:embed archived.txt
var archived string

// unversioned is what Go calls a module that was built where it was worked on.
const unversioned = "(devel)"

func newVersionCmd(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.out, versionLine())
			return err
		},
	}
}

// addVersionFlag makes `mlxlens --version` print what `mlxlens version` does.
func addVersionFlag(root *cobra.Command) {
	root.Flags().Bool("version", false, "print the version")
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
}

func versionLine() string {
	return fmt.Sprintf("mlxlens %s %s %s/%s", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// programVersion is the linker's version, else that of the source archive, else what Go knows of the build: of an archive
// that lies within somebody's repository Go tells the revision of that.
func programVersion() string {
	if version != "" {
		return version
	}
	if v := archivedVersion(archived); v != "" {
		return v
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unversioned
	}
	return builtVersion(info)
}

// archivedVersion is the version that an archive's text begins with, "" where the text is the form.
func archivedVersion(text string) string {
	if words := strings.Fields(text); len(words) > 0 && !strings.HasPrefix(words[0], "$Format:") {
		return words[0]
	}
	return ""
}

// builtVersion is the version of the module that `go install …@version` fetched, or the
// revision of the checkout that `go build` found, with -dirty where files differed from it.
// It is (devel) where Go was not allowed to ask git or there was none.
func builtVersion(info *debug.BuildInfo) string {
	var revision, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value
		}
	}
	if len(revision) > 12 {
		revision = revision[:12] // as many as Go's own made-up versions have
	}
	switch v := info.Main.Version; {
	case v != "" && v != unversioned && (revision == "" || !strings.Contains(v, revision)): // a tag
		return v
	case revision == "":
		return unversioned
	case modified == "true":
		return revision + "-dirty"
	default:
		return revision
	}
}
