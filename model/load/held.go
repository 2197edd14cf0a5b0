package load

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// skips reports whether a weight is of a layer that is not held.
func (l *Loader) skips(role string) bool {
	layer, is := layerOf(role)
	return is && l.only != nil && !l.only.Has(layer)
}

// layerOf returns the layer that a role is of.
func layerOf(role string) (layer int, is bool) {
	rest, is := strings.CutPrefix(role, "layers.")
	number, _, named := strings.Cut(rest, ".")
	if !is || !named {
		return 0, false
	}
	layer, err := strconv.Atoi(number)
	return layer, err == nil
}

// leave marks all below some paths as what is not needed here.
func (l *Loader) leave(paths []string) {
	l.Ignore(func(name string) bool {
		for _, path := range paths {
			if strings.HasPrefix(name, path) {
				return true
			}
		}
		return false
	})
}

// ofLayer finds the layer in the name of a tensor.
var ofLayer = regexp.MustCompile(`(?:^|\.)(?:layers|h|blk)\.(\d+)\.`)

// Partial reports whether shards of the checkpoint are absent, whose tensors only others need.
func (l *Loader) Partial() bool { return l.ck.Partial() }

// counts reports whether a tensor may be one that is held, by its name.
func (l *Loader) counts(name string) bool {
	m := ofLayer.FindStringSubmatch(name)
	if m == nil || l.only == nil {
		return true
	}
	layer, err := strconv.Atoi(m[1])
	return err != nil || l.only.Has(layer)
}

// lacking describes a tensor that is not there, and the absent shard that should have it.
func (l *Loader) lacking(name string) string {
	if shard := l.ck.Absent(name); shard != "" {
		return fmt.Sprintf("%s (in %s, which is not there)", name, shard)
	}
	return name
}

// Sizes are the bytes in memory of what the loader has found.
type Sizes struct {
	Layers    []int64 // of each
	Embedding int64   // where it is not the head too
	Head      int64   // and all else that every rank holds
}

// Sizes sorts what was found by who needs it.
func (l *Loader) Sizes(layers int, tied bool) Sizes {
	s := Sizes{Layers: make([]int64, layers)}
	for _, r := range l.resolved {
		layer, is := layerOf(r.Role)
		switch {
		case is && layer < layers:
			s.Layers[layer] += int64(r.Bytes)
		case r.Role == "embed" && !tied:
			s.Embedding += int64(r.Bytes)
		default:
			s.Head += int64(r.Bytes)
		}
	}
	return s
}
