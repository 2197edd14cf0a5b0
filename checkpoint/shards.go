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
	part, count := number(m[2]), number(m[3])
	if part < 1 || part > count { // -00000-of-, -00004-of-00003
		return nil
	}
	parts := make([]string, count)
	for i := range parts {
		parts[i] = fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], m[4])
	}
	return parts
}

// missingShards returns what the names of some shards say should be there too. Where a part has
// the number 0 they are counted from 0, as some programs do; a number above the count says
// nothing.
func missingShards(files []string) []string {
	var missing []string
	here, split := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		here[f] = true
	}
	for _, f := range files {
		m := shardName.FindStringSubmatch(f)
		if m == nil || m[2] > m[3] || split[m[1]+" of "+m[3]] { // another part of the same file has been asked
			continue
		}
		split[m[1]+" of "+m[3]] = true
		name := func(part int) string { return fmt.Sprintf("%s-%05d-of-%s%s", m[1], part, m[3], m[4]) }
		first, count := 1, number(m[3])
		if here[name(0)] {
			first = 0
		}
		for i := range count {
			if part := name(first + i); !here[part] {
				missing = append(missing, part)
			}
		}
	}
	return missing
}

// number reads five digits.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
