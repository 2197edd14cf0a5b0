// Package release tests the workflows, the scripts of a release and what a Mac is asked.
package release

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// pinned are the actions, and the commit that the tag of each named when it was read from the
// action's own repository.
var pinned = map[string][2]string{
	"actions/checkout":                {"3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"},
	"actions/setup-go":                {"b7ad1dad31e06c5925ef5d2fc7ad053ef454303e", "v7.0.0"},
	"actions/setup-python":            {"5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"},
	"actions/upload-artifact":         {"bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"},
	"actions/download-artifact":       {"3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"},
	"actions/attest-build-provenance": {"a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32", "v4.1.0"},
	"actions/upload-pages-artifact":   {"fc324d3547104276b827a68afc52ff2a11cc49c9", "v5.0.0"},
	"actions/deploy-pages":            {"cd2ce8fcbc39b97be8ca5fce6e763baed58fa128", "v5.0.0"},
	"pypa/gh-action-pypi-publish":     {"81e9d935c883d0b210363ab89cf05f3894778450", "v1.8.14"},
}

// mayWrite are the permissions beyond reading, by workflow and job.
var mayWrite = map[string][]string{
	"release.yml publish": {"attestations", "contents", "id-token"},
	"release.yml pypi":    {"id-token"},
	"site.yml deploy":     {"id-token", "pages"},
}

type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `yaml:"permissions"`
		Uses        string            `yaml:"uses"`
		Timeout     int               `yaml:"timeout-minutes"`
		Strategy    struct {
			Matrix map[string][]string `yaml:"matrix"`
		} `yaml:"strategy"`
		Steps []struct {
			Uses string         `yaml:"uses"`
			Run  string         `yaml:"run"`
			With map[string]any `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// workflows are those of the repository, by file, with their text.
func workflows(t *testing.T) (all map[string]workflow, text map[string]string) {
	t.Helper()
	files, err := filepath.Glob(root + "/.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all, text = map[string]workflow{}, map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(data, &w))
		all[filepath.Base(f)], text[filepath.Base(f)] = w, string(data)
	}
	return all, text
}

func TestActionsArePinnedToTheCommitsThatWereRead(t *testing.T) {
	_, text := workflows(t)
	used := map[string]bool{}
	line := regexp.MustCompile(`uses: (\S+?)(?:@(\S+))?(?: # (\S+))?$`)
	for file, content := range text {
		for l := range strings.Lines(content) {
			l = strings.TrimRight(l, "\n")
			if !strings.Contains(l, "uses:") {
				continue
			}
			m := line.FindStringSubmatch(l)
			require.NotNil(t, m, "%s: %s", file, l)
			if strings.HasPrefix(m[1], "./") {
				require.FileExists(t, filepath.Join(root, m[1]))
				continue
			}
			require.Equal(t, pinned[m[1]], [2]string{m[2], m[3]}, "%s: %s", file, l)
			used[m[1]] = true
		}
	}
	require.Len(t, used, len(pinned), "and none is listed that is not used")
}

func TestJobsMayDoNoMoreThanTheirs(t *testing.T) {
	all, _ := workflows(t)
	writers := 0
	for file, w := range all {
		require.Equal(t, map[string]string{"contents": "read"}, w.Permissions, file)
		for name, job := range w.Jobs {
			var writes []string
			for what, level := range job.Permissions {
				if level != "read" {
					writes = append(writes, what)
				}
			}
			slices.Sort(writes)
			require.Equal(t, mayWrite[file+" "+name], writes, "%s %s", file, name)
			if writes != nil {
				writers++
			}
			require.True(t, job.Uses != "" || job.Timeout > 0, "%s %s has no timeout", file, name)
			for _, s := range job.Steps {
				if strings.HasPrefix(s.Uses, "actions/checkout@") {
					require.Equal(t, false, s.With["persist-credentials"], "%s %s", file, name)
				}
			}
		}
	}
	require.Equal(t, len(mayWrite), writers)
}

func TestWorkflowsTestTheSystemsAndReleasesOfGoThatAreSupported(t *testing.T) {
	all, _ := workflows(t)
	matrix := all["test.yml"].Jobs["test"].Strategy.Matrix
	require.Equal(t, []string{"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-26"}, matrix["os"])
	module, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	least := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	require.Equal(t, least, matrix["go"][0], "the oldest is what go.mod asks for")
	require.Len(t, matrix["go"], 2)
}

// A step runs a target of the Makefile, or one script, so that a person can run it too; and nothing
// of an event's text becomes a part of a command.
func TestStepsRunTargetsAndScriptsThatExist(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	require.NoError(t, err)
	all, _ := workflows(t)
	count := 0
	for file, w := range all {
		for _, job := range w.Jobs {
			for _, s := range job.Steps {
				if s.Run == "" {
					continue
				}
				count++
				require.NotContains(t, s.Run, "${{", file)
				require.NotContains(t, s.Run, "\n", file)
				words := strings.Fields(s.Run)
				switch {
				case words[0] == "make":
					for _, target := range words[1:] {
						require.True(t, regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:.*##`).Match(makefile), "%s: %s", file, s.Run)
					}
				case words[0] == "python3":
					require.FileExists(t, filepath.Join(root, words[len(words)-1]))
				default:
					require.Len(t, words, 1, s.Run)
					info, err := os.Stat(filepath.Join(root, words[0]))
					require.NoError(t, err)
					require.NotZero(t, info.Mode()&0o111, "%s is not executable", words[0])
				}
			}
		}
	}
	require.Greater(t, count, 8)
}

// The keys that version 1.2.0 of the Citation File Format requires, and those that are the
// project's.
func TestTheCitationIsComplete(t *testing.T) {
	text, err := os.ReadFile(root + "/CITATION.cff")
	require.NoError(t, err)
	var c struct {
		Version    string              `yaml:"cff-version"`
		Message    string              `yaml:"message"`
		Title      string              `yaml:"title"`
		License    string              `yaml:"license"`
		Type       string              `yaml:"type"`
		Repository string              `yaml:"repository-code"`
		Authors    []map[string]string `yaml:"authors"`
	}
	require.NoError(t, yaml.Unmarshal(text, &c))
	require.Equal(t, []string{"1.2.0", "mlxlens", "MIT", "software", "https://github.com/mlxlens/mlxlens"}, []string{c.Version, c.Title, c.License, c.Type, c.Repository})
	require.NotEmpty(t, c.Message)
	require.NotEmpty(t, c.Authors)
}
