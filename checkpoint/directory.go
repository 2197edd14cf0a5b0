package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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

func modelFiles(names []string) (files []string) {
	for _, n := range names {
		if strings.HasPrefix(n, "model") && strings.HasSuffix(n, ".safetensors") {
			files = append(files, n)
		}
	}
	return files
}

// openUnindexed opens all model*.safetensors.
func (c *Checkpoint) openUnindexed(names []string) error {
	files := modelFiles(names)
	if len(files) == 0 {
		return fmt.Errorf("checkpoint: %s: no model*.safetensors and no *.safetensors.index.json (found %s)%s%s",
			c.Path, quoted(names), ggufHint(c.Path, names), unfinished(c.Path))
	}
	if missing := missingShards(files); len(missing) > 0 {
		return fmt.Errorf("checkpoint: %s: shards are missing: %s; download them%s", c.Path, quoted(missing), unfinished(c.Path))
	}
	for _, f := range files {
		if err := c.addSafetensors(f); err != nil {
			return err
		}
	}
	return nil
}

// addSafetensors adds the tensors and the metadata of a file in the directory.
func (c *Checkpoint) addSafetensors(name string) error {
	tensors, metadata, err := c.add(filepath.Join(c.Path, name), parseSafetensors)
	if err != nil {
		return err
	}
	if err := c.put(tensors); err != nil {
		return err
	}
	c.addMetadata(metadata)
	return nil
}

func (c *Checkpoint) addMetadata(metadata map[string]any) {
	for k, v := range metadata {
		if _, ok := c.Metadata[k]; !ok {
			c.Metadata[k] = v
		}
	}
}
