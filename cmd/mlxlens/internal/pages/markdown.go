package main

import (
	"fmt"
	"regexp"
	"strings"
)

const byHand = "<!-- made by go test ./docs -run Commands -update -->\n\n"

// markdownList is the page that leads to all others.
func markdownList(all []page) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" + byHand + flowing(all[0].long) + "\n")
	for _, head := range []string{"All commands", "Help topics"} {
		fmt.Fprintf(&b, "\n## %s\n\n| | |\n|---|---|\n", head)
		for _, p := range all[1:] {
			if (p.usage == "") == (head == "Help topics") {
				fmt.Fprintf(&b, "| [`%s`](%s.md) | %s |\n", p.name, p.file(), prose(p.short))
			}
		}
	}
	b.WriteString("\n## Flags of all commands\n\n" + flagTable(all[0].common))
	return b.String()
}

func (p *page) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s%s.\n\n", p.name, byHand, prose(p.short))
	if p.usage != "" {
		fmt.Fprintf(&b, "```sh\n%s\n```\n\n", p.usage)
	}
	b.WriteString(flowing(p.long))
	if len(p.examples) > 0 {
		fmt.Fprintf(&b, "\n## Examples\n\n```sh\n%s\n```\n", strings.Join(p.examples, "\n"))
	}
	if len(p.below) > 0 {
		b.WriteString("\n## Commands\n\n| | |\n|---|---|\n")
		for _, c := range p.below {
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s |\n", c.name, strings.ReplaceAll(c.name, " ", "-"), prose(c.usage))
		}
	}
	if len(p.flags) > 0 {
		b.WriteString("\n## Flags\n\n" + flagTable(p.flags))
	}
	if len(p.codes) > 0 {
		b.WriteString("\n## Exit codes\n\n| code | |\n|---|---|\n")
		for _, c := range p.codes {
			fmt.Fprintf(&b, "| %d | %s |\n", c.Code, prose(c.Means))
		}
	}
	return b.String()
}

func flagTable(flags []option) string {
	var b strings.Builder
	b.WriteString("| flag | |\n|---|---|\n")
	for _, f := range flags {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, strings.ReplaceAll(prose(f.usage), "|", `\|`))
	}
	return b.String()
}

// flowing is a help text as Markdown.
func flowing(text string) string {
	var parts []string
	for _, b := range blocks(text) {
		lines := strings.Join(b.lines, "\n")
		if b.verbatim {
			lines = "```text\n" + lines + "\n```"
		} else {
			lines = prose(lines)
		}
		parts = append(parts, lines)
	}
	return strings.Join(parts, "\n\n") + "\n"
}

var (
	aFlag = regexp.MustCompile(`(^|[\s("])(--[a-z][a-z0-9-]*[a-z0-9](?:=[\w-]+)?|-[a-zA-Z])([\s),.:;=/"\]]|$)`)
	aPage = regexp.MustCompile(`\bdocs/([a-z]+\.md)\b`)
)

// prose is a text of the program as Markdown: its flags are code, which a browser does not break at their dashes, and the names of pages
// lead to them. What stands in backticks is code already.
func prose(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = aFlag.ReplaceAllString(parts[i], "$1`$2`$3")
	}
	parts = strings.Split(escaped(strings.Join(parts, "`")), "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = aPage.ReplaceAllString(parts[i], "[docs/$1](../$1)")
	}
	return strings.Join(parts, "`")
}

// escaped is text in which nothing is Markdown's but what stands in backticks.
func escaped(text string) string {
	var b strings.Builder
	code := false
	for _, r := range text {
		if r == '`' {
			code = !code
		}
		if !code && strings.ContainsRune(`*_[]<>\#`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
