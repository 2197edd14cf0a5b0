package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

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
