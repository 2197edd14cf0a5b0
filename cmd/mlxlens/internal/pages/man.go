package main

import (
	"fmt"
	"strings"
)

// man is the page in the macros of man(7).
func (p *page) man(all []page) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" made by make man from what the program says; not to be edited\n.TH %s 1 \"\" mlxlens \"mlxlens\"\n", strings.ToUpper(p.file()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(p.file()), roff(strings.ToLower(p.short[:1])+p.short[1:]))
	if p.usage != "" {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(p.usage))
	}
	b.WriteString(".SH DESCRIPTION\n")
	for _, block := range blocks(p.long) {
		if block.verbatim {
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(strings.Join(block.lines, "\n")))
		} else {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(strings.Join(block.lines, "\n")))
		}
	}
	if len(p.below) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range p.below {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(c.name), roff(c.usage))
		}
	}
	if len(p.flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, f := range p.flags {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(f.name), roff(f.usage))
		}
	}
	if len(p.examples) > 0 {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(strings.Join(p.examples, "\n")))
	}
	if len(p.codes) > 0 {
		b.WriteString(".SH EXIT STATUS\n")
		for _, c := range p.codes {
			fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", c.Code, roff(c.Means))
		}
	}
	var others []string
	for _, other := range all {
		if other.name != p.name {
			others = append(others, fmt.Sprintf(".BR %s (1)", roff(other.file())))
		}
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", strings.Join(others, ",\n"))
	return b.String()
}

// roff is text in which nothing is a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "").Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
