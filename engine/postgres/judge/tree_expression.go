package judge

// These are expressions, field by field as the parser names them.

type columnRef struct {
	Fields []node
}

type paramRef struct {
	Number int
}

type operation struct {
	Kind         string
	Name         []node
	Lexpr, Rexpr node
}

type constant struct {
	Isnull  bool
	Ival    *integer
	Fval    *float
	Boolval *boolean
	Sval    *str
	Bsval   *bitString
}

type star struct{}

type indices struct {
	IsSlice    bool
	Lidx, Uidx node
}

type indirection struct {
	Arg         node
	Indirection []node
}

type arrayExpr struct {
	Elements []node
}

type typeCast struct {
	Arg      node
	TypeName *typeName
}

type typeName struct {
	Names, Typmods, ArrayBounds []node
	Setof, PctType              bool
}

type collateClause struct {
	Arg      node
	Collname []node
}

type funcCall struct {
	Funcname, Args, AggOrder                           []node
	AggFilter                                          node
	Over                                               *windowDef
	AggWithinGroup, AggStar, AggDistinct, FuncVariadic bool
	Funcformat                                         string
}

type namedArgExpr struct {
	Arg  node
	Name string
}

type boolExpr struct {
	Boolop string
	Args   []node
}

type subLink struct {
	SubLinkType         string
	Testexpr, Subselect node
	OperName            []node
}

type caseExpr struct {
	Arg, Defresult node
	Args           []node
}

type caseWhen struct {
	Expr, Result node
}

type rowExpr struct {
	Args      []node
	RowFormat string
}

type coalesceExpr struct {
	Args []node
}

type minMaxExpr struct {
	Op   string
	Args []node
}

type sqlValueFunction struct {
	Op string
}

type nullTest struct {
	Arg          node
	Nulltesttype string
}

type booleanTest struct {
	Arg          node
	Booltesttype string
}

type setToDefault struct{}

type currentOfExpr struct {
	CursorName string
}

type groupingFunc struct {
	Args []node
}

type mergeSupportFunc struct {
	Msftype int
}

type xmlExpr struct {
	Op, Name, Xmloption string
	NamedArgs, Args     []node
	Indent              bool
}

type xmlSerialize struct {
	Xmloption string
	Expr      node
	TypeName  *typeName
	Indent    bool
}

type str struct {
	Sval string
}

type integer struct {
	Ival int
}

type float struct {
	Fval string
}

type boolean struct {
	Boolval bool
}

type bitString struct {
	Bsval string
}

type items struct {
	Items []node
}
