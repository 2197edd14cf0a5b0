// Package jacobian fits, reads and writes Jacobian lenses (Gurnee et al. 2026, "Verbalizable
// Representations Form a Global Workspace in Language Models", Transformer Circuits Thread). A lens has one matrix
// a layer, [d_model, d_model]: the mean effect that a small change of the stream behind block l
// at position t has on the stream behind the last block, at t and all later positions:
//
//	J_l = mean over prompts of  1/|V| · Σ_{t∈V} Σ_{t'∈V, t'≥t} ∂h_last,t' / ∂h_l,t
//
// V being the positions from 16 on, without the last one. The lens reads
//
//	logits = Unembed(FinalNorm(J_l·h_l))
//
// so that J = I is the logit lens. A [Translator] is what lens.Options.Translator takes.
//
// Files are those of TransformerLens 4 and of the paper's own package, a .pt of torch.save with a dictionary:
//
//	lens        {"J": {layer: [d_model, d_model]}, "n_prompts", "d_model", "source_layers", "metadata"}
//	checkpoint  {"jacobian_sum": {layer: [d_model, d_model]}, "n_done", "next_idx", "source_layers", "target_layer", "skip_first"}
//
// and a .safetensors with the matrices as layers.{l}.resid_post. A file is data: nothing in
// it is run. A matrix is read when it is asked for.
package jacobian
