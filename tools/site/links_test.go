package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// written is what a page links to and what can be linked to in it.
type written struct {
	links   []string
	anchors []string
	code    []string // spans of code
}

const root = "../.."

var htmlImage = regexp.MustCompile(`<img src="([^"]+)"`)

func readPage(source []byte) (w written) {
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			w.anchors = append(w.anchors, slug(plain(n, source)))
		case *ast.Link:
			w.links = append(w.links, string(n.Destination))
		case *ast.Image:
			w.links = append(w.links, string(n.Destination))
		case *ast.CodeSpan:
			w.code = append(w.code, plain(n, source))
		}
		return ast.WalkContinue, nil
	})
	for _, m := range htmlImage.FindAllStringSubmatch(string(source), -1) {
		w.links = append(w.links, m[1])
	}
	return w
}

// everyPage are the Markdown files that are written for readers, by their paths from the root.
func everyPage(t *testing.T) map[string]written {
	t.Helper()
	all := map[string]written{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/commands/*.md", "testdata/*.md", "third_party/*/*.md"} {
		files, err := filepath.Glob(root + "/" + pattern)
		require.NoError(t, err)
		for _, f := range files {
			if f == root+"/NOTICES.md" { // other people's texts
				continue
			}
			source, err := os.ReadFile(f)
			require.NoError(t, err)
			all[filepath.ToSlash(strings.TrimPrefix(f, root+"/"))] = readPage(source)
		}
	}
	return all
}

func TestLinksOfThePagesLeadToFilesAndHeadingsThatExist(t *testing.T) {
	all := everyPage(t)
	count := 0
	for file, w := range all {
		for _, link := range w.links {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			count++
			name, anchor, has := strings.Cut(link, "#")
			at := path.Join(path.Dir(file), name)
			if name == "" {
				at = file
			}
			_, err := os.Stat(filepath.Join(root, at))
			if err != nil {
				t.Errorf("%s: the link %s leads to %s, which is not there", file, link, at)
			} else if has && !slices.Contains(all[at].anchors, anchor) {
				t.Errorf("%s: the link %s leads to no heading of %s", file, link, at)
			}
		}
	}
	require.Greater(t, count, 60)
}

// codePath is a span of code that names a file or folder of the repository; with … or * in it, it
// names many.
var codePath = regexp.MustCompile(`^(?:\.github|checkpoint|cmd|docs|edit|examples|experiment|generate|hub|include|internal|lens|mlx|model|states|testdata|third_party|tokenizer|tools)/[\w./-]+$`)

// made are paths of what is made and not committed.
var made = []string{"third_party/mlx-c/lib", "third_party/mlx-c/build"}

func TestPathsInThePagesAreThoseOfTheRepository(t *testing.T) {
	count := 0
	for file, w := range everyPage(t) {
		if file == "CHANGELOG.md" { // what was
			continue
		}
		for _, span := range w.code {
			if !codePath.MatchString(span) || slices.ContainsFunc(made, func(m string) bool { return strings.HasPrefix(span, m) }) {
				continue
			}
			count++
			if _, err := os.Stat(filepath.Join(root, span)); err != nil {
				t.Errorf("%s names %s, which is not there", file, span)
			}
		}
	}
	require.Greater(t, count, 40)
}

func TestTargetsInThePagesAreThoseOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	require.NoError(t, err)
	target := regexp.MustCompile(`^make ([a-z][a-z-]*)(?: |$)`)
	for file, w := range everyPage(t) {
		for _, span := range w.code {
			m := target.FindStringSubmatch(span)
			if m == nil || file == "CHANGELOG.md" {
				continue
			}
			require.True(t, regexp.MustCompile(`(?m)^`+m[1]+`:`).Match(makefile), "%s names `%s`", file, span)
		}
	}
}

func TestLinksAreReadAsAReaderSeesThem(t *testing.T) {
	w := readPage([]byte("# A `b`, c?\n\n[x](y.md#z) ![i](i.png) <img src=\"p.png\"> `lens/scan.go`\n\n```md\n[no](nowhere.md)\n```\n"))
	require.Equal(t, []string{"a-b-c"}, w.anchors)
	require.Equal(t, []string{"y.md#z", "i.png", "p.png"}, w.links)
	require.Equal(t, []string{"b", "lens/scan.go"}, w.code)
}
