// Package render draws a lens.Grid: as a grid of coloured cells on a terminal, as JSON
// (the form that docs call mlxlens.trace/1) and the JSON of mlxterp and logitlenskit, as
// CSV in long form, as a picture ([Picture]: PNG, SVG) and as one HTML page to click
// through ([HTML]); and a lens.Comparison on a terminal. It is plain data in, bytes out:
// it needs no MLX library and knows no model.
//
// Terminal draws one row a site, the final one on top, and one column a position.
// A cell holds the row's own best token; its background is the number that the
// View names:
//
//	next   ·capital  ·of     ·France  ·is       –
//	29      ,        ·of*    ·France  ,        ·Paris
//	28      ,        ·of*    ·the     ,        ·Paris
//	…
//	input  The      ·capital ·of      ·France  ·is
//
// What is drawn of a token is what a reader can see and a terminal can not be
// steered by: see Visible.
package render
