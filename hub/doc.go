// Package hub finds models in the Hugging Face cache and fetches them into it.
//
// The cache is the one that Python's huggingface_hub keeps, so what either has
// fetched the other finds:
//
//	models--owner--name/
//	  blobs/<etag>                 the files, named by their content
//	  refs/<revision>              the commit that a branch or tag stood for
//	  snapshots/<commit>/<file>    links to ../../blobs/<etag>
//	.locks/models--owner--name/<etag>.lock
//
// An etag is the content's own hash: the SHA-256 of a large file, the SHA-1 that git
// gives a small one. Every file is checked against it before it gets its name, so a
// blob that exists is whole. Until then it is <etag>.incomplete, from which a later
// Pull goes on.
//
// A snapshot is linked when all of its blobs are there, its config.json last, and
// the ref is written after it. Whatever stops a Pull, Find does not take what it left
// for a model.
//
// [New] reads the variables that huggingface_hub reads: HF_HOME, HF_HUB_CACHE,
// HF_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE,
// HF_HUB_DISABLE_SYMLINKS, XDG_CACHE_HOME, and the older names HUGGINGFACE_HUB_CACHE,
// HUGGING_FACE_HUB_TOKEN and TRANSFORMERS_OFFLINE. The token is
// sent to the endpoint and to no other host, wherever the endpoint redirects.
//
//	c, err := hub.New(hub.Options{})
//	ref, err := hub.ParseRef("mlx-community/Llama-3.2-1B-Instruct-4bit")
//	snapshot, err := c.Find(ref)
//	if errors.Is(err, hub.ErrNotCached) {
//		snapshot, err = c.Pull(ctx, ref, hub.PullOptions{})
//	}
package hub
