package judge

// These are the clauses of statements, field by field as the parser names them.

type alias struct {
	Aliasname string
	Colnames  []node
}

type rangeVar struct {
	Catalogname, Schemaname, Relname, Relpersistence string
	Inh                                              bool
	Alias                                            *alias
}

type intoClause struct {
	Rel                                    *rangeVar
	ColNames, Options                      []node
	AccessMethod, OnCommit, TableSpaceName string
	SkipData                               bool
}

type joinExpr struct {
	Jointype              string
	IsNatural             bool
	Larg, Rarg, Quals     node
	UsingClause           []node
	JoinUsingAlias, Alias *alias
}

type rangeSubselect struct {
	Lateral  bool
	Subquery node
	Alias    *alias
}

type rangeFunction struct {
	Lateral, Ordinality, IsRowsfrom bool
	Functions, Coldeflist           []node
	Alias                           *alias
}

type rangeTableFunc struct {
	Lateral             bool
	Docexpr, Rowexpr    node
	Namespaces, Columns []node
	Alias               *alias
}

type rangeTableFuncCol struct {
	Colname                  string
	TypeName                 *typeName
	ForOrdinality, IsNotNull bool
	Colexpr, Coldefexpr      node
}

type rangeTableSample struct {
	Relation, Repeatable node
	Method, Args         []node
}

type columnDef struct {
	Colname                        string
	TypeName                       *typeName
	IsLocal, IsNotNull, IsFromType bool
	CollClause                     *collateClause
}

type lockingClause struct {
	LockedRels           []node
	Strength, WaitPolicy string
}

type groupingSet struct {
	Kind    string
	Content []node
}

type withClause struct {
	Ctes      []node
	Recursive bool
}

type commonTableExpr struct {
	Ctename, Ctematerialized string
	Aliascolnames            []node
	Ctequery                 node
	SearchClause             *cteSearchClause
	CycleClause              *cteCycleClause
}

type cteSearchClause struct {
	SearchColList      []node
	SearchBreadthFirst bool
	SearchSeqColumn    string
}

type cteCycleClause struct {
	CycleColList                     []node
	CycleMarkColumn, CyclePathColumn string
	CycleMarkValue, CycleMarkDefault node
}

type inferClause struct {
	IndexElems  []node
	WhereClause node
	Conname     string
}

type onConflictClause struct {
	Action      string
	Infer       *inferClause
	TargetList  []node
	WhereClause node
}

type indexElem struct {
	Name, Indexcolname, Ordering, NullsOrdering string
	Expr                                        node
	Collation, Opclass                          []node
}

type resTarget struct {
	Name        string
	Indirection []node
	Val         node
}

type multiAssignRef struct {
	Source          node
	Colno, Ncolumns int
}

type sortBy struct {
	Node                   node
	SortbyDir, SortbyNulls string
	UseOp                  []node
}

type windowDef struct {
	Name, Refname                string
	PartitionClause, OrderClause []node
	FrameOptions                 int
	StartOffset, EndOffset       node
}

type jsonTable struct {
	ContextItem      *jsonValueExpr
	Pathspec         *jsonTablePathSpec
	Passing, Columns []node
	OnError          *jsonBehavior
	Alias            *alias
	Lateral          bool
}

type jsonTablePathSpec struct {
	String node
	Name   string
}

type jsonTableColumn struct {
	Coltype, Name, Wrapper, Quotes string
	TypeName                       *typeName
	Pathspec                       *jsonTablePathSpec
	Format                         *jsonFormat
	Columns                        []node
	OnEmpty, OnError               *jsonBehavior
}
