// Command site makes the documentation a static site from the Markdown of the repository: a page
// for each file, without scripts, that a browser also opens from a folder.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed page.html
var layout string

//go:embed style.css
var style []byte

func main() {
	log.SetFlags(0)
	log.SetPrefix("site: ")
	if len(os.Args) != 3 {
		log.Fatal("want: site ROOT FOLDER")
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// entry is a line of the menu.
type entry struct{ File, Title string }

// menu leads to all pages but those of the commands, which have a page of their own.
var menu = []entry{
	{"README.md", "mlxlens"}, {"docs/tutorial.md", "Tutorial"}, {"docs/experiments.md", "Experiments"}, {"docs/lenses.md", "Lenses"}, {"docs/readers.md", "Readers"},
	{"docs/audit.md", "Audit"}, {"docs/commands/README.md", "Commands"}, {"docs/pages.md", "Pages and pictures"}, {"docs/serve.md", "Server"}, {"docs/mcp.md", "MCP"},
	{"docs/notebooks.md", "Notebooks"}, {"docs/models.md", "Models"}, {"docs/larger.md", "Larger models"}, {"docs/names.md", "Names"}, {"docs/mlx.md", "Package mlx"},
	{"docs/performance.md", "Performance"}, {"docs/mac.md", "On a Mac"}, {"docs/architecture.md", "Architecture"}, {"docs/rationale.md", "Rationale"},
	{"docs/golden.md", "Golden results"}, {"docs/skipped.md", "Skipped tests"}, {"CHANGELOG.md", "Changes"}, {"CONTRIBUTING.md", "Contributing"}, {"SECURITY.md", "Security"},
}

// home is where the site's root is served: what a server gives for an address that is none may be asked for below any folder.
const home = "/mlxlens/"

const notFound = `<h1 id="there-is-no-such-page">There is no such page</h1>
<p>What was here may have another name: the menu has all pages, and <a href="docs/commands/index.html">Commands</a> those of the commands.</p>`

// view is what a page shows.
type view struct {
	Title, Up, Base, File string
	Menu                  []entry
	Body                  template.HTML
}

// sources are the Markdown files of a repository that are pages.
func sources(root string) ([]string, error) {
	var all []string
	for _, pattern := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/commands/*.md"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if !slices.Contains(all, "README.md") {
		return nil, errors.New(root + " has no README.md: want the repository's root")
	}
	return all, nil
}

// write makes the site of a repository in folder.
func write(root, folder string) error {
	files, err := sources(root)
	if err != nil {
		return err
	}
	page, err := template.New("page").Parse(layout)
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		body, title, err := render(file, text, files)
		if err != nil {
			return err
		}
		up := strings.Repeat("../", strings.Count(target(file), "/"))
		if err := show(page, filepath.Join(folder, target(file)), view{Title: title, Up: up, File: file, Menu: menuOf(up), Body: body}); err != nil {
			return err
		}
	}
	if err := show(page, filepath.Join(folder, "404.html"), view{Title: "No such page", Base: home, Menu: menuOf(""), Body: notFound}); err != nil {
		return err
	}
	images, err := fs.Glob(os.DirFS(root), "docs/images/*")
	if err != nil {
		return err
	}
	for _, name := range images {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = save(filepath.Join(folder, name), data)
		}
		if err != nil {
			return err
		}
	}
	return save(filepath.Join(folder, "style.css"), style)
}

// show writes a page.
func show(page *template.Template, path string, v view) error {
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return err
	}
	return save(path, out.Bytes())
}

func menuOf(up string) []entry {
	out := slices.Clone(menu)
	for i := range out {
		out[i].File = up + target(out[i].File)
	}
	return out
}

func save(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// target is the page of a Markdown file, seen from the site's root.
func target(file string) string {
	if base := filepath.Base(file); base == "README.md" {
		return strings.TrimSuffix(file, base) + "index.html"
	}
	return strings.TrimSuffix(file, ".md") + ".html"
}
