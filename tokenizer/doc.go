// Package tokenizer turns text into the ids that a model reads, and ids back into text, by a Hugging Face
// tokenizer.json or by GGUF metadata. It gives the ids of Hugging Face's tokenizers 0.23.
//
//	tok, err := tokenizer.Open(dir)
//	ids, err := tok.Encode("The capital of France is", true)
//	text, err := tok.Decode(ids, false)
//
// A text goes through these steps; a file with a component that is not known here is an error that names it:
//
//   - added tokens ("<|im_start|>") are found in the text, the leftmost and longest first;
//   - between them the text is normalized (NFC, a ▁ put before it, …) and cut into words, by a pattern such as
//     GPT-2's, whose spaces belong to the word that follows them;
//   - each word becomes the characters of the vocabulary (of its bytes, written in GPT-2's alphabet, or of its text,
//     with tokens <0x00> to <0xFF> for what is not in it), which merge in pairs, the pair of the lowest rank first;
//   - the post-processor adds what the model expects around a text.
//
// Tokens are bytes, not characters: a character may span two of them. Piece gives the bytes of one token, Decode the
// text of all, and a Decoder the text of a stream, which never ends inside a character.
//
// What a character is, and what a pattern matches, is what Hugging Face's library says, whichever Unicode Go has
// (zunicode.go, pattern.go). A hostile file cannot take more than its share: a pattern takes steps in proportion to the
// text, and no text grows to more than 32 times its size; what would is an error, never another tokenization.
//
// The vocabulary, merges, cache, template and the passage of a text through them are those of
// github.com/sugarme/tokenizer; no type of it is visible. What is ours stands behind its interfaces: the parse of
// the files, normalizers and pre-tokenizers (with scanners written by hand for the patterns in use), the merge loop
// and the decoders.
package tokenizer
