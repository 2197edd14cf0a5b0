package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// origin is what an answer of a batch was made from. Two answers of the same origin are the
// same.
type origin struct {
	Command  string            `json:"command"`            // trace --file
	Model    string            `json:"model"`              // digest of its files
	Revision string            `json:"revision,omitempty"` // the commit, of a model in the cache of the hub
	Options  map[string]string `json:"options"`            // by flag
	IDs      string            `json:"ids,omitempty"`      // digest of the prompt's; none where it has none
}

// digest is 128 bits of SHA-256, in hexadecimal digits.
func (o *origin) digest() string {
	text, _ := json.Marshal(o) // strings only; the keys of a map are sorted
	return digestOf(text)
}

func digestOf(text []byte) string { return shorter(sha256.Sum256(text)) }

func shorter(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:16]) }

// of is the origin of a prompt's answer.
func (o origin) of(ids []int) *origin {
	o.IDs = ""
	if ids != nil {
		o.IDs = digestOf(idsText(ids))
	}
	return &o
}

// idsText is ids as a digest has them.
func idsText(ids []int) (b []byte) {
	for _, id := range ids {
		b = append(strconv.AppendInt(b, int64(id), 10), ' ')
	}
	return b
}

// differs says in what an answer's origin is another.
func (o *origin) differs(from *origin) string {
	switch {
	case o.Revision != from.Revision:
		return fmt.Sprintf("it was made with revision %s of the model, and this is %s", orNone(o.Revision), orNone(from.Revision))
	case o.Model != from.Model:
		return "it was made with another model, or the model's files have changed"
	}
	flags := slices.Sorted(maps.Keys(o.Options))
	for flag := range from.Options {
		if _, ok := o.Options[flag]; !ok {
			flags = append(flags, flag)
		}
	}
	var all []string
	for _, flag := range flags {
		if was, is := o.Options[flag], from.Options[flag]; was != is {
			all = append(all, fmt.Sprintf("%s (was %s, is %s)", flag, orNone(was), orNone(is)))
		}
	}
	if len(all) > 0 {
		return "it was made with other options: " + strings.Join(all, ", ")
	}
	return "its prompt has other ids now"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// origin describes what does not depend on the prompt.
func (o *traceOptions) origin(s *streams, opened *auto.Opened) (origin, error) {
	var of origin
	var err error
	if of.Model, err = s.digest(opened); err != nil {
		return of, err
	}
	of.Revision = hubCommit(opened.Info.Ref)
	of.Options = map[string]string{"--device": opened.Info.Device, "--weights": string(opened.Info.Weights), "--top": strconv.Itoa(o.top)}
	for flag, text := range map[string]string{
		"--layers": o.layers, "--positions": o.positions, "--span": strings.Join(o.spans, ","), "--system": o.system, "--max-memory": o.maxMemory,
		"--target": list(o.targets), "--vs": list(o.versus),
	} {
		if text != "" {
			of.Options[flag] = text
		}
	}
	for flag, set := range map[string]bool{
		"--last": o.last, "--embed": o.embed, "--mid": o.mid, "--attn": o.attn, "--mlp": o.mlp, "--check": o.check, "--no-bos": o.noBOS, "--chat": o.chat, "--experts": o.experts,
	} {
		if set {
			of.Options[flag] = "set"
		}
	}
	if o.together != edit.Lookahead {
		of.Options["--together"] = strconv.Itoa(o.together)
	}
	for flag, n := range map[string]int{"--track": o.track, "--continue": o.continued} {
		if n > 0 {
			of.Options[flag] = strconv.Itoa(n)
		}
	}
	if err := o.originOfFiles(of.Options); err != nil {
		return of, err
	}
	return of, nil
}

// filesOfEdit are those that an edit names.
func filesOfEdit(text string) []string {
	_, op, _ := strings.Cut(text, "=")
	_, arg, _ := strings.Cut(op, ":")
	file, _, _ := edit.CutFactor(arg)
	if others := directionFiles(file); others != nil {
		return others
	}
	if ext := strings.ToLower(filepath.Ext(arg)); ext == ".txt" || ext == ".jsonl" {
		return []string{arg} // a mean over prompts
	}
	if path := states.ValueFile(file); path != "" {
		return []string{path}
	}
	return nil
}

// depends notes a file that a result depends on; sum is its digest, "" if a result shall compute it.
func (s *streams) depends(arg, sum string) {
	if s.files == nil {
		s.files = map[string]string{}
	}
	s.files[arg] = sum
}

// dependencies returns the digests of the files that a result depends on, nil for none.
func (s *streams) dependencies() (map[string]string, error) {
	for arg, sum := range s.files {
		if sum != "" {
			continue
		}
		var err error
		if s.files[arg], err = pathDigest(arg); err != nil {
			return nil, err
		}
	}
	return maps.Clone(s.files), nil
}

// originOfEdits adds edits, with the digests of the files that they name.
func originOfEdits(edits []string, options map[string]string) error {
	edits = slices.Clone(edits)
	for i, text := range edits {
		for _, path := range filesOfEdit(text) {
			sum, err := pathDigest(path)
			if err != nil {
				return fmt.Errorf("edit %q: %w", edit.Brief(text), err)
			}
			edits[i] += " (" + sum + ")"
		}
	}
	if len(edits) > 0 {
		options["--edit"] = list(edits)
	}
	return nil
}

// originOfFiles adds the options that name files, with the digests of these.
func (o *traceOptions) originOfFiles(options map[string]string) error {
	if err := originOfEdits(o.edits, options); err != nil {
		return err
	}
	return originOfLenses("--lens", o.lens.paths, options)
}

// originOfLenses adds the lenses of a flag, with the digests of their files.
func originOfLenses(flag string, lenses []string, options map[string]string) error {
	var all []string
	for _, lens := range lenses {
		text := lens
		for _, path := range lensFiles(lens) {
			if lens == logitLens {
				break // no file is meant
			}
			one, err := pathDigest(path)
			if err != nil {
				return err
			}
			text += " (" + one + ")"
		}
		all = append(all, text)
	}
	if len(all) > 0 {
		options[flag] = strings.Join(all, ", ")
	}
	return nil
}

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return strings.Join(quoted, " ")
}

