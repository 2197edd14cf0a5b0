// Package audit says how far a model is from another one of the same shape over a corpus: a
// quantization from its original, two quantizations from each other, a model from what it was
// fine-tuned from. One is the reference, the other the candidate.
//
// For each layer it reads the logit lens of both, and sums KL(reference ‖ candidate), whether the
// best tokens agree, both perplexities and the relative error of the stream; at the end it has the
// numbers of llama-perplexity --kl-divergence by their definitions. Modules are blamed by experiment: the
// reference with one module of the candidate's, or the candidate with one put back.
//
// Sums are in float64 and streamed: what is kept does not grow with the corpus, but for eight bytes
// a token of which percentiles are made. An [Audit] is saved and restored between any two
// sequences, and ends with the same numbers. The package speaks token ids and never sees a tokenizer.
package audit
