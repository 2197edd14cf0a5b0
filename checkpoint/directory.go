package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxJSON bounds the configuration and index files that are read whole; the index of
// a model with 10⁵ tensors has 10 MB.
const maxJSON = 256 << 20

// openDirectory opens the Hugging Face layout.
func (c *Checkpoint) openDirectory() error {
	listing, err := os.ReadDir(c.Path)
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", c.Path, cause(err))
	}
	names := make([]string, len(listing))
	for i, e := range listing {
		names[i] = e.Name()
	}
	if len(names) == 0 {
		return fmt.Errorf("checkpoint: %s: the directory is empty (looked for config.json and model*.safetensors)", c.Path)
	}
	if !slices.Contains(names, "config.json") {
		return fmt.Errorf("checkpoint: %s: no config.json (found %s)%s%s", c.Path, quoted(names), ggufHint(c.Path, names), unfinished(c.Path))
	}
	if c.Config, err = readJSON(filepath.Join(c.Path, "config.json")); err != nil {
		return err
	}
	if slices.Contains(names, "generation_config.json") {
		if c.GenerationConfig, err = readJSON(filepath.Join(c.Path, "generation_config.json")); err != nil {
			return err
		}
	}

	index, err := findIndex(c.Path, names)
	if err != nil {
		return err
	}
	if index != "" {
		return c.openIndexed(index, names)
	}
	return c.openUnindexed(names)
}

// ggufHint says that a directory's .gguf files are opened one by one.
func ggufHint(dir string, names []string) string {
	for _, n := range names {
		if strings.HasSuffix(n, ".gguf") {
			return fmt.Sprintf("; to open the GGUF file, give its path, %q", filepath.Join(dir, n))
		}
	}
	return ""
}

