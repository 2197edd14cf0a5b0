package main

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// repository is where a link leads that is no page here: code, schemas, the licence.
const repository = "https://github.com/mlxlens/mlxlens/blob/main/"

// render makes a file's HTML, and its title: that of its first heading.
func render(file string, source []byte, files []string) (body template.HTML, title string, err error) {
	links := &linker{file: file, files: files}
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithRendererOptions(html.WithUnsafe()), // the pages are ours
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(links, 100))),
	)
	doc := md.Parser().Parse(text.NewReader(source))
	if links.err != nil {
		return "", "", fmt.Errorf("%s: %w", file, links.err)
	}
	var out bytes.Buffer
	if err := md.Renderer().Render(&out, source, doc); err != nil {
		return "", "", fmt.Errorf("%s: %w", file, err)
	}
	wide := strings.NewReplacer("<table>", `<div class="wide"><table>`, "</table>", "</table></div>").Replace(out.String())
	return template.HTML(flag.ReplaceAllString(wide, `<code class="flag">$1</code>`)), links.title, nil
}

// flag is one in code: browsers break words behind dashes.
var flag = regexp.MustCompile(`<code>(--?[a-zA-Z][\w=-]*)</code>`)

// linker turns links between Markdown files into links between pages, and gives headings the
// anchors that GitHub gives them.
type linker struct {
	file  string
	files []string
	title string
	err   error
	taken map[string]int
}

func (l *linker) Transform(doc *ast.Document, r text.Reader, _ parser.Context) {
	l.taken = map[string]int{}
	l.err = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		var err error
		switch n := n.(type) {
		case *ast.Heading:
			words := plain(n, r.Source())
			if l.title == "" {
				l.title = words
			}
			n.SetAttributeString("id", []byte(l.anchor(words)))
		case *ast.Link:
			n.Destination, err = l.link(string(n.Destination))
		case *ast.Image:
			n.Destination, err = l.link(string(n.Destination))
		}
		return ast.WalkContinue, err
	})
}

// link is where a destination of l.file leads on the site.
func (l *linker) link(to string) ([]byte, error) {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "#") || strings.HasPrefix(to, "mailto:") {
		return []byte(to), nil
	}
	name, anchor, has := strings.Cut(to, "#")
	if has {
		anchor = "#" + anchor
	}
	at := path.Join(path.Dir(l.file), name)
	if strings.HasPrefix(at, "../") {
		return nil, fmt.Errorf("the link %q leads out of the repository", to)
	}
	up := strings.Repeat("../", strings.Count(target(l.file), "/"))
	switch {
	case slices.Contains(l.files, at):
		return []byte(up + target(at) + anchor), nil
	case strings.HasPrefix(at, "docs/images/"):
		return []byte(up + at), nil
	}
	return []byte(repository + at + anchor), nil
}

// plain is a heading's text without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(util.UnescapePunctuations(t.Segment.Value(source)))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// anchor is the id of a heading, as GitHub makes it: lower case, blanks as hyphens, and of the
// other signs letters, digits, - and _ alone; one that is there already gets a number.
func (l *linker) anchor(words string) string {
	id := slug(words)
	n := l.taken[id]
	l.taken[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return id
}
