package checkpoint

import (
	"fmt"
	"regexp"
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
	part, _ := strconv.Atoi(m[2]) // five digits both
	count, _ := strconv.Atoi(m[3])
	if part < 1 || part > count { // -00000-of-, -00004-of-00003
		return nil
	}
	parts := make([]string, count)
	for i := range parts {
		parts[i] = fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], m[4])
	}
	return parts
}

// missingShards returns what the names of some shards say should be there too.
func missingShards(files []string) []string {
	var missing []string
	here, split := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		here[f] = true
	}
	for _, f := range files {
		m := shardName.FindStringSubmatch(f)
		if m == nil || split[m[1]+" of "+m[3]] { // another part of the same file has been asked
			continue
		}
		for _, part := range shardNames(f) {
			split[m[1]+" of "+m[3]] = true
			if !here[part] {
				missing = append(missing, part)
			}
		}
	}
	return missing
}
