package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// told gives every rank what each has, as JSON; err is what went wrong on this one.
func told[T any](ranks *model.Ranks, own T, err error) ([]T, error) {
	var text []byte
	if err == nil {
		text, err = json.Marshal(own)
	}
	all, err := ranks.Exchange(text, err)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(all))
	for rank, text := range all {
		if err := json.Unmarshal(text, &out[rank]); err != nil {
			return nil, fmt.Errorf("what rank %d sent cannot be read: %w: do all run the same version?", rank, err)
		}
	}
	return out, nil
}

// sameInput makes sure that the ranks have the same prompts, which may have come from stdin or a file, and the same
// in the files that options name; files notes these with their digests.
func (s *streams) sameInput(files func(options map[string]string) error, prompts ...[]int) error {
	if s.ranks == nil || s.served != nil { // a server's requests are given to all
		return nil
	}
	own := map[string]string{}
	err := files(own)
	for i, ids := range prompts {
		own[[]string{"the prompt", "the second prompt"}[i]] = digestOf(idsText(ids))
	}
	all, err := told(s.ranks, own, err)
	if err != nil {
		return err
	}
	for rank, of := range all {
		for what, is := range own {
			if of[what] != is {
				return fmt.Errorf("%w differ: rank %d has another content of %s than rank %d: its ids, or a file, are others there", model.ErrRanks, rank, what, s.rank)
			}
		}
	}
	return nil
}

// digestsOf are the digests of files, by their names. On ranks those of all are put together, and each file is read by one
// rank that has it.
func (s *streams) digestsOf(files []string) (map[string]string, error) {
	sums := map[string]string{}
	paths := map[string]string{}
	for _, path := range files {
		paths[filepath.Base(path)] = path
	}
	mine := slices.Sorted(maps.Keys(paths))
	if s.ranks != nil {
		all, err := told(s.ranks, mine, nil)
		if err != nil {
			return nil, err
		}
		mine = dealFiles(all)[s.rank]
	}
	var err error
	for _, name := range mine {
		if err == nil {
			sums[name], err = pathDigest(paths[name])
		}
	}
	if s.ranks == nil {
		return sums, err
	}
	all, err := told(s.ranks, sums, err)
	for _, of := range all {
		maps.Copy(sums, of)
	}
	return sums, err
}

// dealFiles gives each file to the rank with the fewest so far of those that have it.
func dealFiles(have [][]string) [][]string {
	dealt := make([][]string, len(have))
	names := slices.Concat(have...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		to := -1
		for rank, of := range have {
			if slices.Contains(of, name) && (to < 0 || len(dealt[rank]) < len(dealt[to])) {
				to = rank
			}
		}
		dealt[to] = append(dealt[to], name)
	}
	return dealt
}
