package load

import (
	"fmt"
	"math"
	"strings"
)

// checkTokenIDs refuses what no key that ends in _token_id may hold: null, the id of a token, or a
// list of ids. −1 stands for none. Of eos and bos no id may lie beyond a vocabulary that the same
// file has.
func checkTokenIDs(arch, key string, all map[string]any) error {
	if !strings.HasSuffix(key, "_token_id") {
		return nil
	}
	vocabulary, known := all["vocab_size"].(float64)
	known = known && (key == "bos_token_id" || key == "eos_token_id")
	ids, list := all[key].([]any)
	if !list {
		ids = []any{all[key]}
	}
	for _, id := range ids {
		n, ok := id.(float64)
		switch {
		case id == nil && !list:
		case !ok || n != math.Trunc(n) || n < -1 || n > math.MaxInt32:
			return fmt.Errorf("%s: config.json: %s holds %.60q, want the id of a token or a list of ids", arch, key, fmt.Sprint(id))
		case known && n >= vocabulary:
			return fmt.Errorf("%s: config.json: %s holds %.0f, and the vocabulary has the ids 0 to %.0f", arch, key, n, vocabulary-1)
		}
	}
	return nil
}
