// Package tuned trains, reads and writes tuned lenses, one affine translator a layer (Belrose et
// al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens",
// arXiv:2303.08112), and applies them: a [Translator] is what lens.Options.Translator takes, and a
// [Trainer] makes a lens.
//
// Three forms of files are read, whose numbers are not interchangeable:
//
//	mlxterp             W·h + b      of resid_post   NAME.json, NAME.npz
//	AlignmentResearch   h + W·h + b  of resid_pre    config.json, params.pt
//	mlxlens             either, as its metadata say  NAME.safetensors
//
// What leaves block i enters block i+1, so that W(mlxterp)[i] = I + W(AlignmentResearch)[i+1];
// [Lens.OfPost] and [Lens.OfPre] convert. AlignmentResearch's has a translator of the
// embedding, and none after the last block, where the model itself decodes; mlxterp's has
// the last and not the first.
//
// Files are data: a params.pt is a pickle, of which only what a dictionary of tensors
// needs is understood, and nothing is called.
package tuned
