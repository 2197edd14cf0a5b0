package experiment

// stopped reports whether somebody has asked for what there is. A nil channel never asks.
func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// interruptedNote is what a figure says of a result whose rows are not all there.
const interruptedNote = "interrupted: rows without numbers (–) were not computed"
