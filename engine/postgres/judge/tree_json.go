package judge

// These are the expressions of JSON, field by field as the parser names them.

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
