// Package sparse reads sparse autoencoders and transcoders: dictionaries of features that a state is
// the sum of few of (Bricken et al. 2023, "Towards Monosemanticity"; Dunefsky et al. 2024,
// arXiv:2406.11944). [Open] reads the files of SAELens (cfg.json and sae_weights.safetensors) and of
// Gemma Scope (params.npz, or config.json and params.safetensors); [Autoencoder.On] puts one on a
// model's device, where it encodes the states of a place into activations of features and decodes
// these into a reconstruction.
//
//	a = σ(x̃·W_enc + b_enc)   [n, feature]
//	x̂ = a·W_dec + b_dec      [n, d_out]
//
// x̃ is the state, less b_dec where the file says so, and normalised where it says so. σ is a ReLU
// (standard), a ReLU above a threshold of each feature (JumpReLU: Rajamanoharan et al. 2024,
// arXiv:2407.14435), a ReLU of the k greatest (TopK: Gao et al. 2024, arXiv:2406.04093), or a ReLU
// where a gate with a bias of its own is open (gated: Rajamanoharan et al. 2024, arXiv:2404.16014).
// Weights stay in the type of the file.
package sparse
