package serve

import (
	"encoding/json"
	"strings"

	"github.com/mlxlens/mlxlens/lens/render"
)

// object is a JSON object.
type object = map[string]any

// OpenAPI describes the API (OpenAPI 3.1), made from the table of commands.
func (s *Service) OpenAPI() any { return openAPI(s.commands) }

func openAPI(commands []Command) object {
	paths := object{
		"/api/v1/loaded":       object{"get": object{"operationId": "loaded", "summary": "What is loaded: models, lenses and vectors", "responses": answers("application/json", object{"type": "object"})}},
		"/api/v1/openapi.json": object{"get": object{"operationId": "openapi", "summary": "This description", "responses": answers("application/json", object{"type": "object"})}},
	}
	paths["/api/v1/draw"] = object{"post": drawDescription()}
	for i := range commands {
		c := &commands[i]
		path := object{"post": object{
			"operationId": c.Name, "summary": c.Short,
			"description": "What `mlxlens " + c.Runs + "` does, with the same options. With `Accept: text/event-stream` the answer comes as events: queued, note, progress, columns, token, and at last result or problem.",
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": c.RequestSchema()}}},
			"responses":   c.responses(),
		}}
		if c.asksNothing() {
			path["get"] = object{"operationId": "get-" + c.Name, "summary": c.Short, "responses": c.responses()}
		}
		paths["/api/v1/"+c.Name] = path
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "mlxlens serve", "version": "1",
			"description": "A loaded model behind HTTP. Keys of a request are the prompts and the flags of the command line, with underscores for hyphens; answers have the schemas of docs/schema.",
		},
		"paths": paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
			"schemas": object{"Problem": object{
				"type": "object", "required": []string{"type", "title", "status", "detail"}, "description": "RFC 9457",
				"properties": object{"type": object{"type": "string"}, "title": object{"type": "string"}, "status": object{"type": "integer"}, "detail": object{"type": "string"}},
			}},
		},
	}
}

// drawDescription describes the endpoint that is no command.
func drawDescription() object {
	all := answers("text/csv", object{"type": "string"})
	content := all["200"].(object)["content"].(object)
	for _, format := range drawn[1:] {
		media, _, _ := strings.Cut(types[format], ";")
		content[media] = object{}
	}
	return object{
		"operationId": "draw", "summary": "Draw a grid that has been computed",
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{
			"type": "object", "required": []string{"grid", "format"}, "additionalProperties": false,
			"properties": object{
				"grid":    object{"type": "object", "description": "schema mlxlens.trace/1"},
				"format":  object{"enum": drawn, "description": "the format of the answer"},
				"view":    object{"enum": render.ViewNames(), "default": "prob", "description": "what the colour shows"},
				"command": object{"type": "string", "description": "the command line that made the grid, for the file to name"},
			},
		}}}},
		"responses": all,
	}
}

func answers(kind string, schema object) object {
	problem := object{"description": "What is wrong, in the words of the command line", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}
	return object{"200": object{"description": "The answer", "content": object{kind: object{"schema": schema}}}, "default": problem}
}

func (c *Command) responses() object {
	kind, schema := types[c.Formats[0]], object{"type": "object"}
	if c.Streams {
		kind = "application/x-ndjson"
	}
	if c.Schema != "" {
		schema["description"] = "schema " + c.Schema
	}
	all := answers(kind, schema)
	content := all["200"].(object)["content"].(object)
	for _, format := range c.Formats[1:] {
		media, _, _ := strings.Cut(types[format], ";")
		content[media] = object{}
	}
	content["text/event-stream"] = object{}
	return all
}

// RequestSchema is the JSON schema of a request (draft 2020-12).
func (c *Command) RequestSchema() map[string]any {
	properties := object{}
	for _, key := range c.Prompts {
		properties[key] = object{"type": "string"}
	}
	for _, j := range c.JSON {
		properties[j.Key] = object{"type": []string{"array", "object"}, "description": "what the command line takes as JSON, or from a file"}
	}
	if len(c.Formats) > 1 {
		properties["format"] = object{"enum": c.Formats, "default": c.Formats[0], "description": "the format of the answer"}
	}
	for i := range c.Options {
		o := &c.Options[i]
		p := object{"type": string(o.Kind), "description": o.Means}
		switch o.Kind {
		case List:
			p["type"], p["items"] = []string{"array", "string"}, object{"type": "string"}
		case Text: // selections may be numbers
			types := []string{"string", "number", "array"}
			if o.Alone != "" {
				types = append(types, "boolean")
			}
			p["type"], p["items"] = types, object{"type": "number"}
		}
		if o.Default != "" && o.Default != "[]" {
			p["default"] = o.Default
			if o.Kind != Text && o.Kind != List {
				p["default"] = json.RawMessage(o.Default)
			}
		}
		properties[o.Key()] = p
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}
