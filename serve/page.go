package serve

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"

	"github.com/mlxlens/mlxlens/lens/render"
)

//go:embed page
var pageFiles embed.FS

// scripts are the files of the page's script, which share one scope, in their order.
var scripts = []string{"modes.js", "request.js", "form.js", "result.js", "cells.js", "begin.js"}

// pageFile is a file of the page.
func pageFile(name string) []byte {
	text, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // a file of the list was not built in
	}
	return text
}

// addPage adds the files of the page, which shows grids by the elements, the style and the script of
// the page that commands write.
func addPage(mux *http.ServeMux) {
	elements, style, script := render.PageParts()
	var index bytes.Buffer
	if err := template.Must(template.New("index").Parse(string(pageFile("index.html")))).Execute(&index, template.HTML(elements)); err != nil {
		panic(err) // the template has one value
	}
	var parts [][]byte
	for _, name := range scripts {
		parts = append(parts, pageFile("script/"+name))
	}
	for path, f := range map[string]struct {
		text []byte
		kind string
	}{
		"/{$}":       {index.Bytes(), "text/html; charset=utf-8"},
		"/icon.svg":  {pageFile("icon.svg"), "image/svg+xml"},
		"/lens.css":  {[]byte(style), "text/css; charset=utf-8"},
		"/lens.js":   {[]byte(script), "text/javascript; charset=utf-8"},
		"/serve.css": {pageFile("serve.css"), "text/css; charset=utf-8"},
		"/serve.js":  {slices.Concat(parts...), "text/javascript; charset=utf-8"},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(f.text)
		})
	}
}
