package auto

// Close frees the weights.
func (o *Opened) Close() {
	if !o.kept {
		o.Model.Close()
	}
}

// Kept returns the same for those that use it while o is open: their Close does nothing.
func (o *Opened) Kept() *Opened {
	kept := *o
	kept.kept = true
	return &kept
}
