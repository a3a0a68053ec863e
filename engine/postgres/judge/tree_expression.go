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

type mergeSupportFunc struct{}

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

type jsonFormat struct {
	FormatType, Encoding string
}

type jsonReturning struct {
	Format *jsonFormat
}

type jsonOutput struct {
	TypeName  *typeName
	Returning *jsonReturning
}

type jsonValueExpr struct {
	RawExpr node
	Format  *jsonFormat
}

type jsonArgument struct {
	Val  *jsonValueExpr
	Name string
}

type jsonIsPredicate struct {
	Expr       node
	Format     *jsonFormat
	ItemType   string
	UniqueKeys bool
}

type jsonBehavior struct {
	Btype string
	Expr  node
}

type jsonFuncExpr struct {
	Op, ColumnName, Wrapper, Quotes string
	ContextItem                     *jsonValueExpr
	Pathspec                        node
	Passing                         []node
	Output                          *jsonOutput
	OnEmpty, OnError                *jsonBehavior
}

type jsonKeyValue struct {
	Key   node
	Value *jsonValueExpr
}

type jsonParseExpr struct {
	Expr       *jsonValueExpr
	Output     *jsonOutput
	UniqueKeys bool
}

type jsonScalarExpr struct {
	Expr   node
	Output *jsonOutput
}

type jsonSerializeExpr struct {
	Expr   *jsonValueExpr
	Output *jsonOutput
}

type jsonObjectConstructor struct {
	Exprs                []node
	Output               *jsonOutput
	AbsentOnNull, Unique bool
}

type jsonArrayConstructor struct {
	Exprs        []node
	Output       *jsonOutput
	AbsentOnNull bool
}

type jsonArrayQueryConstructor struct {
	Query        node
	Output       *jsonOutput
	Format       *jsonFormat
	AbsentOnNull bool
}

type jsonAggConstructor struct {
	Output    *jsonOutput
	AggFilter node
	AggOrder  []node
	Over      *windowDef
}

type jsonObjectAgg struct {
	Constructor          *jsonAggConstructor
	Arg                  *jsonKeyValue
	AbsentOnNull, Unique bool
}

type jsonArrayAgg struct {
	Constructor  *jsonAggConstructor
	Arg          *jsonValueExpr
	AbsentOnNull bool
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
