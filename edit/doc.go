// Package edit says what goes into a model: the ids of a prompt, which of its positions are
// read, and what is changed on their way through ([Input]). Every entry that runs a model
// takes Inputs, and a [Batch] of them is one padded pass, each row with edits of its own.
//
// An [Edit] changes what passes a place (papers say intervention): ablate with [Zero] or
// [Mean], steer with [Add] or [Steer], patch with [Set], hide a token from others with [Mask]. Its text form
// is SITE[@POSITIONS][/KEYS][#HEADS]=OP,
// such as layers.5.mlp_out@3:6=scale:0.5.
package edit
