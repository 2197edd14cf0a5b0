package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	href = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	id   = regexp.MustCompile(` id="([^"]+)"`)
)

func TestTheMenuHasEveryPageButTheCommands(t *testing.T) {
	files, err := sources(root)
	require.NoError(t, err)
	var have, want []string
	for _, e := range menu {
		have = append(have, e.File)
	}
	for _, file := range files {
		if !strings.HasPrefix(file, "docs/commands/") || file == "docs/commands/README.md" {
			want = append(want, file)
		}
	}
	require.ElementsMatch(t, want, have)
}

// A server gives it for an address in any folder: its links are not of that folder.
func TestThePageOfAnAddressThatIsNoneHasItsLinksFromTheRoot(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, write(root, folder))
	text, err := os.ReadFile(filepath.Join(folder, "404.html"))
	require.NoError(t, err)
	require.Contains(t, string(text), `<base href="/mlxlens/">`)
	require.Contains(t, string(text), `<a href="docs/commands/index.html">Commands</a>`)
	require.NotContains(t, string(text), "<footer>")
}

func TestEveryLinkOfTheSiteLeadsToAPageAndAPlaceInIt(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, write(root, folder))
	pages := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(p string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(p) == ".html" {
			text, err := os.ReadFile(p)
			require.NoError(t, err)
			pages[p] = string(text)
		}
		return err
	}))
	require.Greater(t, len(pages), 30)
	require.Contains(t, pages[filepath.Join(folder, "index.html")], `<img src="docs/images/lens.png"`)
	own := 0
	for p, text := range pages {
		require.Contains(t, text, "<h1 id=", p)
		for _, m := range href.FindAllStringSubmatch(text, -1) {
			if at, ok := strings.CutPrefix(m[1], repository); ok {
				name, _, _ := strings.Cut(at, "#")
				_, err := os.Stat(filepath.Join(root, name))
				require.NoError(t, err, p)
				continue
			}
			if m[1] == home || strings.Contains(m[1], "://") {
				continue
			}
			own++
			name, anchor, has := strings.Cut(m[1], "#")
			at := filepath.Join(filepath.Dir(p), name)
			if name == "" {
				at = p
			}
			_, err := os.Stat(at)
			require.NoError(t, err, "%s: %s", p, m[1])
			if has {
				require.Contains(t, ids(pages[at]), anchor, "%s: %s", p, m[1])
			}
		}
	}
	require.Greater(t, own, 500)
}

func ids(text string) (all []string) {
	for _, m := range id.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestLinksBetweenPagesAndToCodeAreTold(t *testing.T) {
	files := []string{"README.md", "docs/names.md", "docs/commands/README.md"}
	l := &linker{file: "docs/names.md", files: files}
	for to, want := range map[string]string{
		"../README.md#install": "../index.html#install", "commands/README.md": "../docs/commands/index.html", "#here": "#here", "https://x.y/z.md": "https://x.y/z.md",
		"../lens/scan.go": repository + "lens/scan.go", "images/lens.png": "../docs/images/lens.png",
	} {
		got, err := l.link(to)
		require.NoError(t, err)
		require.Equal(t, want, string(got), to)
	}
	_, err := l.link("../../elsewhere.md")
	require.EqualError(t, err, `the link "../../elsewhere.md" leads out of the repository`)
}

func TestHeadingsHaveTheAnchorsOfGitHub(t *testing.T) {
	body, title, err := render("README.md", []byte("# Why `a.b`?\n\n## KL, in nats\n\n## KL, in nats\n"), []string{"README.md"})
	require.NoError(t, err)
	require.Equal(t, "Why a.b?", title)
	require.Equal(t, []string{"why-ab", "kl-in-nats", "kl-in-nats-1"}, ids(string(body)))
}

func TestAFolderThatIsNoRepositoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.EqualError(t, write(dir, t.TempDir()), dir+" has no README.md: want the repository's root")
}

func TestFlagsAreNotBroken(t *testing.T) {
	body, _, err := render("docs/x.md", []byte("With `--ids-b`, `-m` and `a-b` of `--lens x`."), nil)
	require.NoError(t, err)
	require.Equal(t, "<p>With <code class=\"flag\">--ids-b</code>, <code class=\"flag\">-m</code> and <code>a-b</code> of <code>--lens x</code>.</p>\n", string(body))
	require.Contains(t, string(style), "\n.flag, td:first-child .flag { white-space: nowrap; }\n")
}
