// Package pdf writes one drawing as a PDF of one page (ISO 32000-1, PDF 1.7): boxes, lines, and
// text in fonts that are embedded, cut down to the characters that were written, and say which
// character each glyph is, so that the text can be searched and copied.
//
// Nothing in a file depends on when or where it was made: the same calls lead to the same bytes.
//
// Lengths are points, 1/72 inch, x to the right and y down from the top.
package pdf
