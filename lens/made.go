package lens

// Made says how a result was made, so that it can be made again.
type Made struct {
	Version  string   `json:"version"`
	Command  []string `json:"command"`             // the arguments
	Ref      string   `json:"model_ref,omitempty"` // the model as it was opened, which the arguments need not name
	Model    string   `json:"model_digest"`
	Revision string   `json:"revision,omitempty"` // the commit, of a model of the hub
	// ModelB and RevisionB are those of the second model of a comparison, "" where it has one.
	ModelB    string `json:"model_b_digest,omitempty"`
	RevisionB string `json:"revision_b,omitempty"`
	// Files are the digests of the files that were learnt from, of conversations, of lenses, and of those that edits name, by the
	// arguments that name them.
	Files map[string]string `json:"files,omitempty"`
}
