// Package npz reads and writes NumPy's .npz files: a zip archive with an array, NAME.npy,
// in each entry (NumPy enhancement proposal 1, "A simple file format for NumPy arrays").
//
// Every header is checked against its entry before memory is taken for an array, and an
// entry that ends too soon is an error. Element types are those of [checkpoint.Type]
// that NumPy has, and MLX's spelling of bfloat16, two bytes of "void" (V2), which is read
// and not written, for NumPy cannot compute with it: bfloat16 becomes float32.
package npz
