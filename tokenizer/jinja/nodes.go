package jinja

// expr is a node of an expression.
type expr interface{}

type (
	constNode struct{ value any } // a literal; strings, numbers, true, false, none
	nameNode  struct{ name string }
	listNode  struct{ items []expr }
	tupleNode struct{ items []expr }
	dictNode  struct{ keys, values []expr }

	condNode struct {
		line              int
		test, yes, orElse expr // orElse may be nil
	}
	logicNode struct {
		op          string
		left, right expr
	} // and, or
	notNode    struct{ x expr }
	binaryNode struct {
		op          string
		left, right expr
	}
	unaryNode struct {
		op string
		x  expr
	}
	concatNode  struct{ items []expr }
	compareNode struct {
		first expr
		ops   []string
		rest  []expr
	}
	attrNode struct {
		x    expr
		name string
		line int
	}
	itemNode struct {
		x, index expr
		line     int
	}
	sliceNode struct{ start, stop, step expr }

	arguments struct {
		pos                []expr
		names              []string
		named              []expr
		dynamic, dynamicKW expr // *args and **kwargs, or nil
	}
	callNode struct {
		f    expr
		args arguments
		line int
	}
	filterNode struct {
		x    expr // nil: the text of a filter or set block
		name string
		args arguments
		line int
	}
	testNode struct {
		x    expr
		name string
		args arguments
		line int
	}
)

// A target is what an assignment writes to: *nameNode, *tupleNode of targets, or *nsNode.
type nsNode struct{ name, attr string }

// stmt is a node of the template.
type stmt interface{}

type (
	outputNode struct {
		items []expr // *constNode of a text with data true, or an expression
		line  int
	}
	dataNode struct{ text string } // an item of outputNode
	assign   struct {
		target, value expr
		line          int
	}
	setBlock struct {
		target expr
		filter *filterNode // nil without one
		body   []stmt
		line   int
		frame  *symbols
	}
	forNode struct {
		target, iter, test expr
		recursive          bool
		body, orElse       []stmt
		line               int
		extended           bool // has the variable loop
		bodyFrame          *symbols
		testFrame          *symbols
		elseFrame          *symbols
	}
	ifNode struct {
		test   expr
		body   []stmt
		elifs  []*ifNode
		orElse []stmt
		line   int
	}
	withNode struct {
		targets, values []expr
		body            []stmt
		line            int
		frame           *symbols
	}
	macroNode struct { // also the body of a call block
		name                    string
		params                  []string
		defaults                []expr // of the last params
		body                    []stmt
		line                    int
		frame                   *symbols
		caller, kwargs, varargs bool // the body reads the special variable
	}
	callBlock struct {
		call  *callNode // nil: {% generation %}
		macro *macroNode
		line  int
	}
	filterBlock struct {
		filter *filterNode
		body   []stmt
		line   int
		frame  *symbols
	}
	breakNode    struct{ line int }
	continueNode struct{ line int }
)