// findIndex returns the name of the index in a directory, or "".
func findIndex(dir string, names []string) (string, error) {
	const usual = "model.safetensors.index.json"
	if slices.Contains(names, usual) {
		return usual, nil
	}
	var found []string
	for _, n := range names {
		if strings.HasSuffix(n, ".safetensors.index.json") {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("checkpoint: %s: has %d indexes (%s) and none is %s", dir, len(found), quoted(found), usual)
}

// openUnindexed opens all model*.safetensors.
func (c *Checkpoint) openUnindexed(names []string) error {
	var files []string
	for _, n := range names {
		if strings.HasPrefix(n, "model") && strings.HasSuffix(n, ".safetensors") {
			files = append(files, n)
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("checkpoint: %s: no model*.safetensors and no *.safetensors.index.json (found %s)%s%s",
			c.Path, quoted(names), ggufHint(c.Path, names), unfinished(c.Path))
	}
	if missing := missingShards(files); len(missing) > 0 {
		return fmt.Errorf("checkpoint: %s: shards are missing: %s; download them%s", c.Path, quoted(missing), unfinished(c.Path))
	}
	for _, f := range files {
		tensors, metadata, err := c.add(filepath.Join(c.Path, f), parseSafetensors)
		if err != nil {
			return err
		}
		if err := c.put(tensors); err != nil {
			return err
		}
		c.addMetadata(metadata)
	}
	return nil
}

func (c *Checkpoint) addMetadata(metadata map[string]any) {
	for k, v := range metadata {
		if _, ok := c.Metadata[k]; !ok {
			c.Metadata[k] = v
		}
	}
}

// shardName matches model-00001-of-00003.safetensors and the like.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})(\.safetensors|\.gguf)$`)

// shardNames returns the names of all parts of the split file that name is a part
// of, in order, or nil when it is none.
func shardNames(name string) []string {
	m := shardName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	count, err := strconv.Atoi(m[3])
	if err != nil {
		return nil
	}
	parts := make([]string, count)
	for i := range parts {
		parts[i] = fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], m[4])
	}
	if !slices.Contains(parts, name) { // -00000-of-, -00004-of-00003
		return nil
	}
	return parts
}

// missingShards returns what the names of some shards say should be there too.
func missingShards(files []string) []string {
	var missing []string
	for _, f := range files {
		for _, part := range shardNames(f) {
			if !slices.Contains(files, part) && !slices.Contains(missing, part) {
				missing = append(missing, part)
			}
		}
	}
	return missing
}

// openIndexed opens the shards of an index, whose weight_map must say of every tensor
// in which shard it is.
func (c *Checkpoint) openIndexed(index string, names []string) error {
	path := filepath.Join(c.Path, index)
	text, err := readJSON(path)
	if err != nil {
		return err
	}
	weightMap, err := parseIndex(text)
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	var shards, missing []string
	for _, shard := range weightMap {
		if !slices.Contains(shards, shard) {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	for _, shard := range shards {
		if !slices.Contains(names, shard) {
			missing = append(missing, shard)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("checkpoint: %s: shards that %s names are missing: %s; download them%s", c.Path, index, quoted(missing), unfinished(c.Path))
	}

	var unnamed []string
	for _, shard := range shards {
		tensors, metadata, err := c.add(filepath.Join(c.Path, shard), parseSafetensors)
		if err != nil {
			return err
		}
		if err := c.put(tensors); err != nil {
			return err
		}
		c.addMetadata(metadata)
		for _, t := range tensors {
			if weightMap[t.Name] != shard {
				unnamed = append(unnamed, fmt.Sprintf("%q in %s", t.Name, shard))
			}
		}
	}
	var absent []string
	for name, shard := range weightMap {
		if t := c.tensors[name]; t == nil || filepath.Base(t.file.path) != shard {
			absent = append(absent, fmt.Sprintf("%q in %s", name, shard))
		}
	}
	slices.Sort(absent)
	slices.Sort(unnamed)
	var problems []string
	if len(absent) > 0 {
		problems = append(problems, "names tensors that the shards lack: "+list(absent))
	}
	if len(unnamed) > 0 {
		problems = append(problems, "does not name tensors that the shards have: "+list(unnamed))
	}
	if len(problems) > 0 {
		return fmt.Errorf("checkpoint: %s: the index %s; index and shards are of different downloads: download both again",
			path, strings.Join(problems, ", and "))
	}
	return nil
}

// parseIndex returns weight_map of an index: tensor → shard.
func parseIndex(text []byte) (map[string]string, error) {
	const what = "the index"
	dec := json.NewDecoder(bytes.NewReader(text))
	var weightMap map[string]string
	err := readObject(dec, what, func(key string) error {
		if key != "weight_map" {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return badJSON(what, err)
			}
			return nil
		}
		weightMap = map[string]string{}
		return readObject(dec, "weight_map", func(name string) error {
			token, err := dec.Token()
			if err != nil {
				return badJSON("weight_map", err)
			}
			shard, ok := token.(string)
			switch {
			case !ok:
				return fmt.Errorf("weight_map has %v for tensor %q, which is not a file name", token, name)
			case shard == "" || shard != filepath.Base(shard) || strings.HasPrefix(shard, ".") || strings.ContainsAny(shard, `/\`):
				return fmt.Errorf("weight_map has %q for tensor %q, which is not the name of a file beside the index", shard, name)
			case !strings.HasSuffix(shard, ".safetensors"):
				return fmt.Errorf("weight_map has %q for tensor %q, which is not a .safetensors file", shard, name)
			}
			weightMap[name] = shard
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, err
	case len(weightMap) == 0:
		return nil, errors.New("the index has no weight_map, or an empty one")
	}
	return weightMap, nil
}

// readJSON reads a file that must hold one JSON object.
func readJSON(path string) ([]byte, error) {
	info, err := statRegular(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxJSON {
		return nil, fmt.Errorf("checkpoint: %s: has %d bytes (at most %d)", path, info.Size(), maxJSON)
	}
	text, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, cause(err))
	}
	if err := checkContent(text); err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var object map[string]json.RawMessage
	if err := dec.Decode(&object); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("checkpoint: %s: %w", path, badJSON("the file", err))
		}
		return nil, fmt.Errorf("checkpoint: %s: the file is not a JSON object", path)
	}
	if _, err := dec.Token(); err != io.EOF || object == nil {
		return nil, fmt.Errorf("checkpoint: %s: the file is not one JSON object", path)
	}
	return text, nil
}
