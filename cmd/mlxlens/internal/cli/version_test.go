package cli

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnArchivesVersionIsTheOneThatGitWroteIntoIt(t *testing.T) {
	for text, want := range map[string]string{
		"v1.2.3 084ebb3\n":            "v1.2.3",
		"v1.2.3-4-g084ebb3 084ebb3\n": "v1.2.3-4-g084ebb3",
		" 084ebb3\n":                  "084ebb3", // no tag leads to it
		"$Format:%(describe) %h$\n":   "",
	} {
		require.Equal(t, want, archivedVersion(text), text)
	}
}

func TestVersionIsWhatTheBuildTells(t *testing.T) {
	const (
		revision = "047e8e305e2522b8bc24a2086efc914f9070e9b1"
		made     = "v0.0.0-20261125172603-047e8e305e25" // Go's own version of a commit without a tag
	)
	for name, c := range map[string]struct{ module, revision, modified, want string }{
		"go install of a tag":             {"v1.2.3", "", "", "v1.2.3"},
		"go install of a commit":          {made, "", "", made},
		"go build in a checkout":          {made, revision, "false", "047e8e305e25"},
		"go build with changes":           {made + "+dirty", revision, "true", "047e8e305e25-dirty"},
		"go build at a tag":               {"v1.2.3", revision, "false", "v1.2.3"},
		"go build at a tag, with changes": {"v1.2.3+dirty", revision, "true", "v1.2.3+dirty"},
		"an older go build":               {"(devel)", revision, "false", "047e8e305e25"},
		"go build -buildvcs=false":        {"(devel)", "", "", "(devel)"},
		"a test":                          {"", "", "", "(devel)"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.module}}
		if c.revision != "" {
			info.Settings = []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: c.revision}, {Key: "vcs.modified", Value: c.modified}}
		}
		require.Equal(t, c.want, builtVersion(info), name)
	}
}
