// Package experiment sets runs of a model against each other: what a run computes at a place is
// put into another one, and the answer says what that place does (Patch). It takes logits apart into what
// parts of the model add to them (Attribute), and estimates by gradients what patches of places and of
// edges would do, and what tokens do (Estimate, AttributeEdges, AttributeInput).
// What many prompts have at a place gives directions that tell them apart (Steer, Probe), which edits
// add or project out.
//
// Runs that an experiment makes are batched, and what they have in common is computed once: the
// blocks below the first that differs, and the positions before it. Results are plain data; the
// package speaks token ids and never sees a tokenizer.
package experiment
