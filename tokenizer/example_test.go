package tokenizer_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/tokenizer"
)

// A tokenizer with three letters and two merges. Files come with tokenizer.Open.
func Example() {
	tok, err := tokenizer.FromJSON([]byte(`{
		"added_tokens": [{"id": 5, "content": "<end>", "special": true}],
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}, "merges": ["a b", "ab c"]},
		"decoder": {"type": "Fuse"}
	}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := tok.Encode("abcab<end>", true)
	fmt.Println(ids, err)
	text, err := tok.Decode(ids, true)
	fmt.Println(text, err)
	piece, ok := tok.Piece(3)
	fmt.Println(piece, ok)
	// Output:
	// [4 3 5] <nil>
	// abcab <nil>
	// ab true
}
