package checkpoint

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// openGGUF opens a GGUF file, or all parts of a split one, whose names end in
// -00001-of-00003.gguf and whose metadata is that of the first part.
func (c *Checkpoint) openGGUF() error {
	dir, base := filepath.Split(c.Path)
	parts := shardNames(base)
	if len(parts) < 2 {
		parts = []string{base}
	}
	var missing []string
	for _, p := range parts {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("checkpoint: %s: parts of the split file are missing: %s; download them%s", c.Path, quoted(missing), unfinished(c.Path))
	}
	for i, p := range parts {
		path := filepath.Join(dir, p)
		tensors, metadata, err := c.add(path, parseGGUF)
		if err != nil {
			return err
		}
		if err := checkSplit(metadata, i, len(parts)); err != nil {
			return fmt.Errorf("checkpoint: %s: %w", path, err)
		}
		if err := c.put(tensors); err != nil {
			return err
		}
		if i == 0 {
			c.Metadata = metadata
		}
	}
	if total, ok := integer(c.Metadata["split.tensors.count"]); ok && total != len(c.tensors) {
		return fmt.Errorf("checkpoint: %s: the parts have %d tensors, split.tensors.count says %d", c.Path, len(c.tensors), total)
	}
	return nil
}

// checkSplit fails when a file's metadata (split.no, split.count) makes it another
// part than its name does.
func checkSplit(metadata map[string]any, part, parts int) error {
	count, split := integer(metadata["split.count"])
	if !split {
		count = 1
	}
	if max(count, 1) != parts {
		return fmt.Errorf("is one of %d parts by its metadata (split.count) and of %d by its name; keep the names that the parts came with (…-00001-of-00003.gguf)", max(count, 1), parts)
	}
	if no, ok := integer(metadata["split.no"]); ok && no != part {
		return fmt.Errorf("is part %d by its metadata (split.no) and part %d by its name", no+1, part+1)
	}
	return nil
}

// integer returns an integral metadata value, whatever its width.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case uint8:
		return int(v), true
	case int8:
		return int(v), true
	case uint16:
		return int(v), true
	case int16:
		return int(v), true
	case uint32:
		return int(v), true
	case int32:
		return int(v), true
	case uint64:
		return int(v), v <= math.MaxInt
	case int64:
		return int(v), true
	}
	return 0, false
}
