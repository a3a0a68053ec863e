package judge

// These are the statements that can be judged at all, field by field as the parser names them.

type selectStmt struct {
	DistinctClause, TargetList, FromClause, GroupClause, WindowClause, ValuesLists, SortClause, LockingClause []node
	IntoClause                                                                                                *intoClause
	WhereClause, HavingClause, LimitOffset, LimitCount                                                        node
	GroupDistinct, All                                                                                        bool
	LimitOption, Op                                                                                           string
	WithClause                                                                                                *withClause
	Larg, Rarg                                                                                                *selectStmt
}

type insertStmt struct {
	Relation            *rangeVar
	Cols, ReturningList []node
	SelectStmt          node
	OnConflictClause    *onConflictClause
	WithClause          *withClause
	Override            string
}

type updateStmt struct {
	Relation                              *rangeVar
	TargetList, FromClause, ReturningList []node
	WhereClause                           node
	WithClause                            *withClause
}

type deleteStmt struct {
	Relation                   *rangeVar
	UsingClause, ReturningList []node
	WhereClause                node
	WithClause                 *withClause
}

type mergeStmt struct {
	Relation                        *rangeVar
	SourceRelation, JoinCondition   node
	MergeWhenClauses, ReturningList []node
	WithClause                      *withClause
}

type mergeWhenClause struct {
	MatchKind, CommandType, Override string
	Condition                        node
	TargetList, Values               []node
}

type copyStmt struct {
	Relation           *rangeVar
	Query, WhereClause node
	Attlist, Options   []node
	IsFrom, IsProgram  bool
	Filename           string
}

type callStmt struct {
	Funccall *funcCall
}

type prepareStmt struct {
	Name     string
	Argtypes []node
	Query    node
}

type executeStmt struct {
	Name   string
	Params []node
}

type deallocateStmt struct {
	Name  string
	Isall bool
}

type explainStmt struct {
	Query   node
	Options []node
}

type declareCursorStmt struct {
	Portalname string
	Options    int
	Query      node
}

type fetchStmt struct {
	Direction, Portalname string
	HowMany               int
	Ismove                bool
}

type closePortalStmt struct {
	Portalname string
}

type transactionStmt struct {
	Kind, SavepointName, Gid string
	Options                  []node
	Chain                    bool
}

type variableSetStmt struct {
	Kind, Name string
	Args       []node
	IsLocal    bool
}

type variableShowStmt struct {
	Name string
}

type discardStmt struct {
	Target string
}

type unlistenStmt struct {
	Conditionname string
}

type constraintsSetStmt struct {
	Deferred bool
}

type defElem struct {
	Defnamespace, Defname, Defaction string
	Arg                              node
}
