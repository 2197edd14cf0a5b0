package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// openIndexed opens the shards of an index, whose weight_map must say of every tensor
// in which shard it is. An index of another build, beside weights that are whole without it,
// is ignored with a note.
func (c *Checkpoint) openIndexed(index string, names []string) error {
	path := filepath.Join(c.Path, index)
	alone := slices.Equal(modelFiles(names), []string{single})
	weightMap, err := readIndex(path)
	if err != nil {
		if alone {
			return c.withoutIndex(names, err.Error())
		}
		return err
	}
	var missing []string
	shards := slices.Compact(slices.Sorted(maps.Values(weightMap)))
	here := map[string]bool{}
	for _, name := range names {
		here[name] = true
	}
	for _, shard := range shards {
		if !here[shard] {
			missing = append(missing, shard)
		}
	}
	if len(missing) > 0 && wholeWithout(names) {
		return c.withoutIndex(names, "checkpoint: "+path+" names shards that are not there")
	}
	if c.partial {
		shards, weightMap = c.present(weightMap, here)
	} else if len(missing) > 0 {
		return fmt.Errorf("checkpoint: %s: shards that %s names are missing: %s; download them%s", c.Path, index, quoted(missing), unfinished(c.Path))
	}

	for _, shard := range shards {
		if err := c.addSafetensors(shard); err != nil {
			return err
		}
	}
	problems := c.unlike(weightMap)
	switch {
	case len(problems) > 0 && alone && slices.Equal(shards, []string{single}):
		c.ignore("checkpoint: " + path + ": the index " + strings.Join(problems, ", and "))
	case len(problems) > 0:
		return fmt.Errorf("checkpoint: %s: the index %s; index and shards are of different downloads: download both again",
			path, strings.Join(problems, ", and "))
	}
	return nil
}

// present returns the shards of a weight_map that are there, and their part of it, and notes what is
// in the others.
func (c *Checkpoint) present(weightMap map[string]string, here map[string]bool) (shards []string, of map[string]string) {
	c.absent, of = map[string]string{}, map[string]string{}
	for name, shard := range weightMap {
		if here[shard] {
			of[name] = shard
		} else {
			c.absent[name] = shard
		}
	}
	return slices.Compact(slices.Sorted(maps.Values(of))), of
}

// single is the file of weights that needs no index.
const single = "model.safetensors"

func readIndex(path string) (map[string]string, error) {
	text, err := readJSON(path)
	if err != nil {
		return nil, err
	}
	weightMap, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return weightMap, nil
}

func (c *Checkpoint) withoutIndex(names []string, why string) error {
	c.ignore(why)
	return c.openUnindexed(names)
}

// ignore notes why an index is not used.
func (c *Checkpoint) ignore(why string) {
	c.Notes = append(c.Notes, why+": it is ignored, for model*.safetensors are whole without it")
}

// wholeWithout reports whether model*.safetensors of a directory are a whole set by their
// names: an index that names others is of another build, as mlx-lm takes it too, which reads
// no index.
func wholeWithout(names []string) bool {
	files := modelFiles(names)
	return len(files) > 0 && len(missingShards(files)) == 0
}

// unlike says how the tensors that were read differ from those of a weight_map.
func (c *Checkpoint) unlike(weightMap map[string]string) (problems []string) {
	var absent, unnamed []string
	for name, shard := range weightMap {
		if t := c.tensors[name]; t == nil || filepath.Base(t.file.path) != shard {
			absent = append(absent, fmt.Sprintf("%q in %s", name, shard))
		}
	}
	for name, t := range c.tensors {
		if shard := filepath.Base(t.file.path); weightMap[name] != shard {
			unnamed = append(unnamed, fmt.Sprintf("%q in %s", name, shard))
		}
	}
	slices.Sort(absent)
	slices.Sort(unnamed)
	if len(absent) > 0 {
		problems = append(problems, "names tensors that the shards lack: "+list(absent))
	}
	if len(unnamed) > 0 {
		problems = append(problems, "does not name tensors that the shards have: "+list(unnamed))
	}
	return problems
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
