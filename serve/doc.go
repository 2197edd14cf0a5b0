// Package serve puts a loaded model behind HTTP: an API with the schemas of the command line, and a
// page to explore with.
//
// A [Service] is what HTTP and any other door share: it takes requests for the commands of an
// [Engine], lets one at a time compute and the others wait in line, and bounds what each may take. A
// request is a JSON object whose keys are the prompts, and the flags of the command line with
// underscores for hyphens; its answer is what the command prints. [Service.Handler] is the HTTP of it.
package serve
