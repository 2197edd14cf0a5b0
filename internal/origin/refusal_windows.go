package origin

// Refusal says why a file or folder may not be taken unasked. On Windows that is every one: who may
// put something else in its place stands in access lists, which are not read here.
func Refusal(path string) string {
	return "who may change " + path + " is not read on Windows: name it"
}
