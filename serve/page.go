package serve

import (
	"embed"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// pageTypes are the files of the page by their paths.
var pageTypes = map[string]struct{ file, kind string }{
	"/{$}":       {"page/index.html", "text/html; charset=utf-8"},
	"/serve.js":  {"page/serve.js", "text/javascript; charset=utf-8"},
	"/serve.css": {"page/serve.css", "text/css; charset=utf-8"},
}

// addPage adds the page's files.
func addPage(mux *http.ServeMux) {
	for path, f := range pageTypes {
		text, err := pageFiles.ReadFile(f.file)
		if err != nil {
			panic(err) // a file of the list was not built in
		}
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(text)
		})
	}
}
