// Package hubtest is a model hub on loopback for tests: enough of the hub's API for
// mlxlens and for Python's huggingface_hub, and a place to make it misbehave.
package hubtest

import (
	"bytes"
	"crypto/sha1" // git names small files by it
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Repo is a model on the server.
type Repo struct {
	Commit string
	Files  map[string][]byte // by path
	// Other holds other revisions, by branch or tag.
	Other map[string]*Repo
	// Gated is the token that the repository asks for, "" for none.
	Gated string
}

// A Request is what a client sent.
type Request struct {
	Method, Path, Range, Authorization string
	Status                             int
}

// A Server is the hub. Its fields are set while no request is under way.
type Server struct {
	*httptest.Server
	Repos map[string]*Repo // by owner/name, or spaces/owner/name
	// CDN, when it is set, is where large files are redirected to.
	CDN string
	// Moved are old names without owner, and where they are redirected to.
	Moved map[string]string
	// Bare leaves hashes and sizes out of the description of a model.
	Bare bool

	mu     sync.Mutex
	log    []Request
	before func(http.ResponseWriter, *http.Request) bool
}

// New starts a server, which the caller closes.
func New(repos map[string]*Repo) *Server {
	s := &Server{Repos: repos}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Intercept lets f see each request first; it reports whether it has answered.
func (s *Server) Intercept(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Requests lists what came so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Gets counts the downloads of a file that the server began.
func (s *Server) Gets(file string) (n int) {
	for _, r := range s.Requests() {
		if r.Method == http.MethodGet && strings.Contains(r.Path, "/resolve/") && strings.HasSuffix(r.Path, "/"+file) && r.Status/100 == 2 {
			n++
		}
	}
	return n
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{w, http.StatusOK}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log = append(s.log, Request{r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization"), rec.status})
	}()
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil && before(rec, r) {
		return
	}
	s.answer(rec, r)
}

// answer is what the server does when it behaves.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimPrefix(r.URL.EscapedPath(), "/") // a / in a revision comes escaped
	rest, isAPI := strings.CutPrefix(at, "api/models/")
	if space, ok := strings.CutPrefix(at, "api/spaces/"); ok {
		rest, isAPI = "spaces/"+space, true
	}
	rest, ofSpace := strings.CutPrefix(rest, "spaces/")
	parts := strings.SplitN(rest, "/", 5)
	for i, part := range parts {
		parts[i], _ = url.PathUnescape(part) // the server has parsed the path already
	}
	if to := s.Moved[parts[0]]; to != "" {
		http.Redirect(w, r, strings.Replace(r.URL.String(), "/"+parts[0]+"/", "/"+to+"/", 1), http.StatusTemporaryRedirect)
		return
	}
	if len(parts) < 2 {
		http.NotFound(w, r)
		return
	}
	repo := s.Repos[parts[0]+"/"+parts[1]]
	if ofSpace {
		repo = s.Repos["spaces/"+parts[0]+"/"+parts[1]]
	}
	if repo != nil && len(parts) >= 4 {
		for name, other := range repo.Other {
			if parts[3] == name || parts[3] == other.Commit {
				repo = other
				parts[3] = other.Commit
			}
		}
	}
	switch {
	case repo == nil: // as the hub does, which does not tell what exists without a token
		refuse(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
	case repo.Gated != "" && r.Header.Get("Authorization") == "" && !isAPI:
		refuse(w, http.StatusUnauthorized, "GatedRepo", "Access to this model is restricted.")
	case repo.Gated != "" && r.Header.Get("Authorization") != "Bearer "+repo.Gated && !isAPI:
		refuse(w, http.StatusForbidden, "GatedRepo", "Access to this model is restricted.")
	case len(parts) >= 4 && parts[3] != "main" && parts[3] != repo.Commit:
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+parts[3])
	case isAPI && len(parts) == 4 && parts[2] == "tree":
		reply(w, s.tree(repo))
	case isAPI && (len(parts) == 2 || parts[2] == "revision"):
		reply(w, s.describe(parts[0]+"/"+parts[1], repo, r.URL.Query().Get("blobs") != "" && !s.Bare))
	case !isAPI && len(parts) == 5 && parts[2] == "resolve":
		s.resolve(w, r, repo, parts[4])
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) resolve(w http.ResponseWriter, r *http.Request, repo *Repo, name string) {
	content, ok := repo.Files[name]
	if !ok {
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	h := w.Header()
	h.Set("X-Repo-Commit", repo.Commit)
	h.Set("ETag", `"`+ETag(name, content)+`"`)
	if large(name) {
		h.Set("X-Linked-Etag", `"`+ETag(name, content)+`"`)
		h.Set("X-Linked-Size", fmt.Sprint(len(content)))
		if s.CDN != "" {
			http.Redirect(w, r, s.CDN+r.URL.Path+"?signature=secret", http.StatusFound)
			return
		}
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func (s *Server) describe(id string, repo *Repo, blobs bool) any {
	var files []map[string]any
	for _, name := range slices.Sorted(maps.Keys(repo.Files)) {
		f := map[string]any{"rfilename": name}
		if content := repo.Files[name]; blobs {
			f["size"], f["blobId"] = len(content), gitHash(content)
			if large(name) {
				f["lfs"] = map[string]any{"sha256": ETag(name, content), "size": len(content), "pointerSize": 134}
			}
		}
		files = append(files, f)
	}
	return map[string]any{"id": id, "sha": repo.Commit, "siblings": files, "private": false, "tags": []string{}, "downloads": 0, "likes": 0}
}

func (s *Server) tree(repo *Repo) any {
	var files []map[string]any
	for _, name := range slices.Sorted(maps.Keys(repo.Files)) {
		content := repo.Files[name]
		f := map[string]any{"type": "file", "path": name, "size": len(content), "oid": gitHash(content)}
		if large(name) {
			f["lfs"] = map[string]any{"oid": ETag(name, content), "size": len(content), "pointerSize": 134}
		}
		files = append(files, f)
	}
	return files
}

// large reports whether the hub would keep a file outside git.
func large(name string) bool { return path.Ext(name) == ".safetensors" }

// ETag is the name of a file's blob.
func ETag(name string, content []byte) string {
	if large(name) {
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:])
	}
	return gitHash(content)
}

func gitHash(content []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return hex.EncodeToString(sum[:])
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
