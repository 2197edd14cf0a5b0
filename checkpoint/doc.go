// Package checkpoint reads model files in pure Go: safetensors (one file, or
// shards with an index) and GGUF v2 and v3.
//
// Open maps the files into memory and parses and checks every header before a
// byte of a tensor is used: lengths, types, shapes whose product overflows,
// offsets outside the file, overlaps, duplicate names. What it hands out is
// plain Go: a [Tensor] has a name, a [Type], a shape (row-major, outermost
// first, in both formats) and readers for its values:
//
//   - [Tensor.Bytes] is the mapped file itself, without a copy;
//   - [Tensor.Float32] widens or dequantizes rows exactly;
//   - [Tensor.Affine] repacks GGUF's quantized blocks as MLX's affine
//     quantization (groups of 32 weights, 4 or 8 bits, float16 scales and biases),
//     in which they keep their values, and [Tensor.Affine32] those of Q4_K and Q5_K
//     (4 or 5 bits, float32 scales and biases); [Type.AffineBits] says of which types;
//   - [Tensor.Rows] is a view whose rows stand in another order, which undoes
//     llama.cpp's permutation of the query and key projections without a copy.
//
// A row is what one index of the outermost dimension selects. Readers take a
// range of rows and start no goroutines, so that the caller decides how the work
// is split. A Checkpoint may be read by many goroutines at once.
//
// # Mapped files
//
// The files stay mapped until [Checkpoint.Close]. Should another program cut one
// short meanwhile, Float32, Affine, Affine32 and Read fail with an error; but
// reading the part of [Tensor.Bytes] that is gone kills the process with SIGBUS.
// [Checkpoint.Verify] asks whether every file still has the size that was mapped:
// call it before a load, and after it when bytes were handed on that are read
// later. A file replaced by renaming another onto it (as downloads do) is no
// danger: the mapping keeps the old one.
//
// The package knows nothing of MLX: it builds and tests without it.
package checkpoint