// cacheSnapshot matches the folder of a commit in the cache of the hub.
var cacheSnapshot = regexp.MustCompile(`models--[^/]+/snapshots/([0-9a-f]{40})/?$`)

// hubCommit is the commit of a model in the cache of the hub, "" of another.
func hubCommit(path string) string {
	if commit := cacheSnapshot.FindStringSubmatch(path); commit != nil {
		return commit[1]
	}
	return ""
}

// digest is modelDigest of a model that is open, computed once.
func (s *streams) digest(opened *auto.Opened) (string, error) {
	if sum, ok := s.digests[opened]; ok {
		return sum, nil
	}
	sums, err := s.digestsOf(modelFiles(opened))
	sum := modelDigest(sums)
	if err == nil {
		if s.digests == nil {
			s.digests = map[*auto.Opened]string{}
		}
		s.digests[opened] = sum
	}
	return sum, err
}

// modelFiles are all files that make a model: weights, configuration, tokenizer, chat template. On ranks they are those of
// this machine, where shards of other ranks may be absent.
func modelFiles(opened *auto.Opened) []string {
	files := slices.Clone(opened.Info.Files)
	entries, _ := os.ReadDir(opened.Info.Ref) // a GGUF file has none
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".json" || ext == ".jinja" || strings.HasPrefix(e.Name(), "tokenizer.") {
			files = append(files, filepath.Join(opened.Info.Ref, e.Name()))
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// modelDigest is one of a model's files, by the digests of each.
func modelDigest(sums map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(h, "%s %s\n", name, sums[name])
	}
	return shorter([sha256.Size]byte(h.Sum(nil)))
}

// pathDigest is the digest of a file, or of the files of a folder.
func pathDigest(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !info.IsDir() {
		err = fileDigest(h, path, info)
		return shorter([sha256.Size]byte(h.Sum(nil))), err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(h, "%s\n", e.Name())
			if err := fileDigest(h, file, info); err != nil {
				return "", err
			}
		}
	}
	return shorter([sha256.Size]byte(h.Sum(nil))), nil
}

// Of a file larger than wholeDigest, parts are read: so many, over all of it. Weights that
// are trained differ in all parts; a second or two is what SHA-256 takes of wholeDigest.
const (
	wholeDigest = 1 << 30
	digestParts = 256
	digestPart  = 64 << 10
)

// fileDigest adds a file to a digest: its content, or of a large one its size, its time and
// parts of it.
func fileDigest(h hash.Hash, path string, info os.FileInfo) error {
	f, _, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info.Size() <= wholeDigest {
		_, err = io.Copy(h, f)
		return err
	}
	fmt.Fprintf(h, "%d %d\n", info.Size(), info.ModTime().UnixNano())
	part := make([]byte, digestPart)
	for i := range int64(digestParts) {
		if _, err := f.ReadAt(part, (info.Size()-digestPart)/(digestParts-1)*i); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		h.Write(part)
	}
	return nil
}
