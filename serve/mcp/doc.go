// Package mcp puts a service behind the Model Context Protocol: the commands of a loaded model as tools of
// language models and their clients.
//
// [NewServer] makes a server of the protocol's official SDK, with a tool for each command. A request is the
// same JSON object as over HTTP. An answer in JSON is structured content with the published schema of its
// command, with a short text beside it; a picture is an image, another file a resource, and an error of what was
// asked a tool's error with the sentence of the command line.
package mcp
