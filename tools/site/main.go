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

// menu leads to what a reader looks for; the other pages are reached from these.
var menu = []entry{
	{"README.md", "mlxlens"}, {"docs/tutorial.md", "Tutorial"}, {"docs/experiments.md", "Experiments"}, {"docs/commands/README.md", "Commands"},
	{"docs/models.md", "Models"}, {"docs/names.md", "Names"}, {"docs/mlx.md", "Package mlx"}, {"docs/performance.md", "Performance"}, {"docs/mac.md", "On a Mac"},
	{"docs/architecture.md", "Architecture"}, {"docs/rationale.md", "Rationale"}, {"docs/golden.md", "Golden results"}, {"CHANGELOG.md", "Changes"}, {"CONTRIBUTING.md", "Contributing"},
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
		var out bytes.Buffer
		err = page.Execute(&out, struct {
			Title, Up, File string
			Menu            []entry
			Body            template.HTML
		}{title, up, file, menuOf(up), body})
		if err == nil {
			err = save(filepath.Join(folder, target(file)), out.Bytes())
		}
		if err != nil {
			return err
		}
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
